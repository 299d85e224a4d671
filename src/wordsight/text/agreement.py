"""Agreement in number: whether an English noun is a plural, and the form of a verb that agrees with one."""

import re

_PLURALS = {"people", "men", "women", "children", "police", "geese", "mice", "feet", "teeth", "skis", "taxis"}
_SINGULARS = {"gas", "canvas", "christmas", "atlas", "pancreas", "chaos", "cosmos", "rhinoceros", "thermos"}
_SINGULARS |= {"outdoors", "indoors", "upstairs", "downstairs", "lens", "news", "series", "species"}
_MEN = {"abdomen", "acumen", "amen", "cyclamen", "omen", "ramen", "regimen", "semen", "specimen", "stamen"}
_IRREGULAR = {"is": "are", "was": "were", "has": "have", "does": "do", "goes": "go", "focuses": "focus"}


def is_plural(noun: str) -> bool:
    """Whether a noun, or the head of a noun phrase, is a plural: "two dogs", but neither "bus" nor "group of men".

    Decided by the ending "s" and lists of exceptions; the head is the last word, or the last before "of".
    """
    head = noun.lower().partition(" of ")[0].rpartition(" ")[2]
    if head.endswith(("men", "people", "children")) and head not in _MEN:
        return True
    return head in _PLURALS or (
        len(head) > 2 and head.endswith("s") and not head.endswith(("ss", "us", "is", "ics")) and head not in _SINGULARS
    )


def plural_verb(verb: str) -> str:
    """The plural of a verb in the third person singular: "walks" -> "walk", "is" -> "are"."""
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb.endswith("ies") and len(verb) > 4:  # "carries", not "ties"
        return verb[:-3] + "y"
    if re.search(r"(?:ss|sh|ch|x|zz)es$", verb) and verb != "aches":  # "pushes", "catches"
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb

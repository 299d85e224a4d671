"""Verbs in captions: the words for each of imSitu's verbs, and the prepositions that introduce each role."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from wordsight.data.flickr_situations.noun_words import words
from wordsight.data.verbs import Verb


@dataclass(frozen=True)
class Meaning:
    """What a word of a caption means.

    Attributes:
        verb: a verb of imSitu.
        role: a role that the word implies; "" for most words.
        noun: the noun that fills it: "skateboarding" implies the vehicle.
    """

    verb: str
    role: str = ""
    noun: str = ""


_SYNONYMS = {  # verb of imSitu -> base forms in captions that mean it
    "jumping": "leap hop bound",
    "running": "sprint jog gallop dash",
    "walking": "stroll",
    "hugging": "embrace",
    "talking": "speak converse chat",
    "throwing": "toss fling hurl",
    "smiling": "grin",
    "climbing": "scale",
    "shouting": "yell scream",
    "sleeping": "nap",
    "gathering": "congregate",
    "bouncing": "dribble",
    "crouching": "squat",
    "resting": "lie lay lounge relax recline",
    "boating": "sail",
    "rowing": "paddle kayak canoe",
    "riding": "bike bicycle cycle pedal snowboard",
    "skating": "skateboard rollerblade rollerskate iceskate skate",
    "sliding": "sled",
    "chewing": "gnaw nibble",
    "photographing": "photograph",
    "stroking": "pet",
    "chasing": "pursue",
}
_SAID = {"seated": "sitting", "perched": "sitting", "asleep": "sleeping", "gathered": "gathering"}  # not present forms
_IRREGULAR = {"lying": "lie", "laying": "lay"}
IMPLIED = {  # base forms that imply a role -> (role, noun)
    "skateboard": ("vehicle", "skateboard"),
    "kayak": ("vehicle", "kayak"),
    "canoe": ("vehicle", "canoe"),
    "rollerblade": ("vehicle", "rollerblade"),
    "bike": ("vehicle", "bicycle"),
    "bicycle": ("vehicle", "bicycle"),
    "snowboard": ("vehicle", "snowboard"),
    "sled": ("slider", "sled"),
}
_HOMONYMS = words("pasting rocking grinding making picking puckering working")  # "past", "rock"
_ALIKE = {  # prepositions of a template -> those of captions
    "using": "using with",
    "with": "with using",
    "from": "from off out",
    "into": "into in inside",
    "onto": "onto on",
    "to": "to toward towards",
    "towards": "to toward towards",
    "toward": "to toward towards",
    "over": "over across",
    "through": "through",
    "on": "on onto atop",
    "against": "against",
    "of": "of",
    "off": "off",
}
_OVERRIDES = {  # verb -> role -> prepositions in captions ("-": direct object, "": none), where templates mislead
    "jumping": {"source": "from off out", "obstacle": "over through across", "destination": "into onto"},
    "sitting": {"contact": "on atop in"},
    "kneeling": {"contact": "on"},
    "leaning": {"item": "", "against": "against on over"},
    "resting": {"item": "", "goal": "on in atop against"},
    "riding": {"vehicle": "- on in"},
    "skating": {"vehicle": "- on with"},
    "surfing": {"path": "-", "tool": "- on with"},
    "swinging": {"carrier": "on in from"},
    "sliding": {"slider": "", "surface": "down on along - across", "destination": "into onto"},
    "talking": {"listener": "to with", "manner": ""},
    "boating": {"boaters": "", "vehicle": "- in on"},
    "rowing": {"vehicle": "- in"},
    "driving": {"item": "- in"},
    "floating": {"medium": "on in", "tool": "with"},
    "swimming": {},
    "chasing": {"chasee": "- after"},
    "wading": {"substance": "through in into"},
    "hanging": {"item": "", "scaffold": "from on"},
    "falling": {"source": "from off", "goal": "into onto to"},
    "performing": {"event": "-", "stage": "on", "tool": ""},
    "splashing": {"destination": "", "substance": "", "tool": ""},
    "diving": {},
    "climbing": {"obstacle": "- up over on", "tool": "with using"},
    "hiking": {},
    "shaking": {"item": "-", "tool": ""},
    "flipping": {"flipped": "", "tool": ""},
    "drinking": {"liquid": "-", "container": "from out"},
    "eating": {"food": "- on", "container": "from out", "tool": "with"},
    "throwing": {"item": "-", "destination": "to into toward towards at"},
    "carrying": {"item": "-", "agentpart": "in on"},
    "pulling": {"item": "-", "tool": "with"},
    "reading": {"item": "-"},
    "hugging": {"hugged": "-", "agentpart": ""},
    "fishing": {"source": "", "tool": "with"},
    "photographing": {"item": "- of", "tool": "with"},
    "kissing": {"coagent": "-", "coagentpart": "on", "agentpart": ""},
    "biting": {"item": "- on at"},
    "skiing": {},
    "racing": {"against": ""},
}
_AFTER_ROLE = re.compile(r"[^A-Za-z]+")
_ARTICLES = words("a an the its his her their")
_NO_MARKERS = words("at in for by as and")
LIGHT = {  # light verbs, whose meaning is in a noun after them: form -> base form
    word: light
    for light, forms in {
        "play": "play plays playing",
        "do": "do does doing perform performs performing",
        "go": "go goes going come comes coming",
        "take": "take takes taking",
        "hold": "hold holds holding has having",
    }.items()
    for word in forms.split()
}
WITH = {  # (light verb or "ride", noun) -> meaning
    **dict.fromkeys((("do", "skateboard"), ("ride", "skateboard")), Meaning("skating", "vehicle", "skateboard")),
    **dict.fromkeys((("ride", "wave"), ("ride", "surfboard")), Meaning("surfing")),
    **dict.fromkeys(((one, "swing") for one in ("play", "ride", "go")), Meaning("swinging", "carrier", "swing")),
    **dict.fromkeys(((one, "slide") for one in ("play", "ride", "go")), Meaning("sliding", "surface", "slide")),
    ("go", "sled"): Meaning("sliding", "slider", "sled"),
    **{("take", one): Meaning("photographing") for one in ("picture", "photo", "photograph")},
}
OTHER_SENSE = {("hang", "out"), ("hangs", "out"), ("hanging", "out")}
BARE = words("swinging shooting")  # with an object ("swings a bat") they mean another verb


def meanings(verbs: Collection[str]) -> dict[str, Meaning]:
    """Word -> meaning, for the present forms of these verbs and of their synonyms."""
    bases = {base: verb for verb in verbs if verb not in _HOMONYMS for base in bases_of(verb)}
    bases |= {base: verb for verb, some in _SYNONYMS.items() if verb in verbs for base in some.split()}
    found = {word: Meaning(verb, *IMPLIED.get(base, ())) for base, verb in bases.items() for word in _forms(base)}
    found |= {word: Meaning(bases[base]) for word, base in _IRREGULAR.items() if base in bases}
    return found | {word: Meaning(verb) for word, verb in _SAID.items() if verb in verbs}


def bases_of(gerund: str) -> list[str]:
    """The possible base forms of a gerund: "run" and "runn" for "running", "ride" and "rid" for "riding"."""
    if gerund == "tying":
        return ["tie"]
    stem = gerund.removesuffix("ing")
    doubled = len(stem) > 2 and stem[-1] == stem[-2] and stem[-1] in "bdgmnprt"
    return [stem[:-1], stem] if doubled else [stem + "e", stem]


def _forms(base: str) -> Iterator[str]:
    """The present forms of a verb, and a few strings that are no words."""
    yield from (base, base + "es", base + "ing", base + base[-1] + "ing")
    yield base[:-1] + "ies" if base.endswith("y") and base[-2] not in "aeiou" else base + "s"
    if base.endswith("e") and base[-2:] not in ("ee", "oe", "ye"):
        yield base[:-1] + "ing"


def markers(verb: Verb) -> dict[str, frozenset[str]]:
    """The prepositions before each role of a verb except its place: "" for the subject, "-" for a direct object.

    They are those of its template and their synonyms; a table replaces those of templates that mislead.
    """
    found: dict[str, frozenset[str]] = {}
    template = re.sub(r"[/()]", " ", verb.template).split()
    for at, word in enumerate(template):
        role = _AFTER_ROLE.split(word)[0].lower()
        if role not in verb.roles or role in found or role == "place" or not word[0].isupper():
            continue
        before = next((one for one in reversed(template[:at]) if one.lower() not in _ARTICLES), "")
        if not found and role == verb.roles[0]:
            found[role] = frozenset([""])
        elif before in _ALIKE:
            found[role] = frozenset(_ALIKE[before].split())
        else:
            found[role] = frozenset(["-"]) if before.islower() and before not in _NO_MARKERS else frozenset()
    subject = {role: some for role, some in found.items() if "" in some}
    mended = {role: frozenset(some.split()) for role, some in _OVERRIDES.get(verb.name, {}).items()} or found
    return subject | {role: some for role, some in mended.items() if role not in subject}

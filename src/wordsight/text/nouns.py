"""Head nouns of a sentence: "a group of men on a tennis court" -> men, court.

Rules over the word table's nouns, enough for captions: neighbouring nouns are one compound, whose last word is the
head; words such as "group" or "front" are skipped.
"""

from collections.abc import Sequence

from wordsight.text.word_table import WordTable

NEAR = 0.62  # minimum cosine of near-synonyms: "couch" and "sofa", "men" and "people", but not "man" and "woman"
_VAGUE = (
    "group couple bunch pair lot lots kind type piece pieces slice slices set picture pictures photo photograph image "
    "view close front side sides top bottom back end edge middle center background foreground area air day time way "
    "one ones other others each something thing things part row line number variety inside outside left right corner "
    "distance next it its lots stack pile bit body scene shot display person's"
)
VAGUE = frozenset(_VAGUE.split())


def heads(words: Sequence[str], table: WordTable) -> list[int]:
    """Positions of head nouns, in order; the first is the main one.

    Args:
        words: as `tokenise` gives them.
        table: has the nouns.
    """
    nouns = [table.is_noun(word) and word not in VAGUE for word in words]
    ends = [place for place, noun in enumerate(nouns) if noun and not any(nouns[place + 1 : place + 2])]
    return [place for place in ends if table.is_thing(words[place])]

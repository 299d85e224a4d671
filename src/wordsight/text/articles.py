"""The indefinite article: "a" before a consonant sound, "an" before a vowel sound.

Decided by the word's first letters: "an elephant", but "a unicycle" and "a European gallinule", which begin with the
sound of "you", "a one-way street" with that of "w", and "an hourglass", whose h is silent.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

_VOWEL = re.compile(r"[aeiou]|hour|hon(?:est|ou?r)|heir")
_CONSONANT = re.compile(  # begins with the sound of "you", or of "one"
    r"u(?:[ks]|pc|sb)?$|uni(?![dmn])|us[aeu]|ut[aei]|ukul|ura[ln]|uri|ubiq|eu|ew[ae]|one$|once$|one-|oneway"
)


def article(word: str) -> str:
    """The indefinite article before an English word: "a" or "an"."""
    word = word.lower()
    return "an" if _VOWEL.match(word) and not _CONSONANT.match(word) else "a"


def agree(words: Sequence[str]) -> list[str]:
    """The same words, with each "a" or "an" agreeing with the next word."""
    return [article(after) if word in ("a", "an") else word for word, after in pairwise(words)] + list(words[-1:])

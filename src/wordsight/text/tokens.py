"""Sentence -> words, the paper's way: lowercase, only letters and digits."""

import re
import unicodedata
from functools import lru_cache

_DETERMINERS = (
    "a an the this that these those some any each other another its his her their one two three four five six several "
    "many few both all"
)
_JOINING = "it he she they in on at of with and or to from by for as than then there is are was be while"
JOINING_WORDS = frozenset(_JOINING.split())  # the name of a thing does not begin with them
FUNCTION_WORDS = JOINING_WORDS.union(_DETERMINERS.split())  # they are seen nowhere in a picture

# Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, Japanese syllables, Chinese characters.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
_APOSTROPHES = str.maketrans("", "", "\u02bb\u02bc\u02bd")  # Unicode calls these letters
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # which form of an emoji or a character is shown
_SYLLABLES_APART = str.maketrans("\u0f0b\u0f0c", "  ")  # as Tibetan writes it


def tokenise(sentence: str) -> list[str]:
    """The words of a sentence.

    The sentence is lowercased and split on white space; what is neither letter nor digit (in any script) is dropped
    from each piece, and pieces with nothing left are dropped: "Don't!" is one word, "dont", and " - " is none. Marks
    that combine with a letter, such as the vowels of Hindi, are letters, however Unicode puts them together. In scripts
    without spaces each character, with its marks, is a word.

    Args:
        sentence: any text.

    Returns:
        The words in order; empty when there are none.
    """
    if not sentence.isascii():
        sentence = spaced(unicodedata.normalize("NFC", sentence))
    words = []
    for piece in sentence.lower().split():
        word = piece if piece.isalnum() and piece.isascii() else _word(piece)
        if word:
            words.append(word)
    return words


def spaced(text: str) -> str:
    """A text with spaces around each character, and its marks, of scripts that are written without any."""
    text = text.translate(_SYLLABLES_APART)
    if not _UNSPACED.search(text):
        return text
    parts = []
    apart = False
    for char in text:
        if not is_mark(char):
            now = _UNSPACED.match(char) is not None
            if now or apart:
                parts.append(" ")
            apart = now
        parts.append(char)
    return "".join(parts)


def is_mark(char: str) -> bool:
    """Whether a character combines with the letter before it, and changes which letter that is."""
    return unicodedata.category(char) in ("Mn", "Mc") and not _SELECTORS.match(char)


@lru_cache(maxsize=1 << 16)
def _word(piece: str) -> str:
    """The letters and digits of a piece without spaces; a mark counts behind one of them."""
    word = ""
    for char in piece.translate(_APOSTROPHES):
        if char.isalnum() or (word and not char.isascii() and is_mark(char)):
            word += char
    return word.replace("i\u0307", "i")  # what Python makes of the capital dotted İ

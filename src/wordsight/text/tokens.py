"""Tokenisation as in the paper: lowercase, only letters and digits."""

import re
import unicodedata
from functools import lru_cache

_DETERMINERS = (
    "a an the this that these those some any each other another its his her their one two three four five six several "
    "many few both all"
)
_JOINING = "it he she they in on at of with and or to from by for as than then there is are was be while"
JOINING_WORDS = frozenset(_JOINING.split())  # no name begins with them
FUNCTION_WORDS = JOINING_WORDS.union(_DETERMINERS.split())  # not visible in a picture

# Scripts without spaces between words: Thai, Lao, Burmese, Khmer, Japanese syllables, Chinese characters.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
_APOSTROPHES = str.maketrans("", "", "\u02bb\u02bc\u02bd")  # Unicode calls these letters
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # variants of an emoji or a character
_SURROGATES = re.compile("[\ud800-\udfff]")
_SYLLABLES_APART = str.maketrans("\u0f0b\u0f0c", "  ")  # Tibetan's marks between syllables


def tokenise(sentence: str) -> list[str]:
    """The words of a sentence.

    The sentence is lowercased and split on white space; characters other than letters and digits (of any script) are
    dropped, and so are empty pieces: "Don't!" is one word, "dont", and " - " is none. Combining marks, such as the
    vowels of Hindi, are letters, in any Unicode normalisation. In scripts without spaces each character, with its
    marks, is a word.

    Args:
        sentence: any text.

    Returns:
        The words in order; empty without any.
    """
    if not sentence.isascii():
        sentence = spaced(unicodedata.normalize("NFC", sentence))
    words = []
    for piece in sentence.lower().split():
        word = piece if piece.isalnum() and piece.isascii() else _word(piece)
        if word:
            words.append(word)
    return words


def without_surrogates(text: str) -> str:
    """Text with U+FFFD for each half of a surrogate pair (a cut emoji in JSON), which UTF-8 cannot hold."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def spaced(text: str) -> str:
    """Put spaces around each character, with its marks, of scripts without spaces."""
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
    """Whether a character is a combining mark that changes its letter."""
    return unicodedata.category(char) in ("Mn", "Mc") and not _SELECTORS.match(char)


@lru_cache(maxsize=1 << 16)
def _word(piece: str) -> str:
    """The letters and digits of a piece without spaces, with their marks."""
    word = ""
    for char in piece.translate(_APOSTROPHES):
        if char.isalnum() or (word and not char.isascii() and is_mark(char)):
            word += char
    return word.replace("i\u0307", "i")  # Python's lowercase of the capital dotted İ

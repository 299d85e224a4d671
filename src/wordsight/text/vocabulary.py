"""The words a model knows, and sentences as their numbers."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch

from wordsight.batch import Words
from wordsight.errors import InputError
from wordsight.files import describe, field, read_json, write_text
from wordsight.text.tokens import tokenise

END = "<end>"
UNKNOWN = "<unk>"
SPECIAL = (END, UNKNOWN)


@dataclass(frozen=True)
class Vocabulary:
    """The words a model knows; word number i is `words[i]`.

    Attributes:
        words: (V,) "<end>" (number 0, also the padding), "<unk>" (number 1: every word that is not known), then the
            known words.
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.words[:2] != SPECIAL or len(set(self.words)) != len(self.words):
            raise ValueError("a vocabulary starts with <end>, <unk> and names no word twice")

    @classmethod
    def build(cls, sentences: Iterable[str], min_count: int = 5) -> Self:
        """The words seen at least `min_count` times in the sentences, most frequent first, then by the alphabet.

        Raises:
            InputError: no word was seen that often.
        """
        counts = Counter(word for sentence in sentences for word in tokenise(sentence))
        known = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
        if not known:
            raise InputError(
                f"No word is seen {min_count} times or more in the {counts.total()} words of the sentences: "
                "expected more sentences, or a smaller data.min_count."
            )
        return cls((*SPECIAL, *known))

    def extended(self, sentences: Iterable[str], min_count: int) -> Self:
        """The same words with the same numbers, then the new ones seen at least `min_count` times in the sentences."""
        counts = Counter(word for sentence in sentences for word in tokenise(sentence) if word not in self)
        new = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
        return type(self)((*self.words, *new))

    @cached_property
    def number(self) -> dict[str, int]:
        """Word -> its number, 0 to V - 1."""
        return {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        """V: the known words and the two special ones."""
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        """Whether a word, as `tokenise` gives it, is known."""
        return word in self.number

    def tokens(self, sentence: str) -> list[str]:
        """The words of a sentence as it spells them, one for each number that `encode` gives: never empty."""
        return tokenise(sentence) or [UNKNOWN]

    def encode(self, sentences: Sequence[str]) -> Words:
        """Sentences as numbers, padded at the end to the longest of them.

        A sentence without any word becomes one unknown word.

        Args:
            sentences: N texts.

        Returns:
            Words with ids (N, T) and mask (N, T); T is at least 1.
        """
        rows = [[self.number.get(word, 1) for word in self.tokens(sentence)] for sentence in sentences]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        mask = np.arange(max(1, lengths.max(initial=1))) < lengths[:, None]  # (N, T)
        ids = np.zeros(mask.shape, dtype=np.int64)
        ids[mask] = np.fromiter((number for row in rows for number in row), dtype=np.int64, count=int(lengths.sum()))
        return Words(torch.from_numpy(ids), torch.from_numpy(mask))

    def coverage(self, sentences: Iterable[str]) -> float:
        """The share of the sentences' words that are known, 0 to 1; 0 when they have no words."""
        counts = Counter(word for sentence in sentences for word in tokenise(sentence))
        known = sum(count for word, count in counts.items() if word in self.number)
        return known / max(1, counts.total())

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON.

        Raises:
            InputError: the file cannot be written.
        """
        write_text(Path(path), json.dumps({"format": 1, "words": self.words}, ensure_ascii=False, indent=0) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a vocabulary that `save` wrote.

        Raises:
            InputError: the file is missing, is not JSON, or is no vocabulary; the message names the line or key.
        """
        content = read_json(Path(path))
        if field(content, "format", int, str(path)) != 1:
            raise InputError(f"{path}, key 'format': expected 1, found {describe(content['format'])}.")
        words = field(content, "words", list, str(path))
        for number, word in enumerate(words):
            if not isinstance(word, str):
                raise InputError(f"{path}, key 'words', word {number}: expected text, found {describe(word)}.")
        if tuple(words[:2]) != SPECIAL:
            raise InputError(f"{path}, key 'words': expected the words to start with {END} and {UNKNOWN}.")
        if repeated := [word for word, count in Counter(words).items() if count > 1]:
            raise InputError(f"{path}, key 'words': '{repeated[0]}' is there twice.")
        return cls(tuple(words))

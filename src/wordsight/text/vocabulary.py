"""Vocabulary: word ids, and sentences as ids."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from wordsight.batch import Words
from wordsight.errors import InputError
from wordsight.files import describe, field, read_json, write_text
from wordsight.text.tokens import FUNCTION_WORDS, tokenise
from wordsight.text.word_classes import LINKING
from wordsight.text.word_table import word_table

END = "<end>"
UNKNOWN = "<unk>"
SPECIAL = (END, UNKNOWN)
LONGEST = 20  # maximum words of a caption, unless the training sentences have more
COVERED = 0.99  # share of the training sentences that are no longer than a caption can be
MOST_WORDS = 1000  # upper limit of `longest`, also in files


@dataclass(frozen=True)
class Vocabulary:
    """Vocabulary of a model; word id i is `words[i]`.

    Attributes:
        words: (V,) "<end>" (id 0, also the padding), "<unk>" (id 1: every unknown word), then the known words.
        trained: the number of words, from the first, that come from the training split; 0 for all. The others of an
            open vocabulary come from the word table (`text/word_table.py`), which also corrects spelling.
        longest: maximum words of a caption.
    """

    words: tuple[str, ...]
    trained: int = 0
    longest: int = LONGEST
    open: ClassVar[bool] = False  # whether it has every word, also those not in `words`

    def __post_init__(self) -> None:
        if self.words[:2] != SPECIAL or len(set(self.words)) != len(self.words):
            raise ValueError("a vocabulary starts with <end>, <unk> and names no word twice")

    @classmethod
    def build(cls, sentences: Iterable[str], min_count: int = 5) -> Self:
        """Build from sentences: words of at least `min_count` occurrences, most frequent first, then alphabetical.

        Raises:
            InputError: no word is that frequent.
        """
        counts = Counter(word for sentence in sentences for word in tokenise(sentence))
        known = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
        if not known:
            raise InputError(
                f"No word is seen {min_count} times or more in the {counts.total()} words of the sentences: "
                "expected more sentences, or a smaller data.min_count."
            )
        return cls((*SPECIAL, *known))

    def opened(self, table: Iterable[str]) -> Self:
        """An open vocabulary: its own words, then the others of a table."""
        known = set(self.words)
        return type(self)((*self.words, *(word for word in table if word not in known)), len(self.words), self.longest)

    def spanning(self, lengths: Tensor) -> Self:
        """Let captions be as long as nearly all training sentences, and never shorter than before.

        Args:
            lengths: (N,), the sentences' numbers of words.
        """
        if not len(lengths):
            return self
        reached = int(lengths.sort().values[math.ceil(COVERED * len(lengths)) - 1])
        return replace(self, longest=min(max(self.longest, reached), MOST_WORDS))

    def closed(self) -> "Vocabulary":
        """The vocabulary of the training split's words alone."""
        return Vocabulary(self.words[: self.trained or None], longest=self.longest)

    def extended(self, sentences: Iterable[str], min_count: int) -> Self:
        """Add new words of at least `min_count` occurrences in the sentences, after the trained ones.

        In an open vocabulary, untrained words of the table count as new.
        """
        known = set(self.closed().words)
        counts = Counter(word for sentence in sentences for word in tokenise(sentence) if word not in known)
        new = sorted((word for word in counts if counts[word] >= min_count), key=lambda word: (-counts[word], word))
        extended = type(self)((*self.closed().words, *new), longest=self.longest)
        return extended.opened(self.words[self.trained :]) if self.trained else extended

    @cached_property
    def number(self) -> dict[str, int]:
        """Word -> id, 0 to V - 1."""
        return {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        """V: the words and the two special ones."""
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        """Whether a word, as `tokenise` gives it, is known, as it is or after spelling correction."""
        return word in self.number or (isinstance(word, str) and self.find(word) != 1)

    def tokens(self, sentence: str) -> list[str]:
        """The words of a sentence, corrected, one for each id of `encode`: never empty."""
        return tokenise(sentence) or [UNKNOWN]

    def encode(self, sentences: Sequence[str]) -> Words:
        """Encode sentences as ids, padded at the end to the longest.

        A sentence without words becomes one unknown word.

        Args:
            sentences: N texts.

        Returns:
            Words with ids (N, T) and mask (N, T); T is at least 1.
        """
        rows = [[self.find(word) for word in self.tokens(sentence)] for sentence in sentences]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        mask = np.arange(max(1, lengths.max(initial=1))) < lengths[:, None]  # (N, T)
        ids = np.zeros(mask.shape, dtype=np.int64)
        ids[mask] = np.fromiter((number for row in rows for number in row), dtype=np.int64, count=int(lengths.sum()))
        return Words(torch.from_numpy(ids), torch.from_numpy(mask))

    def find(self, word: str) -> int:
        """The id of a word; an open vocabulary corrects spelling."""
        number = self.number.get(word)
        if number is None and self.trained:
            return self.number.get(word_table().nearest_spelling(word) or "", 1)
        return 1 if number is None else number

    @cached_property
    def naming(self) -> Tensor:
        """Mask of content words, (V,) bool: not "<end>", not "a", nor, in English, "behind"."""
        silent = {*SPECIAL, *FUNCTION_WORDS, *LINKING}
        return torch.tensor([word not in silent for word in self.words])

    def coverage(self, sentences: Iterable[str]) -> float:
        """The share of the sentences' words that are known, 0 to 1; 0 without words."""
        counts = Counter(word for sentence in sentences for word in tokenise(sentence))
        known = sum(count for word, count in counts.items() if word in self)
        return known / max(1, counts.total())

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON.

        Raises:
            InputError: the file cannot be written.
        """
        trained = {"trained": self.trained} if self.trained else {}
        longest = {"longest": self.longest} if self.longest != LONGEST else {}
        content = {"format": 1, **trained, **longest, "words": self.words}
        write_text(Path(path), json.dumps(content, ensure_ascii=False, indent=0) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a vocabulary that `save` wrote.

        Raises:
            InputError: the file is missing, not JSON, or not a vocabulary; the message names the line or key.
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
        trained = field(content, "trained", int, str(path)) if "trained" in content else 0
        if not (trained == 0 or len(SPECIAL) <= trained <= len(words)):
            raise InputError(f"{path}, key 'trained': expected at most {len(words)}, found {trained}.")
        longest = field(content, "longest", int, str(path)) if "longest" in content else LONGEST
        if not 1 <= longest <= MOST_WORDS:
            raise InputError(f"{path}, key 'longest': expected 1 to {MOST_WORDS}, found {longest}.")
        return cls(tuple(words), trained, longest)

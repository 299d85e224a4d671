"""Sentence-picture pairs: epochs shuffled by a seed, in batches that hold each of their pictures once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.batch import Batch, Regions, Vectors, Words
from wordsight.data.parses import Parses, tree_of
from wordsight.data.records import Picture
from wordsight.matching.matcher import Matcher
from wordsight.text.trees import planted
from wordsight.text.vocabulary import Vocabulary

ROWS = 256  # pictures or sentences that are encoded at once


class Table(Protocol):
    """Features of pictures by row number, as a feature cache gives them."""

    def __len__(self) -> int: ...

    def gather(self, indices: Tensor, places: Tensor | None = None) -> Regions:
        """Rows (I,) -> their regions, float32; with `places` (I, K), only those regions of each."""


class Examples(Protocol):
    """Training examples: sentences with their pictures (`Pairs`), or situations with theirs."""

    @property
    def table(self) -> Table:
        """Features, one row per picture."""

    def __len__(self) -> int: ...

    def batch(self, chosen: Tensor) -> Any:
        """The examples numbered `chosen` (B,), as the model's `loss` takes them."""

    def epoch(self, number: int, size: int, seed: int) -> list[Tensor]:
        """The batches of one epoch, as numbers of examples: the same for the same seed and epoch."""

    def steps(self, size: int) -> int:
        """How many batches an epoch has."""

    def by_picture(self, size: int = 250) -> Iterator[Any]:
        """All pictures in order, `size` at a time."""


@dataclass(frozen=True)
class Pairs:
    """Every sentence of a split with its picture.

    Attributes:
        table: features, one row per picture.
        words: (N, T), all sentences, encoded once.
        picture: (N,) int64, the table's row each sentence belongs to.
        without: how many of the sentences have no picture available; they are the last ones.
    """

    table: Table
    words: Words
    picture: Tensor
    without: int = 0

    def __len__(self) -> int:
        """N, the number of pairs."""
        return len(self.picture)

    def batch(self, chosen: Tensor) -> Batch:
        """The pairs numbered `chosen` (B,): their pictures once each, their words cut to the longest sentence."""
        rows, picture = self.picture[chosen].unique(return_inverse=True)
        return Batch(self.table.gather(rows), self.words[chosen].trimmed(), picture)

    def epoch(self, number: int, size: int, seed: int) -> list[Tensor]:
        """The batches of one epoch, as numbers of pairs: the same for the same seed and epoch, whatever came before.

        The pairs left over when `size` does not divide their number are left out, different ones in each epoch. An
        epoch has at most as many sentences without pictures as with.

        Returns:
            `steps(size)` tensors (size,), or a single one of all pairs if there are fewer than `size`.
        """
        chance = torch.Generator().manual_seed(seed * 1_000_003 + number)
        order = torch.randperm(len(self), generator=chance)
        if self.without:
            first = len(self) - self.without
            order = torch.cat([order[order < first], order[order >= first][:first]])
            order = order[torch.randperm(len(order), generator=chance)]
        return list(order[: self.steps(size) * size].split(size))

    def by_picture(self, size: int = 250) -> Iterator[Batch]:
        """All pictures in order, `size` at a time, each with all its sentences."""
        for rows in torch.arange(len(self.table)).split(size):
            chosen = (self.picture >= rows[0]) & (self.picture <= rows[-1])
            yield Batch(self.table.gather(rows), self.words[chosen].trimmed(), self.picture[chosen] - rows[0])

    def query_bank(self, count: int, sentences: int = 2) -> Iterator[Batch]:
        """A fixed random sample of `count` pictures (or all), each with its first `sentences` sentences, in batches."""
        generator = torch.Generator().manual_seed(0)
        for rows in torch.randperm(len(self.table), generator=generator)[:count].split(100):
            first = torch.searchsorted(self.picture, rows)  # (rows,)
            last = torch.searchsorted(self.picture, rows, right=True)
            chosen = torch.cat([first + n for n in range(sentences)])
            yield self.batch(chosen[chosen < last.repeat(sentences)])

    def steps(self, size: int) -> int:
        """How many batches an epoch has."""
        own = len(self) - self.without
        return max(1, (own + min(own, self.without)) // size)


@dataclass(frozen=True)
class Validation:
    """Validation data of a training.

    Attributes:
        pairs: of the val split; or its situations.
        references: the sentences of each picture as they were written; empty for captioners of regions and situations.
        vocabulary: of the pairs.
        query_bank: count -> that many pictures of the train split with some of their sentences, for the query bank;
            None leaves the bank as it is.
    """

    pairs: Examples
    references: Sequence[Sequence[str]]
    vocabulary: Vocabulary
    query_bank: Callable[[int], Iterator[Batch]] | None


def pairs(pictures: Sequence[Picture], table: Table, vocabulary: Vocabulary, parses: Parses | None = None) -> Pairs:
    """Pairs of `pictures` and their sentences, with parses if given; the table has the pictures' rows in order."""
    sentences = [sentence for picture in pictures for sentence in picture.sentences]
    words = vocabulary.encode(sentences)
    if parses:
        words = planted(words, (tree_of(sentence, parses) for sentence in sentences))
    counts = torch.tensor([len(picture.sentences) for picture in pictures])
    return Pairs(table, words, torch.arange(len(pictures)).repeat_interleave(counts))


def extended(some: Pairs, table: Table, texts: Words, picture: Tensor) -> Pairs:
    """Pairs, followed by sentences (N', T') whose pictures are missing.

    Args:
        some: the pairs.
        table: of all pictures, those of the pairs first.
        texts: the sentences.
        picture: (N',), the missing picture of each, from 0.
    """
    longest = max(some.words.ids.shape[1], texts.ids.shape[1])
    ids, mask = (
        torch.cat([functional.pad(part, (0, longest - part.shape[1])) for part in parts])
        for parts in ((some.words.ids, texts.ids), (some.words.mask, texts.mask))
    )
    return Pairs(table, Words(ids, mask), torch.cat([some.picture, picture + len(some.table)]), len(picture))


@dataclass(frozen=True)
class RegionTable:
    """Regions of pictures, each with the whole picture beside it.

    Attributes:
        table: the pictures' features, the whole picture first.
        picture: (S,) the row of each region's picture.
        region: (S,) its number in the picture.
    """

    table: Table
    picture: Tensor
    region: Tensor

    def __len__(self) -> int:
        """S, the number of regions."""
        return len(self.picture)

    def gather(self, indices: Tensor, places: Tensor | None = None) -> Regions:
        """Rows (I,) -> (I, 2, F): the region, then the whole picture; with `places` (I, K), only those of the two."""
        views = torch.stack([self.region[indices], torch.zeros_like(indices)], dim=1)  # (I, 2)
        return self.table.gather(self.picture[indices], views if places is None else views.gather(1, places))


@torch.no_grad()
def encode(model: Matcher, pairs: Pairs) -> tuple[list[Vectors], list[Vectors]]:
    """Every picture and every sentence of a split, encoded in blocks, in order; leaves the model in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    rows = torch.arange(len(pairs.table)).split(ROWS)
    images = [model.image_vectors(pairs.table.gather(some).to(device)) for some in rows]
    texts = torch.arange(len(pairs)).split(ROWS)
    return images, [model.text_vectors(pairs.words[some].trimmed().to(device)) for some in texts]

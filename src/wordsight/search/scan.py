"""The exact scan: every picture's score with every query, from the vectors on disk, a block at a time.

It computes what `matching/score.py` computes for pictures in memory, and never holds more than a block of products.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.matching.score import Rule
from wordsight.search.rows import Ints, Looked, Readable, hold

PRODUCTS = 2**21  # most rows x words in one block: 8 MB
READ = 2**11  # most rows in one block that is read from disk
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Spans:
    """Where the rows of I pictures are, with their hubness and the bounds of their rounding.

    Attributes:
        segment: (I,) which file.
        first: (I,) the first row there.
        count: (I,) how many rows; at least 1.
        hubness: (I,) float32; a share of it is subtracted from scores with sentences.
        length: (I,) float32, norm of each picture's longest vector.
        blur: (I,) float32, the greatest distance by which rounding to 8 bits moves one of its vectors.
    """

    segment: Ints
    first: Ints
    count: Ints
    hubness: Floats
    length: Floats
    blur: Floats

    def __len__(self) -> int:
        return len(self.segment)

    def __getitem__(self, rows: NDArray[np.bool_] | Ints) -> "Spans":
        """Some of the pictures."""
        return Spans(*(getattr(self, field.name)[rows] for field in fields(self)))

    @cached_property
    def order(self) -> Ints:
        """The positions of the pictures, sorted by file and row."""
        return np.lexsort((self.first, self.segment))

    @cached_property
    def files(self) -> dict[int, Ints]:
        """The positions of each file's pictures, sorted by row."""
        parts = np.split(self.order, np.flatnonzero(np.diff(self.segment[self.order])) + 1)
        return {int(self.segment[part[0]]): part for part in parts if len(part)}

    @cached_property
    def rows(self) -> dict[int, Looked]:
        """Which rows of each file belong to the pictures."""
        return {number: self._looked(part) for number, part in self.files.items()}

    def _looked(self, part: Ints) -> Looked:
        first, count = self.first[part], self.count[part]
        return Looked(int(count.sum()), int(first.min()), int((first + count).max()))


class EncodedQuery(NamedTuple):
    """Q queries, their W words packed end to end.

    Attributes:
        words: (W, D) float32.
        shares: (W, Q) weight of each word in each query.
        hubness_weight: (Q,) weight with which a picture's hubness is subtracted.
        offset: (Q,) what is subtracted from all scores of each query.
    """

    words: Tensor
    shares: Tensor
    hubness_weight: Tensor
    offset: Tensor

    def only(self, query: int) -> "EncodedQuery":
        """One of the queries, with its own words."""
        own = self.shares[:, query] != 0
        one = slice(query, query + 1)
        return EncodedQuery(self.words[own], self.shares[own, one], self.hubness_weight[one], self.offset[one])

    def subtracted(self, hubness: Floats) -> Tensor:
        """What is subtracted from the scores of pictures, by their hubness (I,): (I, Q)."""
        return torch.from_numpy(hubness)[:, None] * self.hubness_weight + self.offset


def scan(segments: Mapping[int, Readable], spans: Spans, encoded_query: EncodedQuery, rule: Rule) -> Tensor:
    """The score of every picture with every query, exactly.

    Args:
        segments: the rows of each file, (rows, D) float32.
        spans: I pictures.
        encoded_query: Q queries.
        rule: how word-region products make a score; its mean is already in `encoded_query.shares`.

    Returns:
        (I, Q) float32.
    """
    found = torch.empty(len(spans), encoded_query.shares.shape[1])
    held = hold(segments, spans.rows)
    for block in blocks(spans, len(encoded_query.words), held):
        some = spans[block]
        rows = torch.from_numpy(rows_of(segments[int(some.segment[0])], some))
        best = best_regions(rows @ encoded_query.words.T, some.count, rule)  # (pictures, W)
        found[torch.from_numpy(block)] = best @ encoded_query.shares
    return found.sub_(encoded_query.subtracted(spans.hubness))


def top(scores: Tensor, count: int) -> Ints:
    """The positions of the `count` greatest of (I,) scores, greatest first; ties in their order."""
    values = scores.numpy()
    places = np.arange(len(values))
    if 0 < count < len(values):
        least = np.partition(values, len(values) - count)[len(values) - count]
        places = np.flatnonzero(values >= least)
    order = np.argsort(-values[places], kind="stable")[:count]
    return places[order].astype(np.int64)


def blocks(spans: Spans, words: int, held: bool = True) -> Iterator[Ints]:
    """The positions of all pictures in blocks, by file and row; a block is of one segment, smaller for more words."""
    most = min(PRODUCTS if held else READ, max(1, PRODUCTS // max(1, words)))
    order = spans.order
    segment, ends = spans.segment[order], np.cumsum(spans.count[order])
    start = 0
    while start < len(order):
        behind = ends[start - 1] if start else 0
        full = int(np.searchsorted(ends, behind + most, side="right"))
        other = int(np.searchsorted(segment, segment[start], side="right"))
        stop = min(max(full, start + 1), other)
        yield order[start:stop]
        start = stop


def rows_of(segment: Any, some: Spans) -> NDArray[Any]:
    """The rows of pictures, end to end; one slice of the file if they lie next to each other."""
    if (some.first[1:] == some.first[:-1] + some.count[:-1]).all():
        return segment[some.first[0] : some.first[-1] + some.count[-1]]
    return segment[places(some)]


def places(some: Spans) -> Ints:
    """The numbers of the rows of pictures, end to end."""
    begins = np.cumsum(some.count) - some.count
    found: Ints = np.repeat(some.first - begins, some.count) + np.arange(some.count.sum())
    return found


def best_regions(products: Tensor, count: Ints, rule: Rule) -> Tensor:
    """Reduce products to each picture's best region, or equation 7's sum, per word: (rows, W) -> (pictures, W)."""
    products = products.relu_() if rule.thresholded_sum else products
    if (count == count[0]).all():
        regions = products.view(len(count), int(count[0]), -1)
        return regions.sum(dim=1) if rule.thresholded_sum else regions.amax(dim=1)
    how = "sum" if rule.thresholded_sum else "max"
    return torch.segment_reduce(products, how, lengths=torch.from_numpy(count), axis=0)

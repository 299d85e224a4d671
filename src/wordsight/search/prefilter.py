"""Prefilter: score every picture roughly, from a quarter of the bytes, then exactly those that can be among the best.

v and s are rounded to v' and s', of 8 and 7 bits (`codes.py`). Products of v' and s' are exact, being computed in
whole numbers, so the error of a product is at most

    |v . s - v' . s'|  <=  |v - v'| |s'| + |v| |s - s'|

The k pictures with the best rough scores are scored in float32; the k-th best score of all is at least the lowest of
these. A picture whose rough score is below that by more than its error bound is out. All others are scored in float32
too. The result has the order that the exact scan would give.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.matching.score import Rule
from wordsight.search.candidates import candidate_scores
from wordsight.search.codes import Products, WordCodes, quantise_words
from wordsight.search.instructions import Instructions, chosen, fused_scores
from wordsight.search.rows import Readable, Stored, hold
from wordsight.search.scan import EncodedQuery, Ints, Spans, blocks, rows_of, scan, top

SLACK = 1e-5  # error of rotation and sums in float32, as a share of the product of both lengths
LEAST = 2**22  # numbers to read; with fewer, the exact scan is as quick


class Rough(dict[int, tuple[Stored[np.uint8], Stored[np.float32]]]):
    """8-bit rows of each file, (rows, D), and the quantisation step of each row, (rows, 1)."""

    def covers(self, spans: Spans) -> bool:
        """Whether it has all these pictures; it lacks those of an older index until the next build."""
        return spans.files.keys() <= self.keys()


def is_quick(rough: Rough, spans: Spans, rule: Rule) -> bool:
    """Whether the prefilter pays: there is much to read, all of it exists in 8 bits, and scores are equation 8's."""
    if rule.thresholded_sum or not len(spans) or not rough.covers(spans):
        return False
    size = rough[int(spans.segment[0])][0].shape[1]
    return int(spans.count.sum()) * size >= LEAST


def best_scores(
    segments: Mapping[int, Readable],
    rough: Rough,
    spans: Spans,
    encoded_query: EncodedQuery,
    rule: Rule,
    count: int,
    files: Ints | None = None,
) -> Tensor:
    """Scores of every picture: the `count` best of each query are exact, and no other score is greater.

    With `files`, this holds for the `count` best files, each scored by the best of its pictures.

    Args:
        segments: the rows of each file, (rows, D) float32.
        rough: the same rows in 8 bits.
        spans: I pictures.
        encoded_query: Q queries.
        rule: how word-region products make a score.
        count: how many best scores must be exact.
        files: (I,) a number for the file of each picture, shared by the frames of a video.

    Returns:
        (I, Q) float32.
    """
    if count >= (len(spans) if files is None else len(np.unique(files))):
        return scan(segments, spans, encoded_query, rule)
    words = quantise_words(encoded_query.words)
    found = _rough(rough, spans, encoded_query, words)  # (Q, I); from here on query by query, to stay in the cache
    first = [best_places(scores, count, files) for scores in found]
    surely = [own.min() for own in candidate_scores(segments, spans, first, encoded_query)]
    near = [  # the k-th best score is at least `least`
        (scores + error >= least).nonzero()[:, 0].numpy()
        for scores, error, least in zip(found, _errors(spans, encoded_query, words), surely, strict=True)
    ]
    for scores, places, own in zip(found, near, candidate_scores(segments, spans, near, encoded_query), strict=True):
        scores[torch.from_numpy(places)] = own
    return found.T


def best_places(scores: Tensor, count: int, files: Ints | None) -> NDArray[np.int64]:
    """The positions of the `count` greatest scores (I,); with `files`, at most one per file."""
    if files is None:
        return top(scores, count)
    order = top(scores, len(scores))
    return order[np.sort(np.unique(files[order], return_index=True)[1])[:count]]


def _rough(rough: Rough, spans: Spans, encoded_query: EncodedQuery, words: WordCodes) -> Tensor:
    """Rough scores, from rounded vectors and words: (Q, I)."""
    hold({number: steps for number, (_, steps) in rough.items()}, spans.rows)
    held = hold({number: values for number, (values, _) in rough.items()}, spans.rows)
    way = chosen(len(words.values)) if held else None
    if way:
        found = _fused(way, rough, spans, words, encoded_query.shares)
    else:
        found = _by_blocks(rough, spans, words, encoded_query.shares, held)
    hubness = torch.from_numpy(spans.hubness)
    for scores, weight, offset in zip(found, encoded_query.hubness_weight, encoded_query.offset, strict=True):
        scores -= hubness * weight + offset
    return found


def _errors(spans: Spans, encoded_query: EncodedQuery, words: WordCodes) -> Iterator[Tensor]:
    """Error bounds of the rough scores, for each query (I,)."""
    shares, slack = encoded_query.shares.abs(), SLACK * encoded_query.words.norm(dim=1)
    blur, length = torch.from_numpy(spans.blur), torch.from_numpy(spans.length)
    for of_blur, of_length in zip(words.length @ shares, (words.blur + slack) @ shares, strict=True):
        yield blur * of_blur + length * of_length


def _fused(way: Instructions, rough: Rough, spans: Spans, words: WordCodes, shares: Tensor) -> Tensor:
    """Rough scores by the fused scan, of vectors in memory: (Q, I)."""
    found = np.empty((shares.shape[1], len(spans)), np.float32)
    for number, places in spans.files.items():
        (values, steps), (_, start, stop) = rough[number], spans.rows[number]
        first = spans.first[places] - start
        each = steps[start:stop][first, 0]
        found[:, places] = fused_scores(way, values[start:stop], first, spans.count[places], each, words, shares)
    return torch.from_numpy(found)


def _by_blocks(rough: Rough, spans: Spans, words: WordCodes, shares: Tensor, held: bool) -> Tensor:
    """Rough scores by ONNX Runtime, of vectors in memory or on disk: (Q, I)."""
    products, found = Products(words), torch.empty(shares.shape[1], len(spans))
    for block in blocks(spans, len(words.values), held):
        some = spans[block]
        values, steps = rough[int(some.segment[0])]
        step = rows_of(steps, some)[np.cumsum(some.count) - some.count]  # (pictures, 1)
        best = products.best(rows_of(values, some), some.count) * torch.from_numpy(step)  # (pictures, W)
        found[:, torch.from_numpy(block)] = (best @ shares).T
    return found

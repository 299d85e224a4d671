"""The quick scan: every picture roughly, in a quarter of the bytes, then exactly those that can be among the best.

With v and s rounded to 8 and 7 bits (`codes.py`), v' and s', their product is off by at most

    |v . s - v' . s'|  <=  |v - v'| |s'| + |v| |s - s'|

as the products of v' and s' are whole numbers. The pictures that are best roughly are scored in float32; the k-th best
of all is not below the least of these. Of a picture whose rough score is further below that than such bounds allow
nothing more need be known; all others are scored in float32 too. What comes out is the order that the exact scan alone
would give.
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

SLACK = 1e-5  # of the lengths of both: what turning and adding up in float32 may be off by
LEAST = 2**22  # numbers below which the exact scan is as quick


class Rough(dict[int, tuple[Stored[np.uint8], Stored[np.float32]]]):
    """Of each file its rows in 8 bits, (rows, D), and how long a step is in each, (rows, 1)."""

    def covers(self, spans: Spans) -> bool:
        """Whether all these pictures are in it; those of an older index are not until it is built again."""
        return spans.files.keys() <= self.keys()


def is_quick(rough: Rough, spans: Spans, rule: Rule) -> bool:
    """Whether the quick scan pays: much to read, all of it there in 8 bits, and the score of equation 8."""
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
    """Scores of which the `count` best of each query are exact, and no other is greater than they are.

    With `files` the `count` best files are those, each by the best of its pictures.

    Args:
        segments: the rows of each file, (rows, D) float32.
        rough: the same rows in 8 bits.
        spans: I pictures.
        encoded_query: Q queries.
        rule: how words make a score.
        count: how many are wanted.
        files: (I,) a number for the file of each picture, which frames of a video share.

    Returns:
        (I, Q) float32.
    """
    if count >= (len(spans) if files is None else len(np.unique(files))):
        return scan(segments, spans, encoded_query, rule)
    words = quantise_words(encoded_query.words)
    found = _rough(rough, spans, encoded_query, words)  # (Q, I), a query at a time from here on: it stays in the cache
    first = [best_places(scores, count, files) for scores in found]
    surely = [own.min() for own in candidate_scores(segments, spans, first, encoded_query)]
    near = [  # the k-th best is not below what is sure
        (scores + error >= least).nonzero()[:, 0].numpy()
        for scores, error, least in zip(found, _errors(spans, encoded_query, words), surely, strict=True)
    ]
    for scores, places, own in zip(found, near, candidate_scores(segments, spans, near, encoded_query), strict=True):
        scores[torch.from_numpy(places)] = own
    return found.T


def best_places(scores: Tensor, count: int, files: Ints | None) -> NDArray[np.int64]:
    """The places of the greatest of scores (I,), with `files` each of another file."""
    if files is None:
        return top(scores, count)
    order = top(scores, len(scores))
    return order[np.sort(np.unique(files[order], return_index=True)[1])[:count]]


def _rough(rough: Rough, spans: Spans, encoded_query: EncodedQuery, words: WordCodes) -> Tensor:
    """The scores of rounded vectors and words: (Q, I)."""
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
    """How far off the rough scores of each query can be: (I,)."""
    shares, slack = encoded_query.shares.abs(), SLACK * encoded_query.words.norm(dim=1)
    blur, length = torch.from_numpy(spans.blur), torch.from_numpy(spans.length)
    for of_blur, of_length in zip(words.length @ shares, (words.blur + slack) @ shares, strict=True):
        yield blur * of_blur + length * of_length


def _fused(way: Instructions, rough: Rough, spans: Spans, words: WordCodes, shares: Tensor) -> Tensor:
    """The scores of rounded vectors that are in memory: (Q, I)."""
    found = np.empty((shares.shape[1], len(spans)), np.float32)
    for number, places in spans.files.items():
        (values, steps), (_, start, stop) = rough[number], spans.rows[number]
        first = spans.first[places] - start
        each = steps[start:stop][first, 0]
        found[:, places] = fused_scores(way, values[start:stop], first, spans.count[places], each, words, shares)
    return torch.from_numpy(found)


def _by_blocks(rough: Rough, spans: Spans, words: WordCodes, shares: Tensor, held: bool) -> Tensor:
    """The same from memory or the disk, by ONNX Runtime."""
    products, found = Products(words), torch.empty(shares.shape[1], len(spans))
    for block in blocks(spans, len(words.values), held):
        some = spans[block]
        values, steps = rough[int(some.segment[0])]
        step = rows_of(steps, some)[np.cumsum(some.count) - some.count]  # (pictures, 1)
        best = products.best(rows_of(values, some), some.count) * torch.from_numpy(step)  # (pictures, W)
        found[:, torch.from_numpy(block)] = (best @ shares).T
    return found

"""The quick scan: every picture roughly, in half the memory, then exactly those that can be among the best.

With v and s rounded to bfloat16, v' and s', their product is off by at most

    |v' . s' - v . s|  <=  |v' - v| |s'| + |v| |s' - s|  +  2^-8 |v' . s'|

the last for its own rounding. Of a picture whose rough score is further below the k-th best than such bounds allow
nothing more need be known; all others are scored again in float32. What comes out is the order that the exact scan
alone would give.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.matching.score import Rule
from wordsight.search.rows import Stored, hold
from wordsight.search.scan import EncodedQuery, Floats, Ints, Spans, blocks, rows_of, scan

ROUNDING = 1.05 * 2**-8  # of a product to 8 bits, and a little for sums in float32
FEW = 64  # words up to which a product with the words in front is faster
LEAST = 20_000  # rows below which the exact scan is as quick
Halves = NDArray[np.int16]  # bfloat16 by its bits


def is_quick(spans: Spans, rule: Rule) -> bool:
    """Whether the quick scan pays: many rows, a processor that multiplies bfloat16, and the score of equation 8."""
    able = (
        getattr(torch.cpu, "_is_avx512_bf16_supported", bool)() or getattr(torch.cpu, "_is_amx_tile_supported", bool)()
    )
    return bool(able) and not rule.thresholded_sum and int(spans.count.sum()) >= LEAST


def halved(values: Floats) -> Halves:
    """Vectors as bfloat16."""
    found: Halves = torch.from_numpy(np.ascontiguousarray(values)).bfloat16().view(torch.int16).numpy()
    return found


def extent(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The longest vector of each picture, and the most that rounding moves one: (I, R, D) -> (I,) each."""
    lengths, blurs = values.norm(dim=2), (values - values.bfloat16()).norm(dim=2)
    return lengths.masked_fill(~mask, 0).amax(dim=1), blurs.masked_fill(~mask, 0).amax(dim=1)


def best_scores(
    segments: Mapping[int, Stored[np.float32]],
    halves: Mapping[int, Stored[np.int16]],
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
        halves: the same rows as bfloat16.
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
    found, error = _rough(halves, spans, encoded_query)
    least = found - error if files is None else _greatest(found - error, files)
    surely = least.topk(count, dim=0).values[-1]  # (Q,): the k-th best is not below this
    for query in range(found.shape[1]):
        near = (found[:, query] + error[:, query] >= surely[query]).nonzero()[:, 0].numpy()
        found[near, query] = scan(segments, spans[near], encoded_query.only(query), rule)[:, 0]
    return found


def _greatest(scores: Tensor, files: Ints) -> Tensor:
    """The greatest of scores (I, Q) within each file: (F, Q)."""
    order = np.argsort(files, kind="stable")
    starts = np.flatnonzero(np.diff(files[order], prepend=-1))
    return torch.from_numpy(np.maximum.reduceat(scores.numpy()[order], starts, axis=0))


def _rough(halves: Mapping[int, Stored[np.int16]], spans: Spans, encoded_query: EncodedQuery) -> tuple[Tensor, Tensor]:
    """The scores of rounded vectors and words, and how far off they can be: (I, Q) each."""
    words, shares = encoded_query.words.bfloat16(), encoded_query.shares.abs()
    found, error = torch.empty(2, len(spans), encoded_query.shares.shape[1])
    held = hold(halves, spans.rows())
    for block in blocks(spans, len(words), held):
        some, place = spans[block], torch.from_numpy(block)
        rows = torch.from_numpy(rows_of(halves[int(some.segment[0])], some)).view(torch.bfloat16)
        best = _best(rows, words, some.count)  # (pictures, W)
        found[place], error[place] = best @ encoded_query.shares, ROUNDING * best.abs() @ shares
    error += torch.from_numpy(spans.blur)[:, None] * (words.float().norm(dim=1) @ shares)
    error += torch.from_numpy(spans.length)[:, None] * ((encoded_query.words - words).norm(dim=1) @ shares)
    return found - torch.from_numpy(spans.hubness)[:, None] * encoded_query.hubness_weight - encoded_query.offset, error


def _best(rows: Tensor, words: Tensor, count: Ints) -> Tensor:
    """The best region of each word: (rows, D), (W, D) -> (pictures, W) float32."""
    if (count != count[0]).any():
        return torch.segment_reduce((rows @ words.T).float(), "max", lengths=torch.from_numpy(count), axis=0)
    if len(words) <= FEW:
        products = (words @ rows.T).view(len(words), len(count), -1)  # (W, pictures, R)
        # A maximum over neighbours in memory is slow: first region with first region, and so on.
        return products.transpose(1, 2).contiguous().amax(dim=1).float().T
    return (rows @ words.T).view(len(count), -1, len(words)).amax(dim=1).float()

"""Exact scores of candidates: a few pictures for each of many queries, in few and large products.

Each query has its own candidates and its own words. Both are padded, so that one batched product scores several
queries: one candidate at a time, the calls would take longer than the arithmetic.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from wordsight.matching.score import Rule
from wordsight.search.rows import Ints, Readable
from wordsight.search.scan import EncodedQuery, Spans, scan

NUMBERS = 2**22  # most numbers of padded vectors in memory at once: 16 MB


def candidate_scores(
    segments: Mapping[int, Readable], spans: Spans, candidates: Sequence[Ints], encoded_query: EncodedQuery
) -> Iterator[Tensor]:
    """Scores of each query with its candidates, by equation 8, as `scan` gives them.

    Args:
        segments: the rows of each segment, (rows, D) float32.
        spans: I pictures.
        candidates: for each of Q queries, the indices of its pictures in `spans`.
        encoded_query: Q queries.

    Yields:
        (candidates,) scores of each query in turn.
    """
    words, shares = _own_words(encoded_query)  # (Q, W, D) and (Q, W)
    sizes = np.array([len(places) for places in candidates])
    rows = np.array([spans.count[places].max(initial=1) for places in candidates])
    start = 0
    while start < len(candidates):
        longest, most = np.maximum.accumulate(sizes[start:]), np.maximum.accumulate(rows[start:])
        many = (np.arange(len(longest)) + 1) * longest * most * words.shape[2] <= NUMBERS
        stop = start + int(many.sum())
        if stop == start:  # even one query has too many candidates: block by block
            yield scan(segments, spans[candidates[start]], encoded_query.only(start), Rule())[:, 0]
            stop += 1
        else:
            yield from _together(segments, spans, candidates[start:stop], start, words, shares, encoded_query)
        start = stop


def _own_words(encoded_query: EncodedQuery) -> tuple[Tensor, Tensor]:
    """The words of each query and their weights, padded with words of weight 0: (Q, W, D) and (Q, W)."""
    query, word = encoded_query.shares.T.nonzero().unbind(dim=1)
    sizes = torch.bincount(query, minlength=encoded_query.shares.shape[1])
    place = torch.arange(len(query)) - (sizes.cumsum(dim=0) - sizes)[query]
    longest = int(sizes.max()) if len(sizes) else 0
    words = torch.zeros(len(sizes), longest, encoded_query.words.shape[1])
    shares = torch.zeros(len(sizes), longest)
    words[query, place] = encoded_query.words[word]
    shares[query, place] = encoded_query.shares[word, query]
    return words, shares


def _together(
    segments: Mapping[int, Readable],
    spans: Spans,
    candidates: Sequence[Ints],
    first: int,
    words: Tensor,
    shares: Tensor,
    encoded_query: EncodedQuery,
) -> Iterator[Tensor]:
    """The scores of a few queries with their candidates; `first` is the number of the first query."""
    count = max(1, *map(len, candidates))
    padded = np.stack([np.resize(places, count) if len(places) else np.zeros(count, np.int64) for places in candidates])
    rows = _rows(segments, spans, padded.reshape(-1)).view(len(candidates), -1, words.shape[2])  # (q, count x R, D)
    some = slice(first, first + len(candidates))
    best = (rows @ words[some].transpose(1, 2)).view(len(candidates), count, -1, words.shape[1]).amax(dim=2)
    scores = (best @ shares[some, :, None])[:, :, 0]
    hubness = torch.from_numpy(spans.hubness[padded]) * encoded_query.hubness_weight[some, None]
    scores = scores - hubness - encoded_query.offset[some, None]
    yield from (own[: len(places)] for own, places in zip(scores, candidates, strict=True))


def _rows(segments: Mapping[int, Readable], spans: Spans, places: Ints) -> Tensor:
    """The vectors of some pictures, each padded by repeating its last one: (places, R, D)."""
    segment, start, count = spans.segment[places], spans.first[places], spans.count[places]
    at = start[:, None] + np.minimum(np.arange(count.max(initial=1)), count[:, None] - 1)  # (places, R)
    numbers = np.unique(segment)
    if len(numbers) == 1:
        rows = segments[int(numbers[0])][at.reshape(-1)]
        return torch.from_numpy(rows).view(*at.shape, -1)
    found = torch.empty(*at.shape, next(iter(segments.values())).shape[1])
    for number in numbers.tolist():
        own = segment == number
        rows = segments[number][at[own].reshape(-1)]
        found[torch.from_numpy(own)] = torch.from_numpy(rows).view(int(own.sum()), at.shape[1], -1)
    return found

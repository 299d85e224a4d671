"""Search in a compact index, in two passes: every picture by its coarse code, then the best of them by fine codes.

Unlike with 8 bits (`prefilter.py`), no bound tells which pictures can be among the best; how many of the true first ten
are found is measured (`benchmarks/million.py`).
"""

from math import isqrt

import numpy as np
import torch
from torch import Tensor

from wordsight.matching.score import Rule
from wordsight.search.coarse_code import unpacked
from wordsight.search.codebook import Codebook
from wordsight.search.codes import WordCodes
from wordsight.search.instructions import HALF, chosen, fused_scores
from wordsight.search.prefilter import best_places, best_scores, is_quick
from wordsight.search.rows import Ints, hold
from wordsight.search.scan import EncodedQuery, Spans, best_regions, blocks, rows_of, scan, top
from wordsight.search.snapshot import Snapshot

AMONG = 512  # pictures that are scored by fine codes, at least; also at least the square root of the number of pictures
TIMES = 4  # and at least this multiple of `count`
WORD_STEPS = 127
LONG = 64  # words: unpacked blocks are as small as for at least this many, and so take few megabytes


def all_scores(snapshot: Snapshot, spans: Spans, encoded_query: EncodedQuery, rule: Rule) -> Tensor:
    """The score of every picture with every query, as precisely as the index stores it: (I, Q)."""
    inside = _is_coded(snapshot, spans)
    if rule.thresholded_sum or not inside.any():
        return scan(snapshot.vectors, spans, encoded_query, rule)
    found = torch.empty(len(spans), encoded_query.shares.shape[1])
    for places, is_coded in ((np.flatnonzero(~inside), False), (np.flatnonzero(inside), True)):
        if len(places) and is_coded:
            found[places] = _by_fine_codes(snapshot, spans[places], encoded_query, rule)
        elif len(places):
            found[places] = scan(snapshot.vectors, spans[places], encoded_query, rule)
    return found


def best_of_all(
    snapshot: Snapshot, spans: Spans, encoded_query: EncodedQuery, rule: Rule, count: int, files: Ints | None = None
) -> Tensor:
    """Scores: the `count` best of each query are as precise as the index stores them, and no other score is greater.

    Arguments and result are those of `prefilter.best_scores`; the index may be compact, or compact in part.
    """
    inside = _is_coded(snapshot, spans)
    if not inside.any():
        quick = is_quick(snapshot.rough, spans, rule)
        of = snapshot.vectors, snapshot.rough, spans, encoded_query, rule, count, files
        return best_scores(*of) if quick else scan(snapshot.vectors, spans, encoded_query, rule)
    among = max(AMONG, isqrt(len(spans)), TIMES * count)
    if rule.thresholded_sum or len(spans) <= among:  # a sum over regions has no best region
        return all_scores(snapshot, spans, encoded_query, rule)
    if inside.all():
        found = _by_coarse_codes(snapshot, spans, encoded_query)
    else:
        found = torch.empty(len(spans), encoded_query.shares.shape[1])
        found[inside] = _by_coarse_codes(snapshot, spans[inside], encoded_query)
        found[~inside] = scan(snapshot.vectors, spans[~inside], encoded_query, rule)
    for query in range(found.shape[1]):
        scores = found[:, query]
        first = _first(scores, among, count, files)
        own = all_scores(snapshot, spans[first], encoded_query.only(query), rule)[:, 0]
        least = own[best_places(own, count, None if files is None else files[first])].min()
        scores.clamp_(max=float(least))
        scores[torch.from_numpy(first)] = own
    return found


def _first(scores: Tensor, among: int, count: int, files: Ints | None) -> Ints:
    """The positions of the greatest scores (I,); with `files` also all frames of these files and of enough others."""
    first = top(scores, among)
    if files is None:
        return first
    others = best_places(scores, TIMES * count, files)  # the greatest may all be frames of one video
    return np.flatnonzero(np.isin(files, files[np.concatenate([first, others])]))


def _is_coded(snapshot: Snapshot, spans: Spans) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which pictures are in compact segments."""
    if not snapshot.coded:  # the usual case: no search through all pictures
        return np.zeros(len(spans), bool)
    if spans.files.keys() <= snapshot.coded.keys():
        return np.ones(len(spans), bool)
    return np.isin(spans.segment, list(snapshot.coded))


def _by_fine_codes(snapshot: Snapshot, spans: Spans, encoded_query: EncodedQuery, rule: Rule) -> Tensor:
    """Scores from the fine codes: (I, Q)."""
    asked = _turned(next(iter(snapshot.coded.values())).codebook, encoded_query)
    found = torch.empty(len(spans), asked.shares.shape[1])
    for block in blocks(spans, max(len(asked.words), LONG)):
        some = spans[block]
        products = snapshot.coded[int(some.segment[0])].products(some, asked.words)
        found[torch.from_numpy(block)] = best_regions(products, some.count, rule) @ asked.shares
    return found.sub_(asked.subtracted(spans.hubness))


def _turned(codebook: Codebook, encoded_query: EncodedQuery) -> EncodedQuery:
    """Transform queries to the coordinates of a codebook; the part of scores from the mean vector goes to the offset.

    A constant passes unchanged through a maximum, but not through equation 7's sum of positive parts.
    """
    words = encoded_query.words
    turned = words @ torch.from_numpy(codebook.back.T)  # (W, K)
    constant = words @ torch.from_numpy(codebook.mean)  # (W,)
    return encoded_query._replace(words=turned, offset=encoded_query.offset - constant @ encoded_query.shares)


def _by_coarse_codes(snapshot: Snapshot, spans: Spans, encoded_query: EncodedQuery) -> Tensor:
    """Rough scores from the coarse codes: (I, Q)."""
    coded = {number: one.coarse for number, one in snapshot.coded.items()}
    codebook = next(iter(snapshot.coded.values())).codebook
    asked = _turned(codebook, encoded_query)
    words = asked.words[:, codebook.of] * torch.from_numpy(codebook.steps)
    hold(coded, spans.rows)
    way, codes = chosen(len(words)), _word_codes(words)
    found = torch.empty(len(spans), asked.shares.shape[1])
    for number, places in spans.files.items():
        rows, (total, start, stop) = coded[number], spans.rows[number]
        held = rows.holds(start, stop)
        if way and (held or 2 * total >= stop - start):  # else reading the rows between does not pay
            of = spans.first[places] - start, spans.count[places], np.ones(len(places), np.float32), codes, asked.shares
            scores = fused_scores(way, rows[start:stop], *of, halves=True)
            found[torch.from_numpy(places)] = torch.from_numpy(scores).T
        else:
            some = spans[places]
            for block in blocks(some, len(words), held):
                found[torch.from_numpy(places[block])] = _block(rows, some[block], words, asked)
    return found.sub_(asked.subtracted(spans.hubness))


def _block(coarse: object, some: Spans, words: Tensor, asked: EncodedQuery) -> Tensor:
    """Rough scores of a few pictures of one segment, by torch, before what is subtracted: (pictures, Q)."""
    rows = torch.from_numpy(unpacked(rows_of(coarse, some)).astype(np.float32) - np.float32(HALF))
    products = rows @ words.T
    best = torch.segment_reduce(products, "max", lengths=torch.from_numpy(some.count), axis=0)
    return best @ asked.shares


def _word_codes(words: Tensor) -> WordCodes:
    """Quantise words (W, D) to 8 bits; products with half bytes leave room for that."""
    steps = words.abs().amax(dim=1).clamp(min=1e-30) / WORD_STEPS
    nothing = torch.zeros(len(words))
    return WordCodes((words / steps[:, None]).round().to(torch.int8).numpy(), steps, nothing, nothing)

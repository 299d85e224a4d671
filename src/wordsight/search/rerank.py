"""Reranking: the first hits of a search are scored again, from their files, by a run of any matcher.

An index holds vectors, so its own model scores every picture quickly. A model that reads picture and sentence together
cannot be indexed; it is too slow for all pictures, but not for the first fifty.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import torch

from wordsight.batch import Regions
from wordsight.errors import InputError
from wordsight.runs.aligner import Aligner
from wordsight.search.evidence import evidence
from wordsight.search.find import find
from wordsight.search.opened import Opened
from wordsight.search.options import SearchOptions
from wordsight.search.query import Ask, QueryTerm, terms
from wordsight.search.results import Hit, SearchResults
from wordsight.vision.regions import FeatureCache, default_cache

AMONG = 50  # hits that are scored again by default


def rerank(open_now: Callable[[], Opened], ask: Ask, run: Aligner, among: int, wanted: SearchOptions) -> SearchResults:
    """Rerank the first hits of an index, with the scores and the evidence of another run.

    Features of pictures come from the feature cache; missing ones are computed and kept. Frames of videos are encoded
    each time. Pictures whose files cannot be read come last, as the index found them.

    Args:
        open_now: gives the current index, which finds the pictures by its own scores and filters.
        ask: a single sentence.
        run: scores them again.
        among: how many of the first hits are scored again; later ones are not returned.
        wanted: which hits, and how many.

    Raises:
        InputError: the query is not a single sentence, the run knows none of its words or lacks its weights, or as
            `find` raises.
    """
    if min(among, wanted.top, wanted.page) < 1:
        raise InputError(f"rerank_top = {among}, top = {wanted.top}, page = {wanted.page}: expected at least 1.")
    query = terms(run, [ask])[0]
    if len(query) != 1 or not query[0].words or query[0].weight < 0:
        raise InputError("rerank: expected a single sentence; pictures, boxes and sums are not scored again.")
    first = find(open_now, [ask], replace(wanted, top=among, page=1))[0]
    hits = sorted(_again(run, query[0], first.hits), key=_order)
    start, stop = (wanted.page - 1) * wanted.top, wanted.page * wanted.top
    unknown = dict.fromkeys((*first.unknown, *query[0].unknown))
    return replace(first, hits=tuple(hits[start:stop]), total=len(hits), first=start + 1, unknown=tuple(unknown))


@torch.inference_mode()
def _again(run: Aligner, term: QueryTerm, hits: Sequence[Hit]) -> list[Hit]:
    """The same hits; those with readable files have the run's score and evidence."""
    found, term = list(hits), replace(term, texts=term.texts.to(run.device), grouping=term.grouping.to(run.device))

    def score(places: Sequence[int], regions: Regions) -> None:
        images = run.model.image_vectors(regions.to(run.device))
        scores = run.model.score(images, term.texts)[:, 0].tolist()
        shown = evidence([term], images, run.model.evidence)
        for place, one, (words, phrases) in zip(places, scores, shown, strict=True):
            found[place] = replace(hits[place], reranked=one, words=words, phrases=phrases)

    pictures = [place for place, hit in enumerate(hits) if hit.time is None]
    table = FeatureCache(default_cache(), run.encoder).regions([hits[place].path for place in pictures])
    if len(table):
        score([pictures[row] for row in table.kept], table.gather(torch.arange(len(table))))
    for place, hit in enumerate(hits):
        if hit.time is not None:
            with suppress(InputError):  # its file is gone
                score([place], run.encoder.encode([hit.open_image()]))
    return found


def _order(hit: Hit) -> tuple[bool, float]:
    return hit.reranked is None, -(hit.reranked or 0.0)

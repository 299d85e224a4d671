"""Search: encode the queries, score every picture, and return the best of them with their evidence."""

import json
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.matching.written_words import WrittenWord
from wordsight.search import filters, origins, texts
from wordsight.search.calibrate import CALIBRATE, Calibration, Curve
from wordsight.search.catalog import Catalog
from wordsight.search.duplicates import groups
from wordsight.search.evidence import HitEvidence, evidence
from wordsight.search.folded import Files, by_file
from wordsight.search.frames import split, videos
from wordsight.search.look import state
from wordsight.search.opened import TRIES, Opened
from wordsight.search.options import SearchOptions
from wordsight.search.prefilter import is_quick
from wordsight.search.query import (
    Ask,
    QueryTerm,
    divisor,
    encoded_query,
    needs_model,
    parts_of,
    terms,
    without_quotes,
    written,
)
from wordsight.search.results import Hit, Moment, NearDuplicate, SearchResults
from wordsight.search.scan import Ints, Spans, top
from wordsight.search.text_matches import TextMatches
from wordsight.search.text_search import MOST_SCORED
from wordsight.search.two_passes import all_scores, best_of_all

SAMPLE = 2048  # about how many pictures give the mean and the deviation of all scores
TEXT_WEIGHT = 3.0  # weight of surely written words, in standard deviations of the sentence's scores (measured)
Found = TypeVar("Found")
AddEvidence = Callable[[HitEvidence, int], HitEvidence]
TOGETHER = 128  # queries scanned together
MOMENTS = 24  # maximum number of other frames that a video's hit lists


def find(open_now: Callable[[], Opened], asks: Sequence[Ask], wanted: SearchOptions) -> list[SearchResults]:
    """Find the best pictures for some queries: exactly, as if all were scored in memory, unless the index is compact.

    Args:
        open_now: opens the index as it stands now; it may be replaced while it is searched.
        asks: Q queries, which are scored together.
        wanted: the hits to return for each.

    Raises:
        InputError: a query is empty or cannot be used, or the index is damaged.
    """
    return looked(open_now, wanted, partial(_find, asks=asks))


def looked(open_now: Callable[[], Opened], wanted: SearchOptions, look: Callable[["Search"], Found]) -> Found:
    """Run `look` on an index, and repeat it if the index was replaced meanwhile, or was changed and `look` failed.

    Raises:
        InputError: the options cannot be used, `look` raises it, or the index is damaged or keeps being replaced.
    """
    if wanted.top < 1 or wanted.page < 1:
        raise InputError(f"top = {wanted.top}, page = {wanted.page}: expected at least 1.")
    for left in reversed(range(TRIES)):
        opened, generation = open_now(), ""
        try:
            with Catalog(opened.folder) as catalog:
                generation = catalog.fact("generation")
                found = look(Search(opened, catalog, wanted))
        except InputError:  # the index may have been made compact, and files deleted that `look` was about to read
            if opened.is_current() and (not left or generation == opened.generation()):
                raise
        else:
            if opened.is_current():
                return found
        opened.forget()  # the index was replaced or changed: what was read may be of both states
    raise InputError(f"{opened.folder}: another process keeps replacing this index; try again once it is done.")


def _find(search: "Search", asks: Sequence[Ask]) -> list[SearchResults]:
    if search.catalog.fact(texts.FACT):
        asks = [without_quotes(ask) for ask in asks]
    said = [written(ask) for ask in asks]
    queries = terms(search.index.run, asks) if any(map(needs_model, asks)) else [[] for _ in asks]
    plain = [number for number, words in enumerate(said) if not words]
    found = {number: search.with_text(queries[number], words) for number, words in enumerate(said) if words}
    for first in range(0, len(plain), TOGETHER):
        block = plain[first : first + TOGETHER]
        columns = search.scores([queries[number] for number in block])
        found |= {number: search.answer(queries[number], one) for number, one in zip(block, columns, strict=True)}
    return [replace(found[number], parts=tuple(parts_of(ask))) for number, ask in enumerate(asks)]


class Search:
    """One search of an index, which sees a single state of it."""

    def __init__(self, index: Opened, catalog: Catalog, wanted: SearchOptions) -> None:
        self.index, self.catalog, self.wanted = index, catalog, wanted
        self.snapshot, self.broken = index.snapshot(catalog), catalog.broken()
        self.calibration = Calibration.parse(catalog.fact("calibration"))
        self.chosen = self._chosen()
        self.folds = self.snapshot.has_videos and not wanted.frames
        self.adds: AddEvidence | None = None

    def _chosen(self) -> Ints:
        """The indices in the snapshot of the pictures that may be found."""
        numbers = self.snapshot.numbers
        if not self.wanted.filtered:
            return np.arange(len(numbers))
        found = filters.numbers(self.catalog.db, self.index.paths, self.wanted)
        return np.flatnonzero(np.isin(numbers, np.array(found, np.int64)))

    def scores(self, queries: Sequence[Sequence[QueryTerm]]) -> Tensor:
        """The scores of each query with each chosen picture: (Q, I), exact for all that can be shown."""
        now, rule, ask = self.snapshot, self.index.rule, encoded_query(queries, self.index.rule)
        spans = self._spans(self.chosen)
        if self.is_quick:
            files = now.files[self.chosen] if self.folds else None
            return best_of_all(now, spans, ask, rule, self.wanted.count, files).T.contiguous()
        return all_scores(now, spans, ask, rule).T.contiguous()

    @cached_property
    def is_quick(self) -> bool:
        """Whether only the best of the chosen are scored exactly."""
        few = self.wanted.min_score is None and self.wanted.min_confidence is None
        quick = few and is_quick(self.snapshot.rough, self._spans(self.chosen), self.index.rule)
        return quick or bool(self.snapshot.coded)  # reading all fine codes would take minutes

    def _spans(self, places: Ints) -> Spans:
        """The rows to score of the pictures at some indices in the snapshot."""
        every = self.snapshot.spans
        whole = len(places) == len(every) and bool((places[:-1] < places[1:]).all())
        spans = every if whole else every[places]
        return replace(spans, count=np.ones_like(spans.count)) if self.index.rule.whole else spans

    def with_text(self, query: Sequence[QueryTerm], words: Sequence[Sequence[WrittenWord]]) -> SearchResults:
        """A page of hits in which words are written, the likeliest first; with a sentence, the best fits of both."""
        numbers = self.snapshot.numbers
        few = not query and len(words) == 1 and not self.folds
        count = self.wanted.count + 1 if few else MOST_SCORED  # one more shows whether a next page exists
        found = TextMatches.find(self.index.texts(self.catalog), self.catalog, words, numbers[self.chosen], count)
        scores = torch.tensor(list(found.likelihood.values()))
        places = np.searchsorted(numbers, np.array(list(found.likelihood), np.int64))
        if query and len(places):
            scores = scores * TEXT_WEIGHT + self._standard(query, places)
        return self.narrowed(places, scores, partial(found.add, self.catalog), query)

    def narrowed(
        self, places: Ints, scores: Tensor, adds: AddEvidence, query: Sequence[QueryTerm] = ()
    ) -> SearchResults:
        """A page of hits whose scores are not those of the vectors alone.

        Args:
            places: (I,) indices in the snapshot of the pictures that may be found.
            scores: (I,) their scores.
            adds: adds the evidence for these scores to that of a picture, given by its number.
            query: the part of the query that the vectors answer, if any.
        """
        order, narrow = np.argsort(places), copy(self)
        narrow.chosen, narrow.adds = places[order], adds
        return narrow.answer(query, scores[torch.from_numpy(order)])

    def _standard(self, query: Sequence[QueryTerm], places: Ints) -> Tensor:
        """Standardised scores of some pictures: in standard deviations above the mean of all that may be found."""
        every = self.chosen[:: max(1, len(self.chosen) // SAMPLE)]
        now, rule = self.snapshot, self.index.rule
        ask = encoded_query([query], rule)
        sample, own = (all_scores(now, self._spans(some), ask, rule)[:, 0] for some in (every, places))
        return (own - sample.mean()) / sample.std(correction=0).clamp(min=1e-6)

    def answer(self, query: Sequence[QueryTerm], scores: Tensor) -> SearchResults:
        """A page of hits, from the scores (I,) of the chosen pictures."""
        normalised = scores / (divisor(query, self.index.rule) if query and not self.adds else 1)
        curve = self._curve(query)
        confidence = None if curve is None else curve.confidence(normalised)
        left = self._fits(scores, confidence).nonzero()[:, 0]
        start, stop = (self.wanted.page - 1) * self.wanted.top, self.wanted.page * self.wanted.top
        files = Files(left.numpy(), {})
        if self.folds:
            files = by_file(self.snapshot.files[self.chosen], left.numpy(), scores)
        order = files.best[top(scores[files.best], self.wanted.count)]
        sets = (
            groups(self.snapshot, self.chosen[order]) if self.wanted.group else [[rank] for rank in range(len(order))]
        )
        page = [order[ranks] for ranks in sets[start:stop]]
        if self.is_quick and not self.adds:
            self._score_moments(query, [int(group[0]) for group in page], files, scores)
        hits = self._hits(query, page, files, scores, normalised, confidence)
        total = len(files.best) - len(order) + len(sets)
        unknown = tuple(dict.fromkeys(word for term in query for word in term.unknown))
        return SearchResults(tuple(hits), total, start + 1, unknown, curve is not None and curve.doubts(confidence))

    def _score_moments(self, query: Sequence[QueryTerm], page: Sequence[int], files: Files, scores: Tensor) -> None:
        """Sort the best moments of the videos on a page by exact scores, which replace those in `scores` (I,)."""
        now, rule, ask = self.snapshot, self.index.rule, encoded_query([query], self.index.rule)
        for best in page:
            if best in files.frames:
                rest = np.sort(files.frames[best][1:])
                own = best_of_all(now, self._spans(self.chosen[rest]), ask, rule, MOMENTS)[:, 0]
                scores[torch.from_numpy(rest)] = own
                files.frames[best][1:] = rest[top(own, len(rest))]

    def _curve(self, query: Sequence[QueryTerm]) -> Curve | None:
        """The curve that gives hits their confidence; None unless the query is a single sentence."""
        if self.calibration and not self.adds and len(query) == 1 and query[0].words and query[0].weight > 0:
            return self.calibration.curve(int((~query[0].grouping.function_words).sum()))
        return None

    def _fits(self, scores: Tensor, confidence: Tensor | None) -> Tensor:
        """Whether each picture has the minimum score and confidence: (I,) bool."""
        fits = torch.ones(len(scores), dtype=torch.bool)
        if self.wanted.min_score is not None:
            fits &= scores >= self.wanted.min_score
        if self.wanted.min_confidence is None:
            return fits
        if self.calibration is None:
            raise InputError(
                f"{self.index.folder}: this index is not calibrated, so its hits have no confidence; {CALIBRATE}"
            )
        if confidence is None:
            raise InputError("min_confidence: expected a single sentence; hits of other queries have no confidence.")
        return fits & (confidence >= self.wanted.min_confidence)

    def _hits(
        self,
        query: Sequence[QueryTerm],
        page: Sequence[Ints],
        files: Files,
        scores: Tensor,
        normalised: Tensor,
        confidence: Tensor | None,
    ) -> Iterator[Hit]:
        """The first picture of each group of indices among the chosen, with the others as its near-duplicates."""
        places = [int(self.chosen[group[0]]) for group in page]
        shown: list[HitEvidence] = [((), ()) for _ in places]
        hubness = torch.zeros(len(places))
        if query:
            shown = evidence(query, self.snapshot.images(places), self.index.run.model.evidence)
            ask = encoded_query([query], self.index.rule)
            hubness = ask.subtracted(self.snapshot.spans.hubness[places])[:, 0]
        if self.adds:
            numbers = self.snapshot.numbers[places].tolist()
            shown = [self.adds(one, number) for one, number in zip(shown, numbers, strict=True)]
        for group, (words, phrases), taken in zip(page, shown, hubness.tolist(), strict=True):
            numbers = self.snapshot.numbers[self.chosen[group]].tolist()
            entry, *others = self.catalog.numbered(numbers, known=True)
            path = self.index.paths.path(entry.path)
            missing, unreadable = state(path)
            file, time = split(entry.path)
            frames = files.frames.get(int(group[0]), group[:1])
            taken_from, camera = origins.of(self.catalog, numbers[0], entry.hash)
            before = self.broken.get(file, "").rpartition(f"{path.name}: ")[2]
            yield Hit(
                number=numbers[0],
                path=path,
                score=float(scores[group[0]]),
                hubness=taken,
                normalised=float(normalised[group[0]]),
                confidence=None if confidence is None else float(confidence[group[0]]),
                words=words,
                phrases=phrases,
                missing=missing,
                unreadable="" if missing else unreadable or before,
                width=entry.width,
                height=entry.height,
                taken=entry.taken,
                taken_from=taken_from,
                camera=camera,
                meta=json.loads(entry.meta),
                time=time,
                duration=None if time is None else self.videos.get(file),
                moments=() if time is None else tuple(self._moments(frames[1 : MOMENTS + 1], scores)),
                frames=0 if time is None else len(frames),
                near_duplicates=tuple(
                    NearDuplicate(number, self.index.paths.path(other.path), split(other.path)[1])
                    for number, other in zip(numbers[1:], others, strict=True)
                ),
            )

    def _moments(self, places: Ints, scores: Tensor) -> Iterator[Moment]:
        """Other frames of a video, by their indices among the chosen."""
        numbers = self.snapshot.numbers[self.chosen[places]].tolist()
        for place, number, entry in zip(places, numbers, self.catalog.numbered(numbers, known=True), strict=True):
            yield Moment(number, split(entry.path)[1] or 0, float(scores[place]))

    @cached_property
    def videos(self) -> dict[str, float]:
        """The duration of each video in seconds, by name."""
        return {name: video.seconds for name, video in videos(self.catalog).items()}

"""Search over shards: an actor scans each shard, and their best hits are merged to those of one index.

A sentence's words are encoded once, here. Scores come from the shards; a confidence depends on the best scores of all
shards, so it is computed here, from the best of each.
"""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Unpack

import numpy as np
import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.scale.cluster import cluster, cores
from wordsight.scale.shards import Shard, is_sharded, listed, part_of, parts_of_index
from wordsight.search import texts
from wordsight.search.calibrate import CALIBRATE, FIRST, Calibration, Curve
from wordsight.search.catalog import Catalog
from wordsight.search.find import Search, looked
from wordsight.search.former import keywords
from wordsight.search.identity import is_index, is_ours
from wordsight.search.index import Index
from wordsight.search.options import SearchKeywords, SearchOptions
from wordsight.search.query import Ask, QueryTerm, Written, divisor, parts_of, terms, without_quotes
from wordsight.search.results import Hit, SearchResults
from wordsight.text.vocabulary import Vocabulary

SECONDS = 120.0  # longest time for a shard to answer


@dataclass(frozen=True)
class ShardResults(SearchResults):
    """The answer of several shards.

    Attributes:
        not_searched: the shards that are missing, or did not answer.
    """

    not_searched: tuple[Shard, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The results as plain values for `json.dumps`, with the shards that were not searched."""
        missing = [{"shard": one.name, "pictures": one.pictures, "folders": one.folders} for one in self.not_searched]
        return super().to_json() | {"not_searched": missing}


class Found(NamedTuple):
    """The answer of one shard.

    Attributes:
        results: the best hits on one page, without confidence.
        best: the `FIRST` best normalised scores of all its pictures; fewer if it has fewer.
    """

    results: SearchResults
    best: Tensor


class Facts(NamedTuple):
    """Facts about a shard: its model, calibration, greatest picture number, and whether its text was read."""

    model: str
    calibration: str
    last: int
    text: bool


class ShardScan:
    """Ray actor that searches one shard, or a part of an index.

    Args:
        folder: of an index.
        device: where evidence is computed.
        part: number of the part of its files that is scanned, from 0; all frames of a video are in one part.
        parts: number of parts; 1 for the whole index.
    """

    def __init__(self, folder: str, device: str, part: int = 0, parts: int = 1) -> None:
        self._folder, self._device, self._part, self._parts = folder, device, part, parts
        self._index: Index | None = None

    def facts(self) -> Facts | str:
        """Facts about the shard; or why it cannot be searched."""
        try:
            self._index = self._index or Index(self._folder, self._device)
            with Catalog(self._index.folder) as catalog:
                (last,) = catalog.db.execute("SELECT ifnull(max(number), 0) FROM pictures").fetchone()
                return Facts(
                    self._index.facts["model"], catalog.fact("calibration"), last, bool(catalog.fact(texts.FACT))
                )
        except InputError as error:
            return str(error)

    def search(self, query: Sequence[QueryTerm], wanted: SearchOptions) -> Found | str:
        """The best hits of the shard; or why it cannot be searched."""
        try:
            index = self._index = self._index or Index(self._folder, self._device)
            return looked(lambda: index.opened, wanted, partial(self._look, query=query))
        except InputError as error:
            return str(error)

    def _look(self, search: Search, query: Sequence[QueryTerm]) -> Found:
        if self._parts > 1:
            files = search.snapshot.files[search.chosen]
            search.chosen = search.chosen[part_of(files, len(search.snapshot.files), self._parts) == self._part]
        if not len(search.chosen):
            return Found(SearchResults((), 0, 1, (), False), torch.zeros(0))
        (scores,) = search.scores([query])
        best = scores.topk(min(FIRST, len(scores))).values / divisor(query, search.index.rule)
        return Found(search.answer(query, scores), best)


def search_shards(
    address: str, home: Path, ask: Ask, device: str = "auto", **wanted: Unpack[SearchKeywords]
) -> tuple[ShardResults, Vocabulary]:
    """Search once; returns the hits and the model's vocabulary, and prints on stderr which shards were not searched.

    Raises:
        InputError: as `cluster`, `Shards` and `Shards.search` raise.
    """
    if not is_sharded(home) and not is_index(home):
        raise InputError(f"{home}: expected an index, or a folder of indexes.")
    with cluster(address, [home]) as ray:
        shards = Shards(ray, home, device)
        found = shards.search(ask, SearchOptions(**keywords(wanted)))
        if found.not_searched:
            print(f"wordsight: not searched: {'; '.join(map(str, found.not_searched))}", file=sys.stderr)
        return found, shards.run.vocabulary


@contextmanager
def scanning(address: str, home: Path, device: str = "auto") -> Iterator["Shards"]:
    """Context with actors of a cluster that search shards, or the parts of an index.

    Raises:
        InputError: as `cluster` and `Shards` raise.
    """
    with cluster(address, [home]) as ray:
        yield Shards(ray, home, device)


class Shards:
    """Indexes that are searched together, with the results that `Index.search` gives for their merged index.

    Args:
        ray: connected.
        home: a folder of indexes; or an index, which is scanned in as many parts as the cluster has cores.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        InputError: there is no index, none of them can be opened, or they are of different models.
    """

    def __init__(self, ray: ModuleType, home: Path, device: str = "auto") -> None:
        self._ray, self._home = ray, home
        # no core is reserved: shards that wait for queries would block builds
        actor = ray.remote(num_cpus=0, max_restarts=2, max_task_retries=2, scheduling_strategy="SPREAD")(ShardScan)
        if is_ours(home):
            shards = parts_of_index(home, count := cores(ray))
            made = [actor.remote(str(home.absolute()), device, number, count) for number in range(count)]
        else:
            shards = listed(home)
            made = [actor.remote(str(home.absolute() / one.name), device) for one in shards]
        facts = self._asked(shards, made, lambda one: one.facts.remote())
        self.missing = tuple(one for one, fact in zip(shards, facts, strict=True) if not isinstance(fact, Facts))
        told = [(s, a, f) for s, a, f in zip(shards, made, facts, strict=True) if isinstance(f, Facts)]
        if not told:
            raise InputError(f"{home}: none of its {len(shards)} shards can be searched: {facts[0]}")
        if other := next((shard for shard, _, fact in told if fact.model != told[0][2].model), None):
            raise InputError(f"{home / other.name}: of another model than {told[0][0].name}; build it again with that.")
        self._shards, self._actors, self._facts = map(list, zip(*told, strict=True))
        self._first = [0] * len(told)
        if not is_ours(home):
            self._first = np.cumsum([0, *(fact.last for fact in self._facts[:-1])]).tolist()
        self._one = Index(home if is_ours(home) else home / self._shards[0].name, device)
        curves = {fact.calibration for fact in self._facts}
        self._calibration = Calibration.parse(curves.pop()) if len(curves) == 1 else None

    @property
    def run(self) -> Any:
        """The model that all shards were built with."""
        return self._one.run

    def answers(self, ask: Ask, wanted: SearchOptions) -> bool:
        """Whether `search` can answer: it supports neither groups of near-duplicates nor text in pictures."""
        return not wanted.group and not any(isinstance(part, Written) for part in self._asks(ask))

    def _asks(self, ask: Ask) -> list[Any]:
        """The parts of a query; quoted text becomes text in pictures if a shard's text was read."""
        return list(without_quotes(ask) if any(fact.text for fact in self._facts) else parts_of(ask))

    def search(self, ask: Ask, wanted: SearchOptions) -> ShardResults:
        """Find the pictures of all shards that fit a query best.

        Raises:
            InputError: the query cannot be used, needs a single index, or no shard answers.
        """
        asked = self._asks(ask)
        if not self.answers(ask, wanted):
            what = "--group" if wanted.group else "Text in pictures"
            raise InputError(f"{what}: is not searched over shards; `wordsight index merge` joins them to one index.")
        (query,) = terms(self.run, [asked])
        curve, count = self._curve(query), wanted.top * wanted.page
        least = wanted.min_confidence
        if least is not None and curve is None:
            why = "hits of other queries have no confidence." if self._calibration else CALIBRATE
            raise InputError(f"min_confidence: expected a single sentence and a calibrated index; {why}")
        plain = replace(wanted, top=count, page=1, min_confidence=None)
        found, missing = self._found(query, plain)
        level = _level([one.best for one in found if one])
        if least is not None and curve is not None and level is not None:
            floor = _floor(curve, level, least) * divisor(query, self._one.rule)
            again = replace(plain, min_score=max(floor, -math.inf if wanted.min_score is None else wanted.min_score))
            found, missing = self._found(query, again)
        return self._merged(query, found, wanted, curve, level, missing, parts_of(asked))

    def _found(self, query: Sequence[QueryTerm], wanted: SearchOptions) -> tuple[list[Found | None], tuple[Shard, ...]]:
        """The answer of each shard, None if it does not answer; and all shards that were not searched."""
        answers = self._asked(self._shards, self._actors, lambda one: one.search.remote(query, wanted))
        said = [one for one in answers if isinstance(one, str)]
        if len(said) == len(answers):
            raise InputError(said[0])
        lost = [shard for shard, one in zip(self._shards, answers, strict=True) if isinstance(one, str)]
        return [None if isinstance(one, str) else one for one in answers], (*self.missing, *lost)

    def _asked(self, shards: Sequence[Shard], actors: Sequence[Any], ask: Callable[[Any], Any]) -> list[Any]:
        """The answers of actors; for one that does not answer, an error message."""
        waiting, answers = [ask(one) for one in actors], list[Any]()
        for shard, one in zip(shards, waiting, strict=True):
            try:
                answers.append(self._ray.get(one, timeout=SECONDS))
            except (self._ray.exceptions.RayError, TimeoutError) as error:
                answers.append(f"{shard.name}: does not answer ({type(error).__name__}).")
        return answers

    def _curve(self, query: Sequence[QueryTerm]) -> Curve | None:
        """The calibration curve of a query; None if that is not a single sentence, or there is no calibration."""
        if self._calibration and len(query) == 1 and query[0].words and query[0].weight > 0:
            return self._calibration.curve(int((~query[0].grouping.function_words).sum()))
        return None

    def _merged(
        self,
        query: Sequence[QueryTerm],
        found: Sequence[Found | None],
        wanted: SearchOptions,
        curve: Curve | None,
        level: Tensor | None,
        missing: tuple[Shard, ...],
        parts: Sequence[Any],
    ) -> ShardResults:
        """Merge the hits of all shards to one page, with their confidence."""
        hits = [
            _moved(hit, first) for one, first in zip(found, self._first, strict=True) if one for hit in one.results.hits
        ]
        start = wanted.top * (wanted.page - 1)
        page = sorted(hits, key=lambda hit: (-hit.score, hit.number))[start : start + wanted.top]
        poor = False
        if curve is not None and level is not None:
            page = [replace(hit, confidence=float(_sure(curve, level, torch.tensor(hit.normalised)))) for hit in page]
            poor = bool(_sure(curve, level, level.max()) < curve.threshold)
        total = sum(one.results.total for one in found if one)
        unknown = tuple(dict.fromkeys(word for term in query for word in term.unknown))
        return ShardResults(tuple(page), total, start + 1, unknown, poor, tuple(parts), missing)


def _moved(hit: Hit, first: int) -> Hit:
    """A shard's hit with its number among all shards, which is greater by `first`."""
    moments = tuple(replace(one, number=one.number + first) for one in hit.moments)
    return replace(hit, number=hit.number + first, moments=moments)


def _level(best: Sequence[Tensor]) -> Tensor | None:
    """The `FIRST` best normalised scores of all shards, from those of each; None if there are none."""
    every = torch.cat(list(best)) if best else torch.zeros(0)
    return every.topk(min(FIRST, len(every))).values if len(every) else None


def _sure(curve: Curve, best: Tensor, normalised: Tensor) -> Tensor:
    """The confidence of normalised scores, as `Curve.confidence` computes it, with the best scores of all shards."""
    level = best.mean()
    return torch.sigmoid(curve.lead * (normalised - level) + curve.level * level + curve.intercept)


def _floor(curve: Curve, best: Tensor, least: float) -> float:
    """The normalised score of a hit whose confidence is `least`."""
    level = float(best.mean())
    odds = math.log(max(least, 1e-12) / max(1 - least, 1e-12)) - curve.level * level - curve.intercept
    if curve.lead <= 0:
        return math.inf if odds > 0 else -math.inf
    return level + odds / curve.lead

"""Search in a vector database: it names candidates, and these are scored exactly and shown as those of an index.

The candidates become a small index in memory, which `search/find.py` looks at as at any other. So scores, confidences,
words and boxes are those that the index itself gives, wherever the database's own order is that of the index.
"""

import sqlite3
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np

from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner
from wordsight.search.catalog import Catalog
from wordsight.search.find import Search
from wordsight.search.frames import split
from wordsight.search.opened import Opened
from wordsight.search.options import SearchOptions
from wordsight.search.paths import Paths
from wordsight.search.prefilter import Rough
from wordsight.search.query import Ask, Written, encoded_query, parts_of, terms
from wordsight.search.results import SearchResults
from wordsight.search.scan import Spans
from wordsight.search.schema import migrate
from wordsight.search.snapshot import Snapshot
from wordsight.search.stores.maxsim import query_vectors
from wordsight.search.stores.places import existing_store
from wordsight.search.stores.record import entry_of
from wordsight.search.stores.store import COLLECTION, About, Point

CANDIDATES = 50  # pictures that the database is asked for, at least
MARGIN = 10  # more than are shown: the database adds up in another order, and rounds otherwise
SUBTRACTED = 10  # times as many where something counts less than nothing, which the database is not told


class StoredIndex:
    """An index as a vector database has it: `search` answers as `Index.search`; a context, closed at its end.

    Attributes:
        place: the database.
        store: the collection.
        about: what is written of it.
        run: the model.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        collection: str = COLLECTION,
        index: str | Path | None = None,
        device: str = "auto",
    ) -> None:
        """Open a collection, and the model that it was written with.

        Args:
            place: the URL of a Qdrant server, or a folder of Qdrant or LanceDB.
            collection: what the collection or table is called.
            index: the index that it was written from, where that was moved; its model encodes what is asked, and the
                files are looked for beside it.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            InputError: there is no such database or collection, its package is missing, its vectors are of other
                dimensions or another model, or the model is not there any more.
        """
        self.place = str(place)
        self.store = existing_store(self.place, collection)
        try:
            about = self.store.about()
            if about is None:
                raise InputError(f"{self.place}: has no collection {collection}; `wordsight index export` writes one.")
            self.about = about
            self._opened = _Candidates(self.store.name, about, None if index is None else Path(index), device)
            self.run = self._opened.model()
        except BaseException:
            self.store.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let others open a folder of Qdrant, which one process can at a time."""
        self.store.close()

    def search(
        self,
        ask: Ask,
        *,
        top: int = 10,
        page: int = 1,
        min_score: float | None = None,
        min_confidence: float | None = None,
        group: bool = False,
        candidates: int = CANDIDATES,
    ) -> SearchResults:
        """The pictures that fit a query best, of those that the database names.

        Each frame of a video is a hit of its own. Parts of a query with a weight below 0 are not told to the database;
        it is asked for ten times as many candidates then.

        Args:
            ask: as of `Index.search`, but texts that are written in pictures.
            top: hits on a page.
            page: the number of the page, 1 is the first.
            min_score: leave pictures out that score less; `total` counts candidates alone then.
            min_confidence: leave pictures out that are less sure; likewise.
            group: show near-duplicates as one.
            candidates: how many pictures the database is asked for, at least; more find more where it is not exact.

        Raises:
            InputError: the query cannot be used, or the collection is empty or cannot be read.
        """
        if min(top, page, candidates) < 1:
            raise InputError(f"top = {top}, page = {page}, candidates = {candidates}: expected at least 1.")
        if any(isinstance(part, Written) for part in parts_of(ask)):
            raise InputError(f"{self.place}: a vector database is not searched by the text in pictures.")
        (query,) = terms(self.run, [ask])
        rule = self._opened.rule
        encoded = encoded_query([query], rule)
        words = query_vectors(encoded, rule.whole)
        wanted = SearchOptions(
            top=top, page=page, min_score=min_score, min_confidence=min_confidence, group=group, frames=True
        )
        there, most = self._count(), max(wanted.count + MARGIN, candidates)
        most *= SUBTRACTED if bool((encoded.shares < 0).any()) else 1
        points = sorted(self.store.nearest(words, min(most, there)), key=lambda point: point.number)
        with _catalog(points, self.about, self.store.name) as catalog:
            search = Search(self._opened.holding(points), catalog, wanted)
            found = search.answer(query, search.scores([query])[0])
        behind = there - len(points) if min_score is None and min_confidence is None else 0
        return replace(found, total=found.total + behind, parts=tuple(parts_of(ask)))

    def _count(self) -> int:
        """How many pictures there are; one sentence on stderr where that is not all of the index.

        Raises:
            InputError: there are none.
        """
        there = self.store.count()
        if not there:
            raise InputError(f"{self.store.name}: empty; `wordsight index export` writes the pictures of an index.")
        if there < self.about.pictures:
            Progress().say(
                f"{self.store.name}: holds {there:,} of {self.about.pictures:,} pictures; `wordsight index export` "
                "goes on."
            )
        return there


class _Candidates(Opened):
    """The pictures that a database named, in place of an index that is open."""

    def __init__(self, place: str, about: About, index: Path | None, device: str) -> None:
        here = None if index is None else Opened(index, device)
        if here is not None and here.facts["model"] != about.model:
            raise InputError(f"{place}: holds vectors of another model than {here.folder}.")
        self.place, self.device, self.is_named = place, device, here is not None
        self.folder = here.folder if here else Path(about.folder)
        self.paths = here.paths if here else Paths(self.folder, about.made)
        own = {"size": str(about.size), "model": about.model, "made": about.made, "home": about.home}
        self.facts = here.facts if here else own
        self._last: Snapshot | None = None

    def model(self) -> Aligner:
        """The model that the vectors are of.

        Raises:
            InputError: it is not there any more, or another.
        """
        try:
            return self.run
        except InputError as error:
            if self.is_named:
                raise
            raise InputError(
                f"{self.place}: its model cannot be opened, name the index that it was written from, as in "
                f"`wordsight search INDEX --store ...`. {error}"
            ) from None

    def holding(self, points: Sequence[Point]) -> "_Candidates":
        """The same with some pictures, by ascending numbers."""
        found = copy(self)
        found._last = _snapshot(points, int(self.facts["size"]))
        return found

    def snapshot(self, catalog: Catalog) -> Snapshot:
        """The pictures that it holds."""
        return cast(Snapshot, self._last)


def _snapshot(points: Sequence[Point], size: int) -> Snapshot:
    """Pictures as a search looks at them."""
    counts = np.array([len(point.vectors) for point in points], np.int64)
    none = np.zeros(len(points), np.float32)
    hubness = np.array([point.record["hubness"] for point in points], np.float32)
    spans = Spans(np.zeros_like(counts), np.cumsum(counts) - counts, counts, hubness, none, none)
    vectors = np.concatenate([point.vectors[:, :size] for point in points])
    boxes = np.concatenate([point.boxes for point in points])
    numbers = np.array([point.number for point in points], np.int64)
    rows: Any = [{0: vectors}, {0: boxes}]  # arrays are looked at as rows on disk are
    return Snapshot("", numbers, spans, rows[0], rows[1], Rough(), np.arange(len(points)), False)


def _catalog(points: Sequence[Point], about: About, where: str) -> Catalog:
    """What is known of some pictures, as a catalogue in memory."""
    db, path = sqlite3.connect(":memory:", isolation_level=None), Path(where)
    catalog = Catalog.of(db, path, migrate(db, path))
    if about.calibration:
        catalog.set_fact("calibration", about.calibration)
    first = 0
    for point in points:
        entry = entry_of(point.record, first, len(point.vectors), where)
        first += len(point.vectors)
        catalog.set_numbered([(point.number, entry)])
        camera, taken_from = str(point.record["camera"]), str(point.record["taken_from"])
        catalog.put_rows("origins", [(point.number, entry.hash, camera, taken_from)])
        file, time = split(entry.path)
        if time is not None and point.record["duration"] is not None:
            catalog.put_rows("videos", [(file, entry.hash, float(point.record["duration"]), 0, 0)])
    return catalog

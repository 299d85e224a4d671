"""Search in a vector database: it returns candidates, which are scored exactly and shown like hits of an index.

The candidates become a small index in memory, which `search/find.py` searches like any other. So scores, confidences,
words and boxes are those of the index itself, if the database ranks pictures as the index does.
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

CANDIDATES = 50  # pictures that are requested from the database, at least
MARGIN = 10  # candidates beyond those needed, as the database sums in another order and rounds differently
SUBTRACTED = 10  # factor on the candidates if a weight is below 0, as the database does not receive that part


class StoredIndex:
    """An index in a vector database: `search` answers as `Index.search` does; a context manager that closes it.

    Attributes:
        place: the database.
        store: the collection.
        about: facts about the collection.
        run: the model.
        folder: of the index that it was exported from, which may be gone.
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
            collection: name of the collection or table.
            index: the index that it was exported from, if that was moved; its model encodes queries, and files are
                looked for beside it.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            InputError: there is no such database or collection, its package is missing, its vectors are of another
                dimension or another model, or the model is not there any more.
        """
        self.place = str(place)
        self.store = existing_store(self.place, collection)
        try:
            about = self.store.about()
            if about is None:
                raise InputError(f"{self.place}: has no collection {collection}; `wordsight index export` writes one.")
            self.about = about
            self._opened = _Candidates(self.store.name, about, None if index is None else Path(index), device)
            self.run, self.folder = self._opened.model(), self._opened.folder
        except BaseException:
            self.store.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; a folder of Qdrant can be opened by one process at a time."""
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
        """Find the pictures that fit a query best, among the candidates of the database.

        Each frame of a video is a hit of its own. Parts of a query with a weight below 0 are not sent to the database;
        it is then asked for ten times as many candidates.

        Args:
            ask: as in `Index.search`, except `Written` parts.
            top: hits on a page.
            page: the number of the page, 1 is the first.
            min_score: the lowest score of a hit; `total` then counts candidates only.
            min_confidence: the lowest confidence of a hit, 0 to 1; likewise.
            group: show near-duplicates as one hit.
            candidates: the minimum number of candidates; with more, an approximate database misses fewer hits.

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
        """The number of pictures in the collection; prints a sentence on stderr if the index had more.

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
    """Candidates of a database, in place of an open index."""

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
        """The model that made the vectors.

        Raises:
            InputError: it is not there any more, or it is another model.
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
        """A copy that holds some pictures, given by ascending numbers."""
        found = copy(self)
        found._last = _snapshot(points, int(self.facts["size"]))
        return found

    def snapshot(self, catalog: Catalog) -> Snapshot:
        """The pictures that it holds."""
        return cast(Snapshot, self._last)


def _snapshot(points: Sequence[Point], size: int) -> Snapshot:
    """Pictures as a snapshot in memory."""
    counts = np.array([len(point.vectors) for point in points], np.int64)
    none = np.zeros(len(points), np.float32)
    hubness = np.array([point.record["hubness"] for point in points], np.float32)
    spans = Spans(np.zeros_like(counts), np.cumsum(counts) - counts, counts, hubness, none, none)
    vectors = np.concatenate([point.vectors[:, :size] for point in points])
    boxes = np.concatenate([point.boxes for point in points])
    numbers = np.array([point.number for point in points], np.int64)
    rows: Any = [{0: vectors}, {0: boxes}]  # arrays are indexed like rows on disk
    return Snapshot("", numbers, spans, rows[0], rows[1], Rough(), np.arange(len(points)), False)


def _catalog(points: Sequence[Point], about: About, where: str) -> Catalog:
    """The records of pictures as a catalogue in memory."""
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

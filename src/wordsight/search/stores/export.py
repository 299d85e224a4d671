"""Export of an index to a vector database: new and changed pictures are written, and missing ones deleted."""

from collections.abc import Iterator
from pathlib import Path

from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.identity import read_id
from wordsight.search.index import Index
from wordsight.search.opened import Opened
from wordsight.search.snapshot import Snapshot
from wordsight.search.stores.maxsim import check_rule, picture_vectors
from wordsight.search.stores.places import open_store, place_for
from wordsight.search.stores.record import Known, record_of, stamp_of
from wordsight.search.stores.store import COLLECTION, About, Point, Store

NUMBERS = 2**19  # numbers after which vectors are written: a Qdrant server takes requests of up to 32 MB of text


def export_index(
    index: Index | str | Path,
    to: str,
    place: str | None = None,
    *,
    collection: str = COLLECTION,
    progress: Progress | None = None,
) -> dict[str, str | int]:
    """Bring a collection of a vector database up to date with an index.

    Whenever it is stopped, what was written is kept, and the same call continues.

    Args:
        index: the index, or its folder.
        to: `qdrant` or `lancedb`.
        place: a URL or a folder; None for `http://localhost:6333`, or the folder `INDEX.lancedb`.
        collection: name of the collection or table.
        progress: receives updates; None prints to stderr.

    Returns:
        `store`, the place; `collection`; the numbers of pictures `added`, `updated`, `removed` and `unchanged`, and of
        all `pictures` there now. A frame of a video counts as a picture.

    Raises:
        InputError: the index is damaged or its scores are not MaxSim, or the database cannot be opened or written, or
            the collection is of another index.
    """
    opened = (index if isinstance(index, Index) else Index(index)).opened
    check_rule(opened.rule, opened.folder)
    place = place_for(to, place, opened.folder)
    store = open_store(to, place, collection)
    try:
        with Catalog(opened.folder) as catalog:
            counts = _Export(opened, catalog, store).run(progress or Progress())
    finally:
        store.close()
    return {"store": place, "collection": collection} | counts


class _Export:
    """An export: a snapshot of an index, and the collection that is brought up to date with it."""

    def __init__(self, index: Opened, catalog: Catalog, store: Store) -> None:
        self.index, self.catalog, self.store = index, catalog, store
        self.snapshot: Snapshot = index.snapshot(catalog)
        self.whole = index.rule.whole

    def run(self, progress: Progress) -> dict[str, int]:
        """Write what differs; returns the counts."""
        self._begin()
        there, total = self.store.stamps(), len(self.snapshot.numbers)
        gone = there.keys() - set(self.snapshot.numbers.tolist())
        added, updated, done, part = 0, 0, 0, list[Point]()
        with progress.task("export") as count:
            for done, point in enumerate(self._points(there), 1):
                if point is not None:
                    part.append(point)
                    added, updated = added + (point.number not in there), updated + (point.number in there)
                if part and (sum(one.vectors.size for one in part) >= NUMBERS or done == total):
                    self.store.write(part)
                    part.clear()
                    count(done, total)
        if gone:
            self.store.delete(gone)
        if added or updated or gone:
            self.store.finish()
        counts = {"added": added, "updated": updated, "removed": len(gone), "unchanged": total - added - updated}
        return counts | {"pictures": self.store.count()}

    def _begin(self) -> None:
        """Make the collection, or check that it is of this index.

        Raises:
            InputError: it is of another index or model.
        """
        facts, folder = self.index.facts, self.index.folder.absolute()
        about = About(
            index=read_id(folder) or str(folder),
            model=facts["model"],
            home=facts["home"],
            folder=str(folder),
            made=facts["made"],
            size=self.index.segments.size,
            whole=self.whole,
            calibration=self.catalog.fact("calibration"),
            pictures=len(self.snapshot.numbers),
        )
        there = self.store.about()
        if there is None:
            self.store.create(about)
        elif there.model != about.model:
            raise InputError(f"{self.store.name}: holds vectors of another model; name another with --collection.")
        elif there.index != about.index:
            raise InputError(
                f"{self.store.name}: holds the pictures of another index, {there.folder}; name another with "
                "--collection."
            )
        elif there != about:
            self.store.describe(about)

    def _points(self, there: dict[int, int]) -> Iterator[Point | None]:
        """The point of each picture of the index; None if the collection has it unchanged."""
        known, numbers = Known.read(self.catalog), self.snapshot.numbers
        for place, number in enumerate(numbers.tolist()):
            (entry,) = self.catalog.numbered([number], known=True)
            record = record_of(self.catalog, known, number, entry)
            stamp = stamp_of(record)
            yield None if there.get(number) == stamp else self._point(place, number, entry, record, stamp)

    def _point(self, place: int, number: int, entry: Entry, record: dict[str, object], stamp: int) -> Point:
        images = self.snapshot.images([place])
        vectors = picture_vectors(images.values[0].numpy(), entry.hubness, self.whole)
        return Point(number, vectors, images.places[0].numpy(), record, stamp)

"""Upgrade of segments: those of an older wordsight, in float32, are rewritten in float16 with 8-bit codes.

Rows are copied to new segments, and the catalogue is updated, a few hundred pictures at a time; then the old files are
deleted. After an interruption some pictures are in old segments and some in new ones. Readers accept both, and the next
build continues.
"""

from collections.abc import Iterator, Sequence

from wordsight.progress import Progress
from wordsight.search.append import copy_rows
from wordsight.search.catalog import Catalog
from wordsight.search.records import Entry
from wordsight.search.vectors import Segments

TOGETHER = 256  # pictures in one commit


def recode(catalog: Catalog, segments: Segments, progress: Progress) -> int:
    """Rewrite the segments of an older format; returns how many pictures were in them.

    Args:
        catalog: of a sound index, open for writing.
        segments: its vectors.
        progress: receives updates.

    Raises:
        InputError: the vectors cannot be read or written; what was committed is kept.
    """
    former = [number for number in catalog.segments() if segments.is_former(number)]
    done = move(catalog, segments, former, "smaller vectors", progress)
    for kind in ("rough", "vectors"):
        segments.delete(kind, catalog.segments())
    return done


def move(catalog: Catalog, segments: Segments, former: Sequence[int], what: str, progress: Progress) -> int:
    """Rewrite segments in the current format; returns how many pictures were in them.

    Their files stay: readers may be about to open them.

    Args:
        catalog: open for writing.
        segments: the vectors.
        former: numbers of the segments.
        what: name of the task, for `progress`.
        progress: receives updates.

    Raises:
        InputError: the vectors cannot be read or written; what was committed is kept.
    """
    chosen, done = ", ".join(map(str, former)), 0
    where = f"rows != 0 AND segment IN ({chosen})"
    if former:
        (total,) = catalog.db.execute(f"SELECT count(*) FROM pictures WHERE {where}").fetchone()
        with progress.task(what) as count:
            for part in _parts(catalog, where):
                _move(catalog, segments, part)
                count(done := done + len(part), total)
        with catalog.change():
            for table, column in (("batches", "segment"), ("segments", "number")):
                catalog.db.execute(f"DELETE FROM {table} WHERE {column} IN ({chosen})")
    return done


def _parts(catalog: Catalog, where: str) -> Iterator[list[tuple[int, Entry]]]:
    """The pictures that remain in the old segments, a few at a time, in the order of the files."""
    while True:
        query = f"SELECT number FROM pictures WHERE {where} ORDER BY segment, first LIMIT {TOGETHER}"
        numbers = [number for (number,) in catalog.db.execute(query)]
        if not numbers:
            return
        yield list(zip(numbers, catalog.numbered(numbers, known=True), strict=True))


def _move(catalog: Catalog, segments: Segments, part: Sequence[tuple[int, Entry]]) -> None:
    """Copy the rows of pictures to new segments, in one commit."""
    ends: dict[int, int] = {}
    for _, one in part:
        ends[one.segment] = max(ends.get(one.segment, 0), one.first + one.rows)
    opened = {number: segments.open(number, rows) for number, rows in ends.items()}
    vectors, boxes = ({number: getattr(one, kind) for number, one in opened.items()} for kind in ("vectors", "boxes"))
    batch, moved = copy_rows(vectors, boxes, [one for _, one in part], segments, catalog.segments())
    with catalog.change():
        catalog.put(batch, [])
        catalog.set_numbered((number, one.typed()) for (number, _), one in zip(part, moved, strict=True))

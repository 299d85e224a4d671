"""Snapshot of an index: its state at one moment, which a search reads while another process writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.batch import Vectors
from wordsight.search.catalog import Catalog
from wordsight.search.coded import Coded
from wordsight.search.frames import FRAME, VIDEO
from wordsight.search.prefilter import Rough
from wordsight.search.rows import Ints, Readable
from wordsight.search.scan import Spans
from wordsight.search.vectors import Segments

TOGETHER = 10_000  # rows of the catalogue read at once: a million as Python numbers would take half a gigabyte


@dataclass(frozen=True)
class Snapshot:
    """State of an index at one moment.

    Attributes:
        generation: number of changes so far.
        numbers: (I,) the pictures' numbers in the catalogue, ascending.
        spans: where their rows are.
        vectors: the rows of each segment, on disk until they are read.
        boxes: likewise.
        rough: the vectors in 8 bits, likewise.
        files: (I,) a number for the file of each picture, shared by the frames of a video.
        has_videos: whether there are any frames of videos.
        coded: the codes of each compact segment, from which its vectors and boxes are decoded.
    """

    generation: str
    numbers: Ints
    spans: Spans
    vectors: Mapping[int, Readable]
    boxes: Mapping[int, Readable]
    rough: Rough
    files: Ints
    has_videos: bool
    coded: Mapping[int, Coded] = field(default_factory=dict)

    @classmethod
    def read(cls, catalog: Catalog, segments: Segments) -> Self:
        """Read the state that a catalogue open for reading sees.

        Raises:
            InputError: a file of vectors is cut short, or the row of a picture is damaged.
        """
        table = _table(catalog)
        numbers, segment, first, count = (np.ascontiguousarray(column) for column in table[:, :4].T.astype(np.int64))
        needed = {int(one): int((first + count)[segment == one].max()) for one in np.unique(segment)}
        opened = {number: segments.open(number, rows) for number, rows in needed.items()}
        files, firsts = np.arange(len(numbers)), dict[str, int]()
        frames = catalog.db.execute(f"SELECT number, {VIDEO} FROM pictures WHERE rows != 0 AND {FRAME}").fetchall()
        for place, (_, video) in zip(np.searchsorted(numbers, [number for number, _ in frames]), frames, strict=True):
            files[place] = firsts.setdefault(video, int(place))
        return cls(
            catalog.fact("generation"),
            numbers,
            Spans(segment, first, count, *table[:, 4:].T.astype(np.float32)),
            {number: one.vectors for number, one in opened.items()},
            {number: one.boxes for number, one in opened.items()},
            Rough(
                (number, (one.codes, one.steps))
                for number, one in opened.items()
                if one.codes is not None and one.steps is not None
            ),
            files,
            bool(frames),
            {number: one.coded for number, one in opened.items() if one.coded is not None},
        )

    def images(self, places: Sequence[int]) -> Vectors:
        """The regions of some pictures: (pictures, R, D), padded to the largest number of regions."""
        some = self.spans[np.asarray(places, np.int64)]
        longest = int(some.count.max(initial=0))
        size = next(iter(self.vectors.values())).shape[1] if self.vectors else 0
        values, boxes = torch.zeros(len(some), longest, size), torch.zeros(len(some), longest, 4)
        mask = torch.arange(longest) < torch.from_numpy(some.count)[:, None]
        for row, (segment, first, count) in enumerate(zip(some.segment, some.first, some.count, strict=True)):
            values[row, :count] = torch.from_numpy(self.vectors[segment][first : first + count])
            boxes[row, :count] = torch.from_numpy(self.boxes[segment][first : first + count])
        return Vectors(values, mask, boxes, torch.from_numpy(some.hubness))


def _table(catalog: Catalog) -> NDArray[np.float64]:
    """The columns of `query` (I, 7), without pictures that wait to be encoded again."""
    query = "SELECT number, segment, first, rows, hubness, length, blur FROM pictures WHERE rows != 0 ORDER BY number"
    try:
        found = catalog.db.execute(query)
        parts = [np.array(part, np.float64) for part in iter(lambda: found.fetchmany(TOGETHER), [])]
        table = np.concatenate([np.empty((0, 7)), *parts])
    except (ValueError, TypeError, OverflowError):  # text or NULL in place of a number
        raise catalog.damage("the row of a picture") from None
    ends, sizes = table[:, 2] + table[:, 3], np.zeros(len(table))
    for number, rows in catalog.segments().items():
        sizes[table[:, 1] == number] = rows
    if not (
        np.isfinite(table).all() and (table[:, 2] >= 0).all() and (table[:, 3] >= 1).all() and (ends <= sizes).all()
    ):
        raise catalog.damage("the row of a picture")
    return table

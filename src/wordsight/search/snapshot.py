"""An index as it was at one moment: what a search looks at while another process writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from wordsight.batch import Vectors
from wordsight.search.catalog import Catalog
from wordsight.search.rough import Halves
from wordsight.search.scan import Floats, Ints, Spans
from wordsight.search.vectors import Segments


@dataclass(frozen=True)
class Snapshot:
    """An index as it was at one moment.

    Attributes:
        generation: counts its changes.
        numbers: (I,) the pictures' numbers in the catalogue, ascending.
        spans: where their rows are.
        vectors: the rows of each segment, mapped.
        boxes: likewise.
        rough: the vectors as bfloat16, likewise.
    """

    generation: str
    numbers: Ints
    spans: Spans
    vectors: Mapping[int, Floats]
    boxes: Mapping[int, Floats]
    rough: Mapping[int, Halves]

    @classmethod
    def read(cls, catalog: Catalog, segments: Segments) -> Self:
        """What a reading catalogue sees.

        Raises:
            InputError: a file of vectors is cut short.
        """
        columns = "number, segment, first, rows, hubness, length, blur"
        query = f"SELECT {columns} FROM pictures WHERE rows > 0 ORDER BY number"
        table = np.array(catalog.db.execute(query).fetchall(), np.float64).reshape(-1, 7)
        numbers, segment, first, count = (np.ascontiguousarray(column) for column in table[:, :4].T.astype(np.int64))
        needed = {int(one): int((first + count)[segment == one].max()) for one in np.unique(segment)}
        maps = {number: segments.map(number, rows) for number, rows in needed.items()}
        return cls(
            catalog.fact("generation"),
            numbers,
            Spans(segment, first, count, *table[:, 4:].T.astype(np.float32)),
            {number: vectors for number, (vectors, _, _) in maps.items()},
            {number: boxes for number, (_, boxes, _) in maps.items()},
            {number: rough for number, (_, _, rough) in maps.items()},
        )

    def images(self, places: Sequence[int]) -> Vectors:
        """The regions of some pictures: (pictures, R, D), padded to the one with most."""
        some = self.spans[np.asarray(places, np.int64)]
        longest = int(some.count.max(initial=0))
        size = next(iter(self.vectors.values())).shape[1] if self.vectors else 0
        values, boxes = torch.zeros(len(some), longest, size), torch.zeros(len(some), longest, 4)
        mask = torch.arange(longest) < torch.from_numpy(some.count)[:, None]
        for row, (segment, first, count) in enumerate(zip(some.segment, some.first, some.count, strict=True)):
            values[row, :count] = torch.from_numpy(self.vectors[segment][first : first + count])
            boxes[row, :count] = torch.from_numpy(self.boxes[segment][first : first + count])
        return Vectors(values, mask, boxes, torch.from_numpy(some.hubness))

"""Vectors on disk: files that only grow, memory-mapped; a row a region, its box and its bfloat16 in files beside.

Rows are written and flushed to disk before the catalogue names them. What lies behind the rows that it names is left
from an interruption, and the next writer cuts it off.
"""

import errno
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import write_at
from wordsight.search.catalog import Batch
from wordsight.search.rough import Halves, halved
from wordsight.search.scan import Floats, Number

MOST = 256 * 2**20  # bytes of vectors after which a new file is begun
STEP = 16 * 2**20  # bytes that are checked at once


class Segments:
    """The files of vectors in a folder.

    Attributes:
        folder: where they are.
        size: D, how long a vector is.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size

    def files(self, number: int) -> list[tuple[Path, int]]:
        """The files of a segment, vectors, boxes and rough vectors, and how many bytes a row of each has."""
        widths = {"vectors": 4 * self.size, "boxes": 16, "rough": 2 * self.size}
        return [(self.folder / f"{number:05}.{kind}", width) for kind, width in widths.items()]

    def rows(self, number: int) -> int:
        """How many complete rows a segment has on disk, whether they hold or not."""
        return min(path.stat().st_size // width if path.exists() else 0 for path, width in self.files(number))

    def map(self, number: int, rows: int) -> tuple[Floats, Floats, Halves]:
        """The vectors (rows, D), boxes (rows, 4) and rough vectors of a segment; nothing is read until looked at.

        Raises:
            InputError: it is shorter.
        """
        if self.rows(number) < rows:
            raise InputError(
                f"{self.files(number)[0][0]}: cut short, {self.rows(number):,} rows of {rows:,}; `wordsight index "
                "verify` lists the pictures, `wordsight index build` repairs them."
            )
        vectors, boxes, rough = (path for path, _ in self.files(number))
        return (
            _map(vectors, np.float32, rows, self.size),
            _map(boxes, np.float32, rows, 4),
            _map(rough, np.int16, rows, self.size),
        )

    def append(self, committed: Mapping[int, int], values: Floats, boxes: Floats) -> Batch:
        """Write rows behind those that hold, onto the disk; they hold once the catalogue has the batch.

        Args:
            committed: the rows of each segment that hold.
            values: (rows, D).
            boxes: (rows, 4).

        Raises:
            InputError: they cannot be written; nothing has changed then.
        """
        number = max(committed, default=1)
        first = committed.get(number, 0)
        if first * 4 * self.size >= MOST or self.rows(number) < first:  # never behind a gap
            number, first = number + 1, 0
        try:
            self.folder.mkdir(exist_ok=True)
            parts = (values.astype("<f4"), boxes.astype("<f4"), halved(values).astype("<i2"))
            for (path, width), rows in zip(self.files(number), parts, strict=True):
                write_at(path, first * width, rows.tobytes())
        except OSError as error:
            why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
            raise InputError(
                f"{self.folder}: cannot write vectors ({why}); what was added is kept, and the same command goes on."
            ) from None
        return Batch(number, first, len(values), self.checksum(number, first, len(values)))

    def checksum(self, number: int, first: int, rows: int) -> int:
        """CRC-32 of some rows in one file after the other; -1 where they are not all there."""
        found = 0
        for path, width in self.files(number):
            if self.rows(number) < first + rows:
                return -1
            with path.open("rb") as file:
                file.seek(first * width)
                left = rows * width
                while left:
                    part = file.read(min(left, STEP))
                    found, left = zlib.crc32(part, found), left - len(part)
        return found


def _map(path: Path, kind: type[Number], rows: int, size: int) -> NDArray[Number]:
    if not rows:
        return np.zeros((0, size), kind)
    little = np.dtype(kind).newbyteorder("<")
    return np.memmap(path, little, "c", shape=(rows, size))  # "c": torch wants no read-only memory

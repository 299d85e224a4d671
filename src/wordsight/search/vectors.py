"""Vectors on disk: files that only grow, memory-mapped; a row a region, its box in a second file beside.

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

Floats = NDArray[np.float32]
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

    def files(self, number: int) -> tuple[tuple[Path, int], tuple[Path, int]]:
        """The two files of a segment, vectors and boxes, and how many bytes a row of each has."""
        name = f"{number:05}"
        return (self.folder / f"{name}.vectors", 4 * self.size), (self.folder / f"{name}.boxes", 16)

    def rows(self, number: int) -> int:
        """How many complete rows a segment has on disk, whether they hold or not."""
        return min(path.stat().st_size // width if path.exists() else 0 for path, width in self.files(number))

    def map(self, number: int, rows: int) -> tuple[Floats, Floats]:
        """The vectors (rows, D) and boxes (rows, 4) of a segment; nothing is read until it is looked at.

        Raises:
            InputError: it is shorter.
        """
        if self.rows(number) < rows:
            raise InputError(
                f"{self.files(number)[0][0]}: cut short, {self.rows(number):,} rows of {rows:,}; `wordsight index "
                "verify` lists the pictures, `wordsight index build` repairs them."
            )
        return _map(*self.files(number)[0], rows), _map(*self.files(number)[1], rows)

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
            for (path, width), rows in zip(self.files(number), (values, boxes), strict=True):
                write_at(path, first * width, np.ascontiguousarray(rows, "<f4").tobytes())
        except OSError as error:
            why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
            raise InputError(
                f"{self.folder}: cannot write vectors ({why}); what was added is kept, and the same command goes on."
            ) from None
        return Batch(number, first, len(values), self.checksum(number, first, len(values)))

    def checksum(self, number: int, first: int, rows: int) -> int:
        """CRC-32 of some rows' vectors, then of their boxes; -1 where they are not all there."""
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


def _map(path: Path, width: int, rows: int) -> Floats:
    if not rows:
        return np.zeros((0, width // 4), np.float32)
    mapped: Floats = np.memmap(path, "<f4", "c", shape=(rows, width // 4))  # "c": torch wants no read-only memory
    return mapped

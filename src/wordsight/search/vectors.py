"""Vectors on disk: files that only grow; a row a region, its box and its 8-bit codes (`codes.py`) in files beside.

Rows are written and flushed to disk before the catalogue names them. What lies behind the rows that it names is left
from an interruption, and the next writer cuts it off. Segments of an older wordsight have a file of bfloat16 in place
of codes; they are read as they are, and no row is added to them (`recoded.py`).
"""

import os
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wordsight.errors import InputError
from wordsight.files import reason, sync_folder, write_at
from wordsight.search.codes import Codes, agree
from wordsight.search.records import Batch
from wordsight.search.rows import Rows
from wordsight.search.scan import Floats

MOST = 256 * 2**20  # bytes of vectors after which a new file is begun
STEP = 16 * 2**20  # bytes that are checked at once


class Opened(NamedTuple):
    """The files of a segment.

    Attributes:
        vectors: (rows, D).
        boxes: (rows, 4).
        codes: (rows, D) uint8; None in a segment of an older wordsight.
        steps: (rows, 1); likewise.
    """

    vectors: Rows[np.float32]
    boxes: Rows[np.float32]
    codes: Rows[np.uint8] | None = None
    steps: Rows[np.float32] | None = None


class Segments:
    """The files of vectors in a folder.

    Attributes:
        folder: where they are.
        size: D, how long a vector is.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size

    def files(self, number: int) -> list[tuple[Path, int]]:
        """The files of a segment, vectors, boxes, codes and steps, and how many bytes a row of each has."""
        widths = {"vectors": 4 * self.size, "boxes": 16}
        widths |= {"rough": 2 * self.size} if self.is_former(number) else {"codes": self.size, "steps": 4}
        return [(self.folder / f"{number:05}.{kind}", width) for kind, width in widths.items()]

    def is_former(self, number: int) -> bool:
        """Whether a segment is of an older wordsight, with bfloat16 beside its vectors."""
        return os.path.exists(self.folder / f"{number:05}.rough")

    def delete_former(self, committed: Collection[int]) -> None:
        """Delete the segments of an older wordsight that hold no more rows; what cannot be deleted stays."""
        for path in self.folder.glob("*.rough"):
            if path.stem.isdecimal() and int(path.stem) not in committed:
                for one, _ in self.files(int(path.stem)):  # that which tells it apart is the last
                    with suppress(OSError):
                        one.unlink(missing_ok=True)

    def rows(self, number: int) -> int:
        """How many complete rows a segment has on disk, whether they hold or not."""
        return min(_bytes(path) // width for path, width in self.files(number))

    def open(self, number: int, rows: int) -> "Opened":
        """The files of a segment; nothing is read until looked at.

        Raises:
            InputError: it is shorter, or cannot be read.
        """
        if self.rows(number) < rows:
            raise InputError(
                f"{self.files(number)[0][0]}: cut short, {self.rows(number):,} rows of {rows:,}; `wordsight index "
                "verify` lists the pictures, `wordsight index build` repairs them."
            )
        vectors, boxes, *others = (path for path, _ in self.files(number))
        found = Rows(vectors, np.float32, rows, self.size), Rows(boxes, np.float32, rows, 4)
        if len(others) == 1:
            return Opened(*found)
        return Opened(*found, Rows(others[0], np.uint8, rows, self.size), Rows(others[1], np.float32, rows, 1))

    def append(self, committed: Mapping[int, int], values: Floats, boxes: Floats, codes: Codes) -> Batch:
        """Write rows behind those that hold, onto the disk; they hold once the catalogue has the batch.

        Args:
            committed: the rows of each segment that hold.
            values: (rows, D).
            boxes: (rows, 4).
            codes: of the same rows.

        Raises:
            InputError: they cannot be written; nothing has changed then.
        """
        number = max(committed, default=1)
        first = committed.get(number, 0)
        if first * 4 * self.size >= MOST or self.rows(number) < first or self.is_former(number):  # never behind a gap
            number, first = number + 1, 0
        parts = (values.astype("<f4"), boxes.astype("<f4"), codes.values, codes.steps.astype("<f4"))
        if not all(np.isfinite(part).all() for part in (*parts, codes.blur)):
            raise InputError(f"{self.folder}: the model gave vectors that are no numbers; nothing was written.")
        contents, found = [part.tobytes() for part in parts], 0
        for content in contents:  # of what is to be on the disk, whatever will be
            found = zlib.crc32(content, found)
        try:
            if not self.folder.exists():
                self.folder.mkdir()
                sync_folder(self.folder.parent)
            for (path, width), content in zip(self.files(number), contents, strict=True):
                write_at(path, first * width, content)
        except OSError as error:
            raise InputError(
                f"{self.folder}: cannot write vectors ({reason(error)}); what was added is kept, and the same command "
                "goes on."
            ) from None
        return Batch(number, first, len(values), found)

    def is_sound(self, batch: Batch) -> bool:
        """Whether the rows of a batch are as they were to be written, and numbers, and the codes agree."""
        number, first, rows, _ = batch
        if self.rows(number) < first + rows:
            return False
        try:
            vectors, boxes, codes, steps = self.open(number, first + rows)
            found = 0
            for path, width in self.files(number):
                file = Rows(path, np.uint8, first + rows, width)
                for part in _parts(first, rows, width):
                    found = zlib.crc32(file[part].tobytes(), found)
            if found != batch.checksum or not np.isfinite(boxes[first : first + rows]).all():
                return False
            for part in _parts(first, rows, 4 * self.size):
                if not np.isfinite(vectors[part]).all():
                    return False
                if codes and steps and not agree(vectors[part], codes[part], steps[part][:, 0]):
                    return False
            return True
        except InputError:  # cut short or lost meanwhile
            return False


def _parts(first: int, rows: int, width: int) -> Iterator[slice]:
    """Some rows, a few at a time."""
    step = max(1, STEP // width)
    return (slice(start, min(start + step, first + rows)) for start in range(first, first + rows, step))


def _bytes(path: Path) -> int:
    """The size of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}).") from None

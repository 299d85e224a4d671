"""Vectors on disk, in float16 (`halves.py`): files that only grow; a row a region, its box and its 8-bit codes beside.

Rows are written and flushed to disk before the catalogue names them. What lies behind the rows that it names is left
from an interruption, and the next writer cuts it off. Segments of an older wordsight have vectors in float32, beside
them codes (`codes.py`) or bfloat16; they are read as they are, and no row is added to them (`recoded.py`). A compact
segment has only codes of a few bytes a region (`codebook.py`).
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
from wordsight.search.codebook import FILE as CODEBOOK
from wordsight.search.codebook import Codebook
from wordsight.search.coded import Boxes, Coded, Decoded, coded_boxes
from wordsight.search.codes import Codes, agree
from wordsight.search.halves import Halved, Halves
from wordsight.search.records import Batch
from wordsight.search.rows import Ints, Rows
from wordsight.search.scan import Floats

MOST = 256 * 2**20  # bytes of vectors after which a new file is begun
STEP = 16 * 2**20  # bytes that are checked at once


class Opened(NamedTuple):
    """The files of a segment.

    Attributes:
        vectors: (rows, D).
        boxes: (rows, 4).
        codes: (rows, D) uint8; None in a compact segment, and in one with bfloat16.
        steps: (rows, 1); likewise.
        coded: what a compact segment has.
    """

    vectors: Halves | Rows[np.float32] | Decoded
    boxes: Rows[np.float32] | Boxes
    codes: Rows[np.uint8] | None = None
    steps: Rows[np.float32] | None = None
    coded: Coded | None = None


class Segments:
    """The files of vectors in a folder.

    Attributes:
        folder: where they are.
        size: D, how long a vector is.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self._codebook: Codebook | None = None
        self._seen: tuple[int, int] | None = None  # which file it was read from

    @property
    def codebook(self) -> Codebook | None:
        """How compact segments are coded; None where there are none.

        Raises:
            InputError: it is damaged.
        """
        seen = self._file()
        if seen and seen != self._seen:  # another process may have fitted another
            found = Codebook.load(self.folder)
            if found.back.shape[1] != self.size:
                raise InputError(f"{self.folder / CODEBOOK}: of another model than this index.")
            self._codebook, self._seen = found, seen
        return self._codebook

    def _file(self) -> tuple[int, int] | None:
        """Which file of a codebook is there, and of when; None where there is none."""
        try:
            found = os.stat(self.folder / CODEBOOK)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def keep(self, codebook: Codebook) -> None:
        """Keep a codebook: what is added from now on goes into compact segments.

        Raises:
            InputError: it cannot be written.
        """
        codebook.save(self.folder)
        self._codebook, self._seen = codebook, self._file()

    def drop_damaged_codebook(self) -> None:
        """Delete a codebook that cannot be read, so that another can be fitted to what is encoded again."""
        self._codebook = self._seen = None
        try:
            _ = self.codebook
        except InputError:
            with suppress(OSError):
                (self.folder / CODEBOOK).unlink(missing_ok=True)

    def files(self, number: int) -> list[tuple[Path, int]]:
        """The files of a segment and how many bytes a row of each has: vectors, boxes, codes and steps, or codes only.

        Raises:
            InputError: it is compact, and what its codes stand for is lost.
        """
        if self.is_compact(number):
            codebook = self.codebook or Codebook.load(self.folder)
            widths = {"fine": int(codebook.fine_width), "coarse": codebook.coarse_width, "places": 4}
        elif self.is_former(number):
            rough = os.path.exists(self.folder / f"{number:05}.rough")
            beside = {"rough": 2 * self.size} if rough else {"codes": self.size, "steps": 4}
            widths = {"vectors": 4 * self.size, "boxes": 16, **beside}
        else:
            widths = {"halves": 2 * self.size, "scales": 4, "boxes": 16, "codes": self.size, "steps": 4}
        return [(self.folder / f"{number:05}.{kind}", width) for kind, width in widths.items()]

    def is_compact(self, number: int) -> bool:
        """Whether a segment has only codes of a few bytes."""
        return os.path.exists(self.folder / f"{number:05}.coarse")

    def is_former(self, number: int) -> bool:
        """Whether a segment is of an older wordsight, with vectors in float32."""
        return os.path.exists(self.folder / f"{number:05}.vectors")

    def delete(self, kind: str, committed: Collection[int]) -> None:
        """Delete the segments that hold no more rows, of those with files of a kind; what cannot be deleted stays."""
        for path in self.folder.glob(f"*.{kind}"):
            if path.stem.isdecimal() and int(path.stem) not in committed:
                for one in [*(one for one, _ in self.files(int(path.stem)) if one != path), path]:  # found by it again
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
        if self.is_compact(number):
            return self._open_compact(number, rows)
        paths = {path.suffix[1:]: path for path, _ in self.files(number)}
        boxes = Rows(paths["boxes"], np.float32, rows, 4)
        vectors: Halves | Rows[np.float32]
        if "halves" in paths:
            scales = Rows(paths["scales"], np.float32, rows, 1)
            vectors = Halves(Rows(paths["halves"], np.float16, rows, self.size), scales)
        else:
            vectors = Rows(paths["vectors"], np.float32, rows, self.size)
        if "rough" in paths:
            return Opened(vectors, boxes)
        codes, steps = Rows(paths["codes"], np.uint8, rows, self.size), Rows(paths["steps"], np.float32, rows, 1)
        return Opened(vectors, boxes, codes, steps)

    def _open_compact(self, number: int, rows: int) -> "Opened":
        fine, coarse, places = (Rows(path, np.uint8, rows, width) for path, width in self.files(number))
        coded = Coded(coarse, fine, places, self.codebook or Codebook.load(self.folder))
        return Opened(coded.vectors, coded.boxes, coded=coded)

    def append(self, committed: Mapping[int, int], values: Halved, boxes: Floats, codes: Codes) -> Batch:
        """Write rows behind those that hold, onto the disk; they hold once the catalogue has the batch.

        Args:
            committed: the rows of each segment that hold.
            values: the vectors.
            boxes: (rows, 4).
            codes: of what is kept of the same vectors.

        Raises:
            InputError: they cannot be written; nothing has changed then.
        """
        floats = (part.astype("<f4") for part in (values.scales, boxes))
        parts = (values.numbers.astype("<f2"), *floats, codes.values, codes.steps.astype("<f4"))
        if not all(np.isfinite(part).all() for part in (*parts, codes.blur)):
            raise InputError(f"{self.folder}: the model gave vectors that are no numbers; nothing was written.")
        return self._write(committed, [part.tobytes() for part in parts], len(boxes), compact=False)

    def append_coded(self, committed: Mapping[int, int], values: Floats, boxes: Floats, counts: Ints) -> Batch:
        """The same in a few bytes a region, where there is a codebook.

        Args:
            committed: the rows of each segment that hold.
            values: (rows, D), those of a picture one after the other.
            boxes: (rows, 4).
            counts: (I,) how many each picture has.

        Raises:
            InputError: they cannot be written; nothing has changed then.
        """
        codebook = self.codebook or Codebook.load(self.folder)
        if not (np.isfinite(values).all() and np.isfinite(boxes).all()):
            raise InputError(f"{self.folder}: the model gave vectors that are no numbers; nothing was written.")
        coarse, fine = codebook.encode(values, counts)
        parts = (fine, coarse, coded_boxes(boxes))
        return self._write(committed, [part.tobytes() for part in parts], len(values), compact=True)

    def _write(self, committed: Mapping[int, int], contents: list[bytes], rows: int, *, compact: bool) -> Batch:
        """Write what is in the files of some rows into the segment that is open, or a new one."""
        number = max(committed, default=1)
        first, width = committed.get(number, 0), max(map(len, contents)) // rows
        if first and (self.is_compact(number) != compact or self.is_former(number) or first * width >= MOST):
            number, first = number + 1, 0
        if not first:
            self._clear(number, compact=compact)
        elif self.rows(number) < first:  # never behind a gap
            number, first = number + 1, 0
        found = 0
        for content in contents:  # of what is to be on the disk, whatever will be
            found = zlib.crc32(content, found)
        try:
            self.make_folder()
            if compact:
                (self.folder / f"{number:05}.coarse").touch()  # which tells it apart
            for (path, width), content in zip(self.files(number), contents, strict=True):
                write_at(path, first * width, content)
        except OSError as error:
            raise InputError(
                f"{self.folder}: cannot write vectors ({reason(error)}); what was added is kept, and the same command "
                "goes on."
            ) from None
        return Batch(number, first, rows, found)

    def make_folder(self) -> None:
        """See to it that their folder is there.

        Raises:
            OSError: it cannot be made.
        """
        if not self.folder.exists():
            self.folder.mkdir()
            sync_folder(self.folder.parent)

    def _clear(self, number: int, *, compact: bool) -> None:
        """Delete what a segment that holds no rows has of another kind, left from an interruption."""
        others = ("halves", "scales", "boxes", "codes", "steps") if compact else ("fine", "places", "coarse")
        for kind in (*others, "rough", "vectors"):
            with suppress(OSError):
                (self.folder / f"{number:05}.{kind}").unlink(missing_ok=True)

    def is_sound(self, batch: Batch) -> bool:
        """Whether the rows of a batch are as they were to be written, and numbers, and the codes agree."""
        number, first, rows, _ = batch
        try:
            if self.rows(number) < first + rows:
                return False
            opened, found = self.open(number, first + rows), 0
            for path, width in self.files(number):
                file = Rows(path, np.uint8, first + rows, width)
                for part in _parts(first, rows, width):
                    found = zlib.crc32(file[part].tobytes(), found)
            return found == batch.checksum and (opened.coded is not None or self._agrees(opened, first, rows))
        except InputError:  # cut short or lost meanwhile
            return False

    def _agrees(self, opened: Opened, first: int, rows: int) -> bool:
        """Whether vectors and boxes are numbers, and the codes those of the vectors."""
        vectors, boxes, codes, steps, _ = opened
        if not np.isfinite(boxes[first : first + rows]).all():
            return False
        for part in _parts(first, rows, 4 * self.size):
            if not np.isfinite(vectors[part]).all():
                return False
            if codes and steps and not agree(vectors[part], codes[part], steps[part][:, 0]):
                return False
        return True


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

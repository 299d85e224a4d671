"""Vectors on disk, in float16 (`halves.py`): append-only files, one row per region, with its box and its 8-bit codes.

Rows are written and flushed to disk before the catalogue names them. Rows behind those that it names are left from an
interruption, and the next writer cuts them off. Segments of an older wordsight have vectors in float32, with codes
(`codes.py`) or bfloat16; they are read as they are, and no row is added to them (`recoded.py`). A compact segment has
only codes of a few bytes per region (`codebook.py`).
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
STEP = 16 * 2**20  # bytes that are verified at once


class Opened(NamedTuple):
    """The open files of a segment.

    Attributes:
        vectors: (rows, D).
        boxes: (rows, 4).
        codes: (rows, D) uint8; None in a compact segment, and in one with bfloat16.
        steps: (rows, 1) quantisation steps of the codes; likewise.
        coded: the codes of a compact segment; None in others.
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
        size: D, the dimension of a vector.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self._codebook: Codebook | None = None
        self._seen: tuple[int, int] | None = None  # the file that it was read from

    @property
    def codebook(self) -> Codebook | None:
        """The codebook of compact segments; None if there is none.

        Raises:
            InputError: it is damaged.
        """
        seen = self._file()
        if seen and seen != self._seen:  # another process may have written another
            found = Codebook.load(self.folder)
            if found.back.shape[1] != self.size:
                raise InputError(f"{self.folder / CODEBOOK}: of another model than this index.")
            self._codebook, self._seen = found, seen
        return self._codebook

    def _file(self) -> tuple[int, int] | None:
        """Inode number and time of the codebook's file; None if there is none."""
        try:
            found = os.stat(self.folder / CODEBOOK)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def keep(self, codebook: Codebook) -> None:
        """Save a codebook; from now on rows are added to compact segments.

        Raises:
            InputError: it cannot be written.
        """
        codebook.save(self.folder)
        self._codebook, self._seen = codebook, self._file()

    def drop_damaged_codebook(self) -> None:
        """Delete a codebook that cannot be read, so that a new one can be fitted to pictures that are encoded again."""
        self._codebook = self._seen = None
        try:
            _ = self.codebook
        except InputError:
            with suppress(OSError):
                (self.folder / CODEBOOK).unlink(missing_ok=True)

    def files(self, number: int) -> list[tuple[Path, int]]:
        """The files of a segment, each with the bytes of a row: vectors, boxes, codes and steps, or codes only.

        Raises:
            InputError: it is compact, and its codebook is lost.
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
        """Whether a segment has only codes of a few bytes per region."""
        return os.path.exists(self.folder / f"{number:05}.coarse")

    def is_former(self, number: int) -> bool:
        """Whether a segment is of an older wordsight, with vectors in float32."""
        return os.path.exists(self.folder / f"{number:05}.vectors")

    def delete(self, kind: str, committed: Collection[int]) -> None:
        """Delete segments that have a file of a kind and are not committed; files that cannot be deleted stay."""
        for path in self.folder.glob(f"*.{kind}"):
            if path.stem.isdecimal() and int(path.stem) not in committed:
                # `path` last: by it the next call finds a segment that was deleted in part
                for one in [*(one for one, _ in self.files(int(path.stem)) if one != path), path]:
                    with suppress(OSError):
                        one.unlink(missing_ok=True)

    def rows(self, number: int) -> int:
        """How many complete rows a segment has on disk, committed or not."""
        return min(_bytes(path) // width for path, width in self.files(number))

    def open(self, number: int, rows: int) -> "Opened":
        """Open the files of a segment; nothing is read before it is needed.

        Raises:
            InputError: it has fewer rows, or cannot be read.
        """
        there, path = min((_bytes(path) // width, path) for path, width in self.files(number))
        if there < rows:
            raise InputError(
                f"{path}: cut short, {there:,} rows of {rows:,}; `wordsight index verify` lists the pictures, "
                "`wordsight index build` repairs them."
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
        """Write rows to disk behind the committed ones; they are valid once the catalogue has the batch.

        Args:
            committed: number of committed rows of each segment.
            values: the vectors.
            boxes: (rows, 4).
            codes: of the same vectors, as rounded in `values`.

        Raises:
            InputError: they cannot be written; nothing has changed then.
        """
        floats = (part.astype("<f4") for part in (values.scales, boxes))
        parts = (values.numbers.astype("<f2"), *floats, codes.values, codes.steps.astype("<f4"))
        if not all(np.isfinite(part).all() for part in (*parts, codes.blur)):
            raise InputError(f"{self.folder}: the model gave vectors that are no numbers; nothing was written.")
        return self._write(committed, [part.tobytes() for part in parts], len(boxes), compact=False)

    def append_coded(self, committed: Mapping[int, int], values: Floats, boxes: Floats, counts: Ints) -> Batch:
        """Write rows as `append` does, but in a few bytes per region; there must be a codebook.

        Args:
            committed: number of committed rows of each segment.
            values: (rows, D), those of a picture one after the other.
            boxes: (rows, 4).
            counts: (I,) how many rows each picture has.

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
        """Write the contents of rows, one per file, to the last segment or a new one."""
        number = max(committed, default=1)
        first, width = committed.get(number, 0), max(map(len, contents)) // rows
        other = self.is_compact(number) != compact or self.is_former(number)
        if first and (other or first * width >= MOST or self.rows(number) < first):  # no row is written behind a gap
            number, first = number + 1, 0
        if not first:
            self._clear(number, compact=compact)
        found = 0
        for content in contents:  # of the intended content, not of what reaches the disk
            found = zlib.crc32(content, found)
        try:
            self.make_folder()
            if compact:
                (self.folder / f"{number:05}.coarse").touch()  # this file marks a compact segment
            for (path, width), content in zip(self.files(number), contents, strict=True):
                write_at(path, first * width, content)
        except OSError as error:
            raise InputError(
                f"{self.folder}: cannot write vectors ({reason(error)}); what was added is kept, and the same command "
                "goes on."
            ) from None
        return Batch(number, first, rows, found)

    def make_folder(self) -> None:
        """Make the folder of the vectors, if it does not exist.

        Raises:
            OSError: it cannot be made.
        """
        if not self.folder.exists():
            self.folder.mkdir()
            sync_folder(self.folder.parent)

    def _clear(self, number: int, *, compact: bool) -> None:
        """Delete files of the other kinds that an interruption left in a segment without committed rows."""
        others = ("halves", "scales", "boxes", "codes", "steps") if compact else ("fine", "places", "coarse")
        for kind in (*others, "rough", "vectors"):
            with suppress(OSError):
                (self.folder / f"{number:05}.{kind}").unlink(missing_ok=True)

    def is_sound(self, batch: Batch) -> bool:
        """Whether the rows of a batch are as they were meant to be written, and finite, and their codes agree."""
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
        """Whether vectors and boxes are finite, and the codes are those of the vectors."""
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
    """Rows from `first` in slices of at most `STEP` bytes."""
    step = max(1, STEP // width)
    return (slice(start, min(start + step, first + rows)) for start in range(first, first + rows, step))


def _bytes(path: Path) -> int:
    """The size of a file; 0 if there is none."""
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}).") from None

"""Rows of a file that another process may truncate at any time: read with `pread`, or held in memory, never mapped.

When a mapped file is truncated, a process that touches the lost part is killed (SIGBUS); a short read is an ordinary
error. Reading rows block by block copies them each time, so rows that are scanned as a whole for the second time are
held in memory, if they are few enough (`hold`).
"""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import open_regular, read_at, reason


def _memory() -> int:
    """Bytes of memory of this machine; 0 if the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


HELD = max(2**28, _memory() // 8)  # most bytes of one kind of rows that are held in memory; if there are more, none is
LINE = 64  # bytes of a cache line
Number = TypeVar("Number", np.float16, np.float32, np.uint8)
Ints = NDArray[np.int64]


def empty(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """An uninitialised array aligned to a cache line, so that its rows touch as few lines as possible."""
    kind = np.dtype(kind)
    size = math.prod(shape) * kind.itemsize
    content = np.empty(size + LINE, np.uint8)
    start = -content.ctypes.data % LINE
    return content[start : start + size].view(kind).reshape(shape)


class Looked(NamedTuple):
    """Which rows of a file are read.

    Attributes:
        total: how many.
        first: number of the first.
        stop: number behind the last.
    """

    total: int
    first: int
    stop: int


class Kept(ABC, Generic[Number]):
    """Rows that are read from disk each time, until they are held in memory; `rows[3]`, `rows[3:9]`, `rows[places]`.

    Attributes:
        shape: (rows, D).
        width: bytes of one row in memory.
    """

    def __init__(self, shape: tuple[int, int], width: int) -> None:
        self.shape, self.width = shape, width
        self._held: tuple[NDArray[Number], int] | None = None  # with the number of the first; one tuple, for threads
        self._scanned = False

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: int | np.integer | slice | Ints) -> NDArray[Number]:
        """Rows by number, slice or array of numbers.

        Raises:
            InputError: the file has been cut short, or cannot be read.
        """
        held = self._held
        if isinstance(at, slice):
            first, stop, _ = at.indices(len(self))
            if held is not None and _covers(held, first, stop):
                return held[0][first - held[1] : max(first, stop) - held[1]]
            return self._read(first, max(0, stop - first))
        if isinstance(at, int | np.integer):
            return self[int(at) : int(at) + 1][0] if 0 <= at < len(self) else self._read(int(at), 1)
        if held is not None and (not len(at) or _covers(held, int(at.min()), int(at.max()) + 1)):
            return held[0][at - held[1]]
        return self._gather(at)

    def holds(self, first: int, stop: int) -> bool:
        """Whether rows `first` to `stop` are in memory."""
        held = self._held
        return held is not None and _covers(held, first, stop)

    def hold(self, first: int, stop: int) -> None:
        """From the second scan on, read rows `first` to `stop` into memory, in place of those held.

        Raises:
            InputError: the file has been cut short, or cannot be read.
        """
        if self._scanned and not self.holds(first, stop):
            self._held = self._read(first, stop - first), first
        self._scanned = True

    def release(self) -> None:
        """Free the rows held in memory."""
        self._held = None

    @property
    def held_bytes(self) -> int:
        """Bytes held in memory."""
        return 0 if (held := self._held) is None else held[0].nbytes

    @abstractmethod
    def _read(self, first: int, count: int) -> NDArray[Number]:
        """Read neighbouring rows."""

    @abstractmethod
    def _gather(self, at: Ints) -> NDArray[Number]:
        """Read rows from anywhere in the file."""


def _covers(held: tuple[NDArray[Any], int], first: int, stop: int) -> bool:
    rows, start = held
    return start <= first and stop <= start + len(rows)


class Rows(Kept[Number]):
    """The first rows of a file, which stays open."""

    def __init__(self, path: Path, kind: type[Number], rows: int, size: int) -> None:
        """Open the file.

        Raises:
            InputError: it has fewer rows, or cannot be read.
        """
        self._kind: np.dtype[Any] = np.dtype(kind).newbyteorder("<")
        super().__init__((rows, size), self._kind.itemsize * size)
        self.path = path
        try:
            self._file = open_regular(path)
        except OSError as error:
            raise self._failed(error) from None
        there = os.fstat(self._file.fileno()).st_size // self.width
        if there < rows:
            raise self._short(there)

    def _gather(self, at: Ints) -> NDArray[Number]:
        found = np.empty((len(at), self.shape[1]), self._kind)
        ends = [0, *(np.flatnonzero(np.diff(at) != 1) + 1).tolist(), len(at)] if len(at) else [0]
        for start, end in pairwise(ends):  # one read for neighbours
            self._fill(found[start:end], int(at[start]))
        return found

    def _read(self, first: int, count: int) -> NDArray[Number]:
        return self._fill(empty((count, self.shape[1]), self._kind), first)

    def _fill(self, found: NDArray[Number], first: int) -> NDArray[Number]:
        """Read neighbouring rows into an array."""
        if first < 0 or first + len(found) > len(self):
            raise IndexError(f"rows {first} to {first + len(found)} of {len(self)}")
        content = memoryview(found.reshape(-1).view(np.uint8).data)
        try:
            got = read_at(self._file, first * self.width, content)
        except OSError as error:
            raise self._failed(error) from None
        if got < len(content):
            raise self._short(first + got // self.width)
        return found

    def _short(self, there: int) -> InputError:
        return InputError(
            f"{self.path}: cut short, {there:,} rows of {len(self):,}; `wordsight index verify` lists the pictures, "
            "`wordsight index build` repairs them."
        )

    def _failed(self, error: OSError) -> InputError:
        return InputError(f"{self.path}: cannot be read ({reason(error)}).")


Stored = NDArray[Number] | Rows[Number]


class Readable(Protocol):
    """Rows of float32 that are indexed like an array: in memory, on disk, or in codes."""

    @property
    def shape(self) -> Any:
        """(rows, D)."""

    def __getitem__(self, at: Any, /) -> NDArray[np.float32]: ...


def hold(segments: Mapping[int, Any], wanted: Mapping[int, Looked]) -> bool:
    """Hold in memory, of each file, the range of rows that is read, if all ranges together fit in `HELD` bytes.

    A range is held only if at least half of its rows are read. Rows of other files are freed if both do not fit.

    Args:
        segments: the rows of each file.
        wanted: which rows of each are read.

    Returns:
        Whether all are held.

    Raises:
        InputError: a file has been cut short, or cannot be read.
    """
    kept = {number: rows for number, rows in segments.items() if isinstance(rows, Kept)}
    files = [(rows, wanted[number]) for number, rows in kept.items() if number in wanted]
    others = [rows for number, rows in kept.items() if number not in wanted]
    needed = sum(rows.width * (looked.stop - looked.first) for rows, looked in files)
    if needed <= HELD:
        if needed + sum(rows.held_bytes for rows in others) > HELD:
            for rows in others:
                rows.release()
        for rows, (total, first, stop) in files:
            if 2 * total >= stop - first:
                rows.hold(first, stop)
    return all(rows.holds(first, stop) for rows, (_, first, stop) in files)

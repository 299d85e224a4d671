"""Rows in a file that somebody may cut short at any time: read with `pread`, or held in memory, never mapped.

A mapped file that becomes shorter kills the process that looks at it (SIGBUS); a read that comes up short is an error
like any other. Reading rows block by block costs a copy of them each time; so those that are scanned as a whole for the
second time are held in memory where they are few enough (`hold`).
"""

import math
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import open_regular, read_at, reason


def _memory() -> int:
    """Bytes of memory that this machine has; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


HELD = max(2**28, _memory() // 8)  # bytes of one kind of an index that are held in memory; of a larger index none are
LINE = 64  # bytes that a processor reads at once
Number = TypeVar("Number", np.float16, np.float32, np.uint8)
Ints = NDArray[np.int64]


def empty(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """An array to be filled, which begins where a cache line does: each of its rows is then in as few as can be."""
    kind = np.dtype(kind)
    size = math.prod(shape) * kind.itemsize
    content = np.empty(size + LINE, np.uint8)
    start = -content.ctypes.data % LINE
    return content[start : start + size].view(kind).reshape(shape)


class Rows(Generic[Number]):
    """The first rows of a file, which is opened once; looked at as an array is: `rows[3]`, `rows[3:9]`, `rows[places]`.

    Attributes:
        shape: (rows, D).
        nbytes: how many bytes these are.
    """

    def __init__(self, path: Path, kind: type[Number], rows: int, size: int) -> None:
        """Open it.

        Raises:
            InputError: it is shorter, or cannot be read.
        """
        self.path, self.shape = path, (rows, size)
        self._kind: np.dtype[Any] = np.dtype(kind).newbyteorder("<")
        self._width: int = self._kind.itemsize * size
        self.nbytes = rows * self._width
        self._held: NDArray[Number] | None = None
        self._scanned = False
        try:
            self._file = open_regular(path)
        except OSError as error:
            raise self._failed(error) from None
        there = os.fstat(self._file.fileno()).st_size // self._width
        if there < rows:
            raise self._short(there)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: int | np.integer | slice | Ints) -> NDArray[Number]:
        """Some rows.

        Raises:
            InputError: the file has been cut short, or cannot be read.
        """
        if self._held is not None:
            return self._held[at]
        if isinstance(at, slice):
            first, stop, _ = at.indices(len(self))
            return self._read(first, max(0, stop - first))
        if isinstance(at, int | np.integer):
            return self._read(int(at), 1)[0]
        return self._gather(at)

    def _gather(self, at: Ints) -> NDArray[Number]:
        found = np.empty((len(at), self.shape[1]), self._kind)
        ends = [0, *(np.flatnonzero(np.diff(at) != 1) + 1).tolist(), len(at)] if len(at) else [0]
        for start, end in pairwise(ends):  # neighbours at once
            found[start:end] = self._read(int(at[start]), end - start)
        return found

    @property
    def is_held(self) -> bool:
        """Whether looking at it costs no reading."""
        return self._held is not None

    def hold(self) -> None:
        """Read all of it into memory when it is scanned for the second time.

        Raises:
            InputError: the file has been cut short, or cannot be read.
        """
        if self._scanned and self._held is None:
            self._held = self._read(0, len(self))
        self._scanned = True

    def _read(self, first: int, count: int) -> NDArray[Number]:
        if first < 0 or first + count > len(self):
            raise IndexError(f"rows {first} to {first + count} of {len(self)}")
        found: NDArray[Number] = empty((count, self.shape[1]), self._kind)
        content = memoryview(found.reshape(-1).view(np.uint8).data)
        try:
            got = read_at(self._file, first * self._width, content)
        except OSError as error:
            raise self._failed(error) from None
        if got < len(content):
            raise self._short(first + got // self._width)
        return found

    def _short(self, there: int) -> InputError:
        return InputError(
            f"{self.path}: cut short, {there:,} rows of {len(self):,}; `wordsight index verify` lists the pictures, "
            "`wordsight index build` repairs them."
        )

    def _failed(self, error: OSError) -> InputError:
        return InputError(f"{self.path}: cannot be read ({reason(error)}).")


Stored = NDArray[Number] | Rows[Number]


@runtime_checkable
class Holdable(Protocol):
    """Rows that can be held in memory."""

    @property
    def nbytes(self) -> int:
        """Bytes that this takes."""

    @property
    def is_held(self) -> bool:
        """Whether they are."""

    def hold(self) -> None:
        """Do so, the second time."""

    def __len__(self) -> int: ...


class Readable(Protocol):
    """Rows of float32 that are looked at as an array is: in memory, on disk, or in codes."""

    @property
    def shape(self) -> Any:
        """(rows, D)."""

    def __getitem__(self, at: Any, /) -> NDArray[np.float32]: ...


def hold(segments: Mapping[int, Any], wanted: Mapping[int, int]) -> bool:
    """Hold files in memory of which at least half is looked at, if they are few enough; gives whether all are held.

    Args:
        segments: the rows of each file.
        wanted: how many rows of each are looked at.

    Raises:
        InputError: one has been cut short, or cannot be read.
    """
    files = [
        (one, wanted[number]) for number, one in segments.items() if isinstance(one, Holdable) and number in wanted
    ]
    if sum(rows.nbytes for rows, _ in files) <= HELD:
        for rows, count in files:
            if 2 * count >= len(rows):
                rows.hold()
    return all(rows.is_held for rows, _ in files)

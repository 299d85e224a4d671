"""Records of a feature cache on disk, their checksums, and the hashes of pictures that serve as keys."""

import hashlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import open_regular, read_at, read_bytes, reason
from wordsight.vision.fragments import fragment, is_video

ELSEWHERE = "$WORDSIGHT_CACHE chooses another folder"
_LARGEST = 1 << 30  # most bytes of a picture's file


class Records:
    """Records in a file, read rather than memory-mapped, as the file may be truncated at any time."""

    def __init__(self, path: Path, record: np.dtype[Any]) -> None:
        self.path, self.record = path, record
        self._file: BinaryIO | None = None
        if path.exists():
            try:
                self._file = open_regular(path)
            except OSError as error:
                raise InputError(f"{path}: cannot be read ({reason(error)}); {ELSEWHERE}.") from None

    def read(self, part: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Read one part of some records: (rows, ...).

        Raises:
            InputError: the file was truncated, or cannot be read.
        """
        kind, offset = self.record.fields[part][:2]  # type: ignore[index]
        found = np.empty(rows.shape, kind)
        for at, row in np.ndenumerate(rows):
            into = memoryview(np.atleast_1d(found[at]).reshape(-1).view(np.uint8).data)
            if self._fill(int(row) * self.record.itemsize + offset, into) < len(into):
                raise InputError(f"{self.path}: was cut short meanwhile; the same command computes again what is lost.")
        return found

    def whole(self, row: int) -> bytes:
        """The bytes of a record; fewer if the file is truncated."""
        content = bytearray(self.record.itemsize)
        return bytes(content[: self._fill(row * self.record.itemsize, memoryview(content))])

    def _fill(self, start: int, into: memoryview) -> int:
        if self._file is None:
            return 0
        try:
            return read_at(self._file, start, into)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({reason(error)}); {ELSEWHERE}.") from None


def checksum_of(key: bytes, record: bytes) -> int:
    """CRC-32 of a record and its key; never 0, which means unknown."""
    return zlib.crc32(record, zlib.crc32(key)) or 1


def content_of(path: Path) -> bytes:
    """The bytes of a file; empty if there is none."""
    try:
        return read_bytes(path)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); {ELSEWHERE}.") from None


def hashes(pictures: Sequence[Path]) -> tuple[list[bytes], dict[Path, str]]:
    """The key of each picture, a hash of its file and, for a part, its times; empty if unreadable. And the errors."""
    known: dict[Path, bytes | str] = {}  # the hash of each file, or why it cannot be read
    keys, broken = [], {}
    for path in pictures:
        part = fragment(path)
        if part.file not in known:
            known[part.file] = _hash(part.file)
        found = known[part.file]
        if isinstance(found, str):
            keys.append(b"")
            broken[path] = f"{path}: {found}"
        else:
            keys.append(found if part.whole else hashlib.sha256(found + part.times.encode()).digest())
    return keys, broken


def _hash(path: Path) -> bytes | str:
    """The hash of a file's bytes, other for a video than for a picture of them; or why it cannot be read."""
    try:
        if is_video(path):
            with open_regular(path) as file:
                content = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]
            content.update(b"video")
            return content.digest()
        return hashlib.sha256(read_bytes(path, _LARGEST)).digest()
    except (FileNotFoundError, NotADirectoryError):
        clip, mark, _ = str(path).rpartition("#t=")
        return (
            "expected #t=START,END in seconds"
            if mark and is_video(clip) and os.path.isfile(clip)
            else "no such picture"
        )
    except OSError as error:
        return reason(error)

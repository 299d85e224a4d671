"""The rows of a catalogue, and the checksum that each of them carries."""

import json
import math
import zlib
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A picture in the catalogue.

    Attributes:
        path: what it is called in the index, see `paths.py`.
        hash: of the file's content, BLAKE2b of 16 bytes.
        bytes: the file's size.
        mtime_ns: when the file was changed.
        width: of the upright picture, pixels.
        height: of the upright picture, pixels.
        taken: when, by EXIF or else by the file: ISO, local time.
        added: to the index, ISO, UTC.
        segment: which file of vectors it is in.
        first: its first row there.
        rows: how many rows it has, one a region; 0 where they were damaged, and the picture must be encoded again.
        hubness: how high it scores with any sentence, a share of which is taken from its scores.
        length: of its longest vector.
        blur: the most that rounding to 8 bits moves one of its vectors.
        meta: what the user knows of it, a JSON object.
    """

    path: str
    hash: bytes
    bytes: int
    mtime_ns: int
    width: int
    height: int
    taken: str
    added: str
    segment: int
    first: int
    rows: int
    hubness: float
    length: float
    blur: float
    meta: str = "{}"

    def typed(self) -> "Entry":
        """The same with the plain types that SQLite gives back, so that its checksum is that of what is read."""
        return Entry._make(kind(value) for kind, value in zip(_KINDS, self, strict=True))

    def checksums(self) -> tuple[int, int]:
        """Of everything but the metadata, and of the metadata with the name."""
        return checksum(*self[:-1]), checksum(self.path, self.meta)

    def blank(self, meta: str) -> "Entry":
        """The name and metadata alone, of a picture that must be encoded again; no file is like this."""
        return Entry(str(self.path), bytes(16), -1, -1, 0, 0, "", "", 0, 0, 0, 0.0, 0.0, 0.0, meta)


_KINDS: tuple[type, ...] = (str, bytes, int, int, int, int, str, str, int, int, int, float, float, float, str)


class Batch(NamedTuple):
    """Rows that were written at once, and the CRC-32 of what was to be in all their files."""

    segment: int
    first: int
    rows: int
    checksum: int


def checksum(*values: object) -> int:
    """CRC-32 of the values of a row, with their types: the same in every version of Python."""
    return zlib.crc32(ascii(values).encode())


def is_name(path: object) -> bool:
    """Whether a file can be called so."""
    if not isinstance(path, str) or not path or "\0" in path:
        return False
    try:
        return bool(path.encode())
    except UnicodeEncodeError:
        return False


def is_meta(text: object) -> bool:
    """Whether this is a JSON object."""
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def is_possible(entry: Entry) -> bool:
    """Whether a picture's row, its metadata aside, has the types and ranges that one must have."""
    return (
        is_name(entry.path)
        and isinstance(entry.hash, bytes)
        and len(entry.hash) == 16
        and all(map(_is_whole, (entry.bytes, entry.width, entry.height, entry.first, entry.rows, entry.segment)))
        and isinstance(entry.mtime_ns, int)
        and isinstance(entry.taken, str)
        and isinstance(entry.added, str)
        and entry.rows >= 1
        and all(isinstance(value, float) and math.isfinite(value) for value in entry[11:14])
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def whole(text: str) -> int:
    """A count as it is written; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0

"""Records of the catalogue: its rows, and the checksum of each."""

import json
import math
import zlib
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """Entry of a picture in the catalogue.

    Attributes:
        path: its name in the index, see `paths.py`.
        hash: BLAKE2b of the file's content, 16 bytes; of a frame, `frames.frame_hash`.
        bytes: the file's size.
        mtime_ns: when the file was last modified.
        width: of the upright picture, pixels.
        height: of the upright picture, pixels.
        taken: its date by the header, else by the file's name, else the file's own time: ISO, local time.
        added: when it was added to the index: ISO, UTC.
        segment: number of the segment that has its rows.
        first: its first row there.
        rows: how many rows it has, one per region; 0 if they were damaged, and the picture must be encoded again.
        hubness: how high it scores with any sentence; a share of it is subtracted from its scores.
        length: norm of its longest vector.
        blur: the greatest distance by which rounding to 8 bits moves one of its vectors.
        meta: the user's annotations, a JSON object.
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
        """The entry with the plain types that SQLite returns, so that its checksum holds for the row that is read."""
        return Entry._make(kind(value) for kind, value in zip(_KINDS, self, strict=True))

    def checksums(self) -> tuple[int, int]:
        """Two checksums: of everything except the metadata, and of the metadata with the name."""
        return checksum(*self[:-1]), checksum(self.path, self.meta)

    def blank(self, meta: str) -> "Entry":
        """An entry with name and metadata only, of a picture that must be encoded again; it matches no file."""
        return Entry(str(self.path), bytes(16), -1, -1, 0, 0, "", "", 0, 0, 0, 0.0, 0.0, 0.0, meta)


_KINDS: tuple[type, ...] = (str, bytes, int, int, int, int, str, str, int, int, int, float, float, float, str)


class Batch(NamedTuple):
    """Batch of rows that were written together, with the CRC-32 of the intended content of all their files."""

    segment: int
    first: int
    rows: int
    checksum: int


def checksum(*values: object) -> int:
    """CRC-32 of a row's values with their types, the same in every version of Python."""
    return zlib.crc32(ascii(values).encode())


def is_name(path: object) -> bool:
    """Whether a value can be the name of a file."""
    if not isinstance(path, str) or not path or "\0" in path:
        return False
    try:
        return bool(path.encode())
    except UnicodeEncodeError:
        return False


def is_meta(text: object) -> bool:
    """Whether a value is the text of a JSON object."""
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def is_possible(entry: Entry) -> bool:
    """Whether an entry, except its metadata, has valid types and ranges, and at least one row."""
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
    """Parse a count; 0 for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0

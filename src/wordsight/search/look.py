"""What can be known of a picture's file without decoding it."""

import errno
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

from wordsight.files import open_regular, reason
from wordsight.search.catalog import Entry
from wordsight.search.origins import date_in_name, iso
from wordsight.search.paths import is_gone
from wordsight.vision.headers import read_header
from wordsight.vision.video_frames import VideoHeader, read_video_header

MOST = 2**31  # bytes; no picture is larger
BLOCK = 2**20  # bytes of a video that are read at a time


def look(key: str, path: Path) -> Entry:
    """A picture's file as an entry that has no rows yet.

    Args:
        key: what it is called in the index.
        path: the file.

    Raises:
        OSError: it is no regular file, or cannot be read.
    """
    with open_regular(path) as file:
        found = os.fstat(file.fileno())
        if found.st_size > MOST:
            raise OSError(errno.EFBIG, f"larger than any picture, {found.st_size:,} bytes")
        content = file.read(MOST)
    header = read_header(content)
    size = (header.width, header.height) if header else (0, 0)
    return _entry(key, path, hashlib.blake2b(content, digest_size=16).digest(), found, header and header.taken, size)


def look_at_video(key: str, path: Path) -> tuple[Entry, VideoHeader]:
    """A video's file as an entry of the whole, without width and height; and what its header says.

    Raises:
        OSError: it is no regular file, or cannot be read.
        InputError: it is no video that can be read.
    """
    with open_regular(path) as file:
        found = os.fstat(file.fileno())
        content = hashlib.blake2b(digest_size=16)
        while block := file.read(BLOCK):
            content.update(block)
    header = read_video_header(path)
    return _entry(key, path, content.digest(), found, header.taken, (0, 0)), header


def _entry(
    key: str, path: Path, content: bytes, found: os.stat_result, taken: datetime | None, size: tuple[int, int]
) -> Entry:
    return Entry(
        path=key,
        hash=content,
        bytes=found.st_size,
        mtime_ns=found.st_mtime_ns,
        width=size[0],
        height=size[1],
        taken=iso(taken or date_in_name(path.name) or _date(found.st_mtime)),
        added=datetime.now(UTC).isoformat(sep=" ", timespec="seconds")[:19],
        segment=0,
        first=0,
        rows=0,
        hubness=0.0,
        length=0.0,
        blur=0.0,
    )


def why(error: OSError) -> str:
    """Why a file is no picture that can be read."""
    if is_gone(error):
        return "no such picture"
    if isinstance(error, IsADirectoryError):
        return "expected a picture, but this is a folder"
    return reason(error)


def state(path: Path) -> tuple[bool, str]:
    """Whether a picture's file is gone, and why it cannot be read; empty where it can."""
    try:
        with open_regular(path):
            return False, ""
    except OSError as error:
        return is_gone(error), "" if is_gone(error) else why(error)


def _date(seconds: float) -> datetime:
    """When a file was changed, local time; 1970 for what no calendar has."""
    try:
        return datetime.fromtimestamp(seconds)
    except (OverflowError, OSError, ValueError):
        return datetime(1970, 1, 1)

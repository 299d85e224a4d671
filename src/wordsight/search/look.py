"""Entries of files: what is known of a picture or a video without decoding it."""

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

MOST = 2**31  # maximum size of a picture, in bytes
BLOCK = 2**20  # bytes of a video that are read at a time


def look(key: str, path: Path) -> Entry:
    """The entry of a picture's file, without rows yet.

    Args:
        key: its name in the index.
        path: the file.

    Raises:
        OSError: it is no regular file, is too large, or cannot be read.
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
    """The entry of a video as a whole, without width and height; and the header of its file.

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
    """The reason why a picture's file cannot be read."""
    if is_gone(error):
        return "no such picture"
    if isinstance(error, IsADirectoryError):
        return "expected a picture, but this is a folder"
    return reason(error)


def state(path: Path) -> tuple[bool, str]:
    """Whether a picture's file is gone, and why it cannot be read: empty if it can be, or is gone."""
    try:
        with open_regular(path):
            return False, ""
    except OSError as error:
        return is_gone(error), "" if is_gone(error) else why(error)


def _date(seconds: float) -> datetime:
    """The modification time of a file, local time; 1970 if the calendar has no such date."""
    try:
        return datetime.fromtimestamp(seconds)
    except (OverflowError, OSError, ValueError):
        return datetime(1970, 1, 1)

"""Unpack pictures embedded in other files, once, into the cache."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wordsight.errors import InputError
from wordsight.files import describe, read_json, reason, to_json, write_text

LARGEST = 1 << 28  # maximum bytes of one picture; larger ones are left out
_DONE = ".unpacked.json"  # written last: a folder without it is incomplete
_SUFFIXES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)


def unpacked(path: Path, unpack: Callable[[Path], Any]) -> tuple[Path, Any]:
    """The folder in `$WORDSIGHT_CACHE/datasets` with a file's unpacked content, filled if the file is new or changed.

    Args:
        path: the file to unpack, identified by path, size and modification time.
        unpack: fills an empty folder, and returns metadata to keep, as plain values.

    Returns:
        The folder, and the metadata of `unpack`.

    Raises:
        InputError: the cache cannot be written, or has less free space than the file's size.
    """
    cache = Path(os.environ.get("WORDSIGHT_CACHE") or "~/.cache/wordsight").expanduser() / "datasets"
    try:
        found = path.stat()
        identity = f"{path.absolute()}\0{found.st_size}\0{found.st_mtime_ns}".encode(errors="surrogateescape")
        home = cache / hashlib.blake2b(identity, digest_size=8).hexdigest()
        folder = home / (safe_name(path.stem) or "pictures")
        if (home / _DONE).is_file():
            return folder, read_json(home / _DONE)
        cache.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(cache).free) < found.st_size:
            raise InputError(
                f"{path} cannot be unpacked: it has {found.st_size:,} bytes, and only {free:,} are free in {cache}; "
                "$WORDSIGHT_CACHE chooses another folder."
            )
        part = Path(tempfile.mkdtemp(prefix=f"{home.name}.", suffix=".part", dir=cache))
        try:
            (part / folder.name).mkdir()
            remembered = unpack(part / folder.name)
            write_text(part / _DONE, to_json(remembered))
            _move(part, home)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"{path} cannot be unpacked into {cache} ({reason(error)}); $WORDSIGHT_CACHE chooses another folder."
        ) from error
    return folder, remembered


def safe_name(name: str) -> str:
    """A file name that is safe on every system, or "": no folders, no control characters, not hidden."""
    base = re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]', "_", re.split(r"[\\/]", name)[-1]).lstrip(".").strip()
    base = base.encode("utf-8", "replace").decode()
    stem, suffix = os.path.splitext(base)
    return stem.encode()[:180].decode(errors="ignore") + suffix[:20]


def suffix_of(content: bytes) -> str:
    """The suffix for a picture's bytes; ".jpg" for unknown formats."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _SUFFIXES if content.startswith(start)), ".jpg")


def remembered_list(value: object, where: Path) -> list[Any]:
    """Check that kept metadata is a list.

    Raises:
        InputError: it is not a list: the cache was altered.
    """
    if not isinstance(value, list):
        raise InputError(f"{where}: expected a list in {_DONE}, found {describe(value)}; delete this folder.")
    return value


def _move(part: Path, home: Path) -> None:
    try:
        os.rename(part, home)
    except OSError:  # another process was faster, or an earlier one was interrupted
        if not (home / _DONE).is_file():
            shutil.rmtree(home, ignore_errors=True)
            os.rename(part, home)

"""Pictures that lie inside other files, unpacked once into the cache, where they have paths like all others."""

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

LARGEST = 1 << 28  # bytes of one picture; what is larger is left out
_DONE = ".unpacked.json"  # written last: a folder without it is not finished
_SUFFIXES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)


def unpacked(path: Path, unpack: Callable[[Path], Any]) -> tuple[Path, Any]:
    """The folder in `$WORDSIGHT_CACHE/datasets` with what is inside a file, filled when the file is new or changed.

    Args:
        path: the file that is unpacked. Its path, size and time of change say whether it is known.
        unpack: fills an empty folder, and gives what is to be remembered of it, of plain values.

    Returns:
        The folder, and what `unpack` gave when it was filled.

    Raises:
        InputError: the cache cannot be written, or has too little room for as many bytes as the file has.
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
    """A name that is a plain file name on every system, or empty: no folders, no control characters, not hidden."""
    base = re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]', "_", re.split(r"[\\/]", name)[-1]).lstrip(".").strip()
    base = base.encode("utf-8", "replace").decode()
    stem, suffix = os.path.splitext(base)
    return stem.encode()[:180].decode(errors="ignore") + suffix[:20]


def suffix_of(content: bytes) -> str:
    """The ending that fits a picture's bytes; ".jpg" where they are of no kind that is known here."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _SUFFIXES if content.startswith(start)), ".jpg")


def remembered_list(value: object, where: Path) -> list[Any]:
    """What was remembered of a folder, which must be a list.

    Raises:
        InputError: it is something else: somebody changed the cache.
    """
    if not isinstance(value, list):
        raise InputError(f"{where}: expected a list in {_DONE}, found {describe(value)}; delete this folder.")
    return value


def _move(part: Path, home: Path) -> None:
    try:
        os.rename(part, home)
    except OSError:  # another process was faster, or one was stopped in the middle
        if not (home / _DONE).is_file():
            shutil.rmtree(home, ignore_errors=True)
            os.rename(part, home)

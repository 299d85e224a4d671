"""Thumbnails for a browser, kept in the folder of the index: one per content, made once.

They are a cache: any can be deleted, a damaged one is made again, and in a read-only folder none is kept.
"""

import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from threading import get_ident

from wordsight.files import read_bytes

FOLDER = "thumbs"
MOST = 2**20  # bytes of a thumbnail, at most
_NAME = re.compile(r"([0-9a-f]{32})\.thumb")  # not .jpg: an index in a folder of photos would index them


def path_of(folder: Path, content: bytes) -> Path:
    """Where the thumbnail of a content is, JPEG.

    Args:
        folder: of the index.
        content: the hash of the picture's file.
    """
    name = content.hex()
    return folder / FOLDER / name[:2] / f"{name}.thumb"


def read(folder: Path, content: bytes) -> bytes | None:
    """Read a thumbnail; None if it is missing or incomplete."""
    try:
        found = read_bytes(path_of(folder, content), MOST)
    except OSError:
        return None
    return found if found.startswith(b"\xff\xd8") and found.endswith(b"\xff\xd9") else None


def write(folder: Path, content: bytes, made: bytes) -> None:
    """Keep a thumbnail if the folder can be written; as it is only a cache, nothing is flushed to the drive."""
    path = path_of(folder, content)
    part = path.with_suffix(f".{os.getpid()}-{get_ident()}.part")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(made)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def prune(folder: Path, contents: Collection[bytes]) -> None:
    """Delete the thumbnails of all contents except these; other files in their folder stay."""
    kept = {content.hex() for content in contents}
    for path in (folder / FOLDER).glob("[0-9a-f][0-9a-f]/*"):
        named = _NAME.fullmatch(path.name)
        if (named and named[1] not in kept) or path.suffix == ".part":
            with suppress(OSError):
                path.unlink()
    for inside in (*(folder / FOLDER).glob("[0-9a-f][0-9a-f]"), folder / FOLDER):
        with suppress(OSError):  # it is not empty
            inside.rmdir()

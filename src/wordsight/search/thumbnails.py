"""Small pictures for a browser, kept in the folder of the index: one a content, made once.

They are a cache: nothing is lost with one, a damaged one is made again, and in a folder that cannot be written none is
kept.
"""

import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from threading import get_ident

from wordsight.files import read_bytes

FOLDER = "thumbs"
MOST = 2**20  # bytes; none is larger
_NAME = re.compile(r"([0-9a-f]{32})\.thumb")  # not .jpg, or a folder of photos with an index in it would grow by them


def path_of(folder: Path, content: bytes) -> Path:
    """Where the thumbnail of a content is, JPEG.

    Args:
        folder: of the index.
        content: the hash of the picture's file.
    """
    name = content.hex()
    return folder / FOLDER / name[:2] / f"{name}.thumb"


def read(folder: Path, content: bytes) -> bytes | None:
    """A thumbnail; None where there is none that is whole."""
    try:
        found = read_bytes(path_of(folder, content), MOST)
    except OSError:
        return None
    return found if found.startswith(b"\xff\xd8") and found.endswith(b"\xff\xd9") else None


def write(folder: Path, content: bytes, made: bytes) -> None:
    """Keep a thumbnail, where the folder can be written; as it is only a cache, nothing is flushed to the drive."""
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
    """Delete the thumbnails of all contents but these; other files in their folder stay."""
    kept = {content.hex() for content in contents}
    for path in (folder / FOLDER).glob("[0-9a-f][0-9a-f]/*"):
        named = _NAME.fullmatch(path.name)
        if (named and named[1] not in kept) or path.suffix == ".part":
            with suppress(OSError):
                path.unlink()
    for inside in (*(folder / FOLDER).glob("[0-9a-f][0-9a-f]"), folder / FOLDER):
        with suppress(OSError):  # there is still something in it
            inside.rmdir()

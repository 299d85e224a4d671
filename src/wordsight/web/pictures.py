"""The only files that the server reads for a browser: indexed pictures, byte for byte as they were indexed.

A client names a picture by its number and never by a path. What is read must have the size and the hash that the
catalogue has of it, so whatever has been put in its place since, a link to elsewhere above all, is not shown.
"""

import hashlib
import io
import os
import stat
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from PIL import Image

from wordsight.search.catalog import Catalog, Entry
from wordsight.search.index import Index
from wordsight.vision.images import open_image

SIDE = 512  # pixels of a thumbnail, at most
KEPT = 1000  # thumbnails in memory
NONBLOCK = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # or opening a pipe would wait for ever


class Gone(Exception):
    """There is no such picture, or it is not as it was indexed; the message says which."""


class Pictures:
    """The pictures of an index, for a browser.

    Attributes:
        index: the index.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self._thumbs: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = Lock()

    def read(self, number: int) -> tuple[Entry, bytes]:
        """A picture's entry in the catalogue, and its file's bytes.

        Raises:
            Gone: there is none of this number, its file is gone, or it is no longer what was indexed.
        """
        entry = self._entry(number)
        content = _content(self.index.places.path(entry.path), entry.bytes)
        if hashlib.blake2b(content, digest_size=16).digest() != entry.hash:
            raise Gone(f"Picture {number} has changed since it was indexed; build the index again.")
        return entry, content

    def thumbnail(self, number: int) -> bytes:
        """A picture as a JPEG of at most 512 pixels a side.

        Raises:
            Gone: as `read`.
            InputError: it cannot be opened.
        """
        key = self._entry(number).hash
        with self._lock:
            if key in self._thumbs:
                self._thumbs.move_to_end(key)
                return self._thumbs[key]
        made = thumbnail(self.read(number)[1])
        with self._lock:
            self._thumbs[key] = made
            if len(self._thumbs) > KEPT:
                self._thumbs.popitem(last=False)
        return made

    def _entry(self, number: int) -> Entry:
        with Catalog(self.index.folder) as catalog:
            found = catalog.numbered([number])
        if not found:
            raise Gone(f"There is no picture {number} in this index.")
        return found[0]


def thumbnail(content: bytes) -> bytes:
    """A picture's bytes -> those of a JPEG of at most 512 pixels a side.

    Raises:
        InputError: it cannot be opened.
    """
    image = open_image(content, at_least=SIDE)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


def _content(path: Path, size: int) -> bytes:
    """The bytes of a regular file of a size; nothing else is read at all.

    Raises:
        Gone: it is none.
    """
    try:
        with open(os.open(path, os.O_RDONLY | NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size != size:
                raise Gone(f"{path.name}: no longer the file that was indexed; build the index again.")
            return file.read(size)
    except (OSError, ValueError):
        raise Gone(f"{path.name}: its file is gone, or cannot be read.") from None

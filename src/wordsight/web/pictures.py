"""The only files that the server reads for a browser: indexed pictures, byte for byte as they were indexed.

A client names a picture by its number and never by a path. What is read must have the size and the hash that the
catalogue has of it, so whatever has been put in its place since, a link to elsewhere above all, is not shown.
"""

import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from PIL import Image

from wordsight.files import open_regular
from wordsight.search import thumbnails
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.index import Index
from wordsight.vision.images import open_image

SIDE = 512  # pixels of a thumbnail, at most
KEPT, KEPT_BYTES = 1000, 2**26  # thumbnails in memory
BLOCK = 2**18  # bytes of a file that are read at a time


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

    def open(self, number: int) -> tuple[Entry, BinaryIO]:
        """A picture's entry in the catalogue, and its file at its beginning, to be closed by the caller.

        Raises:
            Gone: there is none of this number, its file is gone, or it is no longer what was indexed.
        """
        entry = self.entry(number)
        file = _opened(self.index.paths.path(entry.path), entry.bytes)
        try:
            hashed = hashlib.blake2b(digest_size=16)
            for block in blocks(file):
                hashed.update(block)
            if hashed.digest() != entry.hash:
                raise Gone(f"Picture {number} has changed since it was indexed; build the index again.")
            file.seek(0)
        except OSError:
            file.close()
            raise Gone(f"{entry.path.rpartition('/')[2]}: its file cannot be read.") from None
        except BaseException:
            file.close()
            raise
        return entry, file

    def thumbnail(self, number: int) -> bytes:
        """A picture as a JPEG of at most 512 pixels a side.

        Raises:
            Gone: as `read`.
            InputError: it cannot be opened.
        """
        key = self.entry(number).hash
        with self._lock:
            if key in self._thumbs:
                self._thumbs.move_to_end(key)
                return self._thumbs[key]
        made = thumbnails.read(self.index.folder, key)
        if made is None:
            with self.open(number)[1] as file:
                made = thumbnail(file)
            thumbnails.write(self.index.folder, key, made)
        with self._lock:
            self._thumbs[key] = made
            while len(self._thumbs) > KEPT or sum(map(len, self._thumbs.values())) > KEPT_BYTES:
                self._thumbs.popitem(last=False)
        return made

    def entry(self, number: int) -> Entry:
        """What the catalogue, as it is now, has of a picture.

        Raises:
            Gone: there is none of this number.
        """
        with Catalog(self.index.folder) as catalog:
            found = catalog.numbered([number])
        if not found:
            raise Gone(f"There is no picture {number} in this index.")
        return found[0]


def thumbnail(file: BinaryIO) -> bytes:
    """A picture's file -> the bytes of a JPEG of at most 512 pixels a side.

    Raises:
        InputError: it cannot be opened.
    """
    image = open_image(file, at_least=SIDE)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """A file from where it stands to its end, a piece at a time."""
    while block := file.read(BLOCK):
        yield block


def _opened(path: Path, size: int) -> BinaryIO:
    """A regular file of a size, open; no other is read at all.

    Raises:
        Gone: it is none.
    """
    try:
        file = open_regular(path)
    except IsADirectoryError:
        raise Gone(f"{path.name}: no longer the file that was indexed; build the index again.") from None
    except OSError:
        raise Gone(f"{path.name}: its file is gone, or cannot be read.") from None
    if os.fstat(file.fileno()).st_size != size:
        file.close()
        raise Gone(f"{path.name}: no longer the file that was indexed; build the index again.")
    return file

"""The only files that the server reads for a browser: indexed pictures and videos, byte for byte as they were indexed.

A client names a picture by its number and never by a path. The file must have the size and the hash that the catalogue
has, so a file that has replaced it since, above all a link to elsewhere, is not shown. Browsers request a video in many
parts, so it is hashed at the first request, and again only after its file changes.
"""

import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from PIL import Image

from wordsight.errors import InputError
from wordsight.files import open_regular
from wordsight.search import thumbnails
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.frames import split
from wordsight.search.index import Index
from wordsight.vision.fragments import is_video
from wordsight.vision.images import BadPicture, TooManyPixels, open_image
from wordsight.vision.video_frames import frame_at

SIDE = 512  # maximum side of a thumbnail, in pixels
KEPT, KEPT_BYTES = 1000, 2**26  # maximum number and bytes of thumbnails in memory
BLOCK = 2**18  # bytes of a file read at a time


class NotAPicture(InputError):
    """The file cannot be read as a picture."""


class Gone(Exception):
    """What was requested does not exist, or its file is not as it was indexed; the message says which."""


class Pictures:
    """The pictures of an index, for a browser.

    Attributes:
        index: the index.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self._thumbs: OrderedDict[bytes, bytes] = OrderedDict()
        self._hashes: dict[tuple[int, ...], bytes] = {}
        self._lock = Lock()

    def open(self, number: int) -> tuple[Entry, BinaryIO]:
        """The catalogue entry of a picture or frame, and its open file, at the start; the caller closes it.

        Raises:
            Gone: no picture has this number, its file is gone, or the file is no longer what was indexed.
        """
        entry, content = self._known(number)
        path = self.index.paths.path(entry.path)
        file = _opened(path, entry.bytes)
        try:
            if self._hash(file, is_video(path)) != content:
                raise Gone(f"Picture {number} has changed since it was indexed; build the index again.")
            file.seek(0)
        except OSError:
            file.close()
            raise Gone(f"{path.name}: its file cannot be read.") from None
        except BaseException:
            file.close()
            raise
        return entry, file

    def frame(self, number: int) -> Image.Image | None:
        """A frame of a video, upright RGB; None for a picture.

        Raises:
            Gone: as `open`.
            BadPicture: it cannot be read.
        """
        file_name, time = split(self.entry(number).path)
        if time is None:
            return None
        path = self.index.paths.path(file_name)
        with self.open(number)[1] as file:
            try:
                return frame_at(path, time, file)
            except InputError as error:
                raise BadPicture(str(error).replace(str(path), path.name)) from None

    def thumbnail(self, number: int) -> bytes:
        """A picture or frame as a JPEG of at most 512 pixels a side.

        Raises:
            Gone: as `open`.
            InputError: it cannot be opened.
        """
        key = self.entry(number).hash
        with self._lock:
            if key in self._thumbs:
                self._thumbs.move_to_end(key)
                return self._thumbs[key]
        made = thumbnails.read(self.index.folder, key)
        if made is None:
            image = self.frame(number)
            if image is None:
                with self.open(number)[1] as file:
                    image = open_image(file, at_least=SIDE)
            image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            made = jpeg(image)
            thumbnails.write(self.index.folder, key, made)
        with self._lock:
            self._thumbs[key] = made
            while len(self._thumbs) > KEPT or sum(map(len, self._thumbs.values())) > KEPT_BYTES:
                self._thumbs.popitem(last=False)
        return made

    def entry(self, number: int) -> Entry:
        """The current catalogue entry of a picture.

        Raises:
            Gone: no picture has this number.
        """
        return self._known(number)[0]

    def _known(self, number: int) -> tuple[Entry, bytes]:
        """The catalogue entry of a picture or frame, and the hash of its file."""
        with Catalog(self.index.folder) as catalog:
            found = catalog.numbered([number])
            if not found:
                raise Gone(f"There is no picture {number} in this index.")
            file, time = split(found[0].path)
            if time is None:
                return found[0], found[0].hash
            of_video = [row[2] for row in catalog.rows("videos", "path = ?", (file,)) if row[0]]
        if not of_video:
            raise Gone(f"Video {number} has changed since it was indexed; build the index again.")
        return found[0], of_video[0]

    def _hash(self, file: BinaryIO, keep: bool) -> bytes:
        """The hash of a file's content; with `keep`, it is cached as long as the file is the same and unchanged."""
        told = os.fstat(file.fileno())
        state = (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns)
        if known := self._hashes.get(state):
            return known
        hashed = hashlib.blake2b(digest_size=16)
        for block in blocks(file):
            hashed.update(block)
        if keep:
            with self._lock:
                if len(self._hashes) >= KEPT:
                    self._hashes.clear()
                self._hashes[state] = hashed.digest()
        return hashed.digest()


def jpeg(image: Image.Image) -> bytes:
    """Encode a picture as a JPEG."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Read a file from its position to its end, a block at a time."""
    while block := file.read(BLOCK):
        yield block


def _opened(path: Path, size: int) -> BinaryIO:
    """Open a regular file of the given size; no other file is read.

    Raises:
        Gone: the file is missing, unreadable, not regular or of another size.
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


@contextmanager
def named(name: str | None) -> Iterator[None]:
    """Name the picture in its errors.

    Raises:
        NotAPicture: the picture cannot be read.
        TooManyPixels: decoding it would take too much memory.
    """
    try:
        yield
    except (BadPicture, TooManyPixels) as error:
        called = (name or "").replace("\\", "/").rpartition("/")[2][:80] or "the picture"
        kind = TooManyPixels if isinstance(error, TooManyPixels) else NotAPicture
        raise kind(str(error).replace("picture given in memory", called)) from None

"""Memory limits of image decoding: checks before decoding, and a budget that threads share."""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock
from typing import BinaryIO

from PIL import Image

from wordsight.errors import InputError

MAX_PIXELS = 80_000_000  # below Pillow's own limit; a photograph of a large camera has 50 to 60 million
MEMORY = 800_000_000  # most bytes that all pictures being decoded may take together
# Formats of photographs; JPEG includes MPO. EPS would run another program; IPTC and FITS contain files of other
# formats; Pillow's remaining formats are textures, animations and data of instruments.
_PHOTOGRAPHS = "JPEG PNG WEBP GIF BMP DIB TIFF HEIF AVIF ICO ICNS JPEG2000 TGA PPM PSD PCX PCD QOI SGI SUN"
FORMATS = tuple(_PHOTOGRAPHS.split())
_WHOLE_FILE = 200_000_000  # most bytes of a file, for formats that are read as a whole
_ICON = 4_000_000  # most pixels of a picture inside an icon
_SCANS = 100  # most scans of a progressive JPEG; each is a pass over the whole picture
DIRECTORY = 2**20  # most bytes of EXIF data
_MODES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}  # bytes per pixel; 4 for all others
_DECODERS = {"WEBP": 12, "AVIF": 12, "HEIF": 10}  # bytes per pixel that a decoder needs besides the picture
_SLOW = {"QOI": 10_000_000}  # most pixels, as the decoder is written in Python


class TooManyPixels(InputError):
    """A picture that is too large to decode."""


class Room:
    """Memory budget shared by threads: requests that exceed what is left wait, first come, first served.

    Attributes:
        size: bytes.
    """

    def __init__(self, size: int) -> None:
        self.size, self._left = size, size
        self._turn, self._changed = Lock(), Condition()

    @contextmanager
    def taken(self, wanted: int) -> Iterator[None]:
        """Reserve `wanted` bytes, at most the whole size, in a `with` block."""
        wanted = min(wanted, self.size)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._left >= wanted)
            self._left -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._left += wanted
                self._changed.notify_all()


ROOM = Room(MEMORY)


def check_file(file: BinaryIO) -> int:
    """Check that a file may be opened, as opening decodes some formats; returns the bytes needed.

    Raises:
        TooManyPixels: a file that is read as a whole, or a picture in an icon, is too large.
    """
    head, size = file.read(16), file.seek(0, 2)
    icon = head[:4] == b"\0\0\1\0" or head[:4] == b"icns"
    if size > _WHOLE_FILE and (icon or head[8:12] == b"WEBP" or head[4:8] == b"ftyp"):
        raise TooManyPixels(f"a file of {size / 1e6:,.0f} MB")
    if icon:
        file.seek(0)
        _check_icon(file.read())
    file.seek(0)
    return 16 * _ICON if icon else 0


def _check_icon(content: bytes) -> None:
    """Check the real size of every picture in an icon, not the size in its directory."""
    sizes = [struct.unpack(">II", found[1]) for found in re.finditer(rb"\x89PNG\r\n\x1a\n.{8}(.{8})", content, re.S)]
    for found in re.finditer(rb"\xff\x4f\xff\x51.{4}(.{16})", content, re.S):
        right, bottom, left, top = struct.unpack(">IIII", found[1])
        sizes.append((right - left, bottom - top))
    if content[:4] == b"\0\0\1\0":
        for at in range(6, min(6 + 16 * int.from_bytes(content[4:6], "little"), len(content) - 15), 16):
            start = int.from_bytes(content[at + 12 : at + 16], "little")
            if content[start : start + 4] != b"\x89PNG" and len(content) >= start + 12:
                width, height = struct.unpack("<ii", content[start + 4 : start + 12])
                sizes.append((abs(width), abs(height) // 2))
    for width, height in sizes:
        if width * height > _ICON:
            raise TooManyPixels(f"{width} x {height} pixels inside an icon")


def check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    """Check a picture's number of pixels.

    Raises:
        TooManyPixels: it has too many.
    """
    most = min(max_pixels, _SLOW.get(image.format or "", max_pixels))
    if image.width * image.height > most:
        raise TooManyPixels(f"{name}: {image.width} x {image.height} pixels are more than the limit of {most:,}")


def check_need(image: Image.Image, file: BinaryIO, name: str, scale: int) -> int:
    """The bytes needed to decode a picture: the decoder's own, the decoded pixels, and their RGB copy.

    Args:
        image: opened, not decoded.
        file: of the picture.
        name: for the message.
        scale: the decoder divides the picture's sides by this.

    Raises:
        TooManyPixels: the bytes exceed the limit.
        ValueError: its directories or its scans would take too long.
    """
    pixels = image.width * image.height
    out = pixels // scale**2
    need = (
        out * (_MODES.get(image.mode, 4) + _copies(image))
        + 16 * image.height
        + pixels * _DECODERS.get(image.format or "", 0)
    )
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        _check_scans(file)
        need += pixels * 2 * len(image.getbands())
    elif image.format == "JPEG2000":
        need += out * 11 * len(image.getbands()) // 2
    elif image.format == "PPM" and _decoder(image) != "raw":
        need += out * 8
    elif image.format == "TIFF":
        need += _strip(image)
        check_directories(image, file)
    if need > MEMORY:
        size = f"{image.width} x {image.height} pixels of a {image.format}"
        raise TooManyPixels(f"{name}: {size} would take {need / 1e6:,.0f} MB, the limit is {MEMORY / 1e6:,.0f} MB")
    return need


def rawmode(image: Image.Image) -> str:
    """The raw mode of an opened picture's pixels in its file, such as "RGB;16B"; empty if unknown."""
    tiles = getattr(image, "tile", None)
    args = tiles[0][3] if tiles else ""
    first = args if isinstance(args, str) else args[0] if isinstance(args, tuple) and args else ""
    return first if isinstance(first, str) else ""


def check_exif(image: Image.Image) -> None:
    """Drop EXIF data larger than any camera writes, as reading it takes many times its size."""
    for key in ("exif", "Raw profile type exif"):
        if len(image.info.get(key) or b"") > DIRECTORY:
            del image.info[key]


def _copies(image: Image.Image) -> int:
    """Bytes per pixel of a picture's copies: RGB, and rotated RGB."""
    hole = "transparency" in image.info
    try:
        tags = getattr(image, "tag_v2", None) or (image.getexif() if "exif" in image.info else {})  # else PNGs load
        turned = tags.get(0x0112, 1) != 1
    except Exception:  # damaged EXIF beside good pixels
        turned = False
    return 4 * (int(image.mode != "RGB" or hole) + int(turned))


def _decoder(image: Image.Image) -> str:
    tiles = getattr(image, "tile", None)
    return str(tiles[0][0]) if tiles else ""


def _strip(image: Image.Image) -> int:
    """The bytes of one strip or tile of a compressed TIFF, which may be larger than the picture."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    if _decoder(image) == "raw":
        return 0
    width, height = tags.get(322) or image.width, tags.get(323) or min(tags.get(278, image.height), image.height)
    bits = max(tags.get(258, (1,))) * tags.get(277, 1)
    return int(width * height * max(bits, 32 if tags.get(262) == 6 else 0) // 8)


def check_directories(image: Image.Image, file: BinaryIO) -> None:
    """Check that a TIFF's EXIF, GPS and interoperability directories are no larger than cameras write."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    order = "<" if tags.prefix == b"II" else ">"
    for key in (34665, 34853, 40965):
        start = tags.get(key)
        if not isinstance(start, int):
            continue
        file.seek(start)
        count = int.from_bytes(file.read(2), "little" if order == "<" else "big")
        rows = file.read(12 * count)
        entries = struct.iter_unpack(f"{order}HHI4x", rows[: len(rows) // 12 * 12])
        if sum(values * (8 if kind in (5, 10) else 1) for _, kind, values in entries) > DIRECTORY:
            raise ValueError("its EXIF data is larger than any camera writes")
    file.seek(0)


def _check_scans(file: BinaryIO) -> None:
    file.seek(0)
    scans = 0
    while block := file.read(2**20):
        scans += block.count(b"\xff\xda")
    file.seek(0)
    if scans > _SCANS:
        raise ValueError(f"{scans:,} scans; a progressive JPEG has about ten")

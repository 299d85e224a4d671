"""Image decoding: open any picture safely as upright 8-bit RGB, and convert it to arrays."""

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wordsight.errors import InputError
from wordsight.files import open_regular, reason
from wordsight.vision.arrays import from_array
from wordsight.vision.colour import lower_halves, mend_transparency, significant_bits, to_rgb
from wordsight.vision.limits import (
    FORMATS,
    MAX_PIXELS,
    MEMORY,
    ROOM,
    TooManyPixels,
    check_exif,
    check_file,
    check_need,
    check_size,
    rawmode,
)
from wordsight.vision.raw import is_raw, preview

Source = str | Path | bytes | BinaryIO | Image.Image | NDArray[Any]
ORIENTATION = 0x0112  # number of an EXIF tag
_LARGE = 4_000_000  # pixels; smaller pictures are reduced only by decoders (JPEG, JPEG 2000)
_LONG = 16  # a picture may also be reduced while its longer side keeps this many times `at_least` pixels
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadPicture(InputError):
    """A picture that cannot be read, or a file that is not a picture."""


def open_image(source: Source, max_pixels: int = MAX_PIXELS, at_least: int = 0) -> Image.Image:
    """Open a picture as upright RGB.

    Grey, palette, CMYK, Lab, 16-bit and float pictures are converted, transparency is composited on white, EXIF
    orientation is applied, and the first frame of an animation is taken. Of a RAW photo, the preview is opened
    (`raw.py`). Threads decode at the same time only while their memory together stays below a limit (`limits.py`).

    Args:
        source: a file by name or open, its bytes, a picture already open, or an array of its pixels (`arrays.py`).
        max_pixels: the largest width x height that will be decoded; a guard against decompression bombs.
        at_least: if above 0, large pictures may be reduced to 1/2, 1/4, ... of their size, as long as both sides keep
            this many pixels, or the longer side 16 times as many. Much faster for large photographs.

    Returns:
        A picture of mode RGB.

    Raises:
        TooManyPixels: decoding it would take too much memory.
        BadPicture: the file is missing, cut short or not a picture. Both messages name it.
        InputError: the array has another shape, type or range than expected.
    """
    name = name_of(source)
    if isinstance(source, np.ndarray):
        source = from_array(source)
    if isinstance(source, Image.Image):
        if not (source.width and source.height):
            raise BadPicture(f"{name}: has no pixels ({source.width} x {source.height})")
        check_size(source, name, max_pixels)
        with _damage(name):
            return _upright(to_rgb(source), source)
    try:
        with _opened(source) as file:
            with _unreadable(name):
                file = preview(file) if is_raw(file) else file
            with _unreadable(name), ROOM.taken(check_file(file)):
                image = Image.open(file, formats=formats())
            check_size(image, name, max_pixels)
            with _damage(name):
                return _decoded(image, file, name, at_least)
    except OSError as error:
        raise BadPicture(_missing(name, error)) from None


def reopened(source: Source, side: int = 480) -> Image.Image | None:
    """Open a picture again, at most `side` pixels wide and high; None if it can no longer be opened."""
    try:
        image = open_image(source, at_least=side).copy()  # a picture already open belongs to the caller
    except InputError:
        return None
    image.thumbnail((side, side))
    return image


def _decoded(image: Image.Image, file: BinaryIO, name: str, at_least: int) -> Image.Image:
    """Decode an opened picture as upright RGB."""
    check_exif(image)
    scale = _shrink(image, file, at_least)
    need, pixels = check_need(image, file, name, scale), image.width * image.height
    deep = ";16" in rawmode(image) and image.mode in ("RGB", "RGBA")
    halves = deep and max(need + 4 * pixels, 12 * pixels) <= MEMORY
    with ROOM.taken(need + 8 * pixels if halves else need):
        mend_transparency(image, halves)
        bits = significant_bits(image, file)
        image.load()
        rgb = to_rgb(image, _low(image, file) if halves else None, bits)
        return _upright(_smaller(rgb, at_least), image)


def _shrink(image: Image.Image, file: BinaryIO, at_least: int) -> int:
    """Let the decoder reduce the picture if its format allows; returns the factor."""
    if not at_least:
        return 1
    before = image.width
    if image.format in ("JPEG", "MPO"):
        image.draft(None, (at_least, at_least))
        return max(1, round(before / image.width))
    if image.format == "JPEG2000":
        file.seek(0)
        head = file.read(2**16)
        at = head.find(b"\xff\x52")  # the marker COD, which has the number of reduced sizes
        levels = head[at + 9] if 0 <= at < len(head) - 9 else 0
        steps = min(_factor(image, at_least).bit_length() - 1, levels, 5)
        image.reduce = steps  # type: ignore[method-assign,assignment]
        return 1 << steps
    return 1


def _factor(image: Image.Image, at_least: int) -> int:
    """The greatest power of two by which a picture's sides may be divided, see `open_image`."""
    least, most = min(image.size) // at_least, max(image.size) // (_LONG * at_least)
    return 1 << max(least, most, 1).bit_length() - 1


def _smaller(image: Image.Image, at_least: int) -> Image.Image:
    """Reduce a large picture, if allowed."""
    if not at_least or image.width * image.height <= _LARGE:
        return image
    return image.reduce(_factor(image, at_least))


def _low(image: Image.Image, file: BinaryIO) -> Image.Image | None:
    """The lower 8 bits of a decoded 16-bit picture, if needed: it looks black, or has a transparent colour."""
    dark = max(most for _, most in image.getextrema()[:3]) < 64  # type: ignore[misc]
    if not dark and not isinstance(image.info.get("transparency"), tuple):
        return None
    file.seek(0)
    return lower_halves(Image.open(file, formats=formats()))


def pixels(image: Image.Image, size: tuple[int, int]) -> NDArray[np.float32]:
    """Convert a picture to an array, stretched to a size.

    Args:
        image: of mode RGB.
        size: (height, width) in pixels.

    Returns:
        (3, height, width) float32, RGB, 0 to 255.
    """
    height, width = size
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    out = np.empty((3, height, width), np.float32)
    out[...] = np.asarray(image).transpose(2, 0, 1)
    return out


def name_of(source: Source) -> str:
    """The name of a picture in messages: its file, if it has one."""
    if isinstance(source, str | Path):
        return str(source)
    return str(getattr(source, "filename", "") or "picture given in memory")


def _opened(source: str | Path | bytes | BinaryIO) -> AbstractContextManager[BinaryIO]:
    if isinstance(source, str | Path):
        return open_regular(source)
    return io.BytesIO(source) if isinstance(source, bytes) else nullcontext(source)


@cache
def formats() -> tuple[str, ...]:
    """The formats that Pillow may read, including HEIC."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    Image.init()
    return tuple(kind for kind in FORMATS if kind in Image.OPEN)


@contextmanager
def _unreadable(name: str) -> Iterator[None]:
    """Turn errors of opening a picture into `InputError`s."""
    try:
        yield
    except TooManyPixels as error:
        raise TooManyPixels(f"{name}: too many pixels ({error})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(f"{name}: too many pixels ({error})") from None
    except Exception as error:  # decoders of damaged files raise almost any error
        if isinstance(error, OSError) and error.errno:
            raise
        # UnidentifiedImageError contains a memory address
        why = "empty, or of an unknown kind" if isinstance(error, UnidentifiedImageError) else error
        raise BadPicture(f"{name}: not a picture that can be read ({why})") from None


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """Turn errors of decoding a picture into `InputError`s."""
    try:
        yield
    except TooManyPixels:
        raise
    except Exception as error:  # decoders of damaged files raise almost any error
        if isinstance(error, OSError) and error.errno:
            raise
        raise BadPicture(f"{name}: the picture is damaged or cut short ({error})") from None


def _missing(name: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{name}: no such picture"
    if isinstance(error, IsADirectoryError):
        return f"{name}: expected a picture, but this is a folder"
    return f"{name}: cannot be read ({reason(error)})"


def _upright(image: Image.Image, source: Image.Image) -> Image.Image:
    """Rotate a picture by the EXIF orientation of its source."""
    try:
        turn = _TURNS.get(source.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF beside good pixels: do not rotate
        turn = None
    return image if turn is None else image.transpose(turn)

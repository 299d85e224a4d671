"""Open any picture safely, always as upright 8-bit RGB, and turn it into numbers."""

import io
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from wordsight.errors import InputError

MAX_PIXELS = 80_000_000  # below Pillow's own limit; a photograph of a large camera has 50 to 60 million

Source = str | Path | bytes | Image.Image
_ORIENTATION, _CHANGED, _EXIF, _TAKEN = 0x0112, 0x0132, 0x8769, 0x9003  # numbers of EXIF tags


class TooManyPixels(InputError):
    """A picture that is too large to be decoded."""


def open_image(source: Source, max_pixels: int = MAX_PIXELS, at_least: int = 0) -> Image.Image:
    """Open a picture as upright RGB.

    Grey, palette, CMYK and 16-bit pictures are converted, transparency is laid on white, EXIF orientation is
    applied, and of an animation the first frame is taken.

    Args:
        source: a file, its bytes, or a picture already open.
        max_pixels: the largest width x height that will be decoded; a guard against decompression bombs.
        at_least: when above 0, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, as long as both sides
            keep this many pixels. Much faster for large photographs.

    Returns:
        A picture of mode RGB.

    Raises:
        InputError: the file is missing, too large, cut short or not a picture; the message names it.
    """
    name = _name(source)
    try:
        image = _read(source)
    except FileNotFoundError:
        raise InputError(f"{name}: no such picture") from None
    except IsADirectoryError:
        raise InputError(f"{name}: expected a picture, but this is a folder") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(f"{name}: too many pixels ({error})") from None
    except Exception as error:
        if isinstance(error, UnidentifiedImageError):  # which says where in memory the bytes were
            error = ValueError("empty, or of an unknown kind")
        hint = "; HEIC pictures need the extra 'heif': pip install 'wordsight[heif]'" if _is_heic(name) else ""
        raise InputError(f"{name}: not a picture that can be read ({error}){hint}") from None
    if image.width * image.height > max_pixels:
        size = f"{image.width} x {image.height}"
        raise TooManyPixels(f"{name}: {size} pixels are more than the limit of {max_pixels:,}")
    try:
        if at_least and not isinstance(source, Image.Image):
            image.draft(None, (at_least, at_least))
        image.load()
        return _to_rgb(_upright(image))
    except Exception as error:  # decoders of damaged files raise nearly anything
        raise InputError(f"{name}: the picture is damaged or cut short ({error})") from None


class Header(NamedTuple):
    """What a picture's file says of it: width and height in pixels, upright, and when it was taken (EXIF), or None."""

    width: int
    height: int
    taken: datetime | None


def read_header(content: bytes) -> Header | None:
    """What the bytes of a picture's file say of it, without decoding it; None where they are not a picture."""
    try:
        image = _read(content)
        width, height = image.size
    except Exception:  # decoders of damaged files raise nearly anything
        return None
    try:
        exif = image.getexif()
        if exif.get(_ORIENTATION) in (5, 6, 7, 8):
            width, height = height, width
        text = exif.get_ifd(_EXIF).get(_TAKEN) or exif.get(_CHANGED)
        taken = datetime.strptime(str(text)[:19], "%Y:%m:%d %H:%M:%S")
    except Exception:  # none, or damaged
        return Header(width, height, None)
    return Header(width, height, taken)


def media_type(content: bytes) -> str:
    """What kind of picture a file's bytes are, such as "image/jpeg"; empty where they are none."""
    try:
        return Image.MIME.get(_read(content).format or "", "")
    except Exception:  # decoders of damaged files raise nearly anything
        return ""


def pixels(image: Image.Image, size: tuple[int, int]) -> NDArray[np.float32]:
    """A picture as numbers, stretched to a size.

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


def _name(source: Source) -> str:
    if isinstance(source, str | Path):
        return str(source)
    return str(getattr(source, "filename", "") or "picture given in memory")


def _read(source: Source) -> Image.Image:
    """The header of a picture; its pixels are not decoded yet."""
    if isinstance(source, Image.Image):
        return source
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    return Image.open(io.BytesIO(content), formats=_formats())


@cache
def _formats() -> tuple[str, ...]:
    """What Pillow may read: HEIC where the extra is installed, and no EPS, which another program would run."""
    try:
        import pillow_heif
    except ImportError:
        pass
    else:
        pillow_heif.register_heif_opener()
    Image.init()
    return tuple(kind for kind in Image.ID if kind != "EPS")


def _is_heic(name: str) -> bool:
    return name.lower().endswith((".heic", ".heif"))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF beside healthy pixels: show the picture as it lies
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _from_deep(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits, scaled to 8; Pillow's own conversion would clip it."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))  # (height, width)
    top = float(values.max(initial=0.0))
    if image.mode.startswith("I;16") or 255 < top <= 65535:
        full = 65535.0
    elif image.mode == "F" and top <= 1:
        full = 1.0
    else:
        full = max(top, 255.0)
    grey = np.clip(values * (255.0 / full), 0, 255).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")

"""Colour conversion: pixels of any mode to 8-bit RGB, as a viewer shows them, in strips to save memory."""

import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.vision.limits import rawmode

STRIP = 2_000_000  # pixels converted at a time
_BITS = (8, 10, 12, 14, 16)  # depths of cameras and scanners; files have 8, 16 or 32
_OVERSHOOT = 4.0  # greatest value of floats that count as 0 to 1: highlights and resampling exceed 1
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")

Strip = Callable[[Image.Image], Image.Image]
Values = NDArray[Any]


def to_rgb(image: Image.Image, low: Image.Image | None = None, significant: int = 0) -> Image.Image:
    """Convert a decoded picture to RGB, composited on white where transparent.

    Args:
        image: of any mode.
        low: the lower 8 bits of a picture of 16 bits per colour, whose upper 8 bits are `image`.
        significant: significant bits of each value, if the file states them; else 0.
    """
    if low is not None:
        return _from_halves(image, low, significant)
    if image.mode in _DEEP:
        return _from_grey(image, significant)
    if image.has_transparency_data:
        return _strips(image, _on_white)
    if image.mode == "RGB":
        return image
    if image.mode == "LAB":
        return _strips(image, _from_lab())
    return _strips(image, lambda strip: strip.convert("RGB"))


def lower_halves(image: Image.Image) -> Image.Image | None:
    """The lower 8 bits of an opened picture of 16 bits per colour; Pillow decodes only the upper 8.

    Returns:
        A picture of the same mode; None for formats whose lower bits are not accessible.
    """
    here = rawmode(image)
    other = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}.get(here[-1:], "")
    swapped = "RGBA" if here == "LA;16B" else here[:-1] + other
    try:
        tiles = getattr(image, "tile", [])
        args = [swapped if isinstance(tile.args, str) else (swapped, *tile.args[1:]) for tile in tiles]
        image.tile = [tile._replace(args=one) for tile, one in zip(tiles, args, strict=True)]  # type: ignore[attr-defined]
        image.load()
    except (AttributeError, ValueError):
        return None
    if here == "LA;16B":  # four bytes per pixel: two of grey, two of alpha
        _, grey, _, cover = image.split()
        return Image.merge("RGBA", (grey, grey, grey, cover))
    return image


def mend_transparency(image: Image.Image, halves: bool) -> None:
    """Scale the transparent colour of a PNG of 2, 4 or 16 bits like its pixels.

    Args:
        image: opened, not decoded.
        halves: whether the lower 8 of 16 bits are decoded too, which requires the unscaled colour.
    """
    factor, hole = {"L;2": 85, "L;4": 17}.get(rawmode(image)), image.info.get("transparency")
    if factor and isinstance(hole, int):
        image.info["transparency"] = factor * hole
    elif rawmode(image).startswith("RGB;16") and isinstance(hole, tuple) and not halves:
        image.info["transparency"] = tuple(value >> 8 for value in hole)


def significant_bits(image: Image.Image, file: BinaryIO) -> int:
    """Significant bits of each value of a PNG or TIFF, from its metadata; 0 if missing."""
    if image.format == "PNG":
        file.seek(0)
        head = file.read(4096)
        at = head.find(b"sBIT")
        return head[at + 4] if 0 <= at < len(head) - 4 and head[at - 4 : at] < b"\0\0\0\5" else 0
    most = image.tag_v2.get(281) if image.format == "TIFF" else None  # type: ignore[attr-defined]
    most = max(most) if isinstance(most, tuple) and most else most
    return int(most).bit_length() if isinstance(most, int) else 0


def _strips(image: Image.Image, convert: Strip) -> Image.Image:
    out = Image.new("RGB", image.size)
    for box in _boxes(image):
        out.paste(convert(image.crop(box)), box)
    return out


def _boxes(image: Image.Image) -> list[tuple[int, int, int, int]]:
    rows = max(1, STRIP // max(image.width, 1))
    return [(0, top, image.width, min(top + rows, image.height)) for top in range(0, image.height, rows)]


def _on_white(strip: Image.Image) -> Image.Image:
    strip = (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip).convert("RGB")


def _from_lab() -> Strip:
    from PIL import ImageCms

    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    turn = ImageCms.buildTransform(*profiles, "LAB", "RGB")

    def convert(strip: Image.Image) -> Image.Image:
        made = ImageCms.applyTransform(strip, turn)
        assert made is not None  # it is not converted in place
        return made

    return convert


def _from_grey(image: Image.Image, significant: int) -> Image.Image:
    """Convert grey of 16 or 32 bits or floats, which Pillow's own conversion would clip."""
    tags = getattr(image, "tag_v2", {})
    dark = image.format == "TIFF" and tags.get(262) == 0  # 0 means white
    hole = image.info.get("transparency")
    full = _white_of(image, significant)

    def convert(strip: Image.Image) -> Image.Image:
        found = _values(image, strip)
        grey = np.multiply(np.clip(found, 0, full), np.float32(255 / full), dtype=np.float32)
        made = np.rint(np.nan_to_num(grey, copy=False), out=grey).astype(np.uint8)
        if dark:
            made = 255 - made
        if isinstance(hole, int):
            made[found == hole] = 255
        return Image.fromarray(made).convert("RGB")

    return _strips(image, convert)


def _values(image: Image.Image, strip: Image.Image) -> Values:
    """A strip of a deep picture as an array; Pillow reads 32-bit values as signed."""
    found = np.asarray(strip)
    unsigned = image.mode == "I" and image.format == "TIFF" and 2 not in image.tag_v2.get(339, ())  # type: ignore[attr-defined]
    return found.view(np.uint32) if unsigned and found.min(initial=0) < 0 else found


def _white_of(image: Image.Image, significant: int) -> float:
    """The white level of a deep picture."""
    parts = (_values(image, image.crop(box)) for box in _boxes(image))
    if image.mode == "F":
        every = 1 + image.width * image.height // STRIP
        return _float_white(np.concatenate([part.ravel()[::every] for part in parts]))
    if image.format == "PPM" and image.mode == "I":
        return 65535.0  # scaled by the file's own maximum
    return _white(max((int(part.max(initial=0)) for part in parts), default=0), significant)


def _white(most: int, significant: int) -> float:
    """The white level of integers: that of the file's significant bits, or of the fewest bits that hold all values."""
    if most > 65535:
        return float(most)
    if significant >= 16 or (significant and most >= 1 << significant):
        return 65535.0  # scaled to 16 bits, as PNG requires
    bits = significant or next(bits for bits in _BITS if most < 1 << bits)
    return float((1 << bits) - 1)


def _float_white(values: Values) -> float:
    """The white level of floats, which may range from 0 to 1 or like integers: by a percentile, as some exceed it."""
    finite = values[np.isfinite(values)]
    most = float(np.percentile(finite, 99.9, method="higher")) if finite.size else 0.0
    if most <= _OVERSHOOT:
        return 1.0
    return next((float((1 << bits) - 1) for bits in _BITS if most <= 1.1 * (1 << bits)), most)


def _from_halves(high: Image.Image, low: Image.Image, significant: int) -> Image.Image:
    """Convert RGB of 16 bits per colour, of which fewer may be significant."""
    hole = high.info.get("transparency")
    high.info.pop("transparency", None)
    low.info.pop("transparency", None)
    upper, lower = (max(most for _, most in part.getextrema()[:3]) for part in (high, low))  # type: ignore[misc]
    full = _white((int(upper) << 8 | 255) if upper else int(lower), significant)
    table = np.rint(np.minimum(np.arange(65536), full) * (255 / full)).astype(np.uint8)
    out = Image.new("RGB", high.size)
    for box in _boxes(high):
        tops = np.asarray(high.crop(box))  # (rows, width, 3 or 4)
        found = (tops.astype(np.uint16) << 8) + np.asarray(low.crop(box))
        made = table[found]
        if high.mode == "RGBA":
            made[..., 3] = tops[..., 3]
        elif isinstance(hole, tuple):
            made[(found == np.array(hole, np.uint16)).all(-1)] = 255
        strip = Image.fromarray(made)
        out.paste(_on_white(strip) if high.mode == "RGBA" else strip, box)
    return out

"""Line drawings: the strokes of a sketch, and the edge map of a photo, which is what a sketch resembles most.

Both are ink maps: (256, 256) float32, 1 on lines.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.errors import InputError, install
from wordsight.vision.images import Source, name_of, open_image

Floats = NDArray[np.float32]

SIDE = 256  # side of every ink map, in pixels
DARKER = 0.25  # least difference in brightness between a stroke and the paper, 0 to 1
LEAST = 20  # least number of ink pixels in a drawing
PAPER = 0.7  # least share of a drawing that is paper
SOLID = 0.2  # greatest share of what is not paper inside areas wider than 13 pixels
THIN = 0.17  # lines are thickened if erosion leaves a smaller share of them
STRONGEST = 0.97  # quantile of a photo's gradients to which its edge thresholds are relative
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


@cache
def images() -> Any:
    """`scipy.ndimage`, which comes with scikit-image; only sketches need either.

    Raises:
        InputError: scikit-image is not installed.
    """
    try:
        import skimage  # noqa: F401
        from scipy import ndimage
    except ImportError:
        raise InputError(f"Sketches need scikit-image; install it: {install('sketch')}") from None
    return ndimage


def square(source: Source) -> Image.Image:
    """A picture stretched to 256 x 256 pixels, RGB.

    Raises:
        InputError: it cannot be opened.
    """
    return open_image(source, at_least=SIDE).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def strokes(source: Source) -> Floats:
    """The ink map of a drawing, dark on light or light on dark.

    Raises:
        InputError: it cannot be opened, is empty, or is a photograph; or scikit-image is not installed.
    """
    name, grey = name_of(source), _grey(square(source))
    paper = float(np.median(grey))
    away = np.abs(grey - paper)
    other = away > 0.1
    ink = (away > DARKER) & ((grey < paper) == (paper >= 0.5))
    if (~other).mean() < PAPER or _solid(other) > SOLID:
        raise InputError(f"{name}: looks like a photograph; expected a drawing of lines on plain paper.")
    if ink.sum() < LEAST:
        raise InputError(f"{name}: an empty drawing; expected lines that are clearly darker than the paper.")
    return ink.astype(np.float32)


def edges(image: Image.Image) -> Floats:
    """The edge map of a photo of 256 x 256 pixels: Canny edges, thresholded by its own gradients, 3 pixels wide.

    Raises:
        InputError: scikit-image is not installed.
    """
    grown = images().binary_dilation
    from skimage.feature import canny
    from skimage.filters import gaussian, sobel

    colours = np.asarray(image, np.float32) / 255
    gradient = np.max([sobel(gaussian(colours[..., channel], 1.5)) for channel in range(3)], axis=0)
    strong = float(np.quantile(gradient, STRONGEST)) + 1e-6
    lines = canny(_grey(image), 2.0, low_threshold=0.25 * strong, high_threshold=0.6 * strong)
    return np.asarray(grown(lines, CROSS), np.float32)


def thickened(ink: Floats) -> Floats:
    """Thicken thin lines of an ink map, as input of a net."""
    lines = ink > 0
    left = images().binary_erosion(lines, np.ones((3, 3))).sum() / max(int(lines.sum()), 1)
    return np.asarray(images().binary_dilation(lines, CROSS), np.float32) if left < THIN else ink


def content_box(ink: Floats, margin: float = 0.06) -> tuple[float, float, float]:
    """Square around nearly all ink: its left, top and side in pixels; it may extend beyond the map."""
    ys, xs = np.nonzero(ink)
    if len(ys) < LEAST:
        return 0.0, 0.0, float(SIDE)
    (left, right), (top, bottom) = np.quantile(xs, [0.01, 0.99]), np.quantile(ys, [0.01, 0.99])
    side = max(right - left, bottom - top) * (1 + 2 * margin) + 1
    return (left + right - side) / 2, (top + bottom - side) / 2, side


def cropped(ink: Floats) -> Floats:
    """The ink within its `content_box`, enlarged to the whole map."""
    left, top, side = content_box(ink)
    if side == SIDE:
        return ink
    image, scale = Image.fromarray((ink * 255).astype(np.uint8)), side / SIDE
    affine = (scale, 0, left, 0, scale, top)
    found = image.transform((SIDE, SIDE), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    return np.asarray(np.asarray(found, np.float32) / 255, np.float32)


def _grey(image: Image.Image) -> Floats:
    return np.asarray(np.asarray(image.convert("L"), np.float32) / 255, np.float32)


def _solid(other: NDArray[np.bool_]) -> float:
    """The share of what is not paper inside areas wider than 13 pixels."""
    eroded = images().binary_erosion
    inside = eroded(eroded(other, np.ones((13, 1))), np.ones((1, 13)))  # the same as 13 x 13, but much faster
    return float(inside.sum() / max(int(other.sum()), 1))

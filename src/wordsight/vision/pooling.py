"""Region pooling: a feature vector per box, from one map of the picture (`roi`) or a map of each box (`crop`)."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.vision.boxes import Boxes
from wordsight.vision.images import pixels

Features = NDArray[np.float32]


class Backbone(Protocol):
    """Backbone: maps pixels to a feature map.

    Attributes:
        name: of its feature columns.
        size: F, features per cell.
        stride: the input's sides must be multiples of this.
        batch: best number of pictures per call.
        content: a hash of its weights and everything else that affects its values.
    """

    name: str
    size: int
    stride: int
    batch: int
    content: str

    def feature_map(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pictures (B, 3, H, W) float32 RGB, 0 to 255, to maps (B, F, h, w) float32. Thread-safe."""


Pool = Callable[[Backbone, Sequence[Image.Image], Sequence[Boxes], int, bool], list[Features]]


def roi(
    net: Backbone, images: Sequence[Image.Image], boxes: Sequence[Boxes], side: int, flip: bool = False
) -> list[Features]:
    """Pool every box from one feature map of the whole picture.

    Args:
        net: the backbone.
        images: RGB.
        boxes: (R, 4) `xyxy` fractions of each picture.
        side: side in pixels to which pictures are stretched; rounded to the net's stride.
        flip: average with the mirrored picture.

    Returns:
        (R, F) for each picture.
    """
    side = fit(side, net.stride)
    batch = np.stack([pixels(image, (side, side)) for image in images])  # (B, 3, S, S)
    pooled = [roi_align(seen, wanted) for seen, wanted in zip(net.feature_map(batch), boxes, strict=True)]
    if flip:
        mirrored = net.feature_map(np.ascontiguousarray(batch[..., ::-1]))
        others = [roi_align(seen[..., ::-1], wanted) for seen, wanted in zip(mirrored, boxes, strict=True)]
        pooled = [np.asarray((one + other) / 2, np.float32) for one, other in zip(pooled, others, strict=True)]
    return pooled


def crop(
    net: Backbone, images: Sequence[Image.Image], boxes: Sequence[Boxes], side: int, flip: bool = False
) -> list[Features]:
    """Stretch every box to a square, pass it through the net by itself, and average its map (R-CNN).

    Arguments and result are those of `roi`; `side` is that of the squares.
    """
    side = fit(side, net.stride)
    pooled = []
    for image, wanted in zip(images, boxes, strict=True):
        places = [_inside(edges, image.size) for edges in wanted * np.tile(image.size, 2)]
        cut = [image.resize((side, side), Image.Resampling.BILINEAR, place) for place in places]
        batch = np.stack([pixels(one, (side, side)) for one in cut])  # (R, 3, S, S)
        values = net.feature_map(batch)
        if flip:
            mirrored = net.feature_map(np.ascontiguousarray(batch[..., ::-1]))
            values = np.asarray((values + mirrored) / 2, np.float32)
        pooled.append(values.mean((2, 3), dtype=np.float32))
    return pooled


def roi_align(feature_map: Features, boxes: Boxes) -> Features:
    """The mean of a feature map over each box.

    The map is read as a continuous picture by bilinear interpolation between the centres of its cells, constant beyond
    the outermost centres, without rounding of boxes ("aligned", He et al. 2017). Instead of a few samples per box, the
    mean is the exact integral. It is separable: each box has one weight per row and one per column of the map, so all
    boxes together are a single matrix product.

    Args:
        feature_map: (F, h, w).
        boxes: (R, 4) `xyxy` fractions, 0 to 1. A box without area is read at its centre.

    Returns:
        (R, F) float32.
    """
    size, height, width = feature_map.shape
    across = axis_weights(boxes[:, 0], boxes[:, 2], width)  # (R, w)
    down = axis_weights(boxes[:, 1], boxes[:, 3], height)  # (R, h)
    weights = (down[:, :, None] * across[:, None, :]).reshape(len(boxes), height * width)
    return np.asarray(weights @ feature_map.reshape(size, height * width).T, np.float32)  # (R, F)


def axis_weights(low: NDArray[np.float32], high: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Weight of each cell of an axis in the mean over an interval.

    Args:
        low: (R,) starts, as fractions of the axis.
        high: (R,) ends.
        cells: number of cells of the axis.

    Returns:
        (R, cells) float32; every row sums to 1.
    """
    middle = (low + high) / 2
    half = np.maximum((high - low) / 2, 1e-4)  # an interval without length becomes a very short one
    start, end = (middle - half).astype(np.float64) * cells - 0.5, (middle + half).astype(np.float64) * cells - 0.5
    integral = _integral(end, cells) - _integral(start, cells)  # (R, cells)
    return (integral / (end - start)[:, None]).astype(np.float32)


def _integral(to: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """Integral of each cell's hat function up to a point, in cells: (R,) -> (R, cells).

    The hat of cell j rises from 0 at j - 1 to 1 at j and falls to 0 at j + 1; the first stays 1 to the left, the last
    to the right. Hats sum to 1 everywhere.
    """
    t = to[:, None] - np.arange(cells)  # (R, cells): distance of the point to the right of each centre
    rise, fall = np.clip(t + 1, 0, 1), np.clip(t, 0, 1)
    area = rise**2 / 2 + fall - fall**2 / 2
    area[:, 0] = np.where(t[:, 0] < 0, t[:, 0] + 0.5, area[:, 0])  # flat on the left, measured from -1/2
    area[:, -1] += np.maximum(t[:, -1], 0) - (fall - fall**2 / 2)[:, -1]
    return area


def _inside(edges: Features, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Clip a box in pixels to the picture, and make it at least one pixel wide and high."""
    left, top = (min(max(float(edges[k]), 0.0), size[k] - 1.0) for k in (0, 1))
    right, bottom = (min(max(float(edges[k + 2]), low + 1.0), size[k]) for k, low in ((0, left), (1, top)))
    return left, top, right, bottom


def fit(side: int, stride: int) -> int:
    """The multiple of the stride nearest to a side."""
    return max(round(side / stride), 1) * stride


def even(values: Features) -> Features:
    """Signed square root, then length 1 per row, so that a few large features do not dominate."""
    roots = np.sign(values) * np.sqrt(np.abs(values))
    return np.asarray(roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 1e-6), np.float32)

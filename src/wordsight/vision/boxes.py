"""Boxes, always (N, 4) `xyxy`: left, top, right, bottom; as fractions of the picture unless said otherwise."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes = NDArray[np.float32]

WHOLE = (0.0, 0.0, 1.0, 1.0)

# Grids of windows: width, height (fractions of the picture), columns, rows. The most useful come first, so that the
# first windows are a sensible choice, however many.
_GRIDS = (
    (0.6, 0.6, 2, 2),
    (0.6, 0.6, 1, 1),
    (0.5, 1.0, 2, 1),
    (1.0, 0.6, 1, 2),
    (0.4, 0.4, 3, 3),
    (0.8, 0.8, 1, 1),
    (0.4, 0.8, 3, 1),
    (0.8, 0.4, 1, 3),
    (0.3, 0.6, 4, 2),
    (0.6, 0.3, 2, 4),
    (0.3, 0.3, 4, 4),
    (0.2, 0.4, 5, 3),
    (0.4, 0.2, 3, 5),
    (0.2, 0.2, 7, 7),
)


def iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
    """Intersection over union of every box with every other.

    Args:
        a: (N, 4) `xyxy`, any unit.
        b: (M, 4) `xyxy`, the same unit.

    Returns:
        (N, M), 0 to 1; 0 where both boxes are empty.
    """
    a, b = _as_boxes(a), _as_boxes(b)
    low = np.maximum(a[:, None, :2], b[None, :, :2])  # (N, M, 2)
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)  # (N, M)
    union = area(a)[:, None] + area(b)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def area(boxes: ArrayLike) -> NDArray[np.float32]:
    """Areas (N,) of boxes (N, 4); 0 for an inverted box."""
    boxes = _as_boxes(boxes)
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(-1), np.float32)


def nms(boxes: ArrayLike, scores: ArrayLike, threshold: float) -> NDArray[np.int64]:
    """Greedy class-agnostic non-maximum suppression.

    Args:
        boxes: (N, 4) `xyxy`, any unit.
        scores: (N,).
        threshold: a box is dropped when it overlaps a better one by an IoU above this.

    Returns:
        Indices of the boxes kept, best score first; equal scores in the order given.
    """
    boxes = _as_boxes(boxes)
    order = np.argsort(-np.asarray(scores, np.float32), kind="stable")
    overlaps = iou(boxes[order], boxes[order]) > threshold
    dropped = np.zeros(len(order), bool)
    for i in range(len(order)):
        if not dropped[i]:
            dropped[i + 1 :] |= overlaps[i, i + 1 :]
    return order[~dropped]


def grid(width: float, height: float, columns: int, rows: int) -> Boxes:
    """Windows of one shape, spread evenly from edge to edge, nearest to the centre first.

    Args:
        width: of each window, as a fraction of the picture's.
        height: likewise.
        columns: number of windows side by side; a single one is centred.
        rows: number of windows above each other; likewise.

    Returns:
        (columns x rows, 4) `xyxy` fractions.
    """
    left = np.linspace(0, 1 - width, columns) if columns > 1 else np.array([(1 - width) / 2])
    top = np.linspace(0, 1 - height, rows) if rows > 1 else np.array([(1 - height) / 2])
    y, x = (axis.ravel() for axis in np.meshgrid(top, left, indexing="ij"))
    boxes = np.stack([x, y, x + width, y + height], 1)
    distance = np.hypot(x + width / 2 - 0.5, y + height / 2 - 0.5)
    return np.clip(boxes[np.argsort(distance.round(6), kind="stable")], 0, 1).astype(np.float32)


def windows(count: int) -> Boxes:
    """The first windows of a fixed list, roughly from large to small.

    Args:
        count: number of windows.

    Returns:
        (count, 4) `xyxy` fractions; fewer if the list is shorter.
    """
    return _windows()[: max(count, 0)].copy()


@cache
def _windows() -> Boxes:
    return np.concatenate([grid(*shape) for shape in _GRIDS])


def to_xywh(boxes: ArrayLike) -> Boxes:
    """Convert `xyxy` boxes (N, 4) to left, top, width, height, in the same unit."""
    boxes = _as_boxes(boxes)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)


def from_xywh(boxes: ArrayLike) -> Boxes:
    """Convert boxes (N, 4) of left, top, width, height to `xyxy`, in the same unit."""
    boxes = _as_boxes(boxes)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)


def _as_boxes(boxes: ArrayLike) -> Boxes:
    return np.asarray(boxes, np.float32).reshape(-1, 4)

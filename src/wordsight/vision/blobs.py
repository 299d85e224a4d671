"""Blob detector without weights: finds things on a plain background by their outlines."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from wordsight.vision.boxes import Boxes, area, nms
from wordsight.vision.proposals import Kind, Proposals

_SIDE = 160  # pixels of the longer side at which outlines are computed
_STEPS = (70.0, 35.0)  # gradient thresholds of outlines: strong ones first, then fainter ones
_LEAST = 0.002  # least area of a box, as a share of the picture's
_OVERLAP = 0.8


class Blobs:
    """Blob detector: boxes around closed or dense outlines, the strongest first, without classes.

    For things on a plain or softly patterned background: painted shapes, goods, specimens. On photographs of scenes, a
    trained detector is better.
    """

    names: tuple[str, ...] = ()
    content = "blobs 1"

    def detect(self, image: Image.Image) -> Proposals:
        """See `proposals.Detector.detect`."""
        scale = _SIDE / max(image.size)
        size = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
        strength = outlines(image.resize(size, Image.Resampling.BOX))  # (h, w)
        found = [pieces(strength > step) for step in _STEPS]
        boxes = np.concatenate(found) / np.tile(size, 2).astype(np.float32)
        clear = np.concatenate([np.full(len(one), -float(i)) for i, one in enumerate(found)])
        large = area(boxes) > _LEAST
        boxes, order = boxes[large], clear[large] + area(boxes)[large] / 2  # strong ones first, then large ones
        kept = nms(boxes, order, _OVERLAP)
        return Proposals.of(Kind.DETECTION, np.clip(boxes[kept], 0, 1), 0)


def outlines(image: Image.Image) -> NDArray[np.float32]:
    """Gradient magnitude at each pixel (h, w), the greatest of the colour channels, 0 to above 255."""
    values = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)), np.float32)  # (h, w, 3)
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    return np.asarray(np.sqrt(across**2 + down**2).max(-1), np.float32)


def pieces(mask: NDArray[np.bool_]) -> Boxes:
    """Boxes (R, 4) of a mask's connected components, in pixels; gaps of one pixel are bridged."""
    waiting = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    near = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]
    boxes = []
    while waiting:
        edge = [waiting.pop()]
        top, left = bottom, right = edge[0]
        while edge:
            y, x = edge.pop()
            top, bottom, left, right = min(top, y), max(bottom, y), min(left, x), max(right, x)
            reached = [place for dy, dx in near if (place := (y + dy, x + dx)) in waiting]
            waiting.difference_update(reached)
            edge += reached
        boxes.append((left, top, right + 1, bottom + 1))
    return np.array(boxes, np.float32).reshape(-1, 4)

"""Region proposals: the whole picture, a grid, detections, their groups and parts, windows, given boxes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from wordsight.errors import InputError
from wordsight.files import read_bytes
from wordsight.vision.boxes import WHOLE, Boxes, area, grid, iou, nms, windows
from wordsight.vision.onnx_session import OnnxNet
from wordsight.vision.openvino_session import Compute

# fmt: off
COCO_NAMES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)
# fmt: on


class Kind(IntEnum):
    """Kind of a box: its origin. `place` features have a column for each number; 3 is unused."""

    WHOLE = 0
    DETECTION = 1
    WINDOW = 2
    HEAD = 4
    TORSO = 5
    LEGS = 6
    GROUP = 7


_BODY = {  # left, top, right, bottom of each part, as fractions of the person's box
    Kind.HEAD: (0.2, 0.0, 0.8, 0.3),
    Kind.TORSO: (0.0, 0.15, 1.0, 0.65),
    Kind.LEGS: (0.0, 0.5, 1.0, 1.0),
}
_PERSONS, _GROUPS = 4, 3  # most persons that get parts, and most groups
_SURE = 0.15  # score above which a detection may join a group
_SAME = 0.5  # IoU above which two boxes count as the same thing


@dataclass(frozen=True)
class Proposals:
    """Boxes of one picture.

    Attributes:
        boxes: (R, 4) `xyxy` fractions, 0 to 1.
        kinds: (R,) int8, values of `Kind`.
        classes: (R, C) score of each of the detector's classes, 0 to 1; parts have those of their person, windows and
            the whole picture have zeros.
    """

    boxes: Boxes
    kinds: NDArray[np.int8]
    classes: NDArray[np.float32]

    @classmethod
    def of(cls, kind: Kind, boxes: ArrayLike, classes: ArrayLike | int) -> Self:
        """Make boxes of one kind; `classes` is (R, C), or the number C for zeros."""
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        scores = np.zeros((len(boxes), classes)) if isinstance(classes, int) else classes
        return cls(boxes, np.full(len(boxes), kind, np.int8), np.asarray(scores, np.float32))

    @classmethod
    def join(cls, several: Sequence[Self]) -> Self:
        """Concatenate several proposals."""
        return cls(*(np.concatenate([getattr(one, name) for one in several]) for name in ("boxes", "kinds", "classes")))

    def first(self, count: int) -> Self:
        """The first `count` boxes."""
        return type(self)(self.boxes[:count], self.kinds[:count], self.classes[:count])

    @property
    def scores(self) -> NDArray[np.float32]:
        """(R,) the best class's score; 0 without classes."""
        return self.classes.max(1, initial=0.0)

    def __len__(self) -> int:
        """R, the number of boxes."""
        return len(self.boxes)


class Detector(Protocol):
    """Detector: finds objects.

    Attributes:
        names: of its C classes.
        content: a hash of everything that affects its detections.
    """

    names: tuple[str, ...]
    content: str

    def detect(self, image: Image.Image) -> Proposals:
        """Detections in an RGB picture, best first, of kind `Kind.DETECTION`. Thread-safe."""


class Yolox:
    """A YOLOX detector of the 80 COCO classes in an ONNX file (raw output: centre, size, objectness, classes)."""

    names: tuple[str, ...] = COCO_NAMES

    def __init__(self, path: Path, threshold: float = 0.05, overlap: float = 0.5, compute: Compute = "float32") -> None:
        """Open the file.

        Args:
            path: of the ONNX file; one input (1, 3, S, S), one output (1, cells, 85).
            threshold: least score (objectness x best class) of a detection, 0 to 1.
            overlap: IoU of non-maximum suppression.
            compute: the type that the net is run in.

        Raises:
            InputError: missing, or not such a net.
        """
        self._net, self._threshold, self._overlap = OnnxNet(path, compute), threshold, overlap
        side = self._net.shape[-1]
        self._side = side if isinstance(side, int) else 416
        self._grid, self._strides = _cells(self._side)
        expected = (1, len(self._grid), 5 + len(self.names))
        found = self._net.probe(self._side, self._side, self._net.outputs[0])
        if found != expected:
            raise InputError(f"{path}: expected a YOLOX detector with an output of shape {expected}, found {found}")
        self.content = f"{hashlib.sha256(read_bytes(path)).hexdigest()} {threshold} {overlap}"

    def detect(self, image: Image.Image) -> Proposals:
        """See `Detector.detect`."""
        batch, scale = letterbox(image, self._side)
        raw = self._net.run(batch, self._net.outputs[0])[0]  # (cells, 85)
        classes = raw[:, 4:5] * raw[:, 5:]
        best = np.flatnonzero(classes.max(1) > self._threshold)
        middle = (raw[best, :2] + self._grid[best]) * self._strides[best]
        half = np.exp(raw[best, 2:4]) * self._strides[best] / 2
        boxes = np.concatenate([middle - half, middle + half], 1) / scale / np.tile(image.size, 2)
        boxes, classes = np.clip(boxes, 0, 1).astype(np.float32), classes[best]
        kept = nms(boxes, classes.max(1), self._overlap)
        kept = kept[area(boxes[kept]) > 0]
        return Proposals.of(Kind.DETECTION, boxes[kept], classes[kept])


def letterbox(image: Image.Image, side: int) -> tuple[NDArray[np.float32], float]:
    """Scale a picture into the upper left of a grey square, as YOLOX expects.

    Returns:
        (1, 3, side, side) float32 BGR, 0 to 255, 114 outside the picture; and the scale.
    """
    scale = min(side / image.width, side / image.height)
    width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    batch = np.full((1, 3, side, side), 114, np.float32)
    batch[0, :, :height, :width] = small[:, :, ::-1].transpose(2, 0, 1)
    return batch, scale


def _cells(side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(cells, 2) column and row of each cell, and (cells, 1) its width in pixels."""
    grids, strides = [], []
    for stride in (8, 16, 32):
        count = side // stride
        y, x = np.mgrid[:count, :count]
        grids.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full((count * count, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)


def whole(classes: int = 0) -> Proposals:
    """The whole picture as a single box."""
    return Proposals.of(Kind.WHOLE, [WHOLE], classes)


def given(boxes: ArrayLike, proposals: Proposals) -> Proposals:
    """The user's boxes, with kinds and classes of matching proposals.

    Args:
        boxes: (R, 4) `xyxy` fractions.
        proposals: of the picture. Each box gets the kind and classes of the proposal of greatest IoU, if above 0.5;
            else it is a window.

    Raises:
        InputError: the boxes have another shape, are outside the picture, or inverted.
    """
    try:
        checked = np.asarray(boxes, np.float32)
    except (TypeError, ValueError):
        raise InputError("given boxes: expected rows of four numbers each") from None
    if checked.ndim != 2 or checked.shape[1] != 4 or not len(checked):
        raise InputError(f"given boxes: expected at least one row of four numbers, found shape {checked.shape}")
    if not ((checked >= 0) & (checked <= 1)).all() or (checked[:, 2:] <= checked[:, :2]).any():
        raise InputError("given boxes: expected left, top, right, bottom, 0 to 1, with left < right and top < bottom")
    overlaps = iou(checked, proposals.boxes)  # (R, proposals)
    best, alike = overlaps.argmax(1), overlaps.max(1) > _SAME
    kinds = np.where(alike, proposals.kinds[best], Kind.WINDOW).astype(np.int8)
    return Proposals(checked, kinds, proposals.classes[best] * alike[:, None])


def grid_windows(count: int, classes: int = 0) -> Proposals:
    """The first `count` windows of the fixed list."""
    return Proposals.of(Kind.WINDOW, windows(count), classes)


def parts_of(objects: Proposals, person: int) -> Proposals:
    """Head, torso and legs of the first four persons, for clothes and faces.

    Args:
        objects: detections, best first.
        person: the index of the class person.

    Returns:
        Three boxes per person, with the person's classes.
    """
    persons = [i for i, classes in enumerate(objects.classes) if classes.argmax() == person][:_PERSONS]
    found = [objects.first(0)]
    for i in persons:
        corner, sides = objects.boxes[i, :2], objects.boxes[i, 2:] - objects.boxes[i, :2]
        for kind, shape in _BODY.items():
            box = np.concatenate([corner + sides * shape[:2], corner + sides * shape[2:]])
            found.append(Proposals.of(kind, box, objects.classes[i : i + 1]))
    return Proposals.join(found)


def groups_of(objects: Proposals) -> Proposals:
    """One box around all things of a class, for each class with several things: "two dogs", "people".

    Args:
        objects: detections, best first.

    Returns:
        At most three boxes; each has the least score of its members for their class, and 0 for other classes.
    """
    found = [objects.first(0)]
    best, sure = objects.classes.argmax(1), objects.scores > _SURE
    for thing in dict.fromkeys(best.tolist()):
        members = np.flatnonzero((best == thing) & sure)
        if len(members) > 1:
            boxes = objects.boxes[members]
            around = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
            classes = np.zeros_like(objects.classes[:1])
            classes[0, thing] = objects.scores[members].min()
            found.append(Proposals.of(Kind.GROUP, around, classes))
    return Proposals.join(found[: 1 + _GROUPS])


def propose(
    image: Image.Image, detector: Detector | None, regions: int, detections: int, parts: bool, cells: int = 0
) -> Proposals:
    """Propose regions: the whole picture, a grid, the best detections, their groups and parts, then windows.

    The paper's recipe is 20 regions of which 19 are detections (Karpathy & Fei-Fei 2015, section 3.1.1).

    Args:
        image: RGB.
        detector: None for windows only.
        regions: number of boxes, at least 1.
        detections: most detections among them.
        parts: add groups of things of one class, and heads, torsos and legs of persons, after the detections.
        cells: n of an n x n grid of cells, as in a feature map; 0 for none.

    Returns:
        Exactly `regions` boxes, unless the list of windows is exhausted.
    """
    classes = len(detector.names) if detector else 0
    found = [whole(classes)]
    if cells:
        found.append(Proposals.of(Kind.WINDOW, grid(1 / cells, 1 / cells, cells, cells), classes))
    if detector:
        objects = detector.detect(image).first(detections)
        found.append(objects)
        if parts and "person" in detector.names:
            found += [groups_of(objects), parts_of(objects, detector.names.index("person"))]
    seen = Proposals.join(found).first(regions)
    return Proposals.join([seen, grid_windows(regions - len(seen), classes)])

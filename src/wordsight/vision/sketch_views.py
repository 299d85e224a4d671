"""Views of photos and sketches: several descriptions of each, by a pretrained net and by oriented gradients (HOG).

A view is a block of columns that means the same on both sides, so it can compare a sketch with a photo:

| view | photo | sketch |
|---|---|---|
| `map`, `map_edges` | the net's last map in 2 x 2 cells: of the picture, of its edge map | of the drawing |
| `late`, `late_edges` | the block before the last, stride 32, in 4 x 4 cells | likewise |
| `middle`, `middle_edges` | the last block of stride 16, in 4 x 4 cells | likewise |
| `hog16`, `hog8`, `hog4` | oriented gradients of the edge map's content in 16, 8, 4 cells a side | of the ink |
| `hog8_frame` | the same of the whole edge map in 8 x 8 cells | of the whole drawing |

Each view is scaled to length 1 (after a square root, for `map`, `map_edges` and gradients).
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from wordsight.errors import InputError
from wordsight.vision.cache import Row
from wordsight.vision.drawings import SIDE, Floats, cropped, edges, images, square, strokes, thickened
from wordsight.vision.efficientnet_lite import FEATURES, LAST, MIDDLE, Graph, body
from wordsight.vision.images import Source
from wordsight.vision.lite2 import weights
from wordsight.vision.onnx_session import OnnxNet

Kind = Literal["photo", "sketch"]

BINS = 9  # orientations of a gradient, without its sign
SMOOTH, REACH = 1.5, 8  # pixels: sigma of the smoothing before gradients are taken, and its greatest reach
CELLS = 16  # columns and rows of the finest grid of gradients
FORMAT = 1  # version of the values of views
MAPS = {"map": 2, "late": 4, "middle": 4}  # views of the net -> columns and rows of cells
HOGS = {"hog16": 16, "hog8": 8, "hog4": 4, "hog8_frame": 8}


class SketchViews:
    """Computes the views of pictures; a `RegionSource` of one row, the whole picture.

    Attributes:
        kind: whether pictures are photos or sketches.
        size: F, columns of all views together.
        rows: 1, the whole picture.
        precision: numpy type of stored views.
        compute: the type that views are computed in.
        fingerprint: equal for sources that give the same values.
    """

    rows, precision, compute = 1, "<f2", "float32"

    def __init__(self, kind: Kind) -> None:
        """Load the net.

        Raises:
            InputError: its weights are missing or damaged.
        """
        self.kind: Kind = kind
        self._net, sizes, content = _net()
        self.blocks = blocks(sizes)
        self.size = max(block.stop for block in self.blocks.values())
        self.fingerprint = hashlib.sha256(f"sketch views {FORMAT} {kind} {content}".encode()).hexdigest()

    def stream(self, images: Iterable[Path]) -> Iterator[Row | InputError]:
        """Yield a row for each picture, in order; for a broken picture, the error as a value."""
        for path in images:
            try:
                views, _ = self.views(path)
            except InputError as error:
                yield error
            else:
                box = np.array([[0, 0, 1, 1]], np.float32)
                yield Row(views[None], box, np.zeros(1, np.int8))

    def views(self, source: Source) -> tuple[Floats, Floats]:
        """Compute all views of a picture (F,), and its ink map.

        Raises:
            InputError: it cannot be opened, or a sketch is empty or a photograph; or scikit-image is not installed.
        """
        if self.kind == "sketch":
            ink = strokes(source)
            maps = self._maps(_drawn(thickened(ink)))
            found = {f"{name}{ending}": value for name, value in maps.items() for ending in ("", "_edges")}
        else:
            image = square(source)
            ink = edges(image)
            found = self._maps(np.asarray(image, np.float32).transpose(2, 0, 1))
            found |= {f"{name}_edges": value for name, value in self._maps(_drawn(ink)).items()}
        found |= gradients(ink)
        row = np.zeros(self.size, np.float32)
        for name, block in self.blocks.items():
            row[block] = _unit(found[name])
        return row, ink

    def _maps(self, image: Floats) -> dict[str, Floats]:
        """The net's views of a picture (3, 256, 256)."""
        outputs = self._net.run_all(np.ascontiguousarray(image[None]), ("feature_map", "last", "middle"))
        found = {name: _cells(one[0], count) for one, (name, count) in zip(outputs, MAPS.items(), strict=True)}
        found["map"] = np.sqrt(found["map"].clip(0))
        return found


def blocks(sizes: dict[str, int]) -> dict[str, slice]:
    """The columns of each view, from the channels of the net's maps."""
    lengths: dict[str, int] = {}
    for name, count in MAPS.items():
        lengths[name] = lengths[f"{name}_edges"] = sizes[name] * count**2
    lengths |= {name: BINS * count**2 for name, count in HOGS.items()}
    ends = np.cumsum([0, *lengths.values()]).tolist()
    return {name: slice(*span) for name, span in zip(lengths, pairwise(ends), strict=True)}


def orientations(ink: Floats, count: int = CELLS) -> Floats:
    """Gradient energies of smoothed ink by orientation, (BINS, count, count); each goes to its two nearest bins."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return np.zeros((BINS, count, count), np.float32)
    top, left = max(rows[0] - REACH, 0), max(columns[0] - REACH, 0)  # there is no gradient outside
    part = ink[top : rows[-1] + REACH + 1, left : columns[-1] + REACH + 1]
    dy, dx = np.gradient(images().gaussian_filter(part, SMOOTH))
    energy = np.hypot(dx, dy)
    ys, xs = np.nonzero(energy)
    energy, angle = energy[ys, xs], np.arctan2(dy[ys, xs], dx[ys, xs]) % np.pi / np.pi * BINS
    low = np.floor(angle)
    share, low = angle - low, low.astype(np.int64) % BINS
    cell = (ys + top) * count // SIDE * count + (xs + left) * count // SIDE
    pairs = ((low, 1 - share), ((low + 1) % BINS, share))
    sums = [np.bincount(one * count**2 + cell, energy * part, BINS * count**2) for one, part in pairs]
    return np.asarray(sum(sums) / (SIDE // count) ** 2, np.float32).reshape(BINS, count, count)


def gradients(ink: Floats) -> dict[str, Floats]:
    """Views of oriented gradients: square roots of energies, smoothed over neighbouring cells."""
    content, frame = orientations(cropped(ink)), orientations(ink)
    found = {}
    for name, count in HOGS.items():
        cells = _cells(frame if name.endswith("frame") else content, count)
        smooth = images().gaussian_filter(cells.reshape(BINS, count, count), (0, 0.6, 0.6))
        found[name] = np.sqrt(smooth.ravel())
    return found


@cache
def _net() -> tuple[OnnxNet, dict[str, int], str]:
    """EfficientNet-Lite2 up to its last map, the number of channels of its maps, and its weights' checksum."""
    values, content = weights()
    sizes = {"map": FEATURES}
    for name, block in (("late", LAST), ("middle", MIDDLE)):
        sizes[name] = len(values[f"_blocks.{block}._project_conv.weight"])
    graph = Graph()
    body(graph, values)
    model = graph.model({"feature_map": FEATURES, "last": sizes["late"], "middle": sizes["middle"]})
    return OnnxNet(model), sizes, content


def _drawn(ink: Floats) -> Floats:
    """Draw ink as a picture of dark lines on white, (3, 256, 256)."""
    return np.repeat(255 * (1 - ink)[None], 3, axis=0)


def _cells(found: Floats, count: int) -> Floats:
    """Means of a map (C, n, n) over count x count cells: (C * count * count,)."""
    channels, side, _ = found.shape
    step = side // count
    return found.reshape(channels, count, step, count, step).mean(axis=(2, 4)).ravel()


def _unit(view: Floats) -> Floats:
    return view / max(float(np.linalg.norm(view)), 1e-8)

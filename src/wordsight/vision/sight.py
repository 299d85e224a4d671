"""Our own small net: one pass over a picture gives a map of features and the things in it.

A residual net of dense 3 x 3 and 1 x 1 convolutions (He et al. 2016), of which processors are fond; its coarsest map,
which sees most of the picture, is added to the one before (Lin et al. 2017). `training/distil.py` teaches it what
larger nets see. Things are found as FCOS does (Tian et al. 2019): every cell says whether the middle of a thing is
near, what it is, and how far its edges are.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensor_bytes
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wordsight.errors import InputError
from wordsight.files import read_bytes
from wordsight.vision.boxes import nms
from wordsight.vision.images import pixels
from wordsight.vision.proposals import COCO_NAMES, Kind, Proposals

FORMAT = "sight 1"
COARSE = 32  # sides of pictures are multiples of this
WIDTHS = (24, 48, 96, 192, 384)
DEPTHS = (1, 2, 6, 4)
FEATURES = 512
CLASSES = len(COCO_NAMES)
SMALLEST = 1e-3  # of a box, as a fraction of the picture's side


class Seen(NamedTuple):
    """What the net sees in B pictures, in h x w cells.

    Attributes:
        features: (B, F, h, w), at least 0.
        things: (B, 1 + C, h, w) logits: whether a thing's middle is near, and which it is.
        edges: (B, 4, h, w): how far its left, top, right and bottom edges are, in sides of the picture, above 0.
    """

    features: Tensor
    things: Tensor
    edges: Tensor


class Conv(nn.Sequential):
    """A convolution and its normalisation."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False),
            nn.BatchNorm2d(outputs),
        )


class Residual(nn.Module):
    """Adds what is seen in the 3 x 3 neighbourhood, in half as many channels.

    What it adds is bounded (ReLU6, Howard et al. 2017): where a picture is unlike those it was taught on, a cell could
    else grow from block to block, a thousandfold in the end.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.narrow = Conv(size, size // 2, 1)
        self.look = Conv(size // 2, size // 2, 3)
        self.widen = Conv(size // 2, size, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, size, h, w) to the same."""
        return F.relu(x + self.widen(F.relu6(self.look(F.relu6(self.narrow(x))))))


class SightNet(nn.Module):
    """The net itself.

    Args:
        widths: channels after the first convolution and of each of the four stages; each halves the cells.
        depths: residual blocks of each stage.
        features: F, channels of the map.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, widths: tuple[int, ...] = WIDTHS, depths: tuple[int, ...] = DEPTHS, features: int = FEATURES
    ) -> None:
        super().__init__()
        self.config = {"widths": list(widths), "depths": list(depths), "features": features}
        self.register_buffer("mean", torch.tensor([123.0, 116.0, 104.0])[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(58.0), persistent=False)
        self.stem = Conv(3, widths[0], 3, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(Conv(before, width, 3, 2), nn.ReLU(), *(Residual(width) for _ in range(depth)))
            for before, width, depth in zip(widths, widths[1:], depths, strict=False)
        )
        self.fine, self.coarse = Conv(widths[-2], features, 1), Conv(widths[-1], features, 1)
        self.look = Conv(features, widths[-2] // 2, 1)
        self.near = Conv(widths[-2] // 2, widths[-2] // 2, 3)
        self.things = nn.Conv2d(widths[-2] // 2, 1 + CLASSES, 1)
        self.edges = nn.Conv2d(widths[-2] // 2, 4, 1)
        nn.init.constant_(self.things.bias, -4.0)  # type: ignore[arg-type]  # things are rare: begin by expecting none
        nn.init.constant_(self.edges.bias, -2.0)  # type: ignore[arg-type]

    def forward(self, pictures: Tensor) -> Seen:
        """(B, 3, H, W) RGB, 0 to 255; H and W multiples of `COARSE`."""
        x = F.relu(self.stem((pictures - self.mean) / self.scale))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        around = F.interpolate(self.coarse(maps[-1]), scale_factor=2.0, mode="nearest")
        features = F.relu(self.fine(maps[-2]) + around)  # (B, F, h, w)
        near = F.relu(self.near(F.relu(self.look(features))))
        return Seen(features, self.things(near), self.edges(near).float().exp())

    @torch.no_grad()
    def fused(self) -> "SightNet":
        """The same in fewer steps, for use: each normalisation has become part of its convolution."""
        net = SightNet(**self.config)  # type: ignore[arg-type]
        net.load_state_dict(self.state_dict())
        return fuse(net.eval())


def fuse(net: SightNet) -> SightNet:
    """Make every normalisation part of the convolution before it."""
    for pair in list(net.modules()):
        if isinstance(pair, Conv):
            pair[0] = fuse_conv_bn_eval(pair[0], pair[1])  # type: ignore[type-var, arg-type]
            pair[1] = nn.Identity()
    return net


class Sight:
    """The net in use: a `Backbone` and a `Detector` that look once.

    Attributes:
        name: what its columns are called.
        names: of the things it finds.
        size: F, features a place.
        stride: sides of pictures are multiples of this.
        batch: pictures a call.
        content: a hash of its weights and of what else decides its values.
    """

    name = "sight"
    names: tuple[str, ...] = COCO_NAMES
    stride = COARSE
    batch = 1

    def __init__(self, path: Path, side: int = 448, threshold: float = 0.05, overlap: float = 0.5) -> None:
        """Read the weights that `save` wrote.

        Args:
            path: of the safetensors file.
            side: to which pictures are stretched where things are looked for, in pixels.
            threshold: the least score of a thing, 0 to 1.
            overlap: of two things that overlap by an IoU above this, the worse is dropped.

        Raises:
            InputError: missing, damaged, or something else.
        """
        self._net = read(path)
        self.size = int(self._net.config["features"])  # type: ignore[call-overload]
        self._side, self._threshold, self._overlap = max(round(side / COARSE), 1) * COARSE, threshold, overlap
        self.content = f"{hashlib.sha256(read_bytes(path)).hexdigest()} {threshold} {overlap}"

    def feature_map(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Backbone.feature_map`."""
        return self._see(batch).features.numpy()

    def detect(self, image: Image.Image) -> Proposals:
        """See `Detector.detect`."""
        return self.look(image)[0]

    def look(self, image: Image.Image) -> tuple[Proposals, NDArray[np.float32]]:
        """What it finds in a picture, and the map (F, h, w) of the same pass."""
        seen = self._see(pixels(image, (self._side, self._side))[None])
        return found(seen, self._threshold, self._overlap), seen.features[0].numpy()

    @torch.inference_mode()
    def _see(self, batch: NDArray[np.float32]) -> Seen:
        seen: Seen = self._net(torch.from_numpy(batch).contiguous(memory_format=torch.channels_last))
        return Seen(*(part.float().contiguous() for part in seen))


class Glance:
    """A detector for one picture, which keeps what was seen.

    Attributes:
        names: of the things it finds.
        content: a hash of everything that decides what it finds.
        seen: (F, h, w), the map of the pass in which things were found; None before.
    """

    def __init__(self, sight: Sight) -> None:
        self.names, self.content, self._sight = sight.names, sight.content, sight
        self.seen: NDArray[np.float32] | None = None

    def detect(self, image: Image.Image) -> Proposals:
        """See `Detector.detect`."""
        found, self.seen = self._sight.look(image)
        return found


def found(seen: Seen, threshold: float, overlap: float) -> Proposals:
    """The things in one picture, best first.

    Args:
        seen: of B = 1.
        threshold: the least score, whether a thing is there x how much it is of its class.
        overlap: of two that overlap by an IoU above this, the worse is dropped.
    """
    there, *kinds = seen.things[0].sigmoid().numpy()  # (h, w) each
    classes = there.reshape(-1, 1) * np.stack(kinds, -1).reshape(there.size, -1)  # (cells, C)
    best = np.flatnonzero(classes.max(1) > threshold)
    middles = middles_of(*there.shape).reshape(-1, 2).numpy()[best]
    edges = seen.edges[0].numpy().reshape(4, -1).T[best]
    boxes = np.clip(np.concatenate([middles - edges[:, :2], middles + edges[:, 2:]], 1), 0, 1).astype(np.float32)
    classes = classes[best]
    kept = nms(boxes, classes.max(1), overlap)
    kept = kept[(boxes[kept, 2:] - boxes[kept, :2] > SMALLEST).all(1)]
    return Proposals.of(Kind.DETECTION, boxes[kept], classes[kept])


def middles_of(height: int, width: int) -> Tensor:
    """(h, w, 2): the middle of each cell, x and y, as fractions of the picture."""
    x, y = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def save(net: SightNet) -> bytes:
    """A net for use, as the bytes of a safetensors file: fused, in half precision, its sizes beside the weights."""
    weights = {name: weight.half().contiguous() for name, weight in net.fused().state_dict().items()}
    return tensor_bytes(weights, {"format": FORMAT, "config": json.dumps(net.config)})


def read(path: Path) -> SightNet:
    """The net that `save` wrote, ready for use.

    Raises:
        InputError: missing, damaged, or something else.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected the weights of a small net (safetensors).")
    try:
        with safe_open(path, "pt") as file:
            told: Mapping[str, str] = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if told.get("format") != FORMAT:
            raise InputError(f"{path}: expected the weights of a small net that this wordsight can read ({FORMAT}).")
        net = fuse(SightNet(**json.loads(told["config"])).eval())
        net.load_state_dict({name: weight.float() for name, weight in weights.items()})
    except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged, or not a small net ({str(error).splitlines()[0]}).") from None
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

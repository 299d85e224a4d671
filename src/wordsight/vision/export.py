"""The small net as one ONNX file, for programs without torch.

It reads `image` (B, 3, H, W), float32 RGB from 0 to 255, its sides multiples of 32, and gives

    feature_map (B, F, h, w)        h = H / 16, w = W / 16
    boxes       (B, h w, 4)         of each cell, row by row: left, top, right, bottom as fractions of the picture
    scores      (B, h w, C)         of the 80 COCO classes in that box, before worse boxes of the same thing are dropped

so wordsight itself reads the file as a backbone.
"""

import warnings
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from wordsight.errors import InputError, install
from wordsight.files import write_bytes
from wordsight.vision.sight import COARSE, SightNet, middles_of, read

SIZES = {  # the sides that are free
    "image": {0: "pictures", 2: "height", 3: "width"},
    "feature_map": {0: "pictures", 2: "rows", 3: "columns"},
    "boxes": {0: "pictures", 1: "cells"},
    "scores": {0: "pictures", 1: "cells"},
}
OPSET = 17


class Open(nn.Module):
    """A net whose answers are read without knowing it: boxes and scores in place of logits and distances."""

    def __init__(self, net: SightNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) to the map (B, F, h, w), boxes (B, h w, 4) and scores (B, h w, C)."""
        seen = self.net(image)
        middles = middles_of(seen.things.shape[2], seen.things.shape[3]).flatten(0, 1)  # (h w, 2)
        edges = seen.edges.flatten(2).transpose(1, 2)  # (B, h w, 4)
        boxes = torch.cat([middles - edges[..., :2], middles + edges[..., 2:]], -1).clamp(0, 1)
        likely = seen.things.sigmoid().flatten(2).transpose(1, 2)  # (B, h w, 1 + C)
        return seen.features, boxes, likely[..., :1] * likely[..., 1:]


def export(net: Path, out: Path) -> None:
    """Write a net as ONNX.

    Args:
        net: the safetensors file of the net.
        out: the file to write.

    Raises:
        InputError: the net cannot be read, the extra `export` is not installed, or the file has another suffix than
            .onnx or cannot be written.
    """
    if out.suffix.lower() != ".onnx":
        raise InputError(f"{out}: expected a file name that ends in .onnx.")
    if find_spec("onnx") is None:
        raise InputError(f"wordsight export needs onnx: {install('export')}")
    image = torch.zeros(1, 3, 2 * COARSE, 3 * COARSE)
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what does not change with the picture's size
        written = Path(folder) / "net.onnx"
        # By tracing: a net without branches needs no more, and sides stay free.
        torch.onnx.export(
            Open(read(net)).eval(),
            (image,),
            str(written),
            input_names=["image"],
            output_names=list(SIZES)[1:],
            dynamic_axes=SIZES,
            opset_version=OPSET,
            dynamo=False,
        )
        write_bytes(out, written.read_bytes())

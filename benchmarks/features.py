"""Speed from pictures to features, against plain loops over the same net: decoding, detection, pooling.

    python benchmarks/features.py [--pictures 100] [--windows] [--threads 1] [--megapixels 12]

The first plain loop is what one writes first with PyTorch: open, resize, run, one picture after the other, in one
process, eagerly and in float32; the second uses ONNX Runtime with its defaults. All see the same pictures in turn and
may use the same cores: the loops within a layer, ours one per picture. Times are wall-clock and core seconds; rounds
alternate, so that other load on the machine affects all. Trust the ratios. `--megapixels` first saves the pictures as
JPEGs of a camera's size, which take longer to read than the net takes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from PIL import Image
from rows import Row, write
from torch.nn import functional

from wordsight.blas import one_thread
from wordsight.data.find import find
from wordsight.errors import InputError
from wordsight.vision.boxes import windows
from wordsight.vision.head import found as found_things
from wordsight.vision.lite2 import LITE2, graph
from wordsight.vision.pooling import roi_align
from wordsight.vision.regions import FeatureCache, RegionEncoder, RegionSettings

ROUNDS, WARM = 5, 8
UNIT = "pictures/s"
OURS, LOW, CACHED = "wordsight", "wordsight, bfloat16", "second run, from cache"
EAGER, RUNTIME, NET = "plain loop, PyTorch", "plain loop, ONNX Runtime", "the net alone, ONNX Runtime"
Nets = Callable[[np.ndarray], dict[str, np.ndarray]]


def plain_loop(settings: RegionSettings, nets: Nets) -> Callable[[Sequence[Path]], object]:
    """A loop that opens, resizes, runs, finds boxes and pools; one picture after the other."""

    def run(pictures: Sequence[Path]) -> list[np.ndarray]:
        rows = []
        for path in pictures:
            image = Image.open(path).convert("RGB")
            values = np.asarray(image.resize((settings.size, settings.size), Image.Resampling.BILINEAR), np.float32)
            found = nets(values.transpose(2, 0, 1)[None])
            boxes = windows(settings.regions)
            if settings.detector:
                objects = found_things(found["things"][0], found["edges"][0]).first(settings.detections)
                boxes = np.concatenate([objects.boxes, boxes])[: settings.regions]
            rows.append(roi_align(found["feature_map"][0], boxes))
        return rows

    return run


def in_pytorch(model: onnx.ModelProto) -> Nets:
    """The net in PyTorch, float32, each layer an eager call; normalisations are already folded into convolutions."""
    weights = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in model.graph.initializer}

    def layer(node: onnx.NodeProto, inputs: list[torch.Tensor]) -> torch.Tensor:
        if node.op_type == "Conv":
            told = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
            left, top, right, bottom = told["pads"]
            x = functional.pad(inputs[0], (left, right, top, bottom)) if left != right else inputs[0]
            padding = 0 if left != right else left
            return functional.conv2d(x, *inputs[1:], stride=told["strides"], padding=padding, groups=told["group"])
        if node.op_type == "Clip":
            return inputs[0].clamp(float(inputs[1]), float(inputs[2]))
        if node.op_type == "Resize":
            return functional.interpolate(inputs[0], scale_factor=2)
        names = {"Add": "add", "Sub": "sub", "Div": "div", "Relu": "relu", "Exp": "exp", "Identity": "clone"}
        return getattr(torch, names[node.op_type])(*inputs)

    @torch.inference_mode()
    def run(image: np.ndarray) -> dict[str, np.ndarray]:
        known = {**weights, "image": torch.from_numpy(np.ascontiguousarray(image))}
        for node in model.graph.node:
            known[node.output[0]] = layer(node, [known[name] for name in node.input if name])
        return {one.name: known[one.name].numpy() for one in model.graph.output}

    return run


def in_onnx_runtime(model: onnx.ModelProto, threads: int | None = None) -> Nets:
    """The net in ONNX Runtime, with its defaults except the number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return lambda image: dict(zip(names, session.run(None, {"image": image}), strict=True))


def net_alone(settings: RegionSettings, nets: Nets) -> Callable[[Sequence[Path]], object]:
    """The net on pixels that are decoded already, one picture after the other."""
    values = np.zeros((1, 3, settings.size, settings.size), np.float32)
    return lambda pictures: [nets(values) for _ in pictures]


def timed(work: Callable[[Sequence[Path]], object], pictures: Sequence[Path]) -> tuple[float, float]:
    """Wall-clock seconds, and processor seconds over all cores."""
    clock, computing = time.perf_counter(), time.process_time()
    work(pictures)
    return time.perf_counter() - clock, time.process_time() - computing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--folder", default="flickr8k/images")
    parser.add_argument("--windows", action="store_true", help="no detector, only the fixed windows")
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--threads", type=int, help="cores for each way; by default all")
    parser.add_argument("--megapixels", type=float, help="enlarge the pictures to this size first")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args()
    try:
        rows = compare(options)
    except InputError as error:
        print(error)
        rows = [Row("features of pictures", OURS, "ours", None, UNIT, str(error))]
    write(options.json, rows)


def compare(options: argparse.Namespace) -> list[Row]:
    """Time the ways in turn.

    Raises:
        InputError: the pictures are missing.
    """
    pictures = sorted(find(options.folder, "pictures").iterdir())[: options.pictures]
    with tempfile.TemporaryDirectory() as folder:
        if options.megapixels:
            pictures = [enlarged(path, Path(folder), options.megapixels) for path in pictures]
        with one_thread:  # else the loops' numpy has a thread that spins, which halves their speed too
            return timings(pictures, options)


def enlarged(path: Path, folder: Path, megapixels: float) -> Path:
    """The picture as a camera would have stored it: a JPEG of `megapixels`, 4 to 3."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    out = folder / f"{path.stem}.jpg"
    with Image.open(path) as image:
        image.convert("RGB").resize((width, width * 3 // 4), Image.Resampling.BICUBIC).save(out, quality=92)
    return out


def timings(pictures: Sequence[Path], options: argparse.Namespace) -> list[Row]:
    """Time the ways in turn on these pictures."""
    detector = "" if options.windows else LITE2
    settings = RegionSettings((LITE2,), detector=detector, size=options.size, regions=32, detections=10)
    if options.threads:
        torch.set_num_threads(options.threads)
    encoder = RegionEncoder(settings, threads=options.threads, compute="float32")
    model = onnx.load_from_string(graph()[0])
    ways: dict[str, Callable[[Sequence[Path]], object]] = {
        EAGER: plain_loop(settings, in_pytorch(model)),
        RUNTIME: plain_loop(settings, in_onnx_runtime(model, options.threads)),
        OURS: encoder.encode,
        NET: net_alone(settings, in_onnx_runtime(model, options.threads)),
    }
    missing = ""
    try:
        low = RegionEncoder(settings, threads=options.threads, compute="bfloat16")
        low.encode(pictures[:1])
        ways[LOW] = low.encode
    except InputError as error:
        missing = str(error)
    check(model)
    seconds = {name: np.zeros(2) for name in ways}
    for work in ways.values():
        work(pictures[:WARM])
    for chunk in np.array_split(np.array(pictures, object), min(ROUNDS, len(pictures))):
        for name, work in ways.items():
            seconds[name] += timed(work, list(chunk))
    with tempfile.TemporaryDirectory() as folder:
        FeatureCache(Path(folder), encoder).regions(pictures)
        seconds[CACHED] = np.array(
            timed(lambda some: FeatureCache(Path(folder), encoder).regions(list(some)), pictures)
        )
    large = f" of {options.megapixels:g} megapixels" if options.megapixels else ""
    print(f"{len(pictures)} pictures{large}, {LITE2} at {options.size} px, {settings.regions} regions a picture")
    print(f"{'':28}{'pictures/s':>12}{'ratio':>8}{'core ms each':>14}{'ratio':>8}")
    first = seconds[EAGER]
    for name, (clock, core) in seconds.items():
        each = 1000 * core / len(pictures)
        rate, faster = len(pictures) / clock, first / (clock, core)
        print(f"{name:28}{rate:12.1f}{faster[0]:8.2f}{each:14.1f}{faster[1]:8.2f}")
    work = f"features of {len(pictures)} pictures{large}, {LITE2} at {options.size} px"
    kinds = {OURS: "ours", LOW: "ours", EAGER: "peer", RUNTIME: "peer", NET: "floor", CACHED: "ours"}
    rows = [
        Row(work, name, kind, len(pictures) / seconds[name][0], UNIT) for name, kind in kinds.items() if name in seconds
    ]
    return [*rows, Row(work, LOW, "ours", None, UNIT, missing)] if missing else rows


def check(model: onnx.ModelProto) -> None:
    """Check that both plain loops run the same net."""
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 64)).astype(np.float32)
    one, other = in_pytorch(model)(image), in_onnx_runtime(model)(image)
    assert all(np.allclose(one[name], other[name], rtol=1e-3, atol=1e-3) for name in one), "the nets differ"


if __name__ == "__main__":
    main()

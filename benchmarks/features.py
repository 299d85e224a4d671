"""How fast pictures become features, next to a plain loop over the same net.

    python benchmarks/features.py [--pictures 200] [--detector yolox_nano.onnx]

The plain loop is what one writes first: open, resize, run, one picture after the other, ONNX Runtime as it comes.
Both do the same work; rounds alternate, so that whatever else the machine does hits both. Trust the ratio.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from rows import Row, write

from wordsight.data.find import find
from wordsight.errors import InputError
from wordsight.vision.boxes import windows
from wordsight.vision.pooling import roi_align
from wordsight.vision.proposals import Yolox
from wordsight.vision.regions import FeatureCache, RegionEncoder, RegionSettings

ROUNDS = 5
UNIT = "pictures/s"
NET = "the net alone"


def plain_loop(settings: RegionSettings, weights: Path) -> Callable[[Sequence[Path]], object]:
    session = onnxruntime.InferenceSession(str(weights / settings.backbones[0]), providers=["CPUExecutionProvider"])
    detector = Yolox(weights / settings.detector) if settings.detector else None
    side = settings.size

    def run(pictures: Sequence[Path]) -> list[np.ndarray]:
        rows = []
        for path in pictures:
            image = Image.open(path).convert("RGB")
            values = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR), np.float32)
            feature_map = session.run(None, {"image": values.transpose(2, 0, 1)[None]})[0][0]
            boxes = windows(settings.regions)
            if detector:
                boxes = np.concatenate([detector.detect(image).boxes, boxes])[: settings.regions]
            rows.append(roi_align(feature_map, boxes))
        return rows

    return run


def net_alone(settings: RegionSettings, weights: Path) -> Callable[[Sequence[Path]], object]:
    """The net on pixels that are there already, one picture after the other."""
    session = onnxruntime.InferenceSession(str(weights / settings.backbones[0]), providers=["CPUExecutionProvider"])
    values = np.zeros((1, 3, settings.size, settings.size), np.float32)
    return lambda pictures: [session.run(None, {"image": values}) for _ in pictures]


def timed(work: Callable[[Sequence[Path]], object], pictures: Sequence[Path]) -> tuple[float, float]:
    """Seconds on the clock and of computing, over all cores."""
    clock, computing = time.perf_counter(), time.process_time()
    work(pictures)
    return time.perf_counter() - clock, time.process_time() - computing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--folder", default="flickr8k/images")
    parser.add_argument("--weights", default="weights")
    parser.add_argument("--backbone", default="mobilenet_edgetpu.onnx")
    parser.add_argument("--detector", default="")
    parser.add_argument("--size", type=int, default=448)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args()
    try:
        rows = compare(options)
    except InputError as error:
        print(error)
        rows = [Row("features of pictures", "wordsight", "ours", None, UNIT, str(error))]
    write(options.json, rows)


def compare(options: argparse.Namespace) -> list[Row]:
    """The ways in turn.

    Raises:
        InputError: the pictures or the weights are not at hand.
    """
    weights = find(options.weights, "weights")
    pictures = sorted(find(options.folder, "pictures").iterdir())[: options.pictures]
    settings = RegionSettings((options.backbone,), detector=options.detector, size=options.size)
    encoder = RegionEncoder(settings, weights)
    ways: dict[str, Callable[[Sequence[Path]], object]] = {
        "plain loop": plain_loop(settings, weights),
        "wordsight": encoder.encode,
    }
    ways[NET] = net_alone(settings, weights)
    seconds = {name: np.zeros(2) for name in ways}
    for work in ways.values():
        work(pictures[:2])
    for chunk in np.array_split(np.array(pictures, object), ROUNDS):
        for name, work in ways.items():
            seconds[name] += timed(work, list(chunk))
    print(f"{len(pictures)} pictures, {options.backbone} at {options.size} px, {settings.regions} regions a picture")
    print(f"{'':24}{'pictures/s':>12}{'core ms each':>14}{'ratio':>8}")
    first = seconds["plain loop"][0]
    for name, (clock, computing) in seconds.items():
        each = 1000 * computing / len(pictures)
        print(f"{name:24}{len(pictures) / clock:12.1f}{each:14.1f}{first / clock:8.2f}")
    with tempfile.TemporaryDirectory() as folder:
        FeatureCache(Path(folder), encoder).regions(pictures)
        clock, computing = timed(lambda some: FeatureCache(Path(folder), encoder).regions(list(some)), pictures)
    each = 1000 * computing / len(pictures)
    print(f"{'second run, from cache':24}{len(pictures) / clock:12.1f}{each:14.1f}{first / clock:8.2f}")
    work = f"features of {len(pictures)} pictures, {options.backbone} at {options.size} px"
    kinds = {"wordsight": "ours", "plain loop": "peer", NET: "floor"}
    rows = [Row(work, name, kind, len(pictures) / seconds[name][0], UNIT) for name, kind in kinds.items()]
    return [*rows, Row(work, "second run, from cache", "ours", len(pictures) / clock, UNIT)]


if __name__ == "__main__":
    main()

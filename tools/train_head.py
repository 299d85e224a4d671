"""Distil a YOLOX detector into the bundled proposal head: `python tools/train_head.py`.

The backbone's maps and the detector's detections of every picture are computed once and kept in the cache; after an
interruption, the same command continues.
"""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from wordsight.cli.options import command
from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.data.pictures import picture_files
from wordsight.errors import InputError, WorkFailed
from wordsight.files import reason, write_bytes
from wordsight.progress import Progress
from wordsight.training.head_net import WEIGHTS, HeadNet, losses
from wordsight.vision.boxes import iou
from wordsight.vision.cache import default_cache, hashes
from wordsight.vision.efficientnet_lite import Graph, Weights, body
from wordsight.vision.head import LAST, MIDDLE, found, save
from wordsight.vision.images import open_image, pixels
from wordsight.vision.lite2 import weights
from wordsight.vision.onnx_session import OnnxNet
from wordsight.vision.proposals import COCO_NAMES, Detector, Kind, Proposals, Yolox

SIDE = 320  # pixels of the pictures, which are stretched to a square
MOST = 24  # maximum number of detections kept per picture
EPOCHS, BATCH, RATE, DECAY, WARM, CLIP = 11, 32, 2e-3, 0.05, 0.05, 5.0  # WARM: share of the steps until the full rate
SURE, BEST, SAME = 0.3, 10, 0.5  # score above which a detection is judged; number of the head's boxes; IoU of a match
OUTPUTS = {"middle": MIDDLE, "last": LAST}
RECORD = np.dtype(
    [
        ("middle", "<f2", (MIDDLE, SIDE // 16, SIDE // 16)),
        ("last", "<f2", (LAST, SIDE // 32, SIDE // 32)),
        ("boxes", "<f2", (MOST, 4)),
        ("classes", "<f2", (MOST, len(COCO_NAMES))),
    ]
)
See = Callable[[NDArray[np.float32]], Sequence[NDArray[np.float32]]]


def backbone(weights: Weights) -> See:
    """The frozen backbone: one picture (1, 3, S, S) -> its maps `middle` and `last`."""
    graph = Graph()
    body(graph, weights)
    net = OnnxNet(graph.model(OUTPUTS))
    return lambda batch: net.run_all(batch, list(OUTPUTS))


def records(
    paths: Sequence[Path], see: See, detector: Detector, folder: Path, progress: Progress
) -> np.memmap[Any, Any]:
    """The maps of pictures and a detector's detections, (N,) of `RECORD`; those that are not cached are computed.

    Args:
        paths: any pictures.
        see: the frozen backbone.
        detector: a detector of COCO's classes.
        folder: the folder of the cache; after an interruption, the same call continues.
        progress: receives the progress.

    Raises:
        InputError: a picture cannot be read, or the folder cannot be written.
    """
    contents, broken = hashes(paths)
    if broken:
        raise InputError(next(iter(broken.values())))
    key = json.dumps([1, SIDE, MOST, detector.content, *(content.hex() for content in contents)])
    place = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.bin"

    def look(path: Path) -> bytes:
        image, record = open_image(path, at_least=448), np.zeros((), RECORD)
        record["middle"], record["last"] = (one[0] for one in see(pixels(image, (SIDE, SIDE))[None]))
        things = detector.detect(image).first(MOST)
        record["boxes"][: len(things)], record["classes"][: len(things)] = things.boxes, things.classes
        return record.tobytes()

    try:
        folder.mkdir(parents=True, exist_ok=True)
        place.touch()
        done = place.stat().st_size // RECORD.itemsize  # a record that is cut short is written again
        with open(place, "r+b") as file, progress.task("maps and finds") as count, ThreadPoolExecutor(2) as pool:
            file.seek(done * RECORD.itemsize)
            for first in range(done, len(paths), 64):
                for number, record in enumerate(pool.map(look, paths[first : first + 64]), first + 1):
                    file.write(record)
                    count(number, len(paths))
        return np.memmap(place, RECORD, "r", shape=len(paths))
    except OSError as error:
        raise InputError(f"{place}: maps cannot be kept here ({reason(error)}); see $WORDSIGHT_CACHE.") from None


def gather(
    records: NDArray[Any], rows: NDArray[np.int64], mirrored: NDArray[np.bool_]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Records as `middle`, `last`, `boxes` and `classes`, float32, some of them mirrored.

    Args:
        records: (N,) of `RECORD`.
        rows: (B,), indices of the records, which are taken in ascending order.
        mirrored: (B,), True for records whose left and right are exchanged.
    """
    some = records[np.sort(rows)]
    middle, last, boxes, classes = (torch.from_numpy(some[name]).float() for name in RECORD.names or ())
    turn = torch.from_numpy(mirrored)
    for part in (middle, last):
        part[turn] = part[turn].flip(3)
    there = (boxes[..., 2:] > boxes[..., :2]).all(2, keepdim=True)
    turned = torch.stack([1 - boxes[..., 2], boxes[..., 1], 1 - boxes[..., 0], boxes[..., 3]], 2)
    boxes = torch.where(turn[:, None, None] & there, turned, boxes)
    middle, last = (part.contiguous(memory_format=torch.channels_last) for part in (middle, last))
    return middle, last, boxes, classes


def learn(
    records: NDArray[Any], epochs: int, progress: Progress, state: Path | None = None, rate: float = RATE, seed: int = 0
) -> HeadNet:
    """Train a head on records.

    Args:
        records: (N,) of `RECORD`.
        epochs: passes over them.
        progress: receives the progress.
        state: a file that keeps the state after the last complete epoch; if it exists, training continues from it.
        rate: the highest learning rate.
        seed: seed of all random numbers.

    Raises:
        WorkFailed: the losses are not finite.
    """
    torch.manual_seed(seed)
    net = HeadNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=DECAY)
    steps = -(-len(records) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, epochs * steps, pct_start=WARM, div_factor=100)
    parts: list[Any] = [net, optimiser, schedule]
    begin = _restore(state, parts) if state and state.exists() else 0
    with progress.task("teaching the head") as count:
        for epoch in range(begin, epochs):
            chance = np.random.default_rng([seed, epoch])
            sums: dict[str, float] = {}
            for step, rows in enumerate(np.array_split(chance.permutation(len(records)), steps), 1):
                middle, last, boxes, classes = gather(records, rows, chance.random(len(rows)) < 0.5)
                things, edges = net(middle, last)
                wrong = losses(things, edges, boxes, classes)
                optimiser.zero_grad(set_to_none=True)
                torch.stack([WEIGHTS[name] * value for name, value in wrong.items()]).sum().backward()
                torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
                optimiser.step()
                schedule.step()
                sums = {name: sums.get(name, 0.0) + value.item() / steps for name, value in wrong.items()}
                count(epoch * steps + step, epochs * steps)
            if not np.isfinite(list(sums.values())).all():
                raise WorkFailed(f"The losses are no longer numbers in epoch {epoch + 1}; take another seed.")
            progress.say(f"epoch {epoch + 1}: " + ", ".join(f"{name} {value:.3f}" for name, value in sums.items()))
            if state:
                file = io.BytesIO()
                torch.save({"epoch": epoch + 1, "parts": [part.state_dict() for part in parts]}, file)
                write_bytes(state, file.getvalue())
    return net.eval()


def _restore(state: Path, parts: Sequence[Any]) -> int:
    """Restore parts from a file; returns the number of complete epochs.

    Raises:
        InputError: the file is damaged.
    """
    try:
        kept = torch.load(state, weights_only=True)
        for part, value in zip(parts, kept["parts"], strict=True):
            part.load_state_dict(value)
        return int(kept["epoch"])
    except (OSError, EOFError, RuntimeError, UnpicklingError, LookupError, TypeError, ValueError):
        raise InputError(f"{state}: damaged; delete it, and the same command begins again.") from None


@torch.inference_mode()
def agreement(net: HeadNet, judged: NDArray[Any]) -> dict[str, float]:
    """Recall of a head: the share of the detector's detections that are among its ten best boxes.

    Args:
        net: in evaluation mode.
        judged: (N,) of `RECORD`.

    Returns:
        `finds`, the number of detections with a score above `SURE`; `boxes`, the share of them that overlap one of the
        head's boxes by an IoU of at least 0.5; `names`, the share for which such a box also has the same best class.
    """
    counts = np.zeros(3)
    for record in judged:
        seen = net(*(torch.from_numpy(record[name][None].astype(np.float32)) for name in OUTPUTS))
        ours = found(*(part[0].numpy() for part in seen)).first(BEST)
        sure = record["classes"].max(1) > SURE
        theirs = Proposals.of(Kind.DETECTION, record["boxes"][sure], record["classes"][sure])
        same = iou(theirs.boxes, ours.boxes) >= SAME
        named = same & (theirs.classes.argmax(1)[:, None] == ours.classes.argmax(1)[None])
        counts += len(theirs), same.any(1).sum(), named.any(1).sum()
    finds = max(counts[0], 1)
    return {"finds": counts[0], "boxes": counts[1] / finds, "names": counts[2] / finds}


@command
def main(
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help="Datasets; their val pictures only judge.")],
    detector: Annotated[Path, typer.Option(metavar="YOLOX.onnx", help="The detector that teaches.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="HEAD.safetensors", help="The file to write.")],
    pictures: Annotated[list[str] | None, typer.Option(metavar="DIR", help="More pictures, without sentences.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the pictures.")] = EPOCHS,
) -> None:
    """Train the proposal head on what a YOLOX detector finds in the train pictures of DATA and in the folders."""
    if out.is_dir():
        raise InputError(f"{out}: expected the name of the file to write, found a folder.")
    teacher, progress = Yolox(detector), Progress()
    datasets = [load_dataset(find(name, "dataset")) for name in data]
    train, val = ([one.path for each in datasets for one in each.split(name)] for name in ("train", "val"))
    train += picture_files([find(name, "folder") for name in pictures]) if pictures else []
    kept = default_cache() / "head"
    see = backbone(weights()[0])
    known, judged = (records(paths, see, teacher, kept, progress) for paths in (train, val))
    net = learn(known, epochs, progress, Path(str(known.filename)).with_suffix(f".{epochs}.state"))
    write_bytes(out, save(net.weights()))
    figures = agreement(net, judged)
    print(
        f"{out}: of the detector's {figures['finds']:,.0f} finds above {SURE} in {len(judged):,} val pictures, "
        f"{figures['boxes']:.1%} are among the head's {BEST} best, {figures['names']:.1%} by the same name"
    )


if __name__ == "__main__":
    typer.run(main)

"""Captions per second: all pictures together against one picture at a time, and against arithmetic alone.

    python benchmarks/decode.py [--pictures 256] [--vocabulary 3000] [--hidden 512] [--steps 16]

Both ways are the same functions on the same untrained models, which never end a caption, so that all captions have the
same length; both must give the same captions. The floor is the number of multiplications and additions of a caption,
counted by torch, at the speed of a large matrix product of torch's, measured in the same run; it counts nothing else of
decoding. All run on one thread and are measured in processor seconds, which other programs affect little. Rounds
alternate in one process and the best of each counts, so trust the ratios.
"""

import argparse
import inspect
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from rows import Row, write
from torch.utils.flop_counter import FlopCounterMode

from wordsight.batch import Regions
from wordsight.captioning import GENERATORS, model_class
from wordsight.captioning.captioner import END, CaptionModel
from wordsight.captioning.decode import Hypothesis, beam, greedy

FEATURES, BEAM, ROUNDS, SIDE = 1280, 7, 5, 2048
LOOKED_AT = 20  # regions of a picture, for a captioner that attends
ALONE = 64  # number of pictures timed one at a time

Way = Callable[[CaptionModel, Regions], list[list[Hypothesis]]]


def timed(work: Callable[[], object]) -> float:
    """Processor seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def made(name: str, vocabulary: int, hidden: int) -> CaptionModel:
    """An untrained captioner whose word probabilities differ and that never ends a caption."""
    kind = model_class(name)
    sizes = dict.fromkeys({"words", "hidden"} & inspect.signature(kind).parameters.keys(), hidden)
    model: CaptionModel = kind(vocabulary, FEATURES, **sizes).eval()  # type: ignore[arg-type, call-arg]
    tied = getattr(model.output, "weight", None) is None  # its logits are products with the word vectors
    torch.nn.init.normal_(model.words.weight if tied else model.output.weight, std=0.2)
    model.output.bias.data[END] = -100.0
    return model


def some(regions: Regions, rows: slice) -> Regions:
    return Regions(regions.features[rows], regions.mask[rows], regions.boxes[rows])


def one_by_one(way: Way, model: CaptionModel, regions: Regions) -> list[list[Hypothesis]]:
    return [way(model, some(regions, slice(row, row + 1)))[0] for row in range(len(regions.mask))]


def differing(one: list[list[Hypothesis]], other: list[list[Hypothesis]]) -> int:
    """Number of first captions that differ in words; they must be equally probable: sums in another order may tie."""
    pairs = [(mine[0], yours[0]) for mine, yours in zip(one, other, strict=True)]
    assert all(abs(mine.log_prob - yours.log_prob) < 1e-3 for mine, yours in pairs), "captions differ"
    return sum(mine.ids != yours.ids for mine, yours in pairs)


@torch.no_grad()
def flop(model: CaptionModel, regions: Regions, steps: int, width: int) -> float:
    """Floating-point operations of one caption, counted: the picture, then a step per word for each of its beams."""
    alone, word = some(regions, slice(1)), torch.zeros(1, dtype=torch.long)
    model.step(model.start(alone), word)  # makes the table of words
    with FlopCounterMode(display=False) as picture:
        state = model.start(alone)
    with FlopCounterMode(display=False) as step:
        model.step(state, word)
    return float(picture.get_total_flops() + (1 + width * (steps - 1)) * step.get_total_flops())


def pictures_of(model: CaptionModel, pictures: int) -> Regions:
    """Random pictures, of more than one region where the model attends."""
    count = LOOKED_AT if model.attends else 1
    seen = torch.ones(pictures, count, dtype=torch.bool)
    return Regions(torch.randn(pictures, count, FEATURES), seen, torch.zeros(pictures, count, 4))


def compare(model: CaptionModel, way: Way, label: str, width: int, options: argparse.Namespace) -> list[Row]:
    """Time the ways of one model in turn, in captions per second."""
    regions, square = pictures_of(model, options.pictures), torch.randn(SIDE, SIDE)
    few = some(regions, slice(ALONE))
    differ = differing(one_by_one(way, model, few), way(model, regions)[:ALONE])

    def low() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return way(model, regions)

    ways = {
        "alone": partial(one_by_one, way, model, few),
        "together": partial(way, model, regions),
        "low": low,
        "product": partial(torch.mm, square, square),
    }
    seconds: dict[str, list[float]] = {key: [] for key in ways}
    for _ in range(options.rounds):
        for key, work in ways.items():
            seconds[key].append(timed(work))
    alone = len(few.mask) / min(seconds["alone"])
    together, rough = (options.pictures / min(seconds[key]) for key in ("together", "low"))
    speed = 2.0 * SIDE**3 / min(seconds["product"])
    floor = speed / flop(model, regions, options.steps, width)
    print(
        f"{label:26}{alone:14.0f}{together:10.0f}{together / alone:6.1f}x{floor:8.0f}"
        f"{together / floor:7.0%}{rough:8.0f}   at {speed / 1e9:.0f} GF/s; {differ} ties"
    )
    return [
        Row(label, "together", "ours", together, "captions/s"),
        Row(label, "together, bfloat16", "ours", rough, "captions/s"),
        Row(label, "one at a time", "peer", alone, "captions/s"),
        Row(label, "arithmetic alone", "floor", floor, "captions/s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time decoding of many pictures against one at a time.")
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=3000)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--models", nargs="+", choices=GENERATORS, default=list(GENERATORS))
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = (options.vocabulary, options.hidden)
    print(f"{options.pictures} pictures, V = {sizes[0]}, H = {sizes[1]}, {options.steps} words, 1 thread")
    print(f"{'captions/s':26}{'one at a time':>14}{'together':>10}{'ratio':>7}{'floor':>8}{'of it':>7}{'bf16':>8}")
    found: list[Row] = []
    for name in options.models:
        model = made(name, *sizes)
        ways: dict[str, tuple[int, Way]] = {
            "greedy": (1, partial(greedy, longest=options.steps)),
            f"beam {BEAM}": (BEAM, partial(beam, width=BEAM, longest=options.steps)),
        }
        for label, (width, way) in ways.items():
            found += compare(model, way, f"{name}, {label}", width, options)
    write(options.json, found)


if __name__ == "__main__":
    main()

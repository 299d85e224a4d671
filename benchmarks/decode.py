"""Captions a second: all pictures together next to one picture at a time, beside what arithmetic alone would take.

    python benchmarks/decode.py [--pictures 256] [--vocabulary 3000] [--hidden 512] [--steps 16]

Both ways are the same functions on the same untrained models, made never to end so that every caption has as many
words, and must give the same captions. The floor is the number of multiplications and additions of a caption at the
speed of a large matrix product of torch's, measured in the same run; nothing else of decoding is counted in it. All on
one thread and in seconds of processor, from which other programs take little. Rounds alternate in one process and the
best of each counts, so trust the ratios.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from wordsight.batch import Regions
from wordsight.captioning import GENERATORS, model_class
from wordsight.captioning.captioner import END, CaptionModel
from wordsight.captioning.decode import Hypothesis, beam, greedy

FEATURES, BEAM, ROUNDS, SIDE = 1280, 7, 5, 2048
ALONE = 64  # pictures are enough to time one at a time

Way = Callable[[CaptionModel, Regions], list[list[Hypothesis]]]


def timed(work: Callable[[], object]) -> float:
    """Seconds of processor."""
    began = time.process_time()
    work()
    return time.process_time() - began


def made(name: str, vocabulary: int, hidden: int) -> CaptionModel:
    """An untrained captioner that is not indifferent and never ends."""
    model = model_class(name)(vocabulary, FEATURES, words=hidden, hidden=hidden).eval()
    torch.nn.init.normal_(model.output.weight, std=0.2)
    model.output.bias.data[END] = -100.0
    return model


def some(regions: Regions, rows: slice) -> Regions:
    return Regions(regions.features[rows], regions.mask[rows], regions.boxes[rows])


def one_by_one(way: Way, model: CaptionModel, regions: Regions) -> list[list[Hypothesis]]:
    return [way(model, some(regions, slice(row, row + 1)))[0] for row in range(len(regions.mask))]


def differing(one: list[list[Hypothesis]], other: list[list[Hypothesis]]) -> int:
    """How many first captions differ in their words; all must be as probable, for sums in another order may tie."""
    pairs = [(mine[0], yours[0]) for mine, yours in zip(one, other, strict=True)]
    assert all(abs(mine.log_prob - yours.log_prob) < 1e-3 for mine, yours in pairs), "captions differ"
    return sum(mine.ids != yours.ids for mine, yours in pairs)


def flop(name: str, vocabulary: int, hidden: int, steps: int, width: int) -> float:
    """Floating-point operations of one caption: the picture's map, the recurrence and the words' scores."""
    gates = 4 if name == "lstm" else 1
    rows = 1 + width * (steps - 1)
    picture = FEATURES * hidden + (gates * hidden * hidden if name == "lstm" else 0)
    return 2.0 * (picture + rows * hidden * (gates * hidden + vocabulary))


def main() -> None:
    parser = argparse.ArgumentParser(description="Time decoding of many pictures against one at a time.")
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=3000)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--steps", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = (options.vocabulary, options.hidden)
    seen = torch.ones(options.pictures, 1, dtype=torch.bool)
    regions = Regions(torch.randn(options.pictures, 1, FEATURES), seen, torch.zeros(options.pictures, 1, 4))
    square = torch.randn(SIDE, SIDE)
    print(f"{options.pictures} pictures, V = {sizes[0]}, H = {sizes[1]}, {options.steps} words, 1 thread")
    print(f"{'captions/s':24}{'one at a time':>14}{'together':>10}{'ratio':>7}{'floor':>8}{'of it':>7}{'bf16':>8}")
    for name in GENERATORS:
        model = made(name, *sizes)
        for label, width, way in (
            ("greedy", 1, partial(greedy, longest=options.steps)),
            (f"beam {BEAM}", BEAM, partial(beam, width=BEAM, longest=options.steps)),
        ):
            few = some(regions, slice(ALONE))
            differ = differing(one_by_one(way, model, few), way(model, regions)[:ALONE])

            def low(way: Way = way, model: CaptionModel = model) -> object:
                with torch.autocast("cpu", torch.bfloat16):
                    return way(model, regions)

            ways = {
                "alone": partial(one_by_one, way, model, few),
                "together": partial(way, model, regions),
                "low": low,
                "product": partial(torch.mm, square, square),
            }
            seconds: dict[str, list[float]] = {key: [] for key in ways}
            for _ in range(ROUNDS):
                for key, work in ways.items():
                    seconds[key].append(timed(work))
            alone = len(few.mask) / min(seconds["alone"])
            together, rough = (options.pictures / min(seconds[key]) for key in ("together", "low"))
            speed = 2.0 * SIDE**3 / min(seconds["product"])
            floor = speed / flop(name, *sizes, options.steps, width)
            print(
                f"{f'{name}, {label}':24}{alone:14.0f}{together:10.0f}{together / alone:6.1f}x{floor:8.0f}"
                f"{together / floor:7.0%}{rough:8.0f}   at {speed / 1e9:.0f} GF/s; {differ} ties"
            )


if __name__ == "__main__":
    main()

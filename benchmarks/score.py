"""The batch x batch score of training, forward and backward, next to the naive way.

    python benchmarks/score.py [--batch 100] [--embedding 512]

The naive way is what the equation says: one (I, N, T, R) tensor of all products over padded words, max over regions,
sum over words. Ours packs the real words and goes back through two matrix products. Same scores, same gradients. The
floor is the one product of all regions and real words. Rounds alternate in one process, so trust the ratio.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from rows import Row, write
from torch import Tensor

from wordsight.batch import Vectors
from wordsight.matching.losses import ranking
from wordsight.matching.score import sum_of_max

ROUNDS, REGIONS, LONGEST = 15, 20, 20
PRODUCT = "one product"


def naive(images: Vectors, texts: Vectors) -> Tensor:
    products = torch.einsum("ird,ntd->intr", images.values, texts.values)
    return (products.amax(dim=3) * texts.mask).sum(dim=2)


def step(score: Callable[[Vectors, Vectors], Tensor], images: Vectors, texts: Vectors) -> tuple[float, Tensor]:
    """Seconds of one forward and backward, and the gradient of the regions."""
    images.values.grad = texts.values.grad = None
    began = time.perf_counter()
    ranking(score(images, texts), torch.arange(len(images.values))).backward()
    seconds = time.perf_counter() - began
    assert images.values.grad is not None
    return seconds, images.values.grad


def product(images: Vectors, texts: Vectors) -> float:
    """Seconds of the matrix product alone."""
    regions, words = images.values.detach().flatten(0, 1), texts.values.detach()[texts.mask]
    began = time.perf_counter()
    torch.mm(regions, words.T)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the training score against the naive einsum.")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--embedding", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    args = parser.parse_args()
    torch.manual_seed(0)
    lengths = torch.randint(6, LONGEST + 1, (args.batch,))  # Flickr8K's sentences have 12 words on average
    mask = torch.arange(LONGEST) < lengths[:, None]
    size = (args.batch, REGIONS, args.embedding)
    images = Vectors(torch.randn(size, requires_grad=True), torch.ones(size[:2], dtype=torch.bool), torch.zeros(()))
    texts = Vectors(torch.randn(args.batch, LONGEST, args.embedding, requires_grad=True), mask, torch.zeros(()))

    def low(one: Vectors, other: Vectors) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return sum_of_max(one, other)

    ways = {"naive einsum": naive, "sum_of_max": sum_of_max, "sum_of_max in bf16": low}
    gradients = {name: step(way, images, texts)[1].clone() for name, way in ways.items()}
    assert torch.allclose(gradients["naive einsum"], gradients["sum_of_max"], atol=1e-3), "gradients differ"
    seconds: dict[str, list[float]] = {name: [] for name in (*ways, PRODUCT)}
    for _ in range(args.rounds):
        for name, way in ways.items():
            seconds[name].append(step(way, images, texts)[0])
        seconds[PRODUCT].append(product(images, texts))
    print(f"batch {args.batch}, {REGIONS} regions, h = {args.embedding}, {torch.get_num_threads()} threads")
    plain = median(seconds["naive einsum"])
    for name, found in seconds.items():
        print(f"  {name:20} {1000 * median(found):7.1f} ms   {plain / median(found):5.2f} x naive")
    kinds = {"naive einsum": "peer", PRODUCT: "floor"}
    work = f"training score, {args.batch} x {REGIONS} regions, h = {args.embedding}"
    order = ["sum_of_max", "sum_of_max in bf16", "naive einsum", PRODUCT]
    write(args.json, [Row(work, one, kinds.get(one, "ours"), 1000 * median(seconds[one]), "ms") for one in order])


if __name__ == "__main__":
    main()

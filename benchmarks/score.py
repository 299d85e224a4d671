"""Speed of the batch x batch score of training, forward and backward, against the naive way.

    python benchmarks/score.py [--batch 100] [--embedding 512]

The naive way is what the equation says: one (I, N, T, R) tensor of all products over padded words, max over regions,
sum over words. Ours packs the real words and sends gradients back to each word's best region alone. Scores and
gradients are the same. The floor is one matrix product of all regions and real words. Rounds alternate in one process,
and times are processor seconds, which other programs affect little: trust the ratio.
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


def step(
    score: Callable[[Vectors, Vectors], Tensor], images: Vectors, texts: Vectors, margin: float
) -> tuple[float, Tensor]:
    """Processor seconds of one forward and backward pass, and the gradient of the regions."""
    images.values.grad = texts.values.grad = None
    began = time.process_time()
    ranking(score(images, texts), torch.arange(len(images.values)), margin=margin).backward()
    seconds = time.process_time() - began
    assert images.values.grad is not None
    return seconds, images.values.grad


def product(images: Vectors, texts: Vectors) -> float:
    """Processor seconds of the matrix product alone."""
    regions, words = images.values.detach().flatten(0, 1), texts.values.detach()[texts.mask]
    began = time.process_time()
    torch.mm(regions, words.T)
    return time.process_time() - began


def share_of_pairs(scores: Tensor, margin: float) -> float:
    """The share of the scores that have a gradient."""
    scores = scores.detach().requires_grad_()
    ranking(scores, torch.arange(len(scores)), margin=margin).backward()
    assert scores.grad is not None
    return scores.grad.count_nonzero().item() / scores.numel()


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the training score against the naive einsum.")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--embedding", type=int, default=512)
    parser.add_argument("--regions", type=int, default=REGIONS)
    parser.add_argument("--margin", type=float, default=1.0, help="of the loss; a low one as after training")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    args = parser.parse_args()
    torch.manual_seed(0)
    lengths = torch.randint(6, LONGEST + 1, (args.batch,))  # Flickr8K's sentences have 12 words on average
    mask = torch.arange(LONGEST) < lengths[:, None]
    size = (args.batch, args.regions, args.embedding)
    images = Vectors(torch.randn(size, requires_grad=True), torch.ones(size[:2], dtype=torch.bool), torch.zeros(()))
    texts = Vectors(torch.randn(args.batch, LONGEST, args.embedding, requires_grad=True), mask, torch.zeros(()))

    def low(one: Vectors, other: Vectors) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return sum_of_max(one, other)

    ways = {"naive einsum": naive, "sum_of_max": sum_of_max, "sum_of_max in bf16": low}
    gradients = {name: step(way, images, texts, args.margin)[1].clone() for name, way in ways.items()}
    assert torch.allclose(gradients["naive einsum"], gradients["sum_of_max"], atol=1e-3), "gradients differ"
    seconds: dict[str, list[float]] = {name: [] for name in (*ways, PRODUCT)}
    for _ in range(args.rounds):
        for name, way in ways.items():
            seconds[name].append(step(way, images, texts, args.margin)[0])
        seconds[PRODUCT].append(product(images, texts))
    active = share_of_pairs(sum_of_max(images, texts), args.margin)
    print(f"batch {args.batch}, {args.regions} regions, h = {args.embedding}, {torch.get_num_threads()} threads")
    print(f"{active:.0%} of the pairs have a gradient")
    plain, floor = (median(seconds[name]) for name in ("naive einsum", PRODUCT))
    for name, found in seconds.items():
        took = median(found)
        print(f"  {name:20} {1000 * took:7.1f} ms {plain / took:6.2f} x as fast as naive {took / floor:6.2f} products")
    kinds = {"naive einsum": "peer", PRODUCT: "floor"}
    work = f"training score, {args.batch} x {args.regions} regions, h = {args.embedding}"
    order = ["sum_of_max", "sum_of_max in bf16", "naive einsum", PRODUCT]
    write(args.json, [Row(work, one, kinds.get(one, "ours"), 1000 * median(seconds[one]), "ms") for one in order])


if __name__ == "__main__":
    main()

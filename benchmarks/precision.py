"""Effect of computing features in bfloat16: the same pictures are encoded in both types, and ranked.

    python benchmarks/precision.py [--run RUN] [--data flickr8k] [--pictures 300]

Prints how near the features of the whole pictures are, how many pictures have the same boxes, and Recall@K in both
directions, for the first pictures of the val split with all their sentences. The run is the bundled model by default.
Needs the extra `openvino` and a processor that computes in bfloat16.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from wordsight.data.records import Picture
from wordsight.metrics.ranking import KS, metrics, ranks, score_matrix
from wordsight.progress import Progress
from wordsight.runs.aligner import load
from wordsight.runs.features import dataset_of, featured, pictures_of
from wordsight.runs.pairs import encode, pairs
from wordsight.vision.feature_table import FeatureTable
from wordsight.vision.openvino_session import VARIABLE

TYPES = ("float32", "bfloat16")


def described(options: argparse.Namespace, compute: str) -> tuple[Sequence[Picture], FeatureTable, dict[str, float]]:
    """The pictures, their features, and how well they are ranked."""
    os.environ[VARIABLE] = compute
    run = load(options.run)
    dataset = dataset_of(run.checkpoint, run.folder, options.data)
    wanted = pictures_of(dataset, "val", run.checkpoint.recipe.data)[: options.pictures]
    pictures, rows = featured(run.encoder, wanted, Progress(), "val", None)
    known = pairs(pictures, rows, run.vocabulary)
    scores = score_matrix(run.model, *encode(run.model, known))
    return pictures, rows, metrics(ranks(scores, known.picture), len(pictures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--data", default="flickr8k")
    parser.add_argument("--pictures", type=int, default=300)
    options = parser.parse_args()
    plain, low = (described(options, compute) for compute in TYPES)
    every = torch.arange(len(plain[0]))
    one, other = (found[1].gather(every) for found in (plain, low))
    near = torch.cosine_similarity(one.features[:, 0], other.features[:, 0])
    moved = (one.boxes - other.boxes).abs().amax(dim=(1, 2))  # as a fraction of a side
    print(f"{len(every)} pictures; whole pictures: cosine {near.mean():.5f} on average, {near.min():.5f} at least")
    print(f"all boxes within 1 % of a side in {(moved < 0.01).double().mean():.0%} of the pictures")
    keys = [f"{way}_R@{k}" for way in ("i2t", "t2i") for k in KS]
    print(f"{'':10}" + "".join(f"{key:>10}" for key in keys) + f"{'sum':>10}")
    for compute, (_, _, found) in zip(TYPES, (plain, low), strict=True):
        figures = [found[key] for key in keys]
        print(f"{compute:10}" + "".join(f"{one:10.1f}" for one in (*figures, sum(figures))))


if __name__ == "__main__":
    main()

"""Gain from a few pairs of one's own: training from an existing model, against that model alone and from nothing.

    python benchmarks/own.py [--start box] [--data coco] [--sizes 60 200 1200] [--seeds 3] [--old flickr8k] [--out DIR]

The first pictures of the train split, with all their sentences, are "one's own". They are learned by `recipes/own.toml`
unchanged, and by the start's own recipe from random weights. Each model is measured on the val split of the same data
and, to see what is forgotten, on the first val pictures of `--old`: the sum of six recalls, its mean and its range over
the seeds. The smallest size has `--seeds` seeds, the others one.
"""

import argparse
import csv
import statistics
import time
from pathlib import Path

from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.data.records import Picture
from wordsight.metrics.ranking import ranking_metrics, rsum
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.pairs import encode, pairs
from wordsight.runs.recipe import Recipe, read
from wordsight.training.start import start_folder
from wordsight.training.trainer import train
from wordsight.vision.regions import FeatureCache, default_cache

OWN = Path(__file__).resolve().parents[1] / "recipes" / "own.toml"
OLD = 250  # pictures of the old data
HEAD = ["model", "pairs", "new words", "its val: sum of six recalls", "i2t R@1/5/10", "t2i R@1/5/10", "old", "seconds"]


def recalls(run: Aligner, pictures: list[Picture]) -> dict[str, float]:
    """The retrieval metrics of a run on pictures, and the sum of recalls."""
    table = FeatureCache(default_cache(), run.encoder).regions([picture.path for picture in pictures])
    some = pairs(pictures, table, run.vocabulary)
    found = ranking_metrics(run.model, *encode(run.model, some), some.picture)
    return {**found, "rsum": rsum(found)}


def own_data(pictures: list[Picture], folder: Path) -> Path:
    """Write pictures and their sentences as a table, as a user has them."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("filepath", "caption"))
        rows.writerows((picture.path, sentence) for picture in pictures for sentence in picture.sentences)
    return folder


def from_start(start: str, data: Path, seed: int) -> Recipe:
    return read(OWN, [f"train.start={start}", f"data.path={data}", f"train.seed={seed}"])


def from_nothing(start: str, data: Path, seed: int) -> Recipe:
    told = [f"data.path={data}", f"train.seed={seed}", "train.epochs=30", "train.evaluate_every=5", "train.warmup=0"]
    return read(
        start_folder(start) / "recipe.toml",
        [*told, "text.vectors=", "train.start=", "data.also=[]", "data.min_count=2"],
        own=True,
    )


def row(name: str, count: str, runs: list[Aligner], val: list[Picture], old: list[Picture], seconds: float) -> str:
    """One line of the table, over the seeds."""
    found = [recalls(run, val) for run in runs]
    kept = statistics.fmean(recalls(run, old)["rsum"] for run in runs) if old else float("nan")
    sums = [one["rsum"] for one in found]
    spread = f" ({min(sums):.1f}-{max(sums):.1f})" if len(runs) > 1 else ""
    ways = [
        "/".join(f"{statistics.fmean(one[f'{way}_R@{k}'] for one in found):.1f}" for k in (1, 5, 10)) for way in WAYS
    ]
    words = f"{len(runs[0].vocabulary):,}"
    cells = [name, count, words, f"{statistics.fmean(sums):.1f}{spread}", *ways, f"{kept:.1f}", f"{seconds:.0f}"]
    return f"| {' | '.join(cells)} |"


WAYS = ("i2t", "t2i")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", default="box", help="box, or the folder of a run")
    parser.add_argument("--data", default="coco")
    parser.add_argument("--old", default="flickr8k", help="what the start has learned from; empty for none")
    parser.add_argument("--sizes", type=int, nargs="+", default=[60, 200, 1200])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/own"))
    args = parser.parse_args()
    dataset, quiet = load_dataset(find(args.data, "dataset")), Progress(quiet=True)
    val, own = dataset.split("val"), dataset.split("train")
    old = load_dataset(find(args.old, "dataset")).split("val")[:OLD] if args.old else []
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|", flush=True)
    print(row("the start alone", "0", [load(start_folder(args.start), "cpu")], val, old, 0), flush=True)
    for size in args.sizes:
        data = own_data(own[:size], args.out / f"data-{size}")
        seeds = args.seeds if size == min(args.sizes) else 1
        for name, recipe in (("from the start", from_start), ("from nothing", from_nothing)):
            runs, began = [], time.monotonic()
            for seed in range(seeds):
                folder = args.out / f"{name.replace(' ', '-')}-{size}-{seed}"
                train(recipe(args.start, data, seed), folder, resume=True, progress=quiet)
                runs.append(load(folder, "cpu"))
            print(row(name, str(size), runs, val, old, (time.monotonic() - began) / seeds), flush=True)


if __name__ == "__main__":
    main()

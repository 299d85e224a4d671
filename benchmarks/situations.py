"""What messages between roles buy: models of situations over several seeds, side by side.

    python benchmarks/situations.py DATA OUT [--seeds N] [--models full tree ...] [--set KEY=VALUE ...]

DATA is what `wordsight data situations` made. Each of `recipes/situations-*.toml` is trained with seeds 0 to N - 1 in
OUT/NAME-SEED; a run that is there already is not trained again. Then all are compared on the val split: the table is
printed, and OUT/compare has the pages. The baseline that learns nothing is trained once.
"""

import argparse
from pathlib import Path

from wordsight.comparison.compare import compare
from wordsight.runs.checkpoint import is_checkpoint
from wordsight.runs.recipe import read
from wordsight.runs.typed import toml
from wordsight.training.trainer import train

RECIPES = Path(__file__).parents[1] / "recipes"
MODELS = ("full", "tree", "chain", "none", "crf", "nearest")


def main() -> None:
    """Train, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--set", nargs="*", default=[])
    told = parser.parse_args()
    runs = []
    for model in told.models:
        for seed in range(1 if model == "nearest" else told.seeds):
            settings = [f"data.path={toml(str(told.data))}", f"train.seed={seed}", *told.set]
            runs.append(told.out / f"{model}-{seed}")
            if not is_checkpoint(runs[-1]):
                train(read(RECIPES / f"situations-{model}.toml", settings), runs[-1])
    print(compare(runs, told.out / "compare").markdown())


if __name__ == "__main__":
    main()

"""Gain from messages between roles: models of situations over several seeds, side by side.

    python benchmarks/situations.py DATA OUT [--seeds N] [--models full tree ...] [--set KEY=VALUE ...]
    python benchmarks/situations.py --levels RUN

DATA is a folder from `wordsight data situations`. Each of `recipes/situations-*.toml` is trained with seeds 0 to N - 1
in OUT/NAME-SEED; a run that exists is not trained again. Then all are compared on the val split: the table is printed,
and OUT/compare has the pages. The baseline that learns nothing is trained once.

Levels: the probability from which nouns and verbs are called sure, fitted on every other picture of a run's val split,
and the percentages of sure ones and of others that are right in the rest; nouns are those of the true verb.
"""

import argparse
from pathlib import Path

import torch

from wordsight.comparison.compare import compare
from wordsight.metrics.situations import right_roles
from wordsight.progress import Progress
from wordsight.runs.checkpoint import is_checkpoint
from wordsight.runs.features import featured
from wordsight.runs.recipe import read
from wordsight.runs.recogniser import load_recogniser
from wordsight.runs.situation_task import answers, sure
from wordsight.runs.situations import Situated, SituationExamples, gallery
from wordsight.runs.typed import toml
from wordsight.training.trainer import train

RECIPES = Path(__file__).parents[1] / "recipes"
MODELS = ("full", "tree", "chain", "none", "crf", "nearest")


def levels(folder: Path) -> None:
    """Print the levels: a row for nouns and one for verbs."""
    run = load_recogniser(folder, "cpu")
    _, wanted = gallery(run.checkpoint, run.folder, None, "val")
    kept, rows = featured(run.encoder, wanted, Progress(), "val")
    truth = run.lexicon.encode([one.situation for one in kept if isinstance(one, Situated)])
    found = answers(run.model, SituationExamples(rows, truth))
    fitted = torch.arange(len(kept))[:, None] % 2 == 0
    first = found.verbs[:, :1] == truth.verb[:, None]
    print("| | sure from | sure | right | not sure | right |\n|---|---|---|---|---|---|")
    for name, shares, right, there in (
        ("nouns", found.noun_shares, right_roles(found.nouns, truth), (truth.nouns >= 0).any(1)),
        ("verbs", found.verb_shares[:, :1], first, torch.ones_like(first)),
    ):
        least = sure(shares[there & fitted], right[there & fitted])
        parts = (there & ~fitted & (shares >= least), there & ~fitted & (shares < least))
        cells = [f"{int(part.sum())} | {100 * right[part].double().mean():.1f}" for part in parts]
        print(f"| {name} | {least:.3f} | {' | '.join(cells)} |")


def main() -> None:
    """Train, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--levels", type=Path, metavar="RUN")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--set", nargs="*", default=[])
    told = parser.parse_args()
    if told.levels:
        return levels(told.levels)
    if told.out is None:
        parser.error("expected DATA and OUT, or --levels RUN")
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

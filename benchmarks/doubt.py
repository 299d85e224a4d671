"""Reliability of the page's word for a hit's confidence, and of "nothing here matches well".

A model is calibrated on the val split of one dataset, and searched with the queries of another's. Prints how often
nothing is reported to match well, for queries whose pictures are there and for those whose are not; and how often the
first twenty hits of a query are right, by the page's word. Hits of a short query are right if a sentence of theirs says
it, or nearly ("puppy" for "dog"); for a sentence, only the picture that it was written for is right, so that all others
that it fits count as wrong.

    python benchmarks/doubt.py [RUN] [--fit DATA] [--test DATA] [--json]
"""

from pathlib import Path
from typing import Annotated

import torch
import typer

from wordsight.files import to_json
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner, load
from wordsight.search.calibrate import Calibration, Curve, Trials, calibrate
from wordsight.search.trials import Query, ask, collection, trials
from wordsight.text.tokens import tokenise
from wordsight.vision.proposals import COCO_NAMES

LEVELS = {"likely": 0.1, "possible": 0.03, "unsure": 0.0}  # as in the page's tile.js
HITS = 20


def names(model: Aligner, data: str) -> Trials:
    """The names of COCO's 80 classes, "a zebra" and so on: right for a picture whose sentences have the word."""
    pictures, rows = collection(model, data, Progress())
    said = [{word for sentence in picture.sentences for word in tokenise(sentence)} for picture in pictures]
    queries = []
    for name in COCO_NAMES:
        forms = [{word, f"{word}s"} for word in name.split()]
        right = frozenset(row for row, words in enumerate(said) if all(form & words for form in forms))
        queries.append(Query(f"a {name}", right, right))
    return ask(model, pictures, rows, queries)


def of_names(curve: Curve, asked: Trials) -> dict[str, float]:
    """Percent of names doubted: of those in some picture's sentences (`wrongly`), and of those in none (`rightly`)."""
    doubted, there = curve.confidence(asked.scores).amax(dim=0) < curve.threshold, asked.right.any(dim=0)
    shares = (100 * doubted[which].double().mean().item() for which in (there, ~there))
    return {"there": float(there.sum()), **dict(zip(("wrongly", "rightly"), shares, strict=True))}


def shares(fitted: Calibration, asked: Trials) -> dict[str, dict[str, float]]:
    """Percent of queries doubted by kind: `wrongly` if the first hit is right, `rightly` if no picture is plausible."""
    found = {}
    for kind, curve in (("short", fitted.short), ("sentences", fitted.long)):
        some = asked[asked.short if kind == "short" else ~asked.short]
        right = some.right.gather(0, some.scores.argmax(dim=0)[None])[0]
        vain = (~some.plausible).sum(dim=0) > 0
        there = curve.confidence(some.scores[:, right]).amax(dim=0)
        left = some.scores.masked_fill(some.plausible, some.scores[some.scores.isfinite()].min() - 1)[:, vain]
        gone = curve.confidence(left).amax(dim=0)
        found[kind] = {
            "first hit right": 100 * right.double().mean().item(),
            "wrongly": 100 * (there < curve.threshold).double().mean().item(),
            "rightly": 100 * (gone < curve.threshold).double().mean().item(),
        }
    return found


def levels(fitted: Calibration, asked: Trials) -> dict[str, dict[str, float]]:
    """For each level and kind of query, the number of first hits of that level, and the percentage that is right."""
    found: dict[str, dict[str, float]] = {}
    for kind, curve in (("short", fitted.short), ("sentences", fitted.long)):
        some = asked[asked.short if kind == "short" else ~asked.short]
        places = some.scores.topk(min(HITS, len(some.scores)), dim=0).indices
        sure, right = curve.confidence(some.scores).gather(0, places), some.plausible.gather(0, places)
        below = torch.inf
        for name, least in LEVELS.items():
            of_it = (sure >= least) & (sure < below)
            found.setdefault(name, {})[kind] = float(of_it.sum())
            found[name][f"{kind}, right"] = 100 * right[of_it].double().mean().item() if of_it.any() else 0.0
            below = least
    return found


def main(
    run: Annotated[Path | None, typer.Argument()] = None,
    fit: Annotated[str, typer.Option()] = "flickr8k",
    test: Annotated[str, typer.Option()] = "coco",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print a row for each kind of query."""
    model = load(run, "cpu")
    fitted = calibrate(trials(model, fit, Progress()))
    asked = trials(model, test, Progress())
    found = shares(fitted, asked) | {"names": of_names(fitted.short, names(model, test))} | levels(fitted, asked)
    if as_json:
        print(to_json(found))
        return
    for kind, one in found.items():
        print(f"{kind}: " + ", ".join(f"{key} {value:.0f}" for key, value in one.items()))


if __name__ == "__main__":
    typer.run(main)

"""How often "nothing here matches well" is said: of queries whose pictures are there, and of those whose are not.

A model is calibrated on the val split of one dataset, and asked the queries of another's.

    python benchmarks/doubt.py [RUN] [--fit DATA] [--test DATA] [--json]
"""

from pathlib import Path
from typing import Annotated

import typer

from wordsight.files import to_json
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner, load
from wordsight.search.calibrate import Calibration, Curve, Trials, calibrate
from wordsight.search.trials import Query, ask, collection, trials
from wordsight.text.tokens import tokenise
from wordsight.vision.proposals import COCO_NAMES


def names(model: Aligner, data: str) -> Trials:
    """The names of COCO's 80 classes, "a zebra" and so on: right for a picture of which somebody said the word."""
    pictures, rows = collection(model, data, Progress())
    said = [{word for sentence in picture.sentences for word in tokenise(sentence)} for picture in pictures]
    queries = []
    for name in COCO_NAMES:
        forms = [{word, f"{word}s"} for word in name.split()]
        right = frozenset(row for row, words in enumerate(said) if all(form & words for form in forms))
        queries.append(Query(f"a {name}", right, right))
    return ask(model, pictures, rows, queries)


def of_names(curve: Curve, asked: Trials) -> dict[str, float]:
    """Percent of the names that are said of a picture (`wrongly`), and of those that are said of none (`rightly`)."""
    doubted, there = curve.confidence(asked.scores).amax(dim=0) < curve.threshold, asked.right.any(dim=0)
    shares = (100 * doubted[which].double().mean().item() for which in (there, ~there))
    return {"there": float(there.sum()), **dict(zip(("wrongly", "rightly"), shares, strict=True))}


def shares(fitted: Calibration, asked: Trials) -> dict[str, dict[str, float]]:
    """Percent of each kind of query: `wrongly` of those whose first hit is right, `rightly` of those asked in vain."""
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


def main(
    run: Annotated[Path | None, typer.Argument()] = None,
    fit: Annotated[str, typer.Option()] = "flickr8k",
    test: Annotated[str, typer.Option()] = "coco",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print a row for each kind of query."""
    model = load(run, "cpu")
    fitted = calibrate(trials(model, fit, Progress()))
    found = shares(fitted, trials(model, test, Progress())) | {"names": of_names(fitted.short, names(model, test))}
    if as_json:
        print(to_json(found))
        return
    for kind, one in found.items():
        print(f"{kind}: " + ", ".join(f"{key} {value:.0f}" for key, value in one.items()))


if __name__ == "__main__":
    typer.run(main)

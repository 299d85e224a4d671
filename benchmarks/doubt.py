"""How often "nothing here matches well" is said: of queries whose pictures are there, and of those whose are not.

A model is calibrated on the val split of one dataset, and asked the queries of another's.

    python benchmarks/doubt.py [RUN] --fit DATA [--fit DATA] --test DATA [--test DATA] [--json]
"""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from wordsight.run import load
from wordsight.search.calibrate import Calibration, Trials, calibrate
from wordsight.search.trials import trials
from wordsight.training.progress import Progress


def together(parts: list[Trials]) -> Trials:
    """Queries of several collections as those of one that is as large as all of them; each sees its own alone."""
    if len(parts) == 1:
        return parts[0]
    most = max(len(one.scores) for one in parts)
    grown = [
        Trials(
            torch.cat([one.scores, one.scores.new_full((most - len(one.scores), len(one.short)), -torch.inf)]),
            *(
                torch.cat([mask, mask.new_full((most - len(mask), mask.shape[1]), fill)])
                for mask, fill in ((one.right, False), (one.alike, True))
            ),
            one.short,
        )
        for one in parts
    ]
    return Trials(*(torch.cat([getattr(one, name) for one in grown], dim=-1) for name in vars(grown[0])))


def shares(fitted: Calibration, asked: Trials) -> dict[str, dict[str, float]]:
    """Percent of each kind of query: `wrongly` of those whose first hit is right, `rightly` of those asked in vain."""
    found = {}
    for kind, curve in (("short", fitted.short), ("sentences", fitted.long)):
        some = asked[asked.short if kind == "short" else ~asked.short]
        right = some.right.gather(0, some.scores.argmax(dim=0)[None])[0]
        vain = (~some.alike).sum(dim=0) > 0
        there = curve.sure(some.scores[:, right]).amax(dim=0)
        left = some.scores.masked_fill(some.alike, some.scores[some.scores.isfinite()].min() - 1)[:, vain]
        gone = curve.sure(left).amax(dim=0)
        found[kind] = {
            "first hit right": 100 * right.double().mean().item(),
            "wrongly": 100 * (there < curve.line).double().mean().item(),
            "rightly": 100 * (gone < curve.line).double().mean().item(),
        }
    return found


def main(
    run: Annotated[Path | None, typer.Argument()] = None,
    fit: Annotated[list[str] | None, typer.Option()] = None,
    test: Annotated[list[str] | None, typer.Option()] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print a row for each dataset and kind of query."""
    model = load(run, "cpu")
    asked = {name: trials(model, name, Progress()) for name in dict.fromkeys([*(fit or []), *(test or [])])}
    fitted = calibrate(together([asked[name] for name in fit or []]))
    figures: dict[str, Any] = {name: shares(fitted, asked[name]) for name in test or []}
    if as_json:
        print(json.dumps(figures, indent=1))
        return
    for name, kinds in figures.items():
        for kind, one in kinds.items():
            print(f"{name} {kind}: " + ", ".join(f"{key} {value:.0f} %" for key, value in one.items()))


if __name__ == "__main__":
    typer.run(main)

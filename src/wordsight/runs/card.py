"""The model card: the README.md of a checkpoint, for whoever finds the folder."""

from collections.abc import Mapping
from typing import Any

from wordsight.runs.recipe import Recipe
from wordsight.runs.tasks import task_of

CARD = """# A wordsight model: {name}

{what}

| | |
|---|---|
| trained on | {trained} |
| chosen on | split `{val}`: {chosen} |
| regions from | {backbones} |
| seeds | {seeds} |

## On the val split

{figures}

{explained}

## Use

{use}

## Limits

It knows the {words} of its training sentences and no others, and has their habits and prejudices. {limits}
The licences of the training pictures and of the backbone's weights hold for what is made from them.
"""


def model_card(name: str, recipe: Recipe, metrics: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    best = {key: value for key, value in metrics.get("best", {}).items() if isinstance(value, int | float)}
    rows = [f"| {key} | {value:.6g} |" for key, value in best.items()]
    train, data = recipe.train, recipe.data
    says = task_of(name).card(bool(data.alignment))
    history = metrics.get("history")
    if history and not train.start and all("loss" not in record for record in history):
        says = {**says, "chosen": "nothing, as it is fitted in closed form"}
    trained = says["trained"].format(data=data.path, train=data.train, alignment=data.alignment)
    return CARD.format(
        **{**says, "trained": trained},
        name=name,
        val=data.val,
        backbones=", ".join(f"`{backbone}`" for backbone in recipe.regions.backbones),
        seeds=", ".join(str(train.seed + member) for member in range(train.members)),
        figures="\n".join(["| figure | value |", "|---|---|", *rows]) if rows else "Not measured yet.",
        words=f"{metrics['words']:,} words" if "words" in metrics else "words",
    )

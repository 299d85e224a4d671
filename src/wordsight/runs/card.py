"""Model card: the README.md of a checkpoint."""

from collections.abc import Iterator, Mapping
from typing import Any

from wordsight.runs.recipe import BOX, Recipe
from wordsight.runs.tasks import task_of

CARD = """# A wordsight model: {name}

{what}

| | |
|---|---|
| trained on | {trained} |
| chosen on | split `{val}`: {chosen} |
| pretrained parts | {pretrained} |
| seeds | {seeds} |

## On the val split

{figures}

{explained}

## Use

{use}

## Limits

It knows the {words} of its vocabulary and no others, and has the habits and prejudices of its training sentences.
{limits}
What pretrained parts learned from, such as classes and boxes, is supervision too. The licences of the training pictures
and of pretrained weights hold for what is made from them.
"""


def model_card(name: str, recipe: Recipe, metrics: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    best = {key: value for key, value in metrics.get("best", {}).items() if isinstance(value, int | float)}
    rows = [f"| {key} | {value:.6g} |" for key, value in best.items()]
    train, data = recipe.train, recipe.data
    says = task_of(name).card(bool(data.alignment))
    if "val_loss" in best:
        says = {**says, "chosen": "the lowest loss"}
    history = metrics.get("history")
    if history and not train.start and all("loss" not in record for record in history):
        says = {**says, "chosen": "nothing, as it is fitted in closed form"}
    trained = says["trained"].format(data=data.path, train=data.train, alignment=data.alignment)
    return CARD.format(
        **{**says, "trained": trained},
        name=name,
        val=data.val,
        pretrained=", ".join(_pretrained(recipe)) or "none",
        seeds=", ".join(str(train.seed + member) for member in range(train.members)),
        figures="\n".join(["| figure | value |", "|---|---|", *rows]) if rows else "Not measured yet.",
        words=f"{metrics['words']:,} words" if "words" in metrics else "words",
    )


def _pretrained(recipe: Recipe) -> Iterator[str]:
    """Pretrained parts, whose training on other data is supervision beside the run's own."""
    yield from (f"backbone `{backbone}`" for backbone in recipe.regions.backbones if backbone != "filters")
    if recipe.regions.detector not in ("", "blobs"):
        yield f"detector `{recipe.regions.detector}`" + (" with its class names" if recipe.regions.labels else "")
    if recipe.text.vectors:
        yield f"word vectors `{recipe.text.vectors}`"
    if recipe.text.open:
        yield "the word table"
    if recipe.train.start:
        yield "the bundled model" if recipe.train.start == BOX else f"run `{recipe.train.start}`"

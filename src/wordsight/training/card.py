"""The model card: the README.md of a checkpoint, for whoever finds the folder."""

from collections.abc import Mapping
from typing import Any

from wordsight.training.recipe import Recipe

CARD = """# A wordsight model: {name}

Learns which words name which parts of a picture, from pictures and sentences alone. It scores how well a sentence
fits a picture, and says which box each word went to.

| | |
|---|---|
| trained on | `{data}`, split `{train}` |
| chosen on | split `{val}`: the best sum of R@1, R@5 and R@10 both ways |
| regions from | {backbones} |
| seeds | {seeds} |

## On the val split

{figures}

Percentages; `medr` is the median rank. The gallery is the whole split: figures of galleries of another size cannot be
compared with these.

## Use

    wordsight eval THIS_FOLDER --data DATA --split test
    wordsight ground THIS_FOLDER picture.jpg "a dog on the beach" -o out.png

## Limits

It knows the {words} of its training sentences and no others, and has their habits and prejudices. A box is where the
model looked for a word, not proof that the thing is there: every word is given its best box, right or not. The
licences of the training pictures and of the backbone's weights hold for what is made from them.
"""


def model_card(name: str, recipe: Recipe, metrics: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    best = {key: value for key, value in metrics.get("best", {}).items() if isinstance(value, int | float)}
    rows = [f"| {key} | {value:.6g} |" for key, value in best.items()]
    train = recipe.train
    return CARD.format(
        name=name,
        data=recipe.data.path,
        train=recipe.data.train,
        val=recipe.data.val,
        backbones=", ".join(f"`{backbone}`" for backbone in recipe.regions.backbones),
        seeds=", ".join(str(train.seed + member) for member in range(train.members)),
        figures="\n".join(["| figure | value |", "|---|---|", *rows]) if rows else "Not measured yet.",
        words=f"{metrics['words']:,} words" if "words" in metrics else "words",
    )

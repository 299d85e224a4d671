"""The model card: the README.md of a checkpoint, for whoever finds the folder."""

from collections.abc import Mapping
from typing import Any

from wordsight import captioning
from wordsight.runs.recipe import Recipe

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
ALIGNS = {
    "what": "Learns which words name which parts of a picture, from pictures and sentences alone. It scores how well\n"
    "a sentence fits a picture, and says which box each word went to.",
    "trained": "`{data}`, split `{train}`",
    "chosen": "the best sum of R@1, R@5 and R@10 both ways",
    "explained": "Percentages; `medr` is the median rank. The gallery is the whole split: figures of galleries of\n"
    "another size cannot be compared with these.",
    "use": "    wordsight eval THIS_FOLDER --data DATA --split test\n"
    '    wordsight ground THIS_FOLDER picture.jpg "a dog on the beach" -o out.png',
    "limits": "A box is\nwhere the model looked for a word, not proof that the thing is there: every word is given\n"
    "its best box, right or not.",
}
DESCRIBES = {
    "what": "Says in a sentence what is in a picture. It learned that from pictures and sentences alone.",
    "trained": "`{data}`, split `{train}`",
    "chosen": "the best CIDEr of greedy captions",
    "explained": "Of greedy captions, with coco-caption's names and tokens: CIDEr from 0 to 10, the others from 0 to\n"
    "1 (papers print 100 times these). `perplexity` is that of what people wrote; 1 is best.",
    "use": "    wordsight eval THIS_FOLDER --data DATA --split test\n    wordsight caption THIS_FOLDER picture.jpg",
    "limits": "A caption\nis what is likely to be said of such a picture, not proof that anything in it is there,\n"
    "whatever its confidence.",
}
DESCRIBES_REGIONS = {
    **DESCRIBES,
    "what": "Says in a few words what is in a region of a picture. It learned that from the words that a model which\n"
    "aligns gave to each region; neither was ever told what is where.",
    "trained": "`{data}`, split `{train}`: the words that `{alignment}` gave to each region",
    "chosen": "the least perplexity of such words",
    "explained": "`perplexity` is that of the words that were given to regions of that split; 1 is best.",
    "use": "    wordsight eval THIS_FOLDER --data DATA --split test --grounding\n"
    "    wordsight caption THIS_FOLDER picture.jpg --regions -o out.png",
}


def model_card(name: str, recipe: Recipe, metrics: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    best = {key: value for key, value in metrics.get("best", {}).items() if isinstance(value, int | float)}
    rows = [f"| {key} | {value:.6g} |" for key, value in best.items()]
    train, data = recipe.train, recipe.data
    says = ALIGNS if name not in captioning.MODELS else DESCRIBES_REGIONS if data.alignment else DESCRIBES
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

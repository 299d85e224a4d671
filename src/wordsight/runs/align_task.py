"""The aligners' part of training: validation, selection score, summary and model card."""

from collections.abc import Mapping

import torch

from wordsight.matching.matcher import Matcher
from wordsight.metrics.ranking import ranking_metrics, rsum
from wordsight.runs.pairs import ROWS, Pairs, Validation, encode

CARD = {
    "what": "Aligns words with regions: it learned which words name which parts of a picture from pictures and\n"
    "their sentences, without boxes of words. It scores how well a sentence fits a picture, and says which box each\n"
    "word went to.",
    "trained": "`{data}`, split `{train}`",
    "chosen": "the best sum of R@1, R@5 and R@10 both ways",
    "explained": "Percentages; `medr` is the median rank. The gallery is the whole split: figures of galleries of\n"
    "another size cannot be compared with these.",
    "use": "    wordsight eval THIS_FOLDER --data DATA --split test\n"
    '    wordsight ground THIS_FOLDER picture.jpg "a dog on the beach" -o out.png',
    "limits": "A box is where the model looked for a word, not proof that the thing is there: every word is given its\n"
    "best box, right or not.",
}


def validate(model: Matcher, data: Validation) -> dict[str, float]:
    """Retrieval metrics and `rsum`, the sum of recalls, 0 to 600; with a start also `val_loss`.

    Leaves the model in evaluation mode.
    """
    assert isinstance(data.pairs, Pairs)
    model.eval()
    if data.query_bank:
        model.refresh(data.query_bank)
    images, texts = encode(model, data.pairs)
    found = ranking_metrics(model, images, texts, data.pairs.picture)
    found |= {"rsum": rsum(found)}
    return found if data.query_bank else found | {"val_loss": _loss(model, data.pairs)}


@torch.no_grad()
def _loss(model: Matcher, val: Pairs) -> float:
    """The mean loss on a split, a finer measure than ranks where pictures are few."""
    blocks, device = torch.arange(len(val)).split(ROWS), next(model.parameters()).device
    return sum(len(some) * float(model.loss(val.batch(some).to(device))) for some in blocks) / len(val)


def selection_score(figures: Mapping[str, float]) -> float:
    """The sum of recalls; with a start, the negative validation loss."""
    return -figures["val_loss"] if "val_loss" in figures else figures["rsum"]


def summary(figures: Mapping[str, float]) -> str:
    """Recalls in both directions."""
    ways = [("picture to text", "i2t"), ("text to picture", "t2i")]
    recalls = [(name, "/".join(f"{figures[f'{way}_R@{k}']:.1f}" for k in (1, 5, 10))) for name, way in ways]
    return ", ".join(f"{name} {recall}" for name, recall in recalls)


def card(of_regions: bool) -> Mapping[str, str]:
    """Passages of the model card."""
    return CARD

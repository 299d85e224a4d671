"""How good a model is on the val split, while it is being trained and after: the figures that choose a checkpoint."""

from collections.abc import Mapping, Sequence

import torch

from wordsight.captioning import decode
from wordsight.captioning.captioner import Captioner
from wordsight.matching.matcher import Matcher
from wordsight.metrics.captions import Id, caption_metrics
from wordsight.metrics.ranking import ranking_metrics, rsum
from wordsight.runs.models import Model
from wordsight.runs.pairs import ROWS, Pairs, encode
from wordsight.text.vocabulary import Vocabulary
from wordsight.training.prepare import Material


def validate(model: Model, material: Material) -> dict[str, float]:
    """The figures of a model on the val split; leaves it in evaluation mode.

    Returns:
        Of a matcher those of retrieval and their sum `rsum`, 0 to 600, and with a start `val_loss`; of a captioner
        `perplexity` and, where whole pictures are described, those of its greedy captions with coco-caption's names.
    """
    model.eval()
    if isinstance(model, Captioner):
        return _describe(model, material)
    if material.start is None:  # else it keeps those that it met there: few pictures tell no hubs
        model.meet(material.train.strangers)
    images, texts = encode(model, material.val)
    found = ranking_metrics(model, images, texts, material.val.picture)
    found |= {"rsum": rsum(found)}
    return found if material.start is None else found | {"val_loss": _loss(model, material.val)}


@torch.no_grad()
def _loss(model: Matcher, val: Pairs) -> float:
    """The loss on a split, which tells more than ranks where pictures are few."""
    blocks, device = torch.arange(len(val)).split(ROWS), next(model.parameters()).device
    return sum(len(some) * float(model.loss(val.batch(some).to(device))) for some in blocks) / len(val)


def goodness(found: Mapping[str, float]) -> float:
    """What a checkpoint is chosen by, greater is better: with a start `val_loss`, else `rsum`, CIDEr or perplexity."""
    if "val_loss" in found:
        return -found["val_loss"]
    return found.get("rsum", found.get("CIDEr", -found.get("perplexity", 0.0)))


def figures(found: Mapping[str, float]) -> str:
    """The figures that matter, in a line."""
    if "perplexity" in found:
        named = [("CIDEr", "CIDEr"), ("BLEU-4", "Bleu_4")]
        parts = [f"{name} {100 * found[key]:.1f}" for name, key in named if key in found]
        return ", ".join([f"perplexity {found['perplexity']:.2f}", *parts])
    ways = [("picture to text", "i2t"), ("text to picture", "t2i")]
    recalls = [(name, "/".join(f"{found[f'{way}_R@{k}']:.1f}" for k in (1, 5, 10))) for name, way in ways]
    return ", ".join(f"{name} {recall}" for name, recall in recalls)


def _describe(model: Captioner, material: Material) -> dict[str, float]:
    val = material.val
    blocks = torch.arange(len(val)).split(ROWS)
    device = next(model.parameters()).device
    found = {"perplexity": model.perplexity(val.batch(some).to(device) for some in blocks)}
    if not material.references:
        return found
    said: dict[Id, str] = dict(enumerate(captions_of(model, val, material.vocabulary)))
    references: dict[Id, Sequence[str]] = dict(enumerate(material.references))
    return found | caption_metrics(said, references)


def captions_of(model: Captioner, pairs: Pairs, vocabulary: Vocabulary) -> list[str]:
    """The greedy caption of each picture."""
    rows, device = torch.arange(len(pairs.table)).split(ROWS), next(model.parameters()).device
    once = vocabulary.naming
    found = [decode.greedy(model, pairs.table.gather(some).to(device), once=once) for some in rows]
    return [" ".join(vocabulary.words[word] for word in said[0].ids) for some in found for said in some]

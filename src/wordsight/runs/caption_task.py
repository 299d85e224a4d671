"""The captioners' part of training: validation, selection score, summary and model card."""

from collections.abc import Mapping, Sequence

import torch

from wordsight.captioning import decode
from wordsight.captioning.captioner import CaptionModel
from wordsight.metrics.captions import Id, caption_metrics
from wordsight.runs.pairs import ROWS, Pairs, Validation
from wordsight.text.vocabulary import Vocabulary

CARD = {
    "what": "Says in a sentence what is in a picture. It learned that from pictures and their sentences.",
    "trained": "`{data}`, split `{train}`",
    "chosen": "the best CIDEr of greedy captions",
    "explained": "Of greedy captions, with coco-caption's names and tokens: CIDEr from 0 to 10, the others from 0 to\n"
    "1 (papers print 100 times these). `perplexity` is that of what people wrote; 1 is best.",
    "use": "    wordsight eval THIS_FOLDER --data DATA --split test\n    wordsight caption THIS_FOLDER picture.jpg",
    "limits": "A caption is what is likely to be said of such a picture, not proof that anything in it is there,\n"
    "whatever its confidence.",
}
CARD_OF_REGIONS = {
    **CARD,
    "what": "Says in a few words what is in a region of a picture. It learned that from the words that an aligner\n"
    "gave to each region; neither was told which words belong where.",
    "trained": "`{data}`, split `{train}`: the words that `{alignment}` gave to each region",
    "chosen": "the least perplexity of such words",
    "explained": "`perplexity` is that of the words that were given to regions of that split; 1 is best.",
    "use": "    wordsight eval THIS_FOLDER --data DATA --split test --grounding\n"
    "    wordsight caption THIS_FOLDER picture.jpg --regions -o out.png",
}


def validate(model: CaptionModel, data: Validation) -> dict[str, float]:
    """`perplexity`, if the model generates; for whole pictures also coco-caption's metrics of greedy captions.

    Leaves the model in evaluation mode.
    """
    assert isinstance(data.pairs, Pairs)
    model.eval()
    blocks, device = torch.arange(len(data.pairs)).split(ROWS), model.device
    found = model.likelihood(data.pairs.batch(some).to(device) for some in blocks)
    if not data.references:
        return found
    said: dict[Id, str] = dict(enumerate(captions_of(model, data.pairs, data.vocabulary)))
    references: dict[Id, Sequence[str]] = dict(enumerate(data.references))
    return found | caption_metrics(said, references)


def captions_of(model: CaptionModel, pairs: Pairs, vocabulary: Vocabulary) -> list[str]:
    """The greedy caption of each picture; if the model does not generate, the best one that it looks up."""
    rows, device = torch.arange(len(pairs.table)).split(ROWS), model.device
    if not model.generates:
        seen = (pairs.table.gather(some).to(device) for some in rows)
        return [text for block in seen for ((text, _), *_) in model.lookup(block, vocabulary, 1)]
    blocks = (pairs.table.gather(some).to(device) for some in rows)
    found = [decode.greedy(model, seen, longest=vocabulary.longest, once=vocabulary.naming) for seen in blocks]
    return [" ".join(vocabulary.words[word] for word in said[0].ids) for some in found for said in some]


def selection_score(figures: Mapping[str, float]) -> float:
    """CIDEr; for captioners of regions, the negative perplexity."""
    return figures["CIDEr"] if "CIDEr" in figures else -figures["perplexity"]


def summary(figures: Mapping[str, float]) -> str:
    """Perplexity, CIDEr and BLEU-4, as far as measured."""
    perplexity = [f"perplexity {figures['perplexity']:.2f}"] if "perplexity" in figures else []
    named = [("CIDEr", "CIDEr"), ("BLEU-4", "Bleu_4")]
    parts = [f"{name} {100 * figures[key]:.1f}" for name, key in named if key in figures]
    return ", ".join([*perplexity, *parts])


def card(of_regions: bool) -> Mapping[str, str]:
    """Passages of the model card."""
    return CARD_OF_REGIONS if of_regions else CARD

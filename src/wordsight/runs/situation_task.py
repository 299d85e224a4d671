"""The situation models' part of training: validation, selection score, summary and model card."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.metrics.situations import right_roles, situation_metrics, terms
from wordsight.runs.pairs import ROWS, Validation
from wordsight.runs.situations import SituationExamples
from wordsight.situations.situation_model import SituationModel

SURE = 0.6  # an answer is sure if at least this share of answers about as probable are right
CARD = {
    "what": "Says what is done in a picture, and who or what fills each role of that verb: its situation. It learned\n"
    "that from pictures with a verb and nouns, without any boxes.",
    "trained": "`{data}`, split `{train}`",
    "chosen": "the best mean of the eight figures",
    "explained": "Percentages, as imSitu's script counts them: the mean over the pictures of each verb, then over\n"
    "verbs; `image_...` is the mean over pictures. `sure_verb` and `sure_noun`: from which probability on 60 %\n"
    "of the answers are right, of those about as probable.",
    "use": "    wordsight eval THIS_FOLDER --data DATA --split val\n"
    "    wordsight situation --run THIS_FOLDER picture.jpg -o out.png",
    "limits": "It always has a likeliest verb, right or not; below `sure_verb` it is too often wrong.",
}


@dataclass(frozen=True)
class Answers:
    """A model's answers on I pictures with known situations.

    Attributes:
        verbs: (I, K) likeliest verbs, best first.
        verb_shares: (I, K) their probabilities.
        nouns: (I, E) the noun of each role of the true verb.
        noun_shares: (I, E) their probabilities.
    """

    verbs: Tensor
    verb_shares: Tensor
    nouns: Tensor
    noun_shares: Tensor


def validate(model: SituationModel, data: Validation) -> dict[str, float]:
    """The metrics, and the least probabilities of sure answers, `sure_verb` and `sure_noun`.

    Leaves the model in evaluation mode.
    """
    assert isinstance(data.pairs, SituationExamples)
    frames = data.pairs.frames
    found = answers(model, data.pairs)
    figures = situation_metrics(terms(found.verbs, found.nouns, frames), frames.verb)
    there = (frames.nouns >= 0).any(1)  # (I, E)
    verb = sure(found.verb_shares[:, 0], found.verbs[:, 0] == frames.verb)
    return figures | {
        "sure_verb": verb,
        "sure_noun": sure(found.noun_shares[there], right_roles(found.nouns, frames)[there]),
    }


def answers(model: SituationModel, examples: SituationExamples) -> Answers:
    """A model's answers, in blocks of pictures; leaves it in evaluation mode."""
    model.eval()
    blocks = []
    for some in torch.arange(len(examples)).split(ROWS):
        seen = model.look(examples.table.gather(some).to(model.device))
        shares, verbs = model.ranked(seen)
        verb = examples.frames.verb[some].clamp(min=0).to(model.device)
        blocks.append([part.cpu() for part in (verbs, shares, *model.fill(seen, verb))])
    return Answers(*(torch.cat(part) for part in zip(*blocks, strict=True)))


def sure(shares: Tensor, right: Tensor) -> float:
    """The least probability at which `SURE` of answers (B,) are right, by isotonic regression; 1 if there is none."""
    order = shares.argsort(stable=True)
    blocks: list[tuple[int, int, float]] = []  # answers, right ones, least probability; shares rise
    for share, hit in zip(shares[order].tolist(), right[order].tolist(), strict=True):
        count, hits, least = 1, int(hit), share
        while blocks and blocks[-1][1] * count >= hits * blocks[-1][0]:
            before = blocks.pop()
            count, hits, least = count + before[0], hits + before[1], before[2]
        blocks.append((count, hits, least))
    return next((least for count, hits, least in blocks if hits >= SURE * count), 1.0)


def selection_score(figures: Mapping[str, float]) -> float:
    """The mean of the eight columns."""
    return figures["mean"]


def summary(figures: Mapping[str, float]) -> str:
    """Verb, value and value-all."""
    return (
        f"verb {figures['verb_top1']:.1f}/{figures['verb_top5']:.1f}, value {figures['value_top1']:.1f}/"
        f"{figures['value_top5']:.1f}/{figures['value_gold']:.1f}, all {figures['all_top1']:.1f}/"
        f"{figures['all_top5']:.1f}/{figures['all_gold']:.1f}, mean {figures['mean']:.2f}"
    )


def card(of_regions: bool) -> Mapping[str, str]:
    """Passages of the model card."""
    return CARD

"""Metrics of situation recognition, as the official script of imSitu counts them (Yatskar et al. 2016).

A role is right if its noun equals that of any annotator, who may differ from role to role; the empty noun counts
as a noun. `value`: the share of right roles, where the verb is right; `all`: all roles right, where the verb is right.
Nouns are those predicted for the true verb: columns `top1` and `top5` count them where that verb is the first, or among
the first five; `gold` counts them always. `mean` is the mean of the eight columns. The official script takes the mean
over the pictures of each verb, then over verbs; `image_...` is the plain mean over pictures, which differs where verbs
have different numbers of pictures. Percentages 0 to 100.
"""

import torch
from torch import Tensor

from wordsight.batch import Frames

COLUMNS = (
    "verb_top1",
    "value_top1",
    "all_top1",
    "verb_top5",
    "value_top5",
    "all_top5",
    "value_gold",
    "all_gold",
)
TOP = 5


def right_roles(nouns: Tensor, frames: Frames) -> Tensor:
    """Which roles' nouns (I, E) are those of any annotator: (I, E) bool; False for absent roles."""
    return ((nouns[:, None] == frames.nouns) & (frames.nouns >= 0)).any(1)


def terms(verbs: Tensor, nouns: Tensor, frames: Frames) -> Tensor:
    """Each picture's terms in the eight columns.

    Args:
        verbs: (I, K) predicted verbs, best first; only the first five count.
        nouns: (I, E) the nouns predicted for the true verb.
        frames: the truth; a verb of -1, which no model knows, is never right.

    Returns:
        (I, 8) float64, 0 to 1, the columns as in `COLUMNS`.
    """
    right, there = right_roles(nouns, frames), (frames.nouns >= 0).any(1)  # (I, E) each
    known = frames.verb >= 0
    value = right.sum(1) / there.sum(1).clamp(min=1) * known
    every = ((right | ~there).all(1) & known).double()
    hit = (verbs[:, :TOP] == frames.verb[:, None]) & known[:, None]
    first, among = hit[:, 0].double(), hit.any(1).double()
    columns = (first, first * value, first * every, among, among * value, among * every, value, every)
    return torch.stack([column.double() for column in columns], 1)


def per_verb(found: Tensor, verb: Tensor) -> Tensor:
    """The mean of terms (I, 8) over the pictures of each verb (I,), then over the verbs that occur: (8,)."""
    verbs, place = verb.unique(return_inverse=True)
    total = found.new_zeros(len(verbs), found.shape[1]).index_add(0, place, found)
    return (total / place.bincount()[:, None]).mean(0)


def situation_metrics(found: Tensor, verb: Tensor) -> dict[str, float]:
    """The metrics from terms (I, 8): means over verbs (I,) and, as `image_...`, over pictures."""
    figures: dict[str, float] = {}
    for prefix, means in (("", per_verb(found, verb)), ("image_", found.mean(0))):
        values = (100 * means).tolist()
        figures |= {f"{prefix}{name}": round(value, 4) for name, value in zip(COLUMNS, values, strict=True)}
        figures[f"{prefix}mean"] = round(sum(values) / len(values), 4)
    return figures

"""From a score to "how sure": how often a hit like this one was the picture that the sentence was written for.

Sentences whose picture is known are asked of a collection, once as it is and once without their picture. Of the first
hits of both, which are those pictures is learned by a logistic regression (Platt 1999) on two numbers: how far a hit's
score is above the mean of the first five, and that mean:

    log odds = a (score - mean of the first five) + b (mean of the first five) + c,    a >= 0

Scores are length-normalised. The second number knows whether anything here fits at all, the first whether this one
stands out, which makes the figure hold in collections of other sizes too. Half of what is asked for is not there, so
that is learned as well. Other pictures that a sentence also fits count as wrong, as nobody knows of them.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.files import to_json

CALIBRATE = "`wordsight index build --calibrate DATA` learns it from pictures with sentences."
FIRST = 5  # hits that are compared, and learned from
STEPS = 60
PRIOR = 1.0  # weight of a normal prior on standardised weights: keeps them finite where few sentences tell all apart
TINY = 1e-9


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities.

    Attributes:
        lead: log odds for each unit that a score is above the mean of the first five; >= 0.
        level: log odds for each unit of that mean.
        intercept: log odds where both are 0.
        line: a first hit that is less sure does not match well: what tells sentences whose picture came first from
            those whose picture is not there best, each kind counting half.
        pictures: that were asked.
        sentences: that they were asked for.
    """

    lead: float
    level: float
    intercept: float
    line: float
    pictures: int
    sentences: int

    def sure(self, normalised: Tensor) -> Tensor:
        """Probabilities, 0 to 1.

        Args:
            normalised: (I, ...) scores of all I pictures that are searched, one query a column.

        Returns:
            (I, ...), in the order of the scores.
        """
        level = normalised.topk(min(FIRST, len(normalised)), dim=0).values.mean(dim=0)
        return torch.sigmoid(self.lead * (normalised - level) + self.level * level + self.intercept)

    def to_json(self) -> str:
        """As `parse` reads it."""
        return to_json(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What `to_json` gave; None of an empty text, and of what an older version kept."""
        found: dict[str, Any] = json.loads(text) if text else {}
        known = found.keys() == {field.name for field in fields(cls)}
        return cls(**found) if known and all(isinstance(one, int | float) for one in found.values()) else None


def calibrate(normalised: Tensor, picture: Tensor) -> Calibration:
    """What some sentences find, with their pictures there and without, as a calibration.

    Args:
        normalised: (I, N) normalised scores of every picture with every sentence.
        picture: (N,) the picture of each sentence.

    Raises:
        InputError: there are fewer than two pictures, or no sentence.
    """
    if len(normalised) < 2 or not len(picture):
        found = f"{len(normalised):,} and {len(picture):,}"
        raise InputError(f"Learning how sure hits are: expected at least 2 pictures and 1 sentence, found {found}.")
    scores = normalised.double()
    inputs, right = _first(scores, picture)
    lonely, wrong = _first(scores.scatter(0, picture[None], -torch.inf), picture, len(scores) - 1)
    pairs = ((inputs, right), (lonely, wrong))
    weights = _fit(*(torch.cat([part.flatten(0, 1) for part in parts]) for parts in zip(*pairs, strict=True)))
    there, gone = (torch.sigmoid(first[0] @ weights) for first in (inputs, lonely))  # (N,) the first hits
    lead, level, intercept = weights.tolist()
    return Calibration(lead, level, intercept, _line(there[right[0]], gone), len(scores), len(picture))


def _first(scores: Tensor, picture: Tensor, most: int = FIRST) -> tuple[Tensor, Tensor]:
    """The first K hits of each sentence: lead, level and 1 of each (K, N, 3), and which are the right ones (K, N)."""
    values, places = scores.topk(min(FIRST, most, len(scores)), dim=0)
    level = values.mean(dim=0).expand_as(values)
    return torch.stack([values - level, level, torch.ones_like(level)], dim=2), places == picture


def _fit(inputs: Tensor, right: Tensor) -> Tensor:
    """Logistic regression by Newton's method: (M, 3) inputs, the last all 1, and (M,) bool -> (3,), the first >= 0."""
    middle, spread = inputs.mean(dim=0), inputs.std(dim=0).clamp(min=TINY)
    middle[2], spread[2] = 0, 1
    scaled, prior = (inputs - middle) / spread, PRIOR * torch.tensor([1, 1, 0]).double() + TINY
    weights = torch.zeros(3, dtype=torch.double)
    for _ in range(STEPS):
        guess = torch.sigmoid(scaled @ weights)
        uphill = scaled.T @ (right.double() - guess) - prior * weights
        curve = (scaled * (guess * (1 - guess))[:, None]).T @ scaled + prior.diag()
        step = torch.linalg.solve(curve, uphill).clamp(-2, 2)
        weights = weights + step
        if step.abs().max() < 1e-7:
            break
    weights[0].clamp_(min=0)
    weights = weights / spread
    weights[2] -= weights @ middle
    return weights


def _line(right: Tensor, absent: Tensor) -> float:
    """The figure that most of `right` reach and most of `absent` do not, in shares of each, which count the same."""
    figures = torch.cat([right, absent]).sort().values
    reached, missed = (1 - _below(right, figures), _below(absent, figures))
    return figures[(reached + missed).argmax()].item()


def _below(some: Tensor, figures: Tensor) -> Tensor:
    """The share of some figures below each of others; of none, 0."""
    return torch.searchsorted(some.sort().values, figures) / max(1, len(some))

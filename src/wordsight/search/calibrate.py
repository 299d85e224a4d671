"""From a score to "how sure": how often a hit like this one was what was asked for.

Queries whose right pictures are known are asked of a collection, once as it is and once without these pictures. Of the
first hits of both, which are right is learned by a logistic regression (Platt 1999) on two numbers: how far a hit's
score is above the mean of the first five, and that mean:

    log odds = a (score - mean of the first five) + b (mean of the first five) + c,    a >= 0

Scores are length-normalised. The first number knows whether this hit stands out, the second whether anything here fits
at all, which makes the figure hold in collections of other sizes too. "A dog" fits many pictures and a sentence fits
one, so short queries are learned apart from longer ones. Half of what is asked for is not there, so that is learned as
well. Other pictures that a sentence also fits count as wrong, as nobody knows of them.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from wordsight.errors import InputError
from wordsight.files import to_json
from wordsight.metrics.logistic import logistic

CALIBRATE = "`wordsight index build --calibrate DATA` learns it from pictures with sentences."
FIRST = 5  # hits that are compared, and learned from
WRONGLY = 0.1  # of the first hits that are right, so many are said not to match well
SHORT = 2  # words that name something, in a short query: "dog", "a black dog", "a dog on the beach"


@dataclass(frozen=True)
class Trials:
    """Queries that were asked of a collection, and what they should have found.

    Attributes:
        scores: (I, N) normalised scores of every picture with every query.
        right: (I, N) bool, the pictures that a query should find.
        plausible: (I, N) bool, those and others that may be right as well: left out where it is asked without them.
        short: (N,) bool, which of the queries are short.
    """

    scores: Tensor
    right: Tensor
    plausible: Tensor
    short: Tensor

    def __getitem__(self, queries: Tensor) -> "Trials":
        """Some of the queries."""
        columns = (self.scores, self.right, self.plausible, self.short)
        return Trials(*(column[..., queries] for column in columns))


@dataclass(frozen=True)
class Curve:
    """How the scores of one kind of query become probabilities.

    Attributes:
        lead: log odds for each unit that a score is above the mean of the first five; >= 0.
        level: log odds for each unit of that mean.
        intercept: log odds where both are 0.
        threshold: a first hit that is less sure does not match well: nine of ten first hits that are right are surer.
    """

    lead: float
    level: float
    intercept: float
    threshold: float

    def confidence(self, normalised: Tensor) -> Tensor:
        """Probabilities, 0 to 1.

        Args:
            normalised: (I, ...) scores of all I pictures that are searched, one query a column.

        Returns:
            (I, ...), in the order of the scores.
        """
        level = normalised.topk(min(FIRST, len(normalised)), dim=0).values.mean(dim=0)
        return torch.sigmoid(self.lead * (normalised - level) + self.level * level + self.intercept)

    def doubts(self, confidence: Tensor | None) -> bool:
        """Whether even the surest of some pictures (I,) is less sure than one that matches well."""
        return confidence is not None and len(confidence) > 0 and bool(confidence.max() < self.threshold)


@dataclass(frozen=True)
class Calibration:
    """How sure hits are.

    Attributes:
        short: of queries with at most `SHORT` words that name something.
        long: of the others.
        pictures: that were asked.
        queries: that they were asked for.
    """

    short: Curve
    long: Curve
    pictures: int
    queries: int

    def curve(self, words: int) -> Curve:
        """That of queries with so many words that name something."""
        return self.short if words <= SHORT else self.long

    def to_json(self) -> str:
        """As `parse` reads it."""
        return to_json(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What `to_json` gave; None of an empty text, and of what an older version kept."""
        found: dict[str, Any] = json.loads(text) if text else {}
        match found:
            case {"short": dict(short), "long": dict(long), "pictures": int(pictures), "queries": int(queries)}:
                short, long = (_renamed(curve) for curve in (short, long))
                if len(found) == len(fields(cls)) and _is_curve(short) and _is_curve(long):
                    return cls(Curve(**short), Curve(**long), pictures, queries)
        return None


def _renamed(curve: dict[str, Any]) -> dict[str, Any]:
    """The keys of a curve, as they are called now."""
    return {"threshold" if key == "line" else key: value for key, value in curve.items()}


def _is_curve(value: dict[str, Any]) -> bool:
    names = {field.name for field in fields(Curve)}
    return value.keys() == names and all(isinstance(number, int | float) for number in value.values())


def calibrate(trials: Trials) -> Calibration:
    """What some queries find, with their pictures there and without, as a calibration.

    A kind of query that was not asked goes by the other's curve.

    Raises:
        InputError: there are fewer than two pictures, or no query.
    """
    pictures, queries = trials.scores.shape
    if pictures < 2 or not queries:
        found = f"{pictures:,} and {queries:,}"
        raise InputError(f"Learning how sure hits are: expected at least 2 pictures and 1 sentence, found {found}.")
    kinds = [trials[which] for which in (trials.short, ~trials.short)]
    short, long = (_curve(kind if kind.scores.numel() else trials) for kind in kinds)
    return Calibration(short, long, pictures, queries)


def _curve(trials: Trials) -> Curve:
    """Of queries of one kind."""
    scores, most = trials.scores.double(), min(FIRST, len(trials.scores) - 1)
    enough = (~trials.plausible).sum(dim=0) >= most  # what every picture may show cannot be asked for in vain
    asked = trials[enough]
    there = _first(scores, trials)
    gone = _first(scores[:, enough].masked_fill(asked.plausible, -torch.inf), asked, most)
    inputs, right = (torch.cat([part.flatten(0, 1) for part in parts]) for parts in zip(there, gone, strict=True))
    counts = torch.cat([torch.full((part.numel(),), 1 / max(1, part.numel())) for _, part in (there, gone)])
    weights = logistic(inputs, right, rising=1, counts=counts * len(inputs) / counts.sum())
    confidence = torch.sigmoid(there[0][0] @ weights)[there[1][0]]  # of the first hits that are right
    lead, level, intercept = weights.tolist()
    return Curve(lead, level, intercept, threshold=confidence.quantile(WRONGLY).item() if len(confidence) else 0.0)


def _first(scores: Tensor, trials: Trials, most: int = FIRST) -> tuple[Tensor, Tensor]:
    """The first K hits of each query: lead, level and 1 of each (K, N, 3), and which are right (K, N)."""
    values, places = scores.topk(min(FIRST, most, len(scores)), dim=0)
    level = values.mean(dim=0).expand_as(values)
    inputs = [values - level, level, torch.ones_like(level)]
    right = trials.right.gather(0, places) & values.isfinite()
    return torch.stack(inputs, dim=2), right

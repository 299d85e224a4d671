"""Calibration of scores: the confidence of a hit is how often hits like it were right for their query.

Queries whose right pictures are known are run twice: on a whole collection, and without these pictures. A logistic
regression (Platt 1999) learns which of the first hits of both are right from two numbers: how far a hit's score is
above the mean of the first five, and that mean:

    log odds = a (score - mean of the first five) + b (mean of the first five) + c,    a >= 0

Scores are length-normalised. The first number says whether this hit stands out, the second whether any picture fits at
all, so the confidence holds in collections of other sizes too. "A dog" fits many pictures and a sentence fits one, so
short queries have a curve of their own. The runs without the right pictures have half of the weight, so that case is
learned as well. Other pictures that a sentence also fits count as wrong, because the data do not name them.
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
FIRST = 5  # number of first hits that are compared and learned from
WRONGLY = 0.1  # share of the right first hits that are reported as poor matches
SHORT = 2  # most words of a short query, without function words: "dog", "a black dog", "a dog on the beach"


@dataclass(frozen=True)
class Trials:
    """Scores of a collection with some queries, and the pictures that the queries should find.

    Attributes:
        scores: (I, N) normalised scores of every picture with every query.
        right: (I, N) bool, the pictures that a query should find.
        plausible: (I, N) bool, those and others that may be right as well; the second run leaves them out.
        short: (N,) bool, whether a query is short.
    """

    scores: Tensor
    right: Tensor
    plausible: Tensor
    short: Tensor

    def __getitem__(self, queries: Tensor) -> "Trials":
        """The trials of some of the queries."""
        columns = (self.scores, self.right, self.plausible, self.short)
        return Trials(*(column[..., queries] for column in columns))


@dataclass(frozen=True)
class Curve:
    """Logistic curve that turns the scores of one kind of query into probabilities.

    Attributes:
        lead: log odds for each unit that a score is above the mean of the first five; >= 0.
        level: log odds for each unit of that mean.
        intercept: log odds where both are 0.
        threshold: a first hit of lower confidence is a poor match; nine of ten right first hits have a higher one.
    """

    lead: float
    level: float
    intercept: float
    threshold: float

    def confidence(self, normalised: Tensor) -> Tensor:
        """Confidence of hits: the probability that each is right, 0 to 1.

        Args:
            normalised: (I, ...) normalised scores of all I pictures that are searched, one query a column.

        Returns:
            (I, ...), one for each score.
        """
        level = normalised.topk(min(FIRST, len(normalised)), dim=0).values.mean(dim=0)
        return torch.sigmoid(self.lead * (normalised - level) + self.level * level + self.intercept)

    def doubts(self, confidence: Tensor | None) -> bool:
        """Whether even the highest confidence of some pictures (I,) is below the threshold; False if there is none."""
        return confidence is not None and len(confidence) > 0 and bool(confidence.max() < self.threshold)


@dataclass(frozen=True)
class Calibration:
    """Calibration of an index: the curves that turn scores into confidence.

    Attributes:
        short: the curve of queries with at most `SHORT` words besides function words.
        long: the curve of all other queries.
        pictures: the number of pictures in the trials.
        queries: the number of queries in the trials.
    """

    short: Curve
    long: Curve
    pictures: int
    queries: int

    def curve(self, words: int) -> Curve:
        """The curve of queries with `words` words besides function words."""
        return self.short if words <= SHORT else self.long

    def to_json(self) -> str:
        """The calibration as JSON, for `parse`."""
        return to_json(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what `to_json` wrote; None for an empty text, and for one of an older format."""
        found: dict[str, Any] = json.loads(text) if text else {}
        match found:
            case {"short": dict(short), "long": dict(long), "pictures": int(pictures), "queries": int(queries)}:
                short, long = (_renamed(curve) for curve in (short, long))
                if len(found) == len(fields(cls)) and _is_curve(short) and _is_curve(long):
                    return cls(Curve(**short), Curve(**long), pictures, queries)
        return None


def _renamed(curve: dict[str, Any]) -> dict[str, Any]:
    """A curve with its keys under their present names."""
    return {"threshold" if key == "line" else key: value for key, value in curve.items()}


def _is_curve(value: dict[str, Any]) -> bool:
    names = {field.name for field in fields(Curve)}
    return value.keys() == names and all(isinstance(number, int | float) for number in value.values())


def calibrate(trials: Trials) -> Calibration:
    """Learn a calibration from what queries find with their right pictures present and without them.

    A kind of query without trials gets the other kind's curve.

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
    """Fit the curve of one kind of query."""
    scores, most = trials.scores.double(), min(FIRST, len(trials.scores) - 1)
    enough = (~trials.plausible).sum(dim=0) >= most  # else too few pictures are left for the second run
    asked = trials[enough]
    there = _first(scores, trials)
    gone = _first(scores[:, enough].masked_fill(asked.plausible, -torch.inf), asked, most)
    inputs, right = (torch.cat([part.flatten(0, 1) for part in parts]) for parts in zip(there, gone, strict=True))
    counts = torch.cat([torch.full((part.numel(),), 1 / max(1, part.numel())) for _, part in (there, gone)])
    weights = logistic(inputs, right, rising=1, counts=counts * len(inputs) / counts.sum())
    confidence = torch.sigmoid(there[0][0] @ weights)[there[1][0]]  # of the right first hits
    lead, level, intercept = weights.tolist()
    return Curve(lead, level, intercept, threshold=confidence.quantile(WRONGLY).item() if len(confidence) else 0.0)


def _first(scores: Tensor, trials: Trials, most: int = FIRST) -> tuple[Tensor, Tensor]:
    """The first K hits of each query: the lead, level and 1 of each (K, N, 3), and which are right (K, N)."""
    values, places = scores.topk(min(FIRST, most, len(scores)), dim=0)
    level = values.mean(dim=0).expand_as(values)
    inputs = [values - level, level, torch.ones_like(level)]
    right = trials.right.gather(0, places) & values.isfinite()
    return torch.stack(inputs, dim=2), right

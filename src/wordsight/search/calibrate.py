"""From a score to "how sure": the probability that a sentence is about a picture.

Every sentence of a val split is scored with every picture of it. Some of these pairs belong together, most do not, and
a logistic regression of "belongs together" on the length-normalised score says how probable that is at each score
(Platt 1999). It is thus what holds in a collection as large as that split in which one picture is right. Sentences
that also fit the picture of another count as wrong, as the split does not know of them, so it is rather too low.
"""

import json
from dataclasses import asdict, dataclass
from typing import Self

import torch
from torch import Tensor

STEPS = 60
TINY = 1e-9


@dataclass(frozen=True)
class Calibration:
    """How a normalised score becomes a probability.

    Attributes:
        slope: of the log odds, > 0.
        intercept: of the log odds.
        pictures: of the split.
        sentences: of the split.
    """

    slope: float
    intercept: float
    pictures: int
    sentences: int

    def sure(self, normalised: Tensor) -> Tensor:
        """Probabilities, 0 to 1, of normalised scores of any shape."""
        return torch.sigmoid(self.slope * normalised + self.intercept)

    def to_json(self) -> str:
        """As `parse` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What `to_json` gave; None of an empty text."""
        return cls(**json.loads(text)) if text else None


def calibrate(normalised: Tensor, picture: Tensor) -> Calibration:
    """The logistic regression of greatest likelihood, by Newton's method.

    Args:
        normalised: (I, N) normalised scores of every picture with every sentence.
        picture: (N,) the picture of each sentence.
    """
    right = (torch.arange(len(normalised))[:, None] == picture).flatten().double()
    scores = normalised.flatten().double()
    middle, spread = scores.mean(), scores.std().clamp(min=TINY)
    inputs = torch.stack([(scores - middle) / spread, torch.ones_like(scores)], dim=1)  # (I * N, 2)
    weights = torch.tensor([0.0, torch.logit(right.mean(), eps=TINY).item()], dtype=torch.double)
    for _ in range(STEPS):
        guess = torch.sigmoid(inputs @ weights)
        slope = inputs.T @ (right - guess) - TINY * weights
        curve = (inputs * (guess * (1 - guess))[:, None]).T @ inputs + TINY * torch.eye(2, dtype=torch.double)
        step = torch.linalg.solve(curve, slope).clamp(-2, 2)
        weights = weights + step
        if step.abs().max() < 1e-7:
            break
    steep = weights[0] / spread
    return Calibration(steep.item(), (weights[1] - steep * middle).item(), len(normalised), len(picture))

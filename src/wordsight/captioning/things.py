"""Names of the things in a picture, each with a calibrated confidence; they replace a caption that is not certain.

A classifier has a thousand classes and always names one; a detector has 80 and boxes them. For each kind of thing
(`thing_names.py`) a logistic regression on the outputs of both gives the probability that people who describe the
picture mention it:

    log odds = a log p(region most like it) + b log p(whole picture) + c (detector's score) + d (its size) + e

Three sorts of kind have their own weights: those that only the classifier knows, only the detector, or both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.captioning.template import noun_phrase
from wordsight.captioning.thing_names import kinds_of

INPUTS, SORTS = 5, 3
FLOOR = 1e-3  # added to a probability
FAINT = (0.004, 0.02)  # a kind's probability plus FLOOR and the detector's score: below both the kind counts as absent
SHARE = 0.6  # share of a kind's probability above which its likeliest class gives the name: "a golden retriever"
BOXED = 0.25  # detector score from which a box counts as one thing
_SAID = {"sports ball": "ball", "tv": "television", "remote": "remote control", "hair drier": "hair dryer"}
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Thing:
    """A thing seen in a picture.

    Attributes:
        name: with its article, as in "an espresso".
        confidence: probability that people would mention it, 0 to 1.
    """

    name: str
    confidence: float


class Kinds:
    """All kinds of things of the classifier and the detector.

    Attributes:
        names: the names of the K kinds.
        sort: (K,) 0 if only the classifier knows the kind, 1 if only the detector does, 2 if both do.
    """

    def __init__(self, classes: Sequence[str], labels: Sequence[str]) -> None:
        """Merge the classes of the classifier and of the detector into kinds.

        Args:
            classes: the names of the classifier's C classes.
            labels: the names of the detector's L classes.
        """
        known = kinds_of(classes)
        self.names = [*labels, *(name for name in known if name not in labels)]
        self._classes, self._labels = classes, len(labels)
        self._of = np.zeros((len(classes), len(self.names)), np.float32)  # (C, K)
        for place, name in enumerate(self.names):
            self._of[list(known.get(name, ())), place] = 1
        self.sort = np.array([(2 if name in known else 1) if name in labels else 0 for name in self.names])

    def inputs(self, likely: Rows, found: Rows, boxes: Rows) -> NDArray[np.float64]:
        """Inputs of the regression.

        Args:
            likely: (R, C) probability of each class in each region; the first region is the whole picture.
            found: (R, L) the detector's score of each of its classes.
            boxes: (R, 4) `xyxy` fractions.

        Returns:
            (K, INPUTS); the last input is 1.
        """
        shares = likely @ self._of  # (R, K)
        inputs = np.zeros((len(self.names), INPUTS))
        inputs[:, 0] = np.log(shares.max(axis=0) + FLOOR)
        inputs[:, 1] = np.log(shares[0] + FLOOR)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        inputs[: self._labels, 2] = found.max(axis=0)
        inputs[: self._labels, 3] = np.sqrt(area)[found.argmax(axis=0)] * (found.max(axis=0) > 0)
        inputs[:, 4] = 1
        return inputs

    def confidence(self, inputs: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability that people mention each kind: (..., K, INPUTS) -> (..., K); 0 if not `is_seen`."""
        odds = (inputs * weights[self.sort]).sum(axis=-1)
        return is_seen(inputs) / (1 + np.exp(-odds.clip(-50, 50)))

    def titles(self, chosen: Sequence[int], likely: Rows, found: Rows) -> list[str]:
        """Names of kinds in a picture, each with its article or number."""
        return [self._title(place, likely, found) for place in chosen]

    def _title(self, place: int, likely: Rows, found: Rows) -> str:
        count = int((found[:, place] >= BOXED).sum()) if place < self._labels else 1
        members = np.flatnonzero(self._of[:, place])
        if len(members) > 1 and count < 2:
            shares = likely[:, members].max(axis=0)
            if shares.max() > SHARE * max(1.0, float(shares.sum())):
                return noun_phrase(self._classes[int(members[shares.argmax()])], 1)
        return noun_phrase(_SAID.get(self.names[place], self.names[place]), max(1, count))


def is_seen(inputs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each kind is above either of `FAINT`: (..., K, INPUTS) -> (..., K)."""
    return np.asarray((inputs[..., 0] > np.log(FAINT[0])) | (inputs[..., 2] > FAINT[1]))

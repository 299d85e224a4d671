"""Class probabilities of regions, recovered from their feature columns.

A region's columns hold its pooled map at length 1, but the map's true length decides how confident the classifier is.
The `meaning` columns were computed from the true probabilities, so the length at which both agree best is chosen.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.vision.labels import label_titles
from wordsight.vision.lite2 import LITE2, best_of, class_names, classifier, softmax
from wordsight.vision.meanings import Meanings

LENGTHS = np.geomspace(20, 1000, 12, dtype=np.float32)  # sums of a pooled map that are tried
Rows = NDArray[np.float32]


class Classes:
    """Classifier of encoded regions.

    Attributes:
        names: of its C classes.
        labels: names of the detector's classes.
    """

    def __init__(self, blocks: Mapping[str, slice], labels: Sequence[str]) -> None:
        """Read the classifier.

        Args:
            blocks: columns by name, including those that `reads` requires.
            labels: names of the detector's classes.

        Raises:
            InputError: the package of the classifier, or the word table, is missing or damaged.
        """
        self.names, self.labels, self._blocks = class_names(), tuple(labels), blocks
        self._slope, self._bias = classifier()
        self._meanings = Meanings(self.names, label_titles(labels))

    def likely(self, features: Rows) -> Rows:
        """Class probabilities of regions: features (R, F) -> (R, C), 0 for all but the ten best."""
        squares = features[:, self._blocks[LITE2]] ** 2  # proportional to the pooled map, which is >= 0
        logits = squares / np.maximum(squares.sum(axis=1, keepdims=True), 1e-9) @ self._slope.T
        found, meaning = features[:, self._blocks["labels"]], features[:, self._blocks["meaning"]]
        tries = [best_of(softmax(length * logits + self._bias)) for length in LENGTHS]
        agree = [(self._meanings.of(one, found) * meaning).sum(axis=1) for one in tries]
        return np.stack(tries)[np.argmax(agree, axis=0), np.arange(len(features))]

    def found(self, features: Rows) -> Rows:
        """Detector scores of regions for each class: features (R, F) -> (R, L), 0 to 1."""
        return np.asarray(features[:, self._blocks["labels"]][:, : len(self.labels)] ** 4)


def reads(blocks: Mapping[str, slice]) -> bool:
    """Whether these columns suffice to recover classes."""
    return {LITE2, "meaning", "labels"} <= blocks.keys()

"""What the classifier said of regions, read back from their columns.

A region's columns keep its mean of the map without its length, and the length decides how sure the classifier is. But
the `meaning` column is made of what the classifier said. So the length is the one at which both agree.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.vision.labels import label_titles
from wordsight.vision.lite2 import LITE2, best_of, class_names, classifier, softmax
from wordsight.vision.meanings import Meanings

LENGTHS = np.geomspace(20, 1000, 12, dtype=np.float32)  # sums of a mean of the map; nearly all are between
Rows = NDArray[np.float32]


class Classes:
    """The classifier, for regions that were described before.

    Attributes:
        names: of its C classes.
        labels: the names of the detector's classes.
    """

    def __init__(self, blocks: Mapping[str, slice], labels: Sequence[str]) -> None:
        """Read the classifier.

        Args:
            blocks: which columns come from what, with those that `reads` asks for.
            labels: the names of the detector's classes.

        Raises:
            InputError: the package of the classifier, or the word table, is missing or damaged.
        """
        self.names, self.labels, self._blocks = class_names(), tuple(labels), blocks
        self._slope, self._bias = classifier()
        self._meanings = Meanings(self.names, label_titles(labels))

    def likely(self, features: Rows) -> Rows:
        """How likely each class is in each region: features (R, F) -> (R, C), all but the ten best 0."""
        squares = features[:, self._blocks[LITE2]] ** 2  # proportional to the mean of the map, which has none below 0
        logits = squares / np.maximum(squares.sum(axis=1, keepdims=True), 1e-9) @ self._slope.T
        found, meaning = features[:, self._blocks["labels"]], features[:, self._blocks["meaning"]]
        tries = [best_of(softmax(length * logits + self._bias)) for length in LENGTHS]
        agree = [(self._meanings.of(one, found) * meaning).sum(axis=1) for one in tries]
        return np.stack(tries)[np.argmax(agree, axis=0), np.arange(len(features))]

    def found(self, features: Rows) -> Rows:
        """How sure the detector is of each of its classes in each region: (R, F) -> (R, L), 0 to 1."""
        return np.asarray(features[:, self._blocks["labels"]][:, : len(self.labels)] ** 4)


def reads(blocks: Mapping[str, slice]) -> bool:
    """Whether regions of these columns say what the classifier and the detector call them."""
    return {LITE2, "meaning", "labels"} <= blocks.keys()

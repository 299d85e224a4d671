"""Region word vectors: the mixture of the names of a region's classes.

Norouzi et al. 2014, "Zero-shot learning by convex combination of semantic embeddings" (ConSE):

    m(region) = sum over classes c of p(c | region) s(c) + sum over labels l of d(l | region) s(l),   to length 1

where s are the vectors of names in the package's word table, minus the mean of all classes; p comes from a classifier
(its ten best classes), d from a detector.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from wordsight.text.word_table import word_table

Rows = NDArray[np.float32]


class Meanings:
    """Region word vectors from the names of classes and labels.

    Attributes:
        size: M, size of a vector.
        content: a hash of all the vectors.
    """

    def __init__(self, classes: Sequence[str], labels: Sequence[str]) -> None:
        """Look the names up in the word table.

        Args:
            classes: names of the classifier's C classes.
            labels: names of the detector's L labels.

        Raises:
            InputError: the word table is damaged.
        """
        table = word_table()
        named = table.of(classes)
        self._classes, self._labels = (_centred(of, named.mean(dim=0)) for of in (named, table.of(labels)))
        self.size = table.vectors.shape[1]
        self.content = hashlib.sha256(self._classes.tobytes() + self._labels.tobytes()).hexdigest()

    def of(self, likely: Rows, found: Rows) -> Rows:
        """The word vectors of regions.

        Args:
            likely: (R, C) class probabilities, 0 for all but the best.
            found: (R, L) values of the detector's labels, 0 to 1.

        Returns:
            (R, M), of length 1.
        """
        shares = likely / np.maximum(likely.sum(axis=1, keepdims=True), 1e-9)
        mixed = shares @ self._classes + found @ self._labels
        return np.asarray(mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9), np.float32)


def _centred(vectors: Tensor, middle: Tensor) -> Rows:
    """Subtract the mean of class names from vectors (n, M), and scale to length 1; zero vectors stay zero."""
    known = vectors.any(dim=1, keepdim=True)
    return normalize((vectors - middle) * known, dim=1).numpy()

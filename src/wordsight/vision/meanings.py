"""Region word vectors: the mixture of the names of a region's classes.

Norouzi et al. 2014, "Zero-shot learning by convex combination of semantic embeddings" (ConSE):

    m(region) = sum over classes c of p(c | region) s(c) + sum over labels l of d(l | region) s(l),   to length 1

with s the vectors of names in the package's word table, minus the mean of all classes, p of a classifier (its
ten best classes), d of a detector.
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
    """Names of classes and labels as vectors.

    Attributes:
        size: M, of a vector.
        content: a hash of all the vectors.
    """

    def __init__(self, classes: Sequence[str], labels: Sequence[str]) -> None:
        """Look names up.

        Args:
            classes: of the classifier, C of them.
            labels: of the detector, L of them.

        Raises:
            InputError: the word table is damaged.
        """
        table = word_table()
        named = table.of(classes)
        self._classes, self._labels = (_centred(of, named.mean(dim=0)) for of in (named, table.of(labels)))
        self.size = table.vectors.shape[1]
        self.content = hashlib.sha256(self._classes.tobytes() + self._labels.tobytes()).hexdigest()

    def of(self, likely: Rows, found: Rows) -> Rows:
        """The vectors of regions.

        Args:
            likely: (R, C) how likely each class is, 0 for all but the best.
            found: (R, L) values of the detector's labels, 0 to 1.

        Returns:
            (R, M), of length 1.
        """
        shares = likely / np.maximum(likely.sum(axis=1, keepdims=True), 1e-9)
        mixed = shares @ self._classes + found @ self._labels
        return np.asarray(mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9), np.float32)


def _centred(vectors: Tensor, middle: Tensor) -> Rows:
    """Vectors (n, M) minus the mean of class names, to length 1; zero vectors stay zero."""
    known = vectors.any(dim=1, keepdim=True)
    return normalize((vectors - middle) * known, dim=1).numpy()

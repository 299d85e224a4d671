"""ConSE: a region as the mixture of its classes' names, for words never seen in training (Norouzi et al. 2014).

A classifier gives a region's class probabilities p, and the classes' names have word vectors s. So the region's vector
is the sum over classes c of p(c | region) s(c), scaled to length 1. A word w fits it by the cosine with s(w), whether
or not a training sentence has the word: "zebra" finds the class zebra, and "pony" the class sorrel.
Word vectors come with the package (`text/word_table.py`); those of regions are columns of their features.
"""

import torch
from torch import Tensor, nn

from wordsight.batch import Regions, Words

BYTE = 127


class Meaning(nn.Module):
    """Word vectors of an open vocabulary; those of regions are among their features.

    Args:
        vocabulary: V, number of words; those of the training split come first.
        columns: the M columns of a region's features that hold its word vector.
        weight: of the cosine; halved in training.
    """

    vectors: Tensor  # (V, M) int8, in units of 1 / 127; of length 1, or 0 for a word without a vector
    silent: Tensor  # (V,) bool, function words, such as "of"

    def __init__(self, vocabulary: int, columns: slice, weight: float = 1.0) -> None:
        super().__init__()
        self.columns, self.weight = columns, weight
        self.register_buffer("vectors", torch.zeros(vocabulary, columns.stop - columns.start, dtype=torch.int8))
        self.register_buffer("silent", torch.zeros(vocabulary, dtype=torch.bool))

    def set(self, vectors: Tensor, silent: Tensor) -> None:
        """Store the words' vectors (V, M), of length 1 or 0, and the mask (V,) of function words."""
        self.vectors.copy_((vectors * BYTE).round())
        self.silent.copy_(silent)

    def of(self, ids: Tensor) -> Tensor:
        """Words (...) -> their vectors (..., M)."""
        return self.vectors[ids].float() / BYTE

    def encode_images(self, regions: Regions) -> Tensor:
        """Regions (I, R, F) -> (I, R, M)."""
        weight = self.weight / 2 if self.training else self.weight
        return weight * regions.features[..., self.columns]

    def encode_texts(self, words: Words) -> Tensor:
        """Words (N, T) -> (N, T, M): 0 for function words."""
        return self.of(words.ids) * ~self.silent[words.ids][..., None]

"""Words that no training sentence has: a region as the mixture of its classes' names (ConSE, Norouzi et al. 2014).

A classifier says how likely a region is each of its classes; the classes' names have word vectors; so the region gets
the vector sum over classes c of p(c | region) s(c), of length 1. A word w fits it by the cosine with s(w), whether any
sentence of the training has the word or not: "zebra" finds what is called a zebra, and "pony" what is called a sorrel.
The table of word vectors is the package's own (`text/word_table.py`); regions bring their vectors along as features.
"""

import torch
from torch import Tensor, nn

BYTE = 127


class Meaning(nn.Module):
    """The words' side: a vector for each word of an open vocabulary.

    Args:
        vocabulary: V, all words, those of the training first.
        size: M, of a word vector.
    """

    vectors: Tensor  # (V, M) int8, in units of 1 / 127: length 1, or 0 where nothing is known of a word
    silent: Tensor  # (V,) bool, words that name nothing, such as "of"

    def __init__(self, vocabulary: int, size: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(vocabulary, size, dtype=torch.int8))
        self.register_buffer("silent", torch.zeros(vocabulary, dtype=torch.bool))

    def set(self, vectors: Tensor, silent: Tensor) -> None:
        """Take the words' vectors (V, M), of length 1 or 0, and which words (V,) name nothing."""
        self.vectors.copy_((vectors * BYTE).round())
        self.silent.copy_(silent)

    def of(self, ids: Tensor) -> Tensor:
        """Words (...) -> their vectors (..., M)."""
        return self.vectors[ids].float() / BYTE

    def evidence(self, ids: Tensor) -> Tensor:
        """The same for what is compared with regions: 0 for words that name nothing."""
        return self.of(ids) * ~self.silent[ids, None]

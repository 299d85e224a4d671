"""Tf-idf vectors of sentences (Salton & Buckley 1988)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from wordsight.batch import Words


class TfIdf(nn.Module):
    """Word counts times log((1 + sentences) / (1 + sentences with the word)), scaled to length 1.

    Args:
        vocabulary: V.
    """

    weights: Tensor

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.ones(vocabulary))

    def fit(self, sentences: Iterable[Words]) -> None:
        """Count each word's document frequency, in sentences."""
        total, having = 0, torch.zeros_like(self.weights)
        for words in sentences:
            total, having = total + len(words.ids), having + (self._counts(words) > 0).sum(dim=0)
        self.weights.copy_(((1 + total) / (1 + having)).log())

    def forward(self, words: Words) -> Tensor:
        """Words (N, T) -> (N, V)."""
        return normalize(self._counts(words) * self.weights, dim=1)

    def _counts(self, words: Words) -> Tensor:
        return self.weights.new_zeros(len(words.ids), len(self.weights)).scatter_add(1, words.ids, words.mask.float())

"""Standardisation of features: mean 0 and length 1 on average, whatever their net."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from wordsight.batch import Batch


def mean_and_scale(rows: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean (F,) of all rows, and the factor () that makes their mean squared distance from it 1.

    Args:
        rows: blocks (N, F) of features, at least one row in all.
    """
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for block in rows:
        count, total, squares = count + len(block), total + block.sum(0), squares + block.square().sum(0)
    mean = total / count
    return mean, (squares / count - mean.square()).sum().clamp(min=1e-12).rsqrt()


def of_regions(batches: Iterable[Batch]) -> Iterable[Tensor]:
    """The features of every region (N, F), without padding."""
    return (batch.regions.features[batch.regions.mask] for batch in batches)


class Standardise(nn.Module):
    """Subtracts the mean over the training regions, and scales by one number to a mean squared length of 1.

    Args:
        features: F, size of a region's features.
        dropout: on columns, the same ones in all regions of a picture.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(()))
        self.dropout = nn.Dropout(dropout)

    def fit(self, batches: Iterable[Batch]) -> None:
        """Fit both on every picture of the training split."""
        self.mean, self.scale = mean_and_scale(of_regions(batches))

    def forward(self, features: Tensor) -> Tensor:
        """(I, R, F) -> (I, R, F)."""
        return (features - self.mean) * self.scale * self.dropout(torch.ones_like(features[:, :1]))

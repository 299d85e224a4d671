"""Standardisation of features of any net: mean 0, and a mean squared length of 1 or a variance of 1 per column."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from wordsight.batch import Batch

FLAT = 1e-3  # least variance of a column, as a share of the mean variance


def mean_and_scale(rows: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean (F,) of all rows, and the factor () that makes their mean squared distance from it 1.

    Args:
        rows: blocks (N, F) of features, at least one row in all.
    """
    mean, variance = _moments(rows)
    return mean, variance.sum().clamp(min=1e-12).rsqrt()


def of_regions(batches: Iterable[Batch]) -> Iterable[Tensor]:
    """The features of every region (N, F), without padding."""
    return (batch.regions.features[batch.regions.mask] for batch in batches)


def mean_and_scales(rows: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean (F,) of all rows, and the factors (F,) that make the variance of each column 1.

    A nearly constant column is not amplified: its variance counts as at least `FLAT` times the mean variance.

    Args:
        rows: blocks (N, F) of features, at least one row in all.
    """
    mean, variance = _moments(rows)
    return mean, variance.clamp(min=max(1e-12, FLAT * float(variance.mean()))).rsqrt()


def _moments(rows: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance of each column: (F,) each."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for block in rows:
        count, total, squares = count + len(block), total + block.sum(0), squares + block.square().sum(0)
    mean = total / count
    return mean, squares / count - mean.square()


def of_whole_pictures(batches: Iterable[Batch]) -> Iterable[Tensor]:
    """The features of every whole picture (N, F)."""
    return (batch.regions.whole for batch in batches)


class Standardise(nn.Module):
    """Standardisation: subtracts the mean over training features, and scales to a mean squared length of 1.

    Args:
        features: F, size of a region's features.
        dropout: of feature columns, the same ones in all regions of a picture.
        columns: scale every column separately, to a variance of 1.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int, dropout: float = 0.0, *, columns: bool = False) -> None:
        super().__init__()
        self.columns = columns
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features) if columns else torch.ones(()))
        self.dropout = nn.Dropout(dropout)

    def fit(self, rows: Iterable[Tensor]) -> None:
        """Fit mean and scale to features of the training split, in blocks (N, F)."""
        self.mean, self.scale = (mean_and_scales if self.columns else mean_and_scale)(rows)

    def forward(self, features: Tensor) -> Tensor:
        """Features (I, R, F) -> (I, R, F)."""
        return (features - self.mean) * self.scale * self.dropout(torch.ones_like(features[:, :1]))

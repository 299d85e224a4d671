"""Features that start centred and of length 1 on average, whatever net they came from."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from wordsight.batch import Batch


class Standardise(nn.Module):
    """Takes the mean over the training regions off, and scales all by one number: their mean squared length is 1.

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
        """Learn both from every picture of the training split."""
        count, total, squares = 0, torch.zeros_like(self.mean), torch.zeros_like(self.mean)
        for batch in batches:
            seen = batch.regions.features[batch.regions.mask]  # (regions, F)
            count, total, squares = count + len(seen), total + seen.sum(0), squares + seen.square().sum(0)
        self.mean.copy_(total / count)
        self.scale.copy_((squares / count - self.mean.square()).sum().clamp(min=1e-12).rsqrt())

    def forward(self, features: Tensor) -> Tensor:
        """(I, R, F) -> (I, R, F)."""
        return (features - self.mean) * self.scale * self.dropout(torch.ones_like(features[:, :1]))

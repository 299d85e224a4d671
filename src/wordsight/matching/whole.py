"""One vector a picture and one a sentence: what the models share that look at no region and no word by itself."""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from wordsight.batch import Batch, Regions, Vectors, Words

Pool = Literal["whole", "mean"]


def pooled(regions: Regions, pool: Pool) -> Tensor:
    """The features of a picture: those of its first region, the `whole` picture, or the `mean` over all -> (I, F)."""
    if pool == "whole":
        return regions.features[:, 0]
    return (regions.features * regions.mask[:, :, None]).sum(dim=1) / regions.mask.sum(dim=1, keepdim=True)


def centring(batches: Iterable[Batch], pool: Pool) -> tuple[Tensor, Tensor]:
    """The mean (F,) of the pictures' features, and the factor () that makes their mean squared length about it 1."""
    seen = torch.cat([pooled(batch.regions, pool) for batch in batches])  # (I, F)
    middle = seen.mean(dim=0)
    return middle, (seen - middle).square().sum(dim=1).mean().clamp(min=1e-12).rsqrt()


def of_pictures(values: Tensor, regions: Regions) -> Vectors:
    """Vectors (I, D) that stand at the first region, the whole picture."""
    return Vectors(values[:, None], regions.mask[:, :1], regions.boxes[:, :1])


def of_sentences(values: Tensor, words: Words) -> Vectors:
    """Vectors (N, D) that stand at all words together."""
    lengths = words.mask.sum(dim=1)  # (N,)
    spans = torch.stack([torch.zeros_like(lengths), lengths], dim=1)  # (N, 2)
    return Vectors(values[:, None], words.mask[:, :1], spans[:, None])

"""Global embeddings: helpers of models with one vector per picture and one per sentence."""

from typing import Literal

import torch
from torch import Tensor

from wordsight.batch import Regions, Vectors, Words

Pool = Literal["whole", "mean"]


def pooled(regions: Regions, pool: Pool) -> Tensor:
    """Features of pictures (I, F): those of the first region, the `whole` picture, or the `mean` over all regions."""
    if pool == "whole":
        return regions.whole
    return (regions.features * regions.mask[:, :, None]).sum(dim=1) / regions.mask.sum(dim=1, keepdim=True)


def of_pictures(values: Tensor, regions: Regions) -> Vectors:
    """Vectors (I, D), placed at the first region, the whole picture: (I, 1, D)."""
    return Vectors(values[:, None], regions.mask[:, :1], regions.boxes[:, :1])


def of_sentences(values: Tensor, words: Words) -> Vectors:
    """Vectors (N, D), placed at the span of all words: (N, 1, D)."""
    lengths = words.mask.sum(dim=1)  # (N,)
    spans = torch.stack([torch.zeros_like(lengths), lengths], dim=1)  # (N, 2)
    return Vectors(values[:, None], words.mask[:, :1], spans[:, None])

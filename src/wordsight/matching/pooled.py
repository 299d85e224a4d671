"""One vector a picture and one a sentence: what the models share that look at no region and no word by itself."""

from typing import Literal

import torch
from torch import Tensor

from wordsight.batch import Regions, Vectors, Words

Pool = Literal["whole", "mean"]


def pooled(regions: Regions, pool: Pool) -> Tensor:
    """The features of a picture: those of its first region, the `whole` picture, or the `mean` over all -> (I, F)."""
    if pool == "whole":
        return regions.whole
    return (regions.features * regions.mask[:, :, None]).sum(dim=1) / regions.mask.sum(dim=1, keepdim=True)


def of_pictures(values: Tensor, regions: Regions) -> Vectors:
    """Vectors (I, D) that stand at the first region, the whole picture."""
    return Vectors(values[:, None], regions.mask[:, :1], regions.boxes[:, :1])


def of_sentences(values: Tensor, words: Words) -> Vectors:
    """Vectors (N, D) that stand at all words together."""
    lengths = words.mask.sum(dim=1)  # (N,)
    spans = torch.stack([torch.zeros_like(lengths), lengths], dim=1)  # (N, 2)
    return Vectors(values[:, None], words.mask[:, :1], spans[:, None])

"""Selection and concatenation of the regions that a captioner sees."""

import torch
from torch import Tensor

from wordsight.batch import Regions


def at(seen: Regions, picture: Tensor, place: Tensor) -> Regions:
    """Single regions, each as a picture of its own: pictures (S,) and places in them (S,) -> (S, 1, F)."""
    return Regions(*(part[picture, place][:, None] for part in (seen.features, seen.mask, seen.boxes)))


def beside(first: Regions, second: Regions) -> Regions:
    """The regions of `first`, then those of `second`, for each picture."""
    features, mask, boxes = (
        torch.cat(parts, dim=1)
        for parts in zip(
            (first.features, first.mask, first.boxes), (second.features, second.mask, second.boxes), strict=True
        )
    )
    return Regions(features, mask, boxes)

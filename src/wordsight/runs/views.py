"""The regions that a captioner is shown, picked and put together."""

import torch
from torch import Tensor

from wordsight.batch import Regions


def at(seen: Regions, picture: Tensor, place: Tensor) -> Regions:
    """Some regions, each as a picture of its own: rows (S,) and places (S,) -> (S, 1, F)."""
    return Regions(*(part[picture, place][:, None] for part in (seen.features, seen.mask, seen.boxes)))


def beside(first: Regions, second: Regions) -> Regions:
    """The regions of the first, then those of the second."""
    features, mask, boxes = (
        torch.cat(parts, dim=1)
        for parts in zip(
            (first.features, first.mask, first.boxes), (second.features, second.mask, second.boxes), strict=True
        )
    )
    return Regions(features, mask, boxes)

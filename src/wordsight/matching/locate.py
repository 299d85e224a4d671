"""Phrase localisation: phrase scores -> one box and one point, by a vote of all regions.

The box: scores are noisy, but regions that cover the same thing overlap. So each region is supported by overlapping
regions that fit the phrase (as in box voting, Gidaris & Komodakis 2015). The point: the middle of a box is a poor point
if the box holds several things ("two dogs") or surrounds others ("the grass"). So the point lies where, inside the box,
most of the regions that fit overlap, each weighted by a softmax.

`SUPPORT` and `TEMPERATURE` were chosen on Flickr8K val, where half or twice their values are within half a point.
"""

import torch
from torch import Tensor

CELLS = 16  # columns and rows of the grid that is searched for the point
SUPPORT = 0.3  # weight of overlapping regions' scores above the mean
TEMPERATURE = 0.3  # of the softmax over regions, in standard deviations of their scores
SUPPRESSED = 0.5  # IoU with a better box above which a box is dropped, as in Flickr30k Entities' evaluation


def supported(scores: Tensor, boxes: Tensor) -> Tensor:
    """Region scores plus the support of overlapping regions.

    s'_r = s_r + SUPPORT * sum over q of IoU(r, q) * max(s_q - mean(s), 0)

    Args:
        scores: (P, ..., R) how well each region fits a word or phrase; minus infinity for padding.
        boxes: (P, R, 4) `xyxy` fractions.

    Returns:
        The same shape; minus infinity stays.
    """
    real = scores.isfinite()
    known = scores.masked_fill(~real, 0)
    mean = known.sum(dim=-1, keepdim=True) / real.sum(dim=-1, keepdim=True).clamp(min=1)
    above = (known - mean).clamp(min=0) * real  # (P, ..., R)
    iou = overlaps(boxes[:, :, None], boxes[:, None])  # (P, R, R)
    return scores + SUPPORT * torch.einsum("p...q,pqr->p...r", above, iou.to(above.dtype))


def locate(scores: Tensor, boxes: Tensor, best: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Locate phrases: the box and the point of each.

    Args:
        scores: (P, R) how well each region fits the phrase; minus infinity for padding.
        boxes: (P, R, 4) `xyxy` fractions.
        best: (P,) the region of each phrase; None takes the one with the greatest score.

    Returns:
        (P, 4) boxes and (P, 2) points, x and y, as fractions.
    """
    real = scores.isfinite()
    best = scores.argmax(dim=1) if best is None else best  # (P,)
    count = real.sum(dim=1, keepdim=True)
    known = scores.masked_fill(~real, 0)
    mean = known.sum(dim=1, keepdim=True) / count
    spread = (((known - mean) * real).square().sum(dim=1, keepdim=True) / count).sqrt()
    fits = (scores / (TEMPERATURE * spread + 1e-6)).softmax(dim=1)  # (P, R), 0 in the padding
    cells = (torch.arange(CELLS, device=boxes.device) + 0.5) / CELLS
    down, across = covers(boxes[..., 1::2], cells), covers(boxes[..., 0::2], cells)  # (P, R, CELLS)
    inside = down[..., :, None] * across[..., None, :]  # (P, R, y, x)
    rows = torch.arange(len(scores), device=boxes.device)
    heat = torch.einsum("pr,pryx->pyx", fits, inside) * inside[rows, best]  # (P, CELLS, CELLS)
    top = heat >= heat.amax(dim=(1, 2), keepdim=True) - 1e-5
    top &= (inside[rows, best] > 0) | (inside[rows, best].sum(dim=(1, 2), keepdim=True) == 0)
    weights = top / top.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    chosen = boxes[rows, best]
    point = torch.stack([(weights.sum(1) * cells).sum(1), (weights.sum(2) * cells).sum(1)], dim=1)  # (P, 2)
    tiny = inside[rows, best].sum(dim=(1, 2)) == 0  # boxes that contain no cell's centre: use their middle
    return chosen, torch.where(tiny[:, None], (chosen[:, :2] + chosen[:, 2:]) / 2, point)


def ranked(scores: Tensor, boxes: Tensor, count: int, best: Tensor | None = None) -> Tensor:
    """The best boxes of each phrase, after non-maximum suppression: boxes that overlap a better one are dropped.

    Args:
        scores: (P, R) how well each region fits the phrase; minus infinity for padding.
        boxes: (P, R, 4) `xyxy` fractions.
        count: K, number of boxes.
        best: (P,) the region that comes first; None orders by score alone.

    Returns:
        (P, K, 4), best first; if fewer are left, the last one is repeated.
    """
    left = scores.clone()
    if best is not None:
        left.scatter_(1, best[:, None], torch.inf)
    rows = torch.arange(len(scores), device=scores.device)
    found: list[Tensor] = []
    for _ in range(count):
        top, some = left.argmax(1), left.amax(1) > -torch.inf  # (P,)
        chosen = boxes[rows, top]  # (P, 4)
        found.append(torch.where(some[:, None], chosen, found[-1]) if found else chosen)
        gone = (overlaps(chosen[:, None], boxes) > SUPPRESSED).scatter(1, top[:, None], True)  # (P, R)
        left = left.masked_fill(gone, -torch.inf)
    return torch.stack(found, dim=1)


def covers(sides: Tensor, cells: Tensor) -> Tensor:
    """Which cell centres (C,) of an axis lie in intervals (..., 2): (..., C) of 0 and 1."""
    return ((cells >= sides[..., :1]) & (cells <= sides[..., 1:])).to(sides.dtype)


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4), which broadcast -> (...), 0 to 1."""
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    shared = sides.clamp(min=0).prod(-1)
    areas = sum(((box[..., 2:] - box[..., :2]).clamp(min=0).prod(-1) for box in (a, b)), torch.zeros(()))
    return shared / (areas - shared).clamp(min=1e-12)

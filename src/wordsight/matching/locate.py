"""From how well each region fits a phrase to one box and one point: how far it reaches, and where it surely is.

The box is the best region's. Its middle is a poor point for what it holds when that is several things ("two dogs"), or
spread around others ("the grass"). All regions have a say in the point: where inside the box those that fit lie over
each other.
"""

import torch
from torch import Tensor

CELLS = 16  # the point is looked for on a grid of so many columns and rows


def locate(scores: Tensor, boxes: Tensor, best: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The box and the point of some phrases.

    Args:
        scores: (P, R) how well each region fits the phrase; minus infinity for padding.
        boxes: (P, R, 4) `xyxy` fractions.
        best: (P,) the region of each phrase, where it is known already; else that of the greatest score.

    Returns:
        (P, 4) boxes and (P, 2) points, x and y, as fractions.
    """
    real = scores.isfinite()
    best = scores.argmax(dim=1) if best is None else best  # (P,)
    count = real.sum(dim=1, keepdim=True)
    known = scores.masked_fill(~real, 0)
    mean = known.sum(dim=1, keepdim=True) / count
    spread = (((known - mean) * real).square().sum(dim=1, keepdim=True) / count).sqrt()
    fits = ((known - mean) / (spread + 1e-6)).clamp(min=0) * real  # (P, R): those that fit better than most
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
    tiny = inside[rows, best].sum(dim=(1, 2)) == 0  # smaller than a cell: its middle will do
    return chosen, torch.where(tiny[:, None], (chosen[:, :2] + chosen[:, 2:]) / 2, point)


def covers(sides: Tensor, cells: Tensor) -> Tensor:
    """Which cells (C,) of an axis lie between two ends (..., 2): (..., C) of 0 and 1."""
    return ((cells >= sides[..., :1]) & (cells <= sides[..., 1:])).to(sides.dtype)

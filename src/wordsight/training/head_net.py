"""The proposal head as a torch module, and its losses: knowledge distillation from a larger detector.

Class scores of each cell are trained on the detector's scores (Hinton et al. 2015), boxes by GIoU (Rezatofighi et al.
2019). The backbone is frozen, so its feature maps are computed once.
"""

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wordsight.vision.head import BLOCKS, BRANCHES, FAR, SHAPES, TRUNK

CORE = 0.3  # share of a thing's sides around its centre whose cells are positive
WEIGHTS = {"there": 1.0, "kinds": 1.0, "edges": 2.0}
NORMED = ("fine", "coarse")  # convolutions of the backbone's maps with normalisation
RARE, NEAR = -4.0, 1.0  # initial biases: no thing; edges exp(1) cells away


class HeadNet(nn.Module):
    """Proposal head: maps `middle` (B, 120, h, w) and `last` (B, 352, h/2, w/2) to `things` and `edges`."""

    def __init__(self) -> None:
        super().__init__()
        self.convs, self.norms = nn.ModuleDict(), nn.ModuleDict()
        for name, (outputs, inputs, side, _) in SHAPES.items():
            normed = name in NORMED
            key = name.replace(".", "_")
            self.convs[key] = nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=not normed)
            self.norms[key] = nn.BatchNorm2d(outputs) if normed else nn.Identity()
        nn.init.constant_(self.convs["things_last"].bias, RARE)  # type: ignore[arg-type]
        nn.init.constant_(self.convs["edges_last"].bias, NEAR)  # type: ignore[arg-type]
        for name in BLOCKS:  # residual blocks start as identity
            nn.init.zeros_(self.convs[f"{name}_widen".replace(".", "_")].weight)  # type: ignore[arg-type]

    def forward(self, middle: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """See `wordsight.vision.head.add_head`: (B, 1 + C, h, w) logits and (B, 4, h, w) cells."""
        around = F.interpolate(self._conv(last, "coarse"), scale_factor=2.0, mode="nearest")
        x = F.relu(self._conv(middle, "fine") + around)
        for name in TRUNK:
            x = self._block(x, name)
        things, edges = (self._conv(self._block(x, f"{name}.look"), f"{name}.last") for name in BRANCHES)
        return things, edges.clamp(*FAR).exp()

    def _conv(self, x: Tensor, name: str) -> Tensor:
        key = name.replace(".", "_")
        return cast(Tensor, self.norms[key](self.convs[key](x)))

    def _block(self, x: Tensor, name: str) -> Tensor:
        near = F.relu(self._conv(F.relu(self._conv(x, f"{name}.narrow")), f"{name}.near"))
        return F.relu(x + self._conv(near, f"{name}.widen"))

    @torch.no_grad()
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Weights for `wordsight.vision.head`, with normalisations folded into convolutions."""
        found, was = {}, self.training
        self.eval()
        for name in SHAPES:
            one, norm = self.convs[key := name.replace(".", "_")], self.norms[key]
            assert isinstance(one, nn.Conv2d)
            if isinstance(norm, nn.BatchNorm2d):
                one = fuse_conv_bn_eval(one, norm)
            for part, value in one.named_parameters():
                found[f"{name}.{part}"] = value.numpy()
        self.train(was)
        return found


def losses(things: Tensor, edges: Tensor, boxes: Tensor, classes: Tensor) -> dict[str, Tensor]:
    """Losses of the head against a detector's boxes in B pictures (FCOS, Tian et al. 2019).

    Args:
        things: (B, 1 + C, h, w) logits.
        edges: (B, 4, h, w), in cells.
        boxes: (B, M, 4) `xyxy` fractions; boxes without area are padding.
        classes: (B, M, C), 0 to 1.

    Returns:
        `there`, `kinds` and `edges`, scalars: objectness, class, and 1 - GIoU of the box.
    """
    height, width = things.shape[-2:]
    size = torch.tensor([width, height, width, height], dtype=boxes.dtype)
    boxes, scores = boxes * size, classes.amax(2)
    owner = owners(boxes, scores, height, width)  # (B, h, w)
    pick = owner.clamp(min=0).flatten(1)
    score = scores.gather(1, pick).view_as(owner) * (owner >= 0)
    rows, cells = (owner >= 0).flatten(1).nonzero(as_tuple=True)  # (P,) each
    mine = pick[rows, cells]
    weight = scores[rows, mine].sqrt()  # weighted by the detector's confidence
    count = weight.sum().clamp(min=1)
    there = F.binary_cross_entropy_with_logits(things[:, 0], score, reduction="sum") / count
    kinds = classes[rows, mine] / scores[rows, mine, None].clamp(min=1e-3)  # (P, C)
    said = things[:, 1:].flatten(2)[rows, :, cells]
    wrong = F.binary_cross_entropy_with_logits(said, kinds, reduction="none").sum(1)
    away = edges.flatten(2)[rows, :, cells]  # (P, 4)
    middles = torch.stack([cells % width, cells // width], 1) + 0.5
    guessed = torch.cat([middles - away[:, :2], middles + away[:, 2:]], 1)
    far = 1 - generous_iou(guessed, boxes[rows, mine])
    return {"there": there, "kinds": (wrong * weight).sum() / count, "edges": (far * weight).sum() / count}


def owners(boxes: Tensor, scores: Tensor, height: int, width: int) -> Tensor:
    """Assign things to cells: (B, h, w), -1 for none; of several, the one of least area divided by score.

    A thing's cells are those near its centre; for a small thing, the cell of its centre.

    Args:
        boxes: (B, M, 4) `xyxy`, in cells.
        scores: (B, M), 0 to 1.
        height: h.
        width: w.
    """
    middle, sides = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]  # (B, M, 2)
    reach = (CORE * sides / 2).clamp(min=0.5)[:, :, None, None]  # (B, M, 1, 1, 2)
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    cells = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # (h, w, 2)
    inside = ((cells - middle[:, :, None, None]).abs() <= reach).all(4) & (sides > 0).all(2)[:, :, None, None]
    cost = (sides.prod(2) / scores.clamp(min=1e-3))[:, :, None, None]
    least, owner = torch.where(inside, cost, torch.inf).min(1)
    return torch.where(least.isfinite(), owner, -1)


def generous_iou(a: Tensor, b: Tensor) -> Tensor:
    """GIoU (Rezatofighi et al. 2019) of boxes (P, 4) and (P, 4): (P,), -1 to 1."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
    around = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    return shared / union.clamp(min=1e-9) - (around - union) / around.clamp(min=1e-9)

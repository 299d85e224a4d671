"""What the small net is taught: to see what larger nets saw, to find what a detector found, and which words are said.

Distillation (Hinton et al. 2015) of maps, as FitNets do (Romero et al. 2015), by cut-outs of which the teachers' map of
the whole picture is known (Beyer et al. 2022: the same cut-out for both, and patience).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.training.lessons import KEPT
from wordsight.vision.sight import Seen, SightNet, middles_of

LEAST, WIDEST = 0.3, 1.33  # of a cut-out: its least share of the picture, and how much wider than high it may be
VISIBLE = 0.3  # share of a thing that a cut-out must show
CORE = 0.3  # cells as near to a thing's middle as this share of its sides answer for it


class Lesson(NamedTuple):
    """A batch of B cut-outs.

    Attributes:
        pictures: (B, 3, S, S), 0 to 255.
        maps: (B, KEPT, h, w), what the teachers saw there.
        boxes: (B, M, 4), `xyxy` fractions of the cut-out; those without area are none.
        classes: (B, M, C), 0 to 1.
        words: (B, W), 0 or 1: which words are said of the picture.
    """

    pictures: Tensor
    maps: Tensor
    boxes: Tensor
    classes: Tensor
    words: Tensor


class Pupil(nn.Module):
    """The net with what only its lessons need.

    Args:
        words: W, how many words are asked for.
        taught: whether larger nets teach it; else it has the words alone.
    """

    def __init__(self, words: int, *, taught: bool = True) -> None:
        super().__init__()
        self.net, self.taught = SightNet(), taught
        size = int(self.net.config["features"])  # type: ignore[call-overload]
        self.maps, self.words = nn.Conv2d(size, KEPT, 1), nn.Linear(size, words)
        nn.init.constant_(self.words.bias, -4.0)

    def losses(self, lesson: Lesson) -> dict[str, Tensor]:
        """Each about 1 for who knows nothing but the mean: what is added up to learn from, scalars."""
        seen: Seen = self.net(lesson.pictures)
        pooled = seen.features.mean((2, 3))  # (B, F)
        found = {"words": _cross(self.words(pooled).float(), lesson.words)}
        if not self.taught:
            return found
        maps = self.maps(seen.features).float()  # (B, KEPT, h, w)
        wanted = F.interpolate(lesson.maps, maps.shape[-2:], mode="bilinear", align_corners=False)
        found["cells"] = (maps - wanted).square().sum(1).mean()
        whole = wanted.mean((2, 3))  # (B, KEPT)
        spread = (whole - whole.mean(0)).square().sum(1).mean()
        found["pooled"] = (maps.mean((2, 3)) - whole).square().sum(1).mean() / spread
        return found | things(seen, lesson.boxes, lesson.classes)


def things(seen: Seen, boxes: Tensor, classes: Tensor) -> dict[str, Tensor]:
    """How wrong the net is about what a detector found (Tian et al. 2019, with the detector's scores as targets).

    Args:
        seen: of B pictures in h x w cells.
        boxes: (B, M, 4) `xyxy` fractions.
        classes: (B, M, C), 0 to 1.

    Returns:
        `there`, `kinds` and `edges`, scalars: whether a thing is near, which, and 1 - the IoU of its box.
    """
    logits = seen.things.float()
    owner = owners(boxes, *logits.shape[-2:])  # (B, h, w)
    some = owner >= 0
    pick = owner.clamp(min=0).flatten(1)  # (B, cells)
    score = classes.amax(2).gather(1, pick).view_as(owner) * some  # (B, h, w)
    count = some.sum().clamp(min=1)
    there = F.binary_cross_entropy_with_logits(logits[:, 0], score, reduction="sum") / count
    rows, cells = some.flatten(1).nonzero(as_tuple=True)  # (P,) each
    mine = pick[rows, cells]
    kinds = classes[rows, mine]  # (P, C)
    kinds = kinds / kinds.amax(1, keepdim=True).clamp(min=1e-3)
    said = logits[:, 1:].flatten(2)[rows, :, cells]
    wrong = F.binary_cross_entropy_with_logits(said, kinds, reduction="sum") / count
    edges = seen.edges.flatten(2)[rows, :, cells]  # (P, 4)
    middles = middles_of(*owner.shape[1:]).to(boxes).flatten(0, 1)[cells]
    guessed = torch.cat([middles - edges[:, :2], middles + edges[:, 2:]], 1)
    return {"there": there, "kinds": wrong, "edges": (1 - generous_iou(guessed, boxes[rows, mine])).sum() / count}


def owners(boxes: Tensor, height: int, width: int) -> Tensor:
    """Which thing each cell answers for: (B, h, w), -1 for none; of several, the smallest.

    A thing's cells are those near its middle; of a small one the cell in which its middle is.
    """
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2  # (B, M, 2)
    sides = boxes[..., 2:] - boxes[..., :2]
    cell = torch.tensor([1 / width, 1 / height], dtype=boxes.dtype, device=boxes.device)
    reach = torch.maximum(CORE * sides / 2, cell / 2)[:, :, None, None]  # (B, M, 1, 1, 2)
    away = (middles_of(height, width).to(boxes) - middle[:, :, None, None]).abs()  # (B, M, h, w, 2)
    area = sides.prod(2)[:, :, None, None]  # (B, M, 1, 1)
    size = torch.where((away <= reach).all(4) & (area > 0), area, torch.inf)  # (B, M, h, w)
    least, owner = size.min(1)
    return torch.where(least.isfinite(), owner, -1)


def generous_iou(a: Tensor, b: Tensor) -> Tensor:
    """GIoU (Rezatofighi et al. 2019) of boxes (P, 4) and (P, 4): (P,), -1 to 1."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
    around = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    return shared / union.clamp(min=1e-9) - (around - union) / around.clamp(min=1e-9)


def cut_out(
    pictures: Tensor, maps: Tensor, boxes: Tensor, classes: Tensor, words: Tensor, side: int, chance: torch.Generator
) -> Lesson:
    """A part of each picture, perhaps mirrored, stretched to a square, its light and colours changed.

    Args:
        pictures: (B, 3, SIDE, SIDE), 0 to 255.
        maps: (B, KEPT, cells, cells), what the teachers saw in the whole pictures.
        boxes: (B, M, 4) `xyxy` fractions of the whole pictures.
        classes: (B, M, C), 0 to 1.
        words: (B, W), 0 or 1.
        side: S.
        chance: what is cut out, and how it is changed.
    """
    count = len(pictures)
    share = LEAST + (1 - LEAST) * torch.rand(count, generator=chance)
    wider = WIDEST ** (2 * torch.rand(count, generator=chance) - 1)
    sides = torch.stack([(share * wider).sqrt(), (share / wider).sqrt()], 1).clamp(max=1)  # (B, 2)
    corner = (1 - sides) * torch.rand(count, 2, generator=chance)
    mirrored = torch.rand(count, generator=chance) < 0.5
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = torch.where(mirrored, -sides[:, 0], sides[:, 0])
    theta[:, 1, 1] = sides[:, 1]
    theta[:, :, 2] = 2 * corner + sides - 1

    def part(whole: Tensor, cells: int) -> Tensor:
        grid = F.affine_grid(theta, [count, 1, cells, cells], align_corners=False)
        return F.grid_sample(whole, grid, padding_mode="border", align_corners=False)

    moved = (boxes.unflatten(2, (2, 2)) - corner[:, None, None]) / sides[:, None, None]  # (B, M, 2, 2)
    flipped = torch.stack([1 - moved[:, :, 1, 0], moved[:, :, 0, 1], 1 - moved[:, :, 0, 0], moved[:, :, 1, 1]], 2)
    moved = torch.where(mirrored[:, None, None], flipped, moved.flatten(2))
    inside = moved.clamp(0, 1)
    shown = _area(inside) / _area(moved).clamp(min=1e-6)
    inside = inside * (shown > VISIBLE)[:, :, None]
    if side <= pictures.shape[-1] // 2:  # as sharp as pictures are that are made small at once
        pictures = F.avg_pool2d(pictures, 2)
    cells = side // 16
    return Lesson(_coloured(part(pictures, side), chance), part(maps, cells), inside, classes, words)


def _coloured(pictures: Tensor, chance: torch.Generator) -> Tensor:
    """Brighter or darker, more or less contrast and colour, warmer or colder; one in ten is grey."""
    count = len(pictures)

    def factor(spread: float, *shape: int) -> Tensor:
        return 1 + spread * (2 * torch.rand(count, *shape, generator=chance) - 1)

    grey = pictures.mean(1, keepdim=True)
    colour = factor(0.4, 1, 1, 1) * (torch.rand(count, 1, 1, 1, generator=chance) > 0.1)
    pictures = grey + (pictures - grey) * colour
    middle = grey.mean((2, 3), keepdim=True)
    pictures = middle + (pictures - middle) * factor(0.4, 1, 1, 1)
    return (pictures * factor(0.3, 1, 1, 1) * factor(0.1, 3, 1, 1)).clamp(0, 255)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def _cross(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of words, in units of that of who knows only how often each is said in the batch."""
    often = wanted.mean(0).clamp(1e-4, 1 - 1e-4)
    known = -(often * often.log() + (1 - often) * (1 - often).log()).sum()
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(1).mean() / known

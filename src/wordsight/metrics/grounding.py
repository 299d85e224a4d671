"""Phrase grounding as Flickr30k Entities measures it (Plummer et al. 2015, 2017), and pointing, beside baselines.

Each phrase is located in its own picture. Its true boxes are merged into their bounding box; a predicted box is right
if its intersection over union (IoU) with that is at least one half. R@K: one of the first K boxes is right, after
non-maximum suppression of boxes that overlap a better one by more than half. The upper bound: whether any proposal is
right. Phrases without a box are left out. A phrase of two types counts once overall, and under each of the two.

Pointing: the point lies in any true box. A trained model's point is a vote of regions inside its box
(`matching/locate.py`); the row `middle` takes its boxes' centres, as the baselines do.
"""

from collections.abc import Callable, Mapping, Sequence
from math import comb
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from wordsight.batch import Regions
from wordsight.data.entities import Phrase
from wordsight.matching.locate import overlaps

KS = (1, 5, 10)
IOU = 0.5  # minimum IoU of a right box with the truth; maximum IoU of two boxes that are both kept
EXACT = 1e-5  # tolerance for an IoU of just one half: boxes are fractions in float32
WHOLE = (0.0, 0.0, 1.0, 1.0)
Look = Callable[[Sequence[str]], Regions]  # names of I pictures -> their regions


class Located(NamedTuple):
    """Predicted locations of P phrases.

    Attributes:
        boxes: (P, K, 4) `xyxy` fractions, best first; if there are fewer than K, the last one is repeated.
        points: (P, 2) x and y; None for the centres of the best boxes.
    """

    boxes: Tensor
    points: Tensor | None = None

    @property
    def best(self) -> Tensor:
        """The best box of each phrase: (P, 4)."""
        return self.boxes[:, 0]


Predict = Callable[[Sequence[Phrase]], Located]


def evaluate(
    predict: Predict, phrases: Sequence[Phrase], proposals: Mapping[str, Tensor], untrained: Predict | None = None
) -> dict[str, float]:
    """Grounding accuracy, over all phrases and per type, beside baselines.

    Args:
        predict: locates each phrase.
        phrases: with their true boxes.
        proposals: picture name -> (R, 4) boxes to choose from, `xyxy` fractions.
        untrained: locates each phrase without a trained model; None leaves out this baseline.

    Returns:
        `grounding_phrases`; then, in percent, `grounding_pointing`, `grounding_iou` (R@1), `grounding_R@5` and
        `grounding_R@10`, the same with `centre` (a point in the picture's middle), `whole` (the whole picture),
        `random` (proposals in random order, expected), `best` (the best of all proposals, the upper bound) and
        `untrained` before the last word; then all of these as `grounding_<type>_...`, where a type with the name of one
        of these rows has "type " before it.
    """
    rows = _of_model(predict(phrases), phrases) | _of_proposals(phrases, proposals)
    whole = _hits(torch.tensor([[WHOLE]]).expand(len(phrases), 1, 4), phrases)[:, 0]
    rows |= {"whole_iou": whole[:, 1], "centre_pointing": whole[:, 0]}
    if untrained is not None:
        found = _hits(untrained(phrases).boxes.cpu().float()[:, :1], phrases)[:, 0]
        rows |= {"untrained_pointing": found[:, 0], "untrained_iou": found[:, 1]}
    flat: dict[str, float] = {}
    kinds = sorted({kind for phrase in phrases for kind in phrase.kinds})
    named = {kind: f"type {kind}" if kind in {row.partition("_")[0] for row in rows} else kind for kind in kinds}
    for prefix, kind in (("grounding_", None), *((f"grounding_{named[kind]}_", kind) for kind in kinds)):
        chosen = torch.tensor([kind is None or kind in phrase.kinds for phrase in phrases])
        flat[f"{prefix}phrases"] = int(chosen.sum())
        flat |= {f"{prefix}{row}": round(100 * hit[chosen].mean().item(), 4) for row, hit in rows.items()}
    return flat


def judged(found: Located, phrases: Sequence[Phrase]) -> Tensor:
    """Whether each phrase's point and best box are right: (P, 2) of 0 and 1."""
    boxes = found.boxes.cpu().float()
    return _hits(boxes[:, :1], phrases, None if found.points is None else found.points.cpu().float()[:, None])[:, 0]


def around(boxes: Tensor) -> Tensor:
    """The bounding box of boxes: (..., B, 4) -> (..., 4)."""
    return torch.cat([boxes[..., :2].amin(-2), boxes[..., 2:].amax(-2)], dim=-1)


def _of_model(found: Located, phrases: Sequence[Phrase]) -> dict[str, Tensor]:
    """Scores (P,) of located phrases."""
    right = _hits(found.boxes.cpu().float(), phrases)  # (P, K, 2)
    pointing = judged(found, phrases)[:, 0]
    rows = {"pointing": pointing, "iou": right[:, 0, 1]}
    rows |= {f"R@{k}": right[:, :k, 1].amax(1) for k in KS[1:] if right.shape[1] >= k}
    return rows | ({} if found.points is None else {"middle_pointing": right[:, 0, 0]})


def _of_proposals(phrases: Sequence[Phrase], proposals: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scores (P,) of random proposals (expected) and of the best one."""
    rows: dict[str, list[Tensor]] = {}
    for first in range(0, len(phrases), 512):
        some = phrases[first : first + 512]
        boxes = [proposals[phrase.picture].float() for phrase in some]
        counts = torch.tensor([len(one) for one in boxes])
        hits = _hits(pad_sequence(boxes, batch_first=True), some)  # (P, R, 2)
        hits *= (torch.arange(hits.shape[1]) < counts[:, None])[:, :, None]
        right = hits.sum(1)  # (P, 2), the number of right proposals
        found = {"random_pointing": right[:, 0] / counts, "random_iou": right[:, 1] / counts}
        found |= {f"random_R@{k}": _any_of(k, right[:, 1], counts) for k in KS[1:]}
        for row, values in (found | {"best_pointing": hits[..., 0].amax(1), "best_iou": hits[..., 1].amax(1)}).items():
            rows.setdefault(row, []).append(values)
    return {row: torch.cat(parts) for row, parts in rows.items()}


def _any_of(k: int, right: Tensor, counts: Tensor) -> Tensor:
    """The probability that at least one of K proposals, drawn at random, is right: (P,)."""
    pairs = zip(right.int().tolist(), counts.tolist(), strict=True)
    return torch.tensor([1 - comb(n - some, min(k, n)) / comb(n, min(k, n)) for some, n in pairs])


def _hits(boxes: Tensor, phrases: Sequence[Phrase], points: Tensor | None = None) -> Tensor:
    """Whether boxes (P, R, 4) are right, by pointing and IoU: (P, R, 2); points (P, R, 2) replace their centres."""
    point = (boxes[..., :2] + boxes[..., 2:]) / 2 if points is None else points
    # Repeating a phrase's first box pads the row, and changes neither "inside any" nor the bounding box.
    longest = max(len(phrase.boxes) for phrase in phrases)
    rows = [(*phrase.boxes, *phrase.boxes[:1] * (longest - len(phrase.boxes))) for phrase in phrases]
    truth = torch.tensor(rows)  # (P, B, 4)
    low, high = truth[:, None, :, :2], truth[:, None, :, 2:]
    inside = ((point[:, :, None] >= low) & (point[:, :, None] <= high)).all(3).any(2)  # (P, R)
    return torch.stack([inside, overlaps(boxes, around(truth)[:, None]) >= IOU - EXACT], dim=2).float()

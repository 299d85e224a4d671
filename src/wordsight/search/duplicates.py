"""Near-duplicates among hits: the same picture saved again, made smaller, slightly brightened or slightly cropped.

Two pictures are near-duplicates if each region of one has a match in the other. Their similarity is the mean over
regions of the greatest cosine, the lesser of both directions. The vectors of whole pictures alone are not enough, as a
model of a small world finds many of them alike. With 40 photographs and the bundled model different pictures reach
0.77; with 100 painted ones and their model 99 of 100 pairs stay below 0.87, and the most similar reach 0.94. Of copies
of photographs (half the size, 3 % cut at each side, 12 % lighter, JPEG of quality 85) 95 of 100 are at 0.93 or above,
of painted ones all; at JPEG quality 30 they are at 0.87 and 0.98 (`benchmarks/duplicates.py`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from wordsight.search.scan import Ints
from wordsight.search.snapshot import Snapshot

ALIKE = 0.93  # similarity of regions below which pictures are different
WHOLE = 0.8  # cosine of whole pictures below which regions are not compared
GROUPED = 500  # number of best hits that are compared


def groups(snapshot: Snapshot, places: Ints, alike: float = ALIKE) -> list[list[int]]:
    """Group pictures that are near-duplicates, directly or through others.

    Args:
        snapshot: the snapshot of the index.
        places: (K,) indices of pictures in it, best first.
        alike: the least similarity of two pictures that are joined, 0 to 1.

    Returns:
        Groups of the numbers 0 to K - 1, each with its best first, in the order of their best.
    """
    if not len(places):
        return []
    whole = [snapshot.vectors[int(snapshot.spans.segment[place])][snapshot.spans.first[place]] for place in places]
    unit = normalize(torch.stack([torch.tensor(vector) for vector in whole]), dim=1)
    pairs = (unit @ unit.T >= WHOLE).tril(-1).nonzero()  # (P, 2), few: only their regions are read
    parent = list(range(len(places)))
    if len(pairs):
        rows, pairs = pairs.unique(return_inverse=True)
        images = snapshot.images(places[rows.numpy()].tolist())
        regions = normalize(images.values, dim=2)  # (rows, R, D)
        for one, other in pairs.tolist():
            if similarity(regions, images.mask, one, other) >= alike:
                first, second = sorted(_root(parent, int(rows[which])) for which in (one, other))
                parent[second] = first
    found: dict[int, list[int]] = {}
    for one in range(len(places)):
        found.setdefault(_root(parent, one), []).append(one)
    return list(found.values())


def similarity(regions: Tensor, mask: Tensor, one: int, other: int) -> float:
    """How well each region of one picture is found in the other, the lesser of both directions."""
    return likeness(regions[one][mask[one]], regions[other][mask[other]])


def likeness(one: Tensor, other: Tensor) -> float:
    """The same for two pictures given by their regions (R, D) and (S, D), which have length 1."""
    cosines = one @ other.T
    return float(torch.minimum(cosines.amax(dim=1).mean(), cosines.amax(dim=0).mean()))


def _root(parent: Sequence[int], one: int) -> int:
    """The best picture of the group of `one`."""
    while parent[one] != one:
        one = parent[one]
    return one

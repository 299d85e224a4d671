"""Near-duplicates among hits: the same picture saved again, a little brighter, or cut a little.

Of 600 pictures of Flickr8K val no two are as alike as 0.88 to the default recipe; a copy of low JPEG quality or cut by
3 % on each side is at 0.90 to 0.98, one of good quality at 0.99. One of half the size is at 0.5 to 0.87: not found.
"""

from collections.abc import Sequence

import torch
from torch.nn.functional import normalize

from wordsight.search.scan import Ints
from wordsight.search.snapshot import Snapshot

ALIKE = 0.9  # cosine of the vectors of two whole pictures above which they are taken for one
GROUPED = 500  # so many of the best hits are looked at


def groups(snapshot: Snapshot, places: Ints, alike: float = ALIKE) -> list[list[int]]:
    """Which of some pictures look the same, directly or through others.

    Args:
        snapshot: what is in the index.
        places: of K pictures in it, best first.
        alike: the least cosine of two that are joined.

    Returns:
        Groups of numbers 0 to K - 1, each and all of them in the order of their best.
    """
    whole = [snapshot.vectors[int(snapshot.spans.segment[place])][snapshot.spans.first[place]] for place in places]
    if not whole:
        return []
    unit = normalize(torch.stack([torch.tensor(vector) for vector in whole]), dim=1)
    near = (unit @ unit.T >= alike).tolist()
    parent = list(range(len(whole)))
    for one, row in enumerate(near):
        for other in range(one):
            if row[other]:
                first, second = sorted((_root(parent, one), _root(parent, other)))
                parent[second] = first
    found: dict[int, list[int]] = {}
    for one in range(len(whole)):
        found.setdefault(_root(parent, one), []).append(one)
    return list(found.values())


def _root(parent: Sequence[int], one: int) -> int:
    """The best of the group that `one` is in."""
    while parent[one] != one:
        one = parent[one]
    return one

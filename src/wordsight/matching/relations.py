"""Layers with weights of their own for each relation of a dependency tree."""

from collections.abc import Callable

import torch
from torch import Tensor


def by_relation(values: Tensor, relations: Tensor, layer: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Map each row by the layer of its relation.

    Weights of all relations in one tensor are to be taken apart once (`unbind`): by an index each use would have a
    gradient as large as all of them.

    Args:
        values: (W, E).
        relations: (W,) int64.
        layer: rows (M, E) and their relation -> (M, D).

    Returns:
        (W, D).
    """
    if not len(values):
        return layer(values, 0)
    order = relations.argsort(stable=True)
    kinds, counts = relations.unique(return_counts=True)
    parts = zip(values[order].split(counts.tolist()), kinds.tolist(), strict=True)
    return torch.cat([layer(part, kind) for part, kind in parts])[order.argsort()]

"""Layers with separate weights for each relation of a dependency tree."""

from collections.abc import Callable

import torch
from torch import Tensor


def by_relation(values: Tensor, relations: Tensor, layer: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Map each row by the layer of its relation.

    If one tensor holds the weights of all relations, split it once with `unbind`: indexing would give each use a
    gradient as large as the whole tensor.

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

"""Retrieval with many-to-many relevance: R@K, R-precision, mAP@R (Musgrave et al. 2020; Chun et al. 2022).

A query may have any number R of relevant answers. R@K: one of them is among the first K. R-precision: the share of them
among the first R. mAP@R: the mean over the first R places of the precision up to there, 0 where the answer is wrong.
Queries without a relevant answer are left out. The whole gallery is ranked. Ties count against the model.
"""

import torch
from torch import Tensor

from wordsight.data.relevance import Relevant
from wordsight.metrics.ranking import KS


def relevance_metrics(scores: Tensor, relevant: Relevant) -> dict[str, float]:
    """Metrics in both directions.

    Args:
        scores: (I, N), greater fits better.
        relevant: which sentences are right for which pictures.

    Returns:
        `relevant_i2t_queries`, `relevant_i2t_pairs`; in percent `relevant_i2t_R@1`, ..., `relevant_i2t_R_precision`,
        `relevant_i2t_mAP@R`; and the same with `t2i`.
    """
    flat: dict[str, float] = {}
    for way, some, right in (("i2t", scores, relevant.i2t), ("t2i", scores.T, relevant.t2i.T)):
        asked = right.any(1).nonzero()[:, 0]
        parts = [_metrics(some[block], right[block]) for block in asked.split(256)]
        flat |= {f"relevant_{way}_queries": len(asked), f"relevant_{way}_pairs": int(right.sum())}
        for key in parts[0]:
            flat[f"relevant_{way}_{key}"] = round(100 * torch.cat([part[key] for part in parts]).mean().item(), 4)
    return flat


def _metrics(scores: Tensor, relevant: Tensor) -> dict[str, Tensor]:
    """Metrics of each query (Q,) from scores (Q, G) and relevance (Q, G), with at least one relevant answer each."""
    wrong_first = relevant.int().argsort(dim=1, stable=True)
    worst = torch.where(relevant, -torch.inf, torch.inf)  # NaN, too, counts against the model
    known = torch.where(scores.isnan(), worst, scores)
    order = known.gather(1, wrong_first).argsort(dim=1, descending=True, stable=True)
    right = relevant.gather(1, wrong_first.gather(1, order)).double()  # (Q, G), best first
    places = torch.arange(1, right.shape[1] + 1)
    count = right.sum(1, keepdim=True)  # (Q, 1)
    within = places <= count  # (Q, G)
    precision = right.cumsum(1) / places
    found = {f"R@{k}": right[:, :k].amax(1) for k in KS}
    found["R_precision"] = (right * within).sum(1) / count[:, 0]
    return found | {"mAP@R": (precision * right * within).sum(1) / count[:, 0]}

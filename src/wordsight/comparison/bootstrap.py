"""Paired bootstrap: confidence intervals of differences between systems.

Efron 1979; for systems on the same test set Koehn 2004. Pictures of the split are resampled with replacement, and all
systems are measured on the same samples. The p-value of a difference is twice the smaller share of samples on one side
of zero, and at least 2^(1-n) for n pictures, as in a sign test in which all agree. Among many pairs some differ by
chance alone, so p-values are corrected for the number of pairs (Holm 1979); a difference is significant if its
corrected p-value is at most 5 %. This covers the choice of pictures; the standard deviation covers training seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from wordsight.metrics.bleu import SMALL, TINY, N

DRAWS, LEVEL = 20_000, 95  # enough draws for the least corrected p-values of 400 pairs, 28 systems
BLOCK = 2000  # draws computed at once
Floats = NDArray[np.float64]
Figure = Callable[[Floats], Floats]  # sums over pictures (draws, K) -> metric (draws,)


@dataclass(frozen=True)
class Difference:
    """Difference of a metric between two systems, with its 95 % confidence interval.

    Attributes:
        value: on the split itself.
        low: the 2.5 % quantile of the samples.
        high: the 97.5 % quantile.
        p: Holm's corrected p-value, 0 to 1: significance among all pairs that were compared.
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def real(self) -> bool:
        """Whether it is significant at 5 %, all pairs considered."""
        return self.p <= 1 - LEVEL / 100


def differences(
    systems: Sequence[Floats], figure: Figure, *, draws: int = DRAWS, seed: int = 0
) -> list[list[Difference]]:
    """Differences of every system to every other.

    Args:
        systems: for each, the terms of every picture, (I, K), the same pictures in the same order.
        figure: computes the metric from sums of terms.
        draws: number of bootstrap samples.
        seed: of the samples, which all systems share.

    Returns:
        A row for each system, in it the difference to each.
    """
    drawn = _drawn(systems, figure, draws, seed)  # (systems, draws)
    whole = [float(figure(one.sum(axis=0)[None])[0]) for one in systems]
    pairs = list(combinations(range(len(systems)), 2))
    least = 2.0 ** (1 - len(systems[0]))
    p = dict(zip(pairs, holm([max(_p_value(drawn[a] - drawn[b]), least) for a, b in pairs]), strict=True))
    edges = ((100 - LEVEL) / 2, (100 + LEVEL) / 2)

    def difference(a: int, b: int) -> Difference:
        low, high = np.percentile(drawn[a] - drawn[b], edges).tolist()
        return Difference(whole[a] - whole[b], low, high, p.get((min(a, b), max(a, b)), 1.0))

    return [[difference(a, b) for b in range(len(whole))] for a in range(len(whole))]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of the p-values of several tests: the chance of any false rejection is at most the level.

    The least of n p-values is multiplied by n, the next by n - 1, and so on; none falls below the one before (Holm
    1979, "A Simple Sequentially Rejective Multiple Test Procedure").
    """
    order = np.argsort(p_values, kind="stable")
    corrected = np.array(p_values, float)
    corrected[order] = np.maximum.accumulate(corrected[order] * np.arange(len(order), 0, -1))
    return np.minimum(corrected, 1).tolist()


def _drawn(systems: Sequence[Floats], figure: Figure, draws: int, seed: int) -> Floats:
    """The metric of every system on every sample of pictures: (systems, draws)."""
    count, random = len(systems[0]), np.random.default_rng(seed)
    blocks = []
    for first in range(0, draws, BLOCK):
        weights = random.multinomial(count, np.full(count, 1 / count), size=min(BLOCK, draws - first)).astype(float)
        blocks.append(np.stack([figure(weights @ one) for one in systems]))
    return np.concatenate(blocks, axis=1)


def _p_value(drawn: Floats) -> float:
    """Two-sided p-value of bootstrap differences (draws,): twice the share on the rarer side of zero."""
    side = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1.0, 2 * (side + 1) / (len(drawn) + 1)))


def recalls(sums: Floats) -> Floats:
    """The sum of the six recalls, 0 to 600, from sums of `rows.hits`."""
    return 100 * (sums[:, :3] / sums[:, 6:7] + sums[:, 3:6] / sums[:, 7:8]).sum(axis=1)


def mean(sums: Floats) -> Floats:
    """A mean over pictures, from sums (draws, 2) of values and of ones."""
    return sums[:, 0] / sums[:, 1]


def by_verb(values: Floats, verbs: Sequence[int]) -> Floats:
    """Terms of a mean of verbs' means: (I,) -> (I, 2 W), each value in its verb's column, and a 1 to count it."""
    at = np.eye(max(verbs) + 1)[list(verbs)]  # (I, W)
    return np.concatenate([at * values[:, None], at], axis=1)


def mean_of_verbs(sums: Floats) -> Floats:
    """The mean over verbs of each verb's mean, from sums of `by_verb`; verbs that a draw lacks are left out."""
    total, count = np.split(sums, 2, axis=1)
    return np.asarray((total / np.maximum(count, 1)).sum(1) / (count > 0).sum(1))


def bleu_4(sums: Floats) -> Floats:
    """BLEU-4, 0 to 1, from sums of `bleu.counts`; for S seeds side by side, (draws, 10 S), the mean of their BLEU-4."""
    each = sums.reshape(len(sums), -1, 2 * N + 2)  # (draws, S, 10)
    precision = (each[..., :N] + TINY) / (each[..., N : 2 * N] + SMALL)
    ratio = (each[..., -2] + TINY) / (each[..., -1] + SMALL)
    return np.asarray((precision.prod(axis=-1) ** (1 / N) * np.exp(np.minimum(0, 1 - 1 / ratio))).mean(axis=1))

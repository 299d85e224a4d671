"""Paired bootstrap: confidence intervals of differences between systems.

Efron 1979; for systems on the same test set Koehn 2004. Pictures of the split are resampled with replacement, and all
systems are measured on the same samples. A difference is significant where zero lies outside its central 95 %
interval. This covers other pictures, not other seeds of a training, which are in the spread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.metrics.bleu import SMALL, TINY, N

DRAWS, LEVEL = 2000, 95
Floats = NDArray[np.float64]
Figure = Callable[[Floats], Floats]  # sums over pictures (draws, K) -> metric (draws,)


@dataclass(frozen=True)
class Difference:
    """Difference of a metric between two systems, with its 95 % confidence interval.

    Attributes:
        value: on the split itself.
        low: the 2.5 % quantile of the samples.
        high: the 97.5 % quantile.
    """

    value: float
    low: float
    high: float

    @property
    def real(self) -> bool:
        """Whether it is significant: zero lies outside the interval."""
        return self.low > 0 or self.high < 0


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
    count = len(systems[0])
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws).astype(float)
    drawn = [figure(weights @ one) for one in systems]  # (draws,) each
    whole = [float(figure(one.sum(axis=0)[None])[0]) for one in systems]
    edges = ((100 - LEVEL) / 2, (100 + LEVEL) / 2)
    return [
        [
            Difference(mine - other, *(float(edge) for edge in np.percentile(drawn[a] - drawn[b], edges)))
            for b, other in enumerate(whole)
        ]
        for a, mine in enumerate(whole)
    ]


def recalls(sums: Floats) -> Floats:
    """The sum of the six recalls, 0 to 600, of sums of `outcomes.hits`."""
    return 100 * (sums[:, :3] / sums[:, 6:7] + sums[:, 3:6] / sums[:, 7:8]).sum(axis=1)


def mean(sums: Floats) -> Floats:
    """A mean over pictures of sums (draws, 2): values, and 1 for each."""
    return sums[:, 0] / sums[:, 1]


def by_verb(values: Floats, verbs: Sequence[int]) -> Floats:
    """Terms of a mean of verbs' means: (I,) -> (I, 2 W), each value in its verb's column, and 1 for it."""
    at = np.eye(max(verbs) + 1)[list(verbs)]  # (I, W)
    return np.concatenate([at * values[:, None], at], axis=1)


def mean_of_verbs(sums: Floats) -> Floats:
    """The mean over verbs of each one's mean, of sums of `by_verb`; verbs that a draw has not are left out."""
    total, count = np.split(sums, 2, axis=1)
    return np.asarray((total / np.maximum(count, 1)).sum(1) / (count > 0).sum(1))


def bleu_4(sums: Floats) -> Floats:
    """BLEU-4, 0 to 1, of sums of `bleu.counts`."""
    precision = (sums[:, :N] + TINY) / (sums[:, N : 2 * N] + SMALL)
    ratio = (sums[:, -2] + TINY) / (sums[:, -1] + SMALL)
    return precision.prod(axis=1) ** (1 / N) * np.exp(np.minimum(0, 1 - 1 / ratio))

"""Which differences are real: would they be there with other pictures of the same kind?

The paired bootstrap (Efron 1979; for systems on the same test set Koehn 2004): pictures of the split are drawn with
replacement, as many as there are, all systems are measured on the same draw, again and again. Where the difference of
two systems is above zero, or below, in 95 of 100 draws around the middle, other pictures would hardly turn it round.
It says nothing about other seeds of the same training; those are in the spread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.metrics.bleu import SMALL, TINY, N

DRAWS, LEVEL = 2000, 95
Floats = NDArray[np.float64]
Figure = Callable[[Floats], Floats]  # sums over pictures (draws, K) -> the figure (draws,)


@dataclass(frozen=True)
class Difference:
    """How much more of a figure one system has than another.

    Attributes:
        value: on the split itself.
        low: below it lie 2.5 % of the draws.
        high: above it lie 2.5 % of the draws.
    """

    value: float
    low: float
    high: float

    @property
    def real(self) -> bool:
        """Whether zero is outside."""
        return self.low > 0 or self.high < 0


def differences(
    systems: Sequence[Floats], figure: Figure, *, draws: int = DRAWS, seed: int = 0
) -> list[list[Difference]]:
    """Every system less every other.

    Args:
        systems: of each what every picture adds, (I, K), the same pictures in the same order.
        figure: makes the figure of such sums.
        draws: how often pictures are drawn.
        seed: of the draws; all systems see the same ones.

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


def bleu_4(sums: Floats) -> Floats:
    """BLEU-4, 0 to 1, of sums of `bleu.counts`."""
    precision = (sums[:, :N] + TINY) / (sums[:, N : 2 * N] + SMALL)
    ratio = (sums[:, -2] + TINY) / (sums[:, -1] + SMALL)
    return precision.prod(axis=1) ** (1 / N) * np.exp(np.minimum(0, 1 - 1 / ratio))

"""Vectors in half the bytes: float16 numbers of each vector as shares of its own scale.

A scale is the least power of two that no number of its vector exceeds, so numbers are from -1 to 1, and none is too
large or too small for float16, whatever the model's. Rounding moves a number by at most 2^-12 of the scale. What comes
back is exact in float32: written again, it is the same bytes.
"""

from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.search.rows import Ints, Kept, Rows

Floats = NDArray[np.float32]


class Halved(NamedTuple):
    """Vectors as they are written.

    Attributes:
        numbers: (rows, D) float16, -1 to 1.
        scales: (rows, 1) float32.
    """

    numbers: NDArray[np.float16]
    scales: Floats

    @classmethod
    def of(cls, vectors: Floats) -> Self:
        """Round vectors (rows, D); of what is no number, something that is none."""
        longest = np.abs(vectors).max(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            scales = np.exp2(np.ceil(np.log2(np.where(longest > 0, longest, 1)))).clip(2.0**-126, 2.0**127)
            numbers = torch.from_numpy(vectors / scales.astype(np.float32)).half().numpy()
        return cls(numbers, scales.astype(np.float32))

    @property
    def vectors(self) -> Floats:
        """What they stand for: (rows, D)."""
        found: Floats = torch.from_numpy(self.numbers).float().mul_(torch.from_numpy(self.scales)).numpy()
        return found


class Halves(Kept[np.float32]):
    """Such vectors in files, looked at as an array of float32 is, and held as one."""

    def __init__(self, numbers: Rows[np.float16], scales: Rows[np.float32]) -> None:
        super().__init__(numbers.shape, 2 * numbers.width)
        self._numbers, self._scales = numbers, scales

    def _read(self, first: int, count: int) -> Floats:
        some = slice(first, first + count)
        return Halved(self._numbers[some], self._scales[some]).vectors

    def _gather(self, at: Ints) -> Floats:
        return Halved(self._numbers[at], self._scales[at]).vectors

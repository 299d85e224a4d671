"""float16 vectors, in half the bytes: the numbers of each vector as fractions of its own scale.

A scale is the least power of two that no number of its vector exceeds, so numbers are from -1 to 1, and none is too
large or too small for float16, whatever the model. Rounding moves a number by at most 2^-12 of the scale. Decoded
numbers are exact in float32: written again, they give the same bytes.
"""

from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.search.rows import Ints, Kept, Rows

Floats = NDArray[np.float32]


class Halved(NamedTuple):
    """float16 vectors and their scales, as they are written.

    Attributes:
        numbers: (rows, D) float16, -1 to 1.
        scales: (rows, 1) float32.
    """

    numbers: NDArray[np.float16]
    scales: Floats

    @classmethod
    def of(cls, vectors: Floats) -> Self:
        """Round vectors (rows, D); NaN and infinity do not become finite numbers."""
        longest = np.abs(vectors).max(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            scales = np.exp2(np.ceil(np.log2(np.where(longest > 0, longest, 1)))).clip(2.0**-126, 2.0**127)
            numbers = torch.from_numpy(vectors / scales.astype(np.float32)).half().numpy()
        return cls(numbers, scales.astype(np.float32))

    @property
    def vectors(self) -> Floats:
        """The decoded vectors: (rows, D)."""
        found: Floats = torch.from_numpy(self.numbers).float().mul_(torch.from_numpy(self.scales)).numpy()
        return found


class Halves(Kept[np.float32]):
    """float16 vectors in files, indexed like an array of float32, and held in memory as one."""

    def __init__(self, numbers: Rows[np.float16], scales: Rows[np.float32]) -> None:
        super().__init__(numbers.shape, 2 * numbers.width)
        self._numbers, self._scales = numbers, scales

    def _read(self, first: int, count: int) -> Floats:
        some = slice(first, first + count)
        return Halved(self._numbers[some], self._scales[some]).vectors

    def _gather(self, at: Ints) -> Floats:
        return Halved(self._numbers[at], self._scales[at]).vectors

"""Vectors in half the bytes: float16 numbers of each vector as shares of its own scale.

A scale is the least power of two that no number of its vector exceeds, so numbers are from -1 to 1, and none is too
large or too small for float16, whatever the model's. Rounding moves a number by at most 2^-12 of the scale. What comes
back is exact in float32: written again, it is the same bytes.
"""

from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.search.rows import Ints, Rows

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


class Halves:
    """Such vectors in files, looked at as an array of float32 is.

    Attributes:
        shape: (rows, D).
        nbytes: how many bytes they take in memory, as float32.
    """

    def __init__(self, numbers: Rows[np.float16], scales: Rows[np.float32]) -> None:
        self._numbers, self._scales = numbers, scales
        self.shape, self.nbytes = numbers.shape, 2 * numbers.nbytes
        self._held: Floats | None = None
        self._scanned = False

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: int | np.integer | slice | Ints) -> Floats:
        """Some rows.

        Raises:
            InputError: a file has been cut short, or cannot be read.
        """
        if self._held is not None:
            return self._held[at]
        if isinstance(at, int | np.integer):
            return self[at : at + 1][0]
        return Halved(self._numbers[at], self._scales[at]).vectors

    @property
    def is_held(self) -> bool:
        """Whether looking at them costs no reading."""
        return self._held is not None

    def hold(self) -> None:
        """Have all of them in memory as float32 when they are scanned for the second time.

        Raises:
            InputError: a file has been cut short, or cannot be read.
        """
        if self._scanned and self._held is None:
            self._held = self[:]
        self._scanned = True

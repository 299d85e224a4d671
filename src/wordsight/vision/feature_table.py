"""Feature table: the features of some pictures in a cache, by row number."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batch import Regions
from wordsight.vision.stored import Records

EMPTY = -1  # kind of a row that is padding


@dataclass(frozen=True)
class FeatureTable:
    """Feature table of pictures, by row number; on disk until gathered.

    Attributes:
        kept: positions (0 .. n-1) of the requested pictures that have a row, in order.
        broken: errors of the other pictures, by file.
    """

    kept: list[int]
    broken: dict[Path, str]
    _records: Records = field(repr=False)
    _rows: NDArray[np.int64] = field(repr=False)  # (len(kept),) row numbers in `_records`

    def __len__(self) -> int:
        """Number of pictures that have a row."""
        return len(self._rows)

    def gather(self, indices: Tensor, places: Tensor | None = None) -> Regions:
        """Rows (I,) int64 -> regions (I, R, F) float32, or those at `places` (I, K) of each: (I, K, F).

        Raises:
            InputError: the file has been truncated, or cannot be read.
        """
        rows = self._rows[np.asarray(indices)]
        found = [self._records.read(part, rows) for part in ("features", "kinds", "boxes")]
        if places is not None:
            found = [part[np.arange(len(rows))[:, None], np.asarray(places)] for part in found]
        features, kinds, boxes = map(torch.from_numpy, found)
        return Regions(features.float(), kinds != EMPTY, boxes)

    def kinds(self, indices: Tensor) -> Tensor:
        """Rows (I,) int64 -> (I, R) int8, the kind of each box (`proposals.Kind`); -1 in the padding."""
        return torch.from_numpy(self._records.read("kinds", self._rows[np.asarray(indices)]))

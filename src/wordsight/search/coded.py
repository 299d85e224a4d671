"""Rows of a compact segment: codes on disk, decoded to vectors when they are read (`codebook.py`)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.errors import InputError
from wordsight.search.coarse_code import Bytes, Floats
from wordsight.search.codebook import Codebook, regions_of
from wordsight.search.rows import Ints, Rows
from wordsight.search.scan import Spans, places

EDGES = 255  # steps of a box's coordinates, from 0 to 1


@dataclass(frozen=True)
class Coded:
    """The rows of a compact segment.

    Attributes:
        coarse: (rows, bytes), coarse codes of half a byte a number.
        fine: (rows, bytes), equal parts of the fine code of each picture.
        places: (rows, 4), boxes in steps of 1 / 255.
        codebook: decodes the codes.
    """

    coarse: Rows[np.uint8]
    fine: Rows[np.uint8]
    places: Rows[np.uint8]
    codebook: Codebook

    @property
    def vectors(self) -> "Decoded":
        """The decoded vectors: (rows, D)."""
        return Decoded(self)

    @property
    def boxes(self) -> "Boxes":
        """The decoded boxes: (rows, 4)."""
        return Boxes(self.places)

    def products(self, some: Spans, words: Tensor) -> Tensor:
        """Products of some pictures with words (W, K), given in the codebook's numbers: (rows, W).

        Raises:
            InputError: the codes are invalid or cannot be read.
        """
        return torch.from_numpy(self.of_wholes(places(some), partial(self.codebook.products, words=words.numpy())))

    def of_wholes(self, at: Ints, work: Callable[[Bytes, Bytes, Ints], Floats]) -> Floats:
        """Apply `work` to some rows (n,). It gets whole pictures, even if only the first rows of a picture are wanted.

        Raises:
            InputError: the codes are invalid or cannot be read.
        """
        fine = self.fine[at]
        ends = np.append(np.flatnonzero(np.diff(at) != 1) + 1, len(at))
        end = np.repeat(ends, np.diff(ends, prepend=0)).tolist()  # the end of the neighbours of each row
        heads = regions_of(fine).tolist()  # the picture's number of regions, if it begins at the row
        first, sizes, wanted, place = list[int](), list[int](), list[int](), 0
        while place < len(at):
            first.append(place)
            sizes.append(max(1, heads[place]))
            wanted.append(min(sizes[-1], end[place] - place))
            place += wanted[-1]
        counts = np.array(sizes, np.int64)
        rows, kept = at, np.ones(len(at), bool)
        if wanted != sizes:
            inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            rows, kept = inside + np.repeat(at[first], counts), inside < np.repeat(wanted, counts)
        try:
            if rows.max(initial=-1) >= len(self.coarse):
                raise ValueError
            found = work(self.coarse[rows], fine if rows is at else self.fine[rows], counts)
        except ValueError:
            raise InputError(
                f"{self.fine.path}: damaged; `wordsight index verify` lists the pictures, `wordsight index build` "
                "repairs them."
            ) from None
        return found if rows is at else found[kept]


class Decoded:
    """Decoded vectors, indexed like an array, one or several whole pictures at a time.

    Attributes:
        shape: (rows, D).
    """

    def __init__(self, coded: Coded) -> None:
        self._coded = coded
        self.shape = len(coded.coarse), coded.codebook.back.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | int | np.integer | Ints) -> Floats:
        """The vectors of whole pictures, or only of the first rows of some.

        Raises:
            InputError: the codes are invalid or cannot be read.
        """
        if isinstance(at, int | np.integer):
            return self[np.array([at])][0]
        rows = np.arange(*at.indices(len(self))) if isinstance(at, slice) else at
        return self._coded.of_wholes(rows, self._coded.codebook.decode)


class Boxes:
    """The boxes of a compact segment, indexed like an array: (rows, 4)."""

    def __init__(self, places: Rows[np.uint8]) -> None:
        self._places, self.shape = places, places.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | int | np.integer | Ints) -> Floats:
        found: Floats = self._places[at].astype(np.float32) / np.float32(EDGES)
        return found


def coded_boxes(boxes: Floats) -> NDArray[np.uint8]:
    """Round boxes (rows, 4), `xyxy` fractions, to steps of 1 / 255."""
    return np.clip(np.rint(boxes * EDGES), 0, EDGES).astype(np.uint8)

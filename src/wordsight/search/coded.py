"""The rows of a compact segment: codes on disk, vectors when they are looked at (`codebook.py`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.errors import InputError
from wordsight.search.coarse_code import Floats
from wordsight.search.codebook import Codebook, regions_of
from wordsight.search.rows import Ints, Rows
from wordsight.search.scan import Spans, places

EDGES = 255  # steps of a box's edges, from 0 to 1


@dataclass(frozen=True)
class Coded:
    """The rows of a compact segment.

    Attributes:
        coarse: (rows, bytes), half a byte a number.
        fine: (rows, bytes), a region's share of what its picture was packed into.
        places: (rows, 4), boxes in steps of 1 / 255.
        codebook: what these stand for.
    """

    coarse: Rows[np.uint8]
    fine: Rows[np.uint8]
    places: Rows[np.uint8]
    codebook: Codebook

    @property
    def vectors(self) -> "Decoded":
        """What the codes stand for: (rows, D)."""
        return Decoded(self)

    @property
    def boxes(self) -> "Boxes":
        """(rows, 4)."""
        return Boxes(self.places)

    def products(self, some: Spans, words: Tensor) -> Tensor:
        """What the codes of some pictures make of words (W, K) in the codebook's numbers: (rows, W).

        Raises:
            InputError: they are no codes, or cannot be read.
        """
        rows = places(some)
        with self.checked():
            found = self.codebook.products(self.coarse[rows], self.fine[rows], some.count, words.numpy())
        return torch.from_numpy(found)

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Say which file is damaged where something in it is no code."""
        try:
            yield
        except ValueError:
            raise InputError(
                f"{self.fine.path}: damaged; `wordsight index verify` lists the pictures, `wordsight index build` "
                "repairs them."
            ) from None


class Decoded:
    """Decoded rows, looked at as an array is, a whole picture or several at a time.

    Attributes:
        shape: (rows, D).
    """

    def __init__(self, coded: Coded) -> None:
        self._coded = coded
        self.shape = len(coded.coarse), coded.codebook.back.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | int | np.integer | Ints) -> Floats:
        """The rows of whole pictures, or only the first rows of some.

        Raises:
            InputError: they are no codes, or cannot be read.
        """
        if isinstance(at, int | np.integer):
            return self._decoded(np.array([at]))[0]
        return self._decoded(np.arange(*at.indices(len(self))) if isinstance(at, slice) else at)

    def _decoded(self, at: Ints) -> Floats:
        """Some rows; a picture of which only the first are wanted is decoded as a whole."""
        coded, fine = self._coded, self._coded.fine[at]
        ends = np.append(np.flatnonzero(np.diff(at) != 1) + 1, len(at))  # of neighbours
        starts, sizes, wanted, place = list[int](), list[int](), list[int](), 0
        while place < len(at):
            starts.append(int(at[place]))
            sizes.append(max(1, regions_of(fine[place : place + 1])))
            wanted.append(min(sizes[-1], int(ends[np.searchsorted(ends, place, side="right")]) - place))
            place += wanted[-1]
        counts = np.array(sizes, np.int64)
        rows, kept = at, np.ones(len(at), bool)
        if wanted != sizes:
            inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            rows, kept = inside + np.repeat(starts, counts), inside < np.repeat(wanted, counts)
        with coded.checked():
            if rows.max(initial=-1) >= len(self):
                raise ValueError
            found = coded.codebook.decode(coded.coarse[rows], fine if rows is at else coded.fine[rows], counts)
        return found if rows is at else found[kept]


class Boxes:
    """The boxes of a compact segment, looked at as an array is: (rows, 4)."""

    def __init__(self, places: Rows[np.uint8]) -> None:
        self._places, self.shape = places, places.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | int | np.integer | Ints) -> Floats:
        found: Floats = self._places[at].astype(np.float32) / np.float32(EDGES)
        return found


def coded_boxes(boxes: Floats) -> NDArray[np.uint8]:
    """Boxes (rows, 4), `xyxy` fractions, in steps of 1 / 255."""
    return np.clip(np.rint(boxes * EDGES), 0, EDGES).astype(np.uint8)

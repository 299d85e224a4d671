"""The rows of a compact segment: codes on disk, vectors when they are looked at (`codebook.py`)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.search.coarse_code import Floats
from wordsight.search.codebook import Codebook, regions_of
from wordsight.search.rows import Ints, Rows

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
    def numbers(self) -> "Decoded":
        """What the codes stand for as a scan wants it: (rows, K)."""
        return Decoded(self, vectors=False)

    @property
    def vectors(self) -> "Decoded":
        """What the codes stand for: (rows, D)."""
        return Decoded(self, vectors=True)

    @property
    def boxes(self) -> "Boxes":
        """(rows, 4)."""
        return Boxes(self.places)


class Decoded:
    """Decoded rows, looked at as an array is, a whole picture or several at a time.

    Attributes:
        shape: (rows, D or K).
    """

    def __init__(self, coded: Coded, *, vectors: bool) -> None:
        self._coded, self._vectors = coded, vectors
        self.shape = len(coded.coarse), coded.codebook.back.shape[1 if vectors else 0]

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
        try:
            if rows.max(initial=-1) >= len(self):
                raise ValueError
            of = coded.coarse[rows], fine if rows is at else coded.fine[rows], counts
            found: Floats = coded.codebook.decode(*of) if self._vectors else coded.codebook.numbers(*of)
        except ValueError:
            raise InputError(
                f"{coded.fine.path}: damaged; `wordsight index verify` lists the pictures, `wordsight index build` "
                "repairs them."
            ) from None
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

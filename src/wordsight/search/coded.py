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
        self.nbytes = 4 * self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | int | np.integer | Ints) -> Floats:
        """The rows of whole pictures; or the first row of one, or some first rows.

        Raises:
            InputError: they are no codes, or cannot be read.
        """
        if isinstance(at, int | np.integer):
            return self._rows(slice(int(at), int(at) + 1))[0]
        return self._rows(at) if isinstance(at, slice) else self._decoded(at)

    def _rows(self, at: slice) -> Floats:
        """Some rows from the first of a picture on; its others are decoded with them."""
        first, stop, _ = at.indices(len(self))
        end = first
        while end < stop:
            end += max(1, regions_of(self._coded.fine[end : end + 1]))
        return self._decoded(np.arange(first, min(end, len(self))))[: stop - first]

    def _decoded(self, at: Ints) -> Floats:
        coded, counts, first = self._coded, list[int](), 0
        fine = coded.fine[at]
        while first < len(at):
            counts.append(max(1, regions_of(fine[first : first + 1])))
            first += counts[-1]
        try:
            if first != len(at):
                raise ValueError
            of = coded.coarse[at], fine, np.array(counts, np.int64)
            found: Floats = coded.codebook.decode(*of) if self._vectors else coded.codebook.numbers(*of)
        except ValueError:
            raise InputError(
                f"{coded.fine.path}: damaged; `wordsight index verify` lists the pictures, `wordsight index build` "
                "repairs them."
            ) from None
        return found


class Boxes:
    """The boxes of a compact segment, looked at as an array is: (rows, 4)."""

    def __init__(self, places: Rows[np.uint8]) -> None:
        self._places, self.shape, self.nbytes = places, places.shape, 4 * places.nbytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | int | np.integer | Ints) -> Floats:
        found: Floats = self._places[at].astype(np.float32) / np.float32(EDGES)
        return found


def coded_boxes(boxes: Floats) -> NDArray[np.uint8]:
    """Boxes (rows, 4), `xyxy` fractions, in steps of 1 / 255."""
    return np.clip(np.rint(boxes * EDGES), 0, EDGES).astype(np.uint8)

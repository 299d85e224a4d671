"""Codebook: a few bytes a region, for an index of a million pictures; a coarse code is scanned, a fine one refines it.

Transform coding. The codes must preserve products with words, so directions are ranked by what they add to these: with
M = L L^T the second moment of words and C the covariance of regions, the eigenvectors U of L^T C L give

    v . s = mean . s + y . t,    y = (L U)^T (v - mean),    t = (L U)^-1 s

and each number of y matters less than the one before. With one step for all of them, no other rounding keeps scores
better in as few bits (reverse water-filling, Cover and Thomas 2006, section 10.3). The greatest numbers are in the
coarse code (`coarse_code.py`). What it leaves of all numbers is rounded to whole steps, with what the regions of a
picture share stored apart, and packed by DEFLATE. Nothing is clamped, as the regions that win for a word are those that
stand out. Each picture takes the shortest step with which it fits into its fixed number of bytes.
"""

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.blas import one_thread
from wordsight.errors import InputError
from wordsight.files import read_bytes, reason, write_bytes
from wordsight.search import coarse_code
from wordsight.search.coarse_code import Bytes, Floats, Ints
from wordsight.search.threads import in_threads

FILE = "codebook.npz"
COARSE = 48  # half bytes in the coarse code
TRIED = 1024  # about how many words decide which regions win
MOST = 512  # maximum K, the numbers that are kept of a region
RIDGE = 1e-5  # share of the mean of M's diagonal that is added to it, for directions that no known word has
HEAD = 6  # bytes before a packed picture: its length in bytes, its number of regions, its rung
GREATEST = 2**13  # greatest size of a number, in steps
PER_OCTAVE = 2.0  # a step twice as long saves roughly 1 / PER_OCTAVE of a picture's bytes
LADDER, OCTAVE, RUNGS = 2.0**-20, 8, 256  # shortest step / the first number's deviation; rungs per doubling, and in all


@dataclass(frozen=True)
class Codebook:
    """Codebook of one index: how its vectors are coded. It is fitted once, and kept with the index.

    Attributes:
        mean: (D,) the mean vector.
        turn: (D, K) maps vectors, less the mean, to K numbers, those that matter most first.
        back: (K, D) maps numbers to vectors; its transpose maps words to numbers.
        of: (COARSE,) the number that each half byte of the coarse code rounds.
        steps: (COARSE,) the length of its steps.
        unit: () the shortest step of the fine code.
        fine_width: () bytes of a picture's fine code for each of its regions.
    """

    mean: Floats
    turn: Floats
    back: Floats
    of: Ints
    steps: Floats
    unit: Floats
    fine_width: Ints

    @property
    def coarse_width(self) -> int:
        """Bytes of a region's coarse code."""
        return len(self.steps) // 2

    def encode(self, vectors: Floats, counts: Ints) -> tuple[Bytes, Bytes]:
        """Encode some pictures.

        Args:
            vectors: (rows, D), picture by picture.
            counts: (I,) the number of rows of each picture, at least 1.

        Returns:
            (rows, coarse_width) coarse codes and (rows, fine_width) fine codes.
        """
        numbers = ((vectors - self.mean) @ self.turn).astype(np.float32)
        coarse, numbers = coarse_code.encode(numbers, self.of, self.steps)
        fine, first, rung = np.zeros((len(numbers), int(self.fine_width)), np.uint8), 0, 8 * OCTAVE
        for size in counts.tolist():
            some = slice(first, first + size)
            packed, rung = self._packed(numbers[some], rung)
            fine[some].reshape(-1)[: len(packed)] = np.frombuffer(packed, np.uint8)
            first += size
        return coarse, fine

    def _packed(self, numbers: Floats, rung: int) -> tuple[bytes, int]:
        """Pack one picture with the shortest step with which it fits; the search starts at `rung`."""
        room = min(len(numbers) * int(self.fine_width) - HEAD, 2**16 - 1)
        tried: dict[int, bytes] = {}

        def size(one: int) -> int:
            if one not in tried:
                whole = np.rint(numbers / self._step(one))
                tried[one] = b"" if np.abs(whole).max() > GREATEST else _deflated(whole.astype(np.int16))
            return len(tried[one]) or room + 1

        rung += round(PER_OCTAVE * OCTAVE * (size(rung) / room - 1))  # a guess near the final rung
        rung = min(max(rung, 0), RUNGS - 1)
        while rung < RUNGS - 1 and size(rung) > room:
            rung += 1
        while rung and size(rung - 1) <= room:
            rung -= 1
        if size(rung) > room:
            raise InputError(f"a picture does not fit into {room} bytes; expected more bytes a region.")
        return np.array([len(tried[rung]), len(numbers), rung], "<u2").tobytes() + tried[rung], rung

    def _step(self, rung: int) -> np.float32:
        return np.float32(self.unit * 2.0 ** (rung / OCTAVE))

    def decode(self, coarse: Bytes, fine: Bytes, counts: Ints) -> Floats:
        """Decode some pictures: vectors (rows, D).

        Args:
            coarse: (rows, coarse_width).
            fine: (rows, fine_width).
            counts: (I,) the number of rows of each picture.

        Raises:
            ValueError: the codes are invalid.
        """
        numbers = np.empty((len(coarse), len(self.back)), np.float32)

        def work(rows: slice, whole: Floats, step: np.float32) -> None:
            np.add(whole[:, 1:].T, whole[:, 0], out=numbers[rows])
            numbers[rows] *= step

        self._inflated(fine, counts, work)
        coarse_code.add(numbers, coarse, self.of, self.steps)
        mean, back = torch.from_numpy(self.mean), torch.from_numpy(self.back)  # numpy's threads get in torch's way
        found: Floats = torch.addmm(mean, torch.from_numpy(numbers), back).numpy()
        return found

    def products(self, coarse: Bytes, fine: Bytes, counts: Ints, words: Floats) -> Floats:
        """Products of the numbers y with words (W, K): (rows, W); the other arguments are those of `decode`.

        This is quicker than decoding: only the products are put into the order of regions.

        Raises:
            ValueError: the codes are invalid.
        """
        with one_thread:
            found: Floats = coarse_code.middles(coarse_code.unpacked(coarse), self.steps) @ words[:, self.of].T

        def work(rows: slice, whole: Floats, step: np.float32) -> None:
            products = words @ whole  # (W, R + 1)
            found[rows] += (products[:, 1:] + products[:, :1]).T * step

        self._inflated(fine, counts, work)
        return found

    def _inflated(self, fine: Bytes, counts: Ints, work: Callable[[slice, Floats, np.float32], None]) -> None:
        """Call `work`, in threads, with the rows, the unpacked numbers (K, R + 1) and the step of each picture."""
        ends, size = np.cumsum(counts), len(self.back)

        def some(part: slice) -> None:
            for end, regions in zip(ends[part].tolist(), counts[part].tolist(), strict=True):
                content = fine[end - regions : end].tobytes()
                length, said, rung = np.frombuffer(content, "<u2", 3).tolist()
                if said != regions or rung >= RUNGS:
                    raise ValueError(f"{said} regions of {regions}, step {rung}")
                whole = _inflate(content[HEAD : HEAD + length], size, regions)
                work(slice(end - regions, end), whole, self._step(rung))

        with one_thread:
            in_threads(some, counts)

    def save(self, folder: Path) -> None:
        """Write the codebook into a folder, whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        content = io.BytesIO()
        parts: dict[str, Any] = {name: np.asarray(getattr(self, name)) for name in _KINDS}
        np.savez(content, **parts)
        write_bytes(folder / FILE, content.getvalue())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the codebook of a folder, and check each part.

        Raises:
            InputError: it is missing or damaged.
        """
        path = folder / FILE
        try:
            with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as file:
                return cls(**{name: file[name].astype(kind, casting="equiv") for name, kind in _KINDS.items()})
        except OSError as error:
            said = f"cannot be read ({reason(error)})"
        except Exception:  # on damaged files zipfile and numpy's reader of headers raise nearly anything
            said = "damaged"
        raise InputError(f"{path}: {said}; `wordsight index build` encodes the pictures again.")


_KINDS = {name: "<f4" for name in ("mean", "turn", "back", "steps", "unit")} | {"of": "<i8", "fine_width": "<i8"}


def fit(rows: Floats, counts: Ints, words: Floats, width: int) -> Codebook:
    """Fit a codebook to an index.

    Args:
        rows: (rows, D) vectors of some of its pictures.
        counts: (I,) the number of rows of each.
        words: (W, D) that stand for those of future queries.
        width: bytes a region, coarse and fine code together.

    Raises:
        InputError: `width` is too small for any code.
    """
    mean = rows.mean(axis=0)
    turn, back = _directions(rows - mean, words)
    numbers = (rows - mean).astype(np.float32) @ turn
    count = min(COARSE, len(back) // 2 * 2)
    if width < count // 2 + HEAD:
        raise InputError(f"{width} bytes a region: expected at least {count // 2 + HEAD}.")
    asked = words[:: max(1, len(words) // TRIED)] @ back.T
    of, steps = coarse_code.fit(numbers, coarse_code.wins(numbers, counts, asked), count)
    unit = LADDER * numbers[:, 0].std() or 1.0
    return Codebook(
        mean.astype(np.float32),
        turn,
        back,
        of,
        steps,
        np.float32(unit),  # type: ignore[arg-type]
        np.int64(width - count // 2),  # type: ignore[arg-type]
    )


def regions_of(fine: Bytes) -> Ints:
    """The number of regions of the picture whose fine code begins in each row (rows, fine_width): (rows,)."""
    found: Ints = fine[:, 2:4].copy().view("<u2")[:, 0].astype(np.int64)
    return found


def _deflated(whole: NDArray[np.int16]) -> bytes:
    """Pack the numbers of a picture (R, K): first what its regions share, the median; bytes are in two planes."""
    shared = np.partition(whole, len(whole) // 2, axis=0)[len(whole) // 2]
    rest = np.concatenate([shared[None], whole - shared]).T  # number by number, as neighbours are alike
    high = (rest + 128) >> 8
    planes = [rest - (high << 8)] + [high] * bool(high.any())  # hardly any picture has such great numbers
    # the smallest and quickest setting here; memory level 6 gives the first numbers, which are greater, their own codes
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 6, zlib.Z_RLE)
    return packer.compress(np.stack(planes).astype(np.int8).tobytes()) + packer.flush()


def _inflate(packed: bytes, size: int, regions: int) -> Floats:
    """Unpack what `_deflated` packed: (K, R + 1) in steps, what the regions share first."""
    try:
        planes = np.frombuffer(zlib.decompress(packed, -zlib.MAX_WBITS), np.int8).reshape(-1, size, regions + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    low, *high = planes
    found: Floats = low.astype(np.float32)
    for plane in high:
        found += plane * np.float32(256)
    return found


def _directions(rows: Floats, words: Floats) -> tuple[Floats, Floats]:
    """L U and its inverse, see the module's docstring: (D, K) and (K, D)."""
    moment = (words.T @ words / len(words)).astype(np.float64)
    moment += np.eye(len(moment)) * RIDGE * max(np.trace(moment) / len(moment), 1e-12)
    root = np.linalg.cholesky(moment)
    covariance = (rows.T @ rows / len(rows)).astype(np.float64)
    strength, axes = np.linalg.eigh(root.T @ covariance @ root)
    kept = min(MOST, max(2, int((strength > strength[-1] * 1e-12).sum())))
    axes = axes[:, ::-1][:, :kept]
    back = np.linalg.solve(root.T, axes).T  # (L U)^-1 = U^T L^-1 = (L^-T U)^T
    return (root @ axes).astype(np.float32), np.ascontiguousarray(back, np.float32)

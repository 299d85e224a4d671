"""Pictures in a few bytes a region, for an index of a million: a coarse code that is scanned, and a fine one behind it.

Transform coding. What must be kept is products with words, so directions are counted by what they add to these: with
M = L L^T the second moment of words and C the covariance of regions, the eigenvectors U of L^T C L give

    v . s = mean . s + y . t,    y = (L U)^T (v - mean),    t = (L U)^-1 s

and the numbers of y matter less and less: with one step for all of them no other rounding keeps scores better in as few
bits (reverse water-filling, Cover and Thomas 2006, section 10.3). The first numbers of y are rounded to 16 steps of
their own, half a byte each: that is the coarse code. What is left of all of them is rounded to whole steps, with what
the regions of a picture share set apart, and packed by DEFLATE: nothing is clamped, as the regions that win for a word
are those that stand out. Each picture takes the shortest step with which it fits into its place of fixed size.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import read_bytes, reason, write_bytes

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

FILE = "codebook.npz"
COARSE, STEPS = 48, 16  # numbers in the coarse code, and steps of each: half a byte
MOST = 512  # numbers of a region that are kept, at most
RIDGE = 1e-5  # share of M's mean that is added to its diagonal: directions that no known word has
REACHES = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)  # of the coarse steps, in standard deviations; the best is taken
HEAD = 6  # bytes in front of a packed picture: how many bytes follow, how many regions, which step
GREATEST = 2**13  # number of steps
PER_OCTAVE = 2.0  # what part of its bytes a picture loses, inverted, where the step is twice as long; roughly
LADDER, OCTAVE, RUNGS = 2.0**-20, 8, 256  # the shortest step, as a share of the first number's deviation; how they grow


@dataclass(frozen=True)
class Codebook:
    """How the vectors of one index are coded; fitted once, and kept with it.

    Attributes:
        mean: (D,).
        turn: (D, K) from vectors, less the mean, to K numbers in the order in which they matter.
        back: (K, D) from numbers to vectors; words take it the other way.
        steps: (COARSE,) how long a step of each number of the coarse code is.
        unit: () the shortest step of the fine code.
        fine_width: () bytes of a region's share of its picture's fine code.
    """

    mean: Floats
    turn: Floats
    back: Floats
    steps: Floats
    unit: Floats
    fine_width: Ints

    @property
    def coarse_width(self) -> int:
        """Bytes of a region's coarse code."""
        return len(self.steps) // 2

    def encode(self, vectors: Floats, counts: Ints) -> tuple[Bytes, Bytes]:
        """Code some pictures.

        Args:
            vectors: (rows, D), those of a picture one after the other.
            counts: (I,) how many each has, at least 1.

        Returns:
            (rows, coarse_width) and (rows, fine_width).
        """
        numbers = ((vectors - self.mean) @ self.turn).astype(np.float32)
        count = len(self.steps)
        codes = _rounded(numbers[:, :count], self.steps)
        numbers[:, :count] -= middles(codes, self.steps)
        coarse = np.bitwise_or(codes[:, : count // 2], codes[:, count // 2 :] << 4).astype(np.uint8)
        fine, first, rung = np.zeros((len(numbers), int(self.fine_width)), np.uint8), 0, 8 * OCTAVE
        for size in counts.tolist():
            some = slice(first, first + size)
            packed, rung = self._packed(numbers[some], rung)
            fine[some].reshape(-1)[: len(packed)] = np.frombuffer(packed, np.uint8)
            first += size
        return coarse, fine

    def _packed(self, numbers: Floats, rung: int) -> tuple[bytes, int]:
        """One picture with the shortest step with which it fits, near the one that is tried first."""
        room = min(len(numbers) * int(self.fine_width) - HEAD, 2**16 - 1)
        tried: dict[int, bytes] = {}

        def size(one: int) -> int:
            if one not in tried:
                whole = np.rint(numbers / self._step(one))
                tried[one] = b"" if np.abs(whole).max() > GREATEST else _deflated(whole.astype(np.int16))
            return len(tried[one]) or room + 1

        rung += round(PER_OCTAVE * OCTAVE * (size(rung) / room - 1))  # near to where it will end
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

    def numbers(self, coarse: Bytes, fine: Bytes, counts: Ints) -> Floats:
        """What the codes of some pictures stand for: y, (rows, K).

        Args:
            coarse: (rows, coarse_width) of these.
            fine: (rows, fine_width).
            counts: (I,) how many rows each has.

        Raises:
            ValueError: they are no codes.
        """
        found = np.empty((len(coarse), len(self.back)), np.float32)
        for first, size in _spans(counts):
            content = fine[first : first + size].tobytes()
            length, regions, rung = np.frombuffer(content, "<u2", 3).tolist()
            whole = _inflated(content[HEAD : HEAD + length], regions, len(self.back))
            found[first : first + size] = whole * self._step(rung)
        found[:, : len(self.steps)] += middles(unpacked(coarse), self.steps)
        return found

    def decode(self, coarse: Bytes, fine: Bytes, counts: Ints) -> Floats:
        """What the codes of some pictures stand for, see `numbers`: vectors (rows, D)."""
        numbers = torch.from_numpy(self.numbers(coarse, fine, counts))  # numpy's own threads get in the way of torch's
        found: Floats = torch.addmm(torch.from_numpy(self.mean), numbers, torch.from_numpy(self.back)).numpy()
        return found

    def save(self, folder: Path) -> None:
        """Put it into a folder, whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        content = io.BytesIO()
        parts: dict[str, Any] = {name: np.asarray(getattr(self, name)) for name in _KINDS}
        np.savez(content, **parts)
        write_bytes(folder / FILE, content.getvalue())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The one in a folder, each of whose parts is checked.

        Raises:
            InputError: it is not there, or damaged.
        """
        path = folder / FILE
        try:
            with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as file:
                return cls(**{name: file[name].astype(kind, casting="equiv") for name, kind in _KINDS.items()})
        except OSError as error:
            said = f"cannot be read ({reason(error)})"
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            said = "damaged"
        raise InputError(f"{path}: {said}; without it `wordsight index build` encodes the pictures again.")


_KINDS = {name: "<f4" for name in ("mean", "turn", "back", "steps", "unit")} | {"fine_width": "<i8"}


def fit(rows: Floats, words: Floats, width: int) -> Codebook:
    """Fit a codebook to an index.

    Args:
        rows: (rows, D), regions of some of its pictures.
        words: (W, D) that stand for what will be asked.
        width: bytes a region, coarse and fine code together.

    Raises:
        InputError: so few bytes hold nothing.
    """
    mean = rows.mean(axis=0)
    turn, back = _directions(rows - mean, words)
    numbers = (rows - mean) @ turn
    count = min(COARSE, len(back) // 2 * 2)
    if width < count // 2 + HEAD:
        raise InputError(f"{width} bytes a region: expected at least {count // 2 + HEAD}.")
    unit = LADDER * numbers[:, 0].std() or 1.0
    return Codebook(
        mean.astype(np.float32),
        turn,
        back,
        _coarse_steps(numbers[:, :count]),
        np.float32(unit),  # type: ignore[arg-type]
        np.int64(width - count // 2),  # type: ignore[arg-type]
    )


def regions_of(fine: Bytes) -> int:
    """How many regions the picture has whose fine code (rows, fine_width) begins here."""
    return int(np.frombuffer(fine.tobytes(), "<u2", 2)[1])


def unpacked(coarse: Bytes) -> Bytes:
    """The numbers of coarse codes, (rows, COARSE) of 0 to 15."""
    return np.concatenate([coarse & 15, coarse >> 4], axis=1)


def middles(codes: Bytes, steps: Floats) -> Floats:
    """What numbers of 0 to 15 stand for."""
    found: Floats = (codes - np.float32((STEPS - 1) / 2)) * steps
    return found


def _spans(counts: Ints) -> Iterator[tuple[int, int]]:
    """The first row of each picture, and how many it has."""
    yield from zip((np.cumsum(counts) - counts).tolist(), counts.tolist(), strict=True)


def _deflated(whole: NDArray[np.int16]) -> bytes:
    """The numbers of a picture (R, K) packed: what its regions share in front, the bytes in two planes."""
    shared = np.partition(whole, len(whole) // 2, axis=0)[len(whole) // 2]
    rest = np.concatenate([shared[None], whole - shared]).T  # number by number: neighbours are alike
    high = (rest + 128) >> 8
    planes = np.stack([rest - (high << 8), high]).astype(np.int8)
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_RLE)  # smallest here, and quickest
    return packer.compress(planes.tobytes()) + packer.flush()


def _inflated(packed: bytes, regions: int, size: int) -> Floats:
    """What `_deflated` packed: (R, K), in steps."""
    try:
        planes = np.frombuffer(zlib.decompress(packed, -zlib.MAX_WBITS), np.int8).reshape(2, size, regions + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    rest = planes[0] + (planes[1].astype(np.int16) << 8)
    return (rest[:, 1:] + rest[:, :1]).T.astype(np.float32)


def _directions(rows: Floats, words: Floats) -> tuple[Floats, Floats]:
    """L U and its inverse, see above: (D, K) and (K, D)."""
    moment = (words.T @ words / len(words)).astype(np.float64)
    moment += np.eye(len(moment)) * RIDGE * max(np.trace(moment) / len(moment), 1e-12)
    root = np.linalg.cholesky(moment)
    covariance = (rows.T @ rows / len(rows)).astype(np.float64)
    strength, axes = np.linalg.eigh(root.T @ covariance @ root)
    kept = min(MOST, max(2, int((strength > strength[-1] * 1e-12).sum())))
    axes = axes[:, ::-1][:, :kept]
    back = np.linalg.solve(root.T, axes).T  # (L U)^-1 = U^T L^-1 = (L^-T U)^T
    return (root @ axes).astype(np.float32), np.ascontiguousarray(back, np.float32)


def _coarse_steps(numbers: Floats) -> Floats:
    """The length of the coarse steps that leaves least of each number."""
    deviation = np.maximum(numbers.std(axis=0), 1e-12)
    tried = np.stack([2 * reach * deviation / STEPS for reach in REACHES])
    left = [((numbers - middles(_rounded(numbers, steps), steps)) ** 2).mean(axis=0) for steps in tried]
    found: Floats = tried[np.argmin(left, axis=0), np.arange(numbers.shape[1])].astype(np.float32)
    return found


def _rounded(numbers: Floats, steps: Floats) -> Bytes:
    return np.clip(np.floor(numbers / steps) + STEPS // 2, 0, STEPS - 1).astype(np.uint8)

"""8-bit codes of vectors and 7-bit codes of words, to score all pictures roughly from a quarter of the bytes.

Every vector is rotated first: R v, by random signs and a discrete cosine transform, a fast relative of a random
rotation (Ailon and Chazelle 2009). That changes no product, as R v . R s = v . s, and spreads a few great numbers over
all of them, so that no step needs to be long. Then the vectors of a picture are rounded to whole steps:

    v' = step (code - 128),  code in 1 .. 255,    step = (greatest |number| of the picture) / 127

The `blur` of a picture is the farthest that this moves one of its vectors; it is kept, as it bounds the error of every
score. Words are rounded to 63 steps on each side of 0, because processors without VNNI add pairs of 8-bit products in
16 bits, and 2 x 255 x 63 < 2^15.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.vision.onnx_session import integer_products

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

MIDDLE, STEPS, WORD_STEPS = 128, 127, 63
GROUP, CHUNK, ROWS = 16, 64, 32  # words, bytes and rows that `fused.py` multiplies at once
TIGHT = 1e-3  # of a step: how far the same rotation may differ between processors
_SEED = 0


class Codes(NamedTuple):
    """8-bit codes of the vectors of I pictures.

    Attributes:
        values: (rows, D) uint8.
        steps: (rows,) float32 step lengths, the same for all rows of a picture.
        length: (I,) the length of each picture's longest vector.
        blur: (I,) the farthest that rounding moves one of its vectors.
    """

    values: NDArray[np.uint8]
    steps: Floats
    length: Floats
    blur: Floats


class WordCodes(NamedTuple):
    """7-bit codes of W words.

    Attributes:
        values: (W, D) int8.
        steps: (W,) float32 step lengths.
        length: (W,) the length of each rounded word.
        blur: (W,) how far rounding moves it.
    """

    values: NDArray[np.int8]
    steps: Tensor
    length: Tensor
    blur: Tensor


def quantise(vectors: Floats, counts: Ints) -> Codes:
    """Round the vectors of some pictures to 8-bit codes.

    Args:
        vectors: (rows, D), picture by picture.
        counts: (I,) the number of vectors of each picture, at least 1.
    """
    turned, first = turn(vectors), np.cumsum(counts) - counts
    longest = np.maximum.reduceat(np.abs(turned).max(axis=1), first)
    steps = np.repeat(_steps(longest, STEPS), counts)
    codes = np.rint(turned / steps[:, None])
    moved = np.linalg.norm(turned - codes * steps[:, None], axis=1)
    length = np.maximum.reduceat(np.linalg.norm(vectors, axis=1), first)
    with np.errstate(invalid="ignore"):  # NaN and infinity, which `Segments.append` refuses
        return Codes((codes + MIDDLE).astype(np.uint8), steps, length, np.maximum.reduceat(moved, first))


def agree(vectors: Floats, values: NDArray[np.uint8], steps: Floats) -> bool:
    """Whether codes belong to the vectors: no number is off by more than half a step."""
    off = np.abs(turn(vectors) / steps[:, None] - (values.astype(np.float32) - MIDDLE))
    return bool((off <= 0.5 + TIGHT).all())


def quantise_words(words: Tensor) -> WordCodes:
    """Round words (W, D) to 7-bit codes."""
    turned = turn(words.numpy())
    steps = _steps(np.abs(turned).max(axis=1), WORD_STEPS)
    codes = np.rint(turned / steps[:, None])
    rounded = codes * steps[:, None]
    lengths = (torch.from_numpy(np.linalg.norm(some, axis=1)) for some in (rounded, turned - rounded))
    return WordCodes(codes.astype(np.int8), torch.from_numpy(steps), *lengths)


class Products:
    """Integer products of the codes of rows and words, by ONNX Runtime."""

    def __init__(self, words: WordCodes) -> None:
        self._words = words
        self._middle = MIDDLE * words.values.sum(axis=1, dtype=np.int64)
        self._of: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.int32]]] = {}  # by the number of rows of a picture

    def best(self, rows: NDArray[np.uint8], count: Ints) -> Tensor:
        """Each word's greatest product with a picture's rows, in the picture's steps: (rows, D) -> (pictures, W)."""
        same = int(count[0]) if (count == count[0]).all() else 1
        if same not in self._of:
            self._of[same] = integer_products(self._words.values.T, torch.get_num_threads(), same)
        best = self._of[same](rows)
        if len(best) != len(count):
            best = np.maximum.reduceat(best, np.cumsum(count) - count)
        return torch.from_numpy((best - self._middle).astype(np.float32)) * self._words.steps


def turn(vectors: Floats) -> Floats:
    """Rotate vectors (rows, D): R v."""
    found: Floats = vectors @ _turn(vectors.shape[1])
    return found


@cache
def _turn(size: int) -> Floats:
    """R transposed: (D, D), orthogonal, the same on every machine."""
    signs = np.random.default_rng(_SEED).integers(0, 2, size) * 2.0 - 1
    number = np.arange(size)
    waves = np.cos(np.pi / size * (number[None] + 0.5) * number[:, None]) * np.sqrt(2 / size)
    waves[0] /= np.sqrt(2)
    return np.ascontiguousarray((waves * signs).T, np.float32)


def _steps(longest: Floats, steps: int) -> Floats:
    """Step lengths with which `steps` steps reach the greatest numbers, `longest`; 1 where all numbers are 0."""
    found = (longest / steps).astype(np.float32)
    return np.where(found > 0, found, np.float32(1))

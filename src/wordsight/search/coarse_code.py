"""Coarse code of a compact index: each half byte rounds one number of a region to 16 steps, or rounds it again.

A half byte goes to the number with the greatest remaining error, so that the greatest are rounded twice. A region's
error is weighted by how often the region wins for a word: the others hardly matter, as a picture's score is that of its
best regions.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

STEPS = 16  # values of half a byte
REACHES = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0)  # half ranges to try, in standard deviations
TOGETHER = 64  # pictures whose winning regions are found at once


def encode(numbers: Floats, of: Ints, steps: Floats) -> tuple[Bytes, Floats]:
    """Round numbers (rows, K).

    Args:
        numbers: y of `codebook.py`.
        of: (C,) the number that each half byte rounds.
        steps: (C,) the length of its steps.

    Returns:
        (rows, C / 2) codes of two half bytes each, and (rows, K) what is left of the numbers.
    """
    left, codes = numbers.copy(), np.empty((len(numbers), len(of)), np.uint8)
    for some in _turns(of):
        codes[:, some] = _rounded(left[:, of[some]], steps[some])
        left[:, of[some]] -= middles(codes[:, some], steps[some])
    half = len(of) // 2
    return np.bitwise_or(codes[:, :half], codes[:, half:] << 4, dtype=np.uint8), left


def add(numbers: Floats, coarse: Bytes, of: Ints, steps: Floats) -> None:
    """Add the decoded values of codes to numbers (rows, K)."""
    said = middles(unpacked(coarse), steps)
    for some in _turns(of):
        numbers[:, of[some]] += said[:, some]


def unpacked(coarse: Bytes) -> Bytes:
    """The half bytes of codes: (rows, C), 0 to 15."""
    return np.concatenate([coarse & 15, coarse >> 4], axis=1)


def middles(codes: Bytes, steps: Floats | np.float32) -> Floats:
    """The decoded values of half bytes (rows, C): the middles of their steps."""
    found: Floats = (codes - np.float32((STEPS - 1) / 2)) * steps
    return found


def fit(numbers: Floats, weights: Floats, count: int) -> tuple[Ints, Floats]:
    """Choose the numbers to round, and the lengths of their steps.

    Args:
        numbers: (rows, K) of some pictures.
        weights: (rows,) the weight of each row's error.
        count: C, the number of half bytes.

    Returns:
        (C,) `of` and (C,) `steps`, as `encode` takes them.
    """
    left, of, steps = numbers.T.copy(), list[int](), list[np.float32]()  # (K, rows)
    error = left**2 @ weights
    for _ in range(count):
        one = int(error.argmax())
        step = _best_step(left[one], weights)
        left[one] -= middles(_rounded(left[one], step), step)
        error[one] = left[one] ** 2 @ weights
        of.append(one)
        steps.append(step)
    return np.array(of, np.int64), np.array(steps, np.float32)


def wins(numbers: Floats, counts: Ints, words: Floats) -> Floats:
    """How often each region is the best of its picture for a word: (rows,), 1 on average.

    Args:
        numbers: (rows, K) of whole pictures.
        counts: (I,) the number of rows of each.
        words: (W, K).
    """
    found, first = np.zeros(len(numbers), np.float32), 0
    asked = torch.from_numpy(words.T.copy())
    for start in range(0, len(counts), TOGETHER):
        some = counts[start : start + TOGETHER]
        products = (torch.from_numpy(numbers[first : first + some.sum()]) @ asked).split(some.tolist())
        for each in products:
            found[first : first + len(each)] = np.bincount(each.argmax(dim=0).numpy(), minlength=len(each))
            first += len(each)
    mean: Floats = found / found.mean()
    return mean


def _turns(of: Ints) -> Iterator[Ints]:
    """The half bytes in turns, as indices: within a turn no number is rounded twice."""
    turn = np.array([(of[:place] == one).sum() for place, one in enumerate(of)])
    yield from (np.flatnonzero(turn == number) for number in range(turn.max(initial=-1) + 1))


def _best_step(numbers: Floats, weights: Floats) -> np.float32:
    """The step length that leaves the least weighted squared error of numbers (rows,)."""
    deviation = np.sqrt(max(float(numbers**2 @ weights) / len(numbers), 1e-24))
    tried = [np.float32(2 * reach * deviation / STEPS) for reach in REACHES]
    left = [(numbers - middles(_rounded(numbers, step), step)) ** 2 @ weights for step in tried]
    return tried[int(np.argmin(left))]


def _rounded(numbers: Floats, steps: Floats | np.float32) -> Bytes:
    return np.clip(np.floor(numbers / steps) + STEPS // 2, 0, STEPS - 1).astype(np.uint8)

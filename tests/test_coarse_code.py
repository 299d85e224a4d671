"""The coarse code of a compact index: which numbers it rounds, how well, and for which regions."""

import numpy as np

from wordsight.search.coarse_code import add, encode, fit, unpacked, wins

RANDOM = np.random.default_rng(0)
DEVIATIONS = np.array([100, 10, 1, 0.1, 0.01, 0.001], np.float32)
NUMBERS = RANDOM.standard_normal((2000, 6)).astype(np.float32) * DEVIATIONS


def decoded(numbers: np.ndarray, count: int, weights: np.ndarray) -> np.ndarray:
    of, steps = fit(NUMBERS, weights, count)
    coarse, _ = encode(numbers, of, steps)
    found = np.zeros_like(numbers)
    add(found, coarse, of, steps)
    return found


def test_the_number_with_most_left_is_rounded_next_and_again_if_need_be() -> None:
    of, _ = fit(NUMBERS, np.ones(2000, np.float32), 6)
    assert of.tolist() == [0, 0, 1, 0, 1, 2]


def test_what_is_said_and_what_is_left_make_the_numbers() -> None:
    of, steps = fit(NUMBERS, np.ones(2000, np.float32), 6)
    coarse, left = encode(NUMBERS, of, steps)
    assert coarse.shape == (2000, 3) and coarse.dtype == np.uint8 and unpacked(coarse).max() <= 15
    found = left.copy()
    add(found, coarse, of, steps)
    assert np.allclose(found, NUMBERS, atol=1e-3)
    errors = [np.abs(NUMBERS - decoded(NUMBERS, count, np.ones(2000, np.float32))).mean() for count in (2, 4, 6)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_regions_that_win_are_said_best() -> None:
    """Half of the rows are large where the others are 0, and only the others count."""
    rows = NUMBERS.copy()
    rows[:1000, 1] = 0
    rows[1000:, 0] = 0
    weights = np.repeat(np.array([0, 2], np.float32), 1000)
    of, _ = fit(rows, weights, 2)
    assert 0 not in of.tolist() and 1 in of.tolist()


def test_wins_are_counted_picture_by_picture() -> None:
    rows = np.array([[1, 0], [0, 1], [0.5, 0.5], [3, 3], [2, 2]], np.float32)
    words = np.array([[1, 0], [1, 0.1], [0, 1]], np.float32)
    assert np.allclose(wins(rows, np.array([3, 2]), words), np.array([2, 1, 0, 3, 0]) * 5 / 6)

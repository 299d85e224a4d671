"""Match of a query's words with the text lines of one picture: on which lines, where on them, and in which order.

Each word of the query is expected right after the word before it, as in a sentence: further on the same line, on the
next box to the right, or at the start of the line below. A word elsewhere costs `APART` more.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.matching.scene_text import word_spans
from wordsight.vision.text_lines import SEPARATOR, TextLines, fold

APART = 4.0  # nats, for a word that does not follow the one before
ROW, GAP, BELOW = 0.5, 1.5, 1.0  # in heights of a word: greatest offset in a row, gap in it, gap to the row below
ASPECT = 4 / 3  # aspect ratio that is assumed of pictures to compare distances
MOST_WORDS, LONGEST = 16, 64  # most words of a query, most characters of a word
PAIRS = 1 << 18  # pairs of lines compared at once
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class WrittenWord(NamedTuple):
    """A word of a query.

    Attributes:
        text: as given.
        symbols: folded, without separators.
        prefix: whether it may be the beginning of a longer word, as `lond*`.
    """

    text: str
    symbols: tuple[int, ...]
    prefix: bool


class Placed(NamedTuple):
    """A word of the query on a line of a picture.

    Attributes:
        line: number of the line.
        corners: (4, 2) of the word, as `TextLines.corners`.
        cost: nats.
    """

    line: int
    corners: NDArray[np.float32]
    cost: float


class Match(NamedTuple):
    """Match of words with a picture: the total cost, including that of their order, and each word's place."""

    cost: float
    words: tuple[Placed, ...]


class Spans(NamedTuple):
    """The cheapest span of a word on each of L lines.

    Attributes:
        costs: (L,) nats.
        begins: (L,) the step of its first character.
        ends: (L,) the step behind its last one.
        corners: (L, 4, 2) of the word.
    """

    costs: NDArray[np.float32]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    corners: NDArray[np.float32]

    @classmethod
    def of(cls, lines: TextLines, word: WrittenWord) -> Self:
        """The spans of a word on lines of any number of pictures."""
        costs, begins, ends = word_spans(lines, word.symbols, prefix=word.prefix)
        return cls(costs, begins, ends, part_of(lines, begins, ends))


def written_words(text: str) -> tuple[WrittenWord, ...]:
    """Parse the words of a query, of any spelling; `*` at the end of a word stands for any further characters.

    Raises:
        InputError: it has no letter or digit, or too many words or letters.
    """
    found = []
    for part in text.split():
        symbols = tuple(symbol for symbol in fold(part) if symbol != SEPARATOR)
        if symbols:
            found.append(WrittenWord(part, symbols, part.endswith("*")))
    if not found:
        raise InputError("The text to look for is empty: expected at least one letter or digit.")
    if len(found) > MOST_WORDS or max(len(word.symbols) for word in found) > LONGEST:
        raise InputError(f"The text to look for is too long: expected up to {MOST_WORDS} words of {LONGEST} letters.")
    return tuple(found)


def likelihood(cost: float, words: Sequence[WrittenWord]) -> float:
    """Convert a cost to a figure from 0 to 1, comparable between queries: the mean probability of a character."""
    return float(np.exp(-cost / sum(len(word.symbols) for word in words)))


def match(lines: TextLines, words: Sequence[WrittenWord]) -> Match | None:
    """The cheapest match of a query's words with a picture; None if it has no text.

    Args:
        lines: of the picture.
        words: at least one.
    """
    return in_order([Spans.of(lines, word) for word in words]) if len(lines) else None


def in_order(words: Sequence[Spans]) -> Match:
    """The cheapest match of a query's words, at least one, with the lines of one picture."""
    total, back = words[0].costs, []
    count = len(total)
    rows, columns = np.divmod(np.arange(count * count), count)
    for before, after in pairwise(words):
        step = total[:, None] + _steps(before, after, rows, columns, rows == columns).reshape(count, count)
        back.append(step.argmin(axis=0))
        total = step.min(axis=0) + after.costs
    place = int(total.argmin())
    places = [place]
    for best in reversed(back):
        places.insert(0, int(best[places[0]]))
    placed = [
        Placed(line, word.corners[line], float(word.costs[line])) for line, word in zip(places, words, strict=True)
    ]
    return Match(float(total[place]), tuple(placed))


def ordered_costs(words: Sequence[Spans], lines: Sequence[Ints], owners: Ints) -> Floats:
    """The costs of `in_order` for many pictures at once, with each word matched on some of the lines only.

    Args:
        words: of a query, at least one, each matched on some lines.
        lines: for each word, the numbers of these lines, ascending.
        owners: (L,) the picture of each of all L lines, ascending.

    Returns:
        (P,) of the pictures up to the last owner; infinite if a word is on none of a picture's lines.
    """
    total, pictures = words[0].costs, [owners[some] for some in lines]
    for at, (before, after) in enumerate(pairwise(words)):
        first, end = (np.searchsorted(pictures[at], pictures[at + 1], side) for side in ("left", "right"))
        best = np.full(len(first), np.float32(np.inf))
        for some in _slices(end - first):
            size = (end - first)[some]
            column = np.repeat(np.arange(some.start, some.stop), size)
            row = np.arange(len(column)) + np.repeat(first[some] - (np.cumsum(size) - size), size)
            step = _steps(before, after, row, column, lines[at][row] == lines[at + 1][column])
            np.minimum.at(best, column, total[row] + step)
        total = best + after.costs
    least = np.full(int(owners.max(initial=-1)) + 1, np.float32(np.inf))
    np.minimum.at(least, pictures[-1], total)
    return least


def _slices(sizes: Ints) -> Iterator[slice]:
    """Slices of sizes that sum to about `PAIRS` each."""
    blocks = np.cumsum(sizes) // PAIRS
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    return (slice(int(start), int(stop)) for start, stop in pairwise([*starts, len(sizes)]))


def _steps(before: Spans, after: Spans, row: Ints, column: Ints, same: NDArray[np.bool_]) -> Floats:
    """The cost of one word following another, for pairs of their spans: (N,); `same` marks pairs on one line."""
    beside = _follows(before.corners[row], after.corners[column])
    return np.where(np.where(same, after.begins[column] >= before.ends[row] - 1, beside), 0, np.float32(APART))


def part_of(lines: TextLines, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float32]:
    """The corners of a part of each line, between two steps: (L, 4, 2)."""
    steps = np.maximum(lines.steps, 1).astype(np.float32)
    first = np.clip((begins - 0.5) / steps, 0, 1)[:, None]
    last = np.clip((ends + 0.5) / steps, 0, 1)[:, None]
    top_left, top_right, bottom_right, bottom_left = (lines.corners[:, at] for at in range(4))
    top, bottom = top_right - top_left, bottom_right - bottom_left
    parts = [top_left + first * top, top_left + last * top, bottom_left + last * bottom, bottom_left + first * bottom]
    return np.stack(parts, axis=1).astype(np.float32)


def _follows(before: Floats, after: Floats) -> NDArray[np.bool_]:
    """Whether one word is read right after another: (N,), from the corners (N, 4, 2) of each."""
    scale = np.array([ASPECT, 1], np.float32)
    start, following = before * scale, after * scale
    along, down = start[:, 1] - start[:, 0], start[:, 3] - start[:, 0]
    high = np.maximum(np.linalg.norm(down, axis=1), 1e-6)
    along /= np.maximum(np.linalg.norm(along, axis=1), 1e-6)[:, None]
    down = down / high[:, None]
    between = following[:, 0] - start[:, 1]  # from the end of one to the start of the other
    right, lower = (between * along).sum(axis=1) / high, (between * down).sum(axis=1) / high
    ahead = ((following[:, 1] - start[:, 0]) * along).sum(axis=1) / high
    in_row = (np.abs(lower) <= ROW) & (right >= -ROW) & (right <= GAP)
    below = (lower > ROW) & (lower <= 1 + BELOW) & (right < ROW) & (ahead > -GAP)
    return np.asarray(in_row | below)

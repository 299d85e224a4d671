"""Words written in one picture: which lines they are on, where on these, and in which order.

The words of a query are asked for in their order, each as near behind the one before as in a sentence: further on the
same line, on the next box to its right, or at the start of the line below. A word that is elsewhere costs `APART` more.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.matching.scene_text import word_spans
from wordsight.vision.text_lines import SEPARATOR, TextLines, fold

APART = 4.0  # nats, for a word that does not follow the one before
ROW, GAP, BELOW = 0.5, 1.5, 1.0  # in heights of a word: overlap within a row, distance in it, distance to the next row
ASPECT = 4 / 3  # of a picture, in which distances are compared
MOST_WORDS, LONGEST = 16, 64  # words of a query, characters of a word


class WrittenWord(NamedTuple):
    """A word that is asked for.

    Attributes:
        text: as it was given.
        symbols: folded, without separators.
        prefix: whether it may go on, as `lond*`.
    """

    text: str
    symbols: tuple[int, ...]
    prefix: bool


class Placed(NamedTuple):
    """A word of the query on a line of a picture.

    Attributes:
        line: which.
        corners: (4, 2) of the word, as `TextLines.corners`.
        cost: nats.
    """

    line: int
    corners: NDArray[np.float32]
    cost: float


class Match(NamedTuple):
    """How words fit a picture: the cost of all, with that of their order, and where each is."""

    cost: float
    words: tuple[Placed, ...]


class Spans(NamedTuple):
    """Where a word is on each of L lines, at the least cost.

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
        """Those of lines of any number of pictures."""
        costs, begins, ends = word_spans(lines, word.symbols, prefix=word.prefix)
        return cls(costs, begins, ends, part_of(lines, begins, ends))

    def part(self, lines: slice) -> "Spans":
        """Those of some of the lines."""
        return Spans(self.costs[lines], self.begins[lines], self.ends[lines], self.corners[lines])


def written_words(text: str) -> tuple[WrittenWord, ...]:
    """The words of a query: any spelling; `*` at the end of a word stands for more characters.

    Raises:
        InputError: there is no letter or digit in it, or far too many.
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
    """A cost as a figure from 0 to 1 that can be compared between words: the mean probability of a character."""
    return float(np.exp(-cost / sum(len(word.symbols) for word in words)))


def match(lines: TextLines, words: Sequence[WrittenWord]) -> Match | None:
    """The words of a query in a picture, at the least cost; None where it has no text.

    Args:
        lines: of the picture.
        words: at least one.
    """
    return in_order([Spans.of(lines, word) for word in words]) if len(lines) else None


def in_order(words: Sequence[Spans]) -> Match:
    """The words of a query on the lines of one picture, at least one, at the least cost."""
    total, back = words[0].costs, []
    for before, after in pairwise(words):
        step = np.full((len(total), len(total)), np.float32(APART))
        step[_follows(before.corners, after.corners)] = 0
        same = np.arange(len(total))
        step[same, same] = np.where(after.begins >= before.ends - 1, 0, APART)
        back.append((total[:, None] + step).argmin(axis=0))
        total = (total[:, None] + step).min(axis=0) + after.costs
    place = int(total.argmin())
    places = [place]
    for best in reversed(back):
        places.insert(0, int(best[places[0]]))
    placed = [
        Placed(line, word.corners[line], float(word.costs[line])) for line, word in zip(places, words, strict=True)
    ]
    return Match(float(total[place]), tuple(placed))


def part_of(lines: TextLines, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float32]:
    """The corners of a part of each line, from one step to another: (L, 4, 2)."""
    steps = np.maximum(lines.steps, 1).astype(np.float32)
    first = np.clip((begins - 0.5) / steps, 0, 1)[:, None]
    last = np.clip((ends + 0.5) / steps, 0, 1)[:, None]
    top_left, top_right, bottom_right, bottom_left = (lines.corners[:, at] for at in range(4))
    top, bottom = top_right - top_left, bottom_right - bottom_left
    parts = [top_left + first * top, top_left + last * top, bottom_left + last * bottom, bottom_left + first * bottom]
    return np.stack(parts, axis=1).astype(np.float32)


def _follows(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether one word is read next behind another: (L, L), of the corners (L, 4, 2) of each."""
    scale = np.array([ASPECT, 1], np.float32)
    start, following = before * scale, after * scale
    along, down = start[:, 1] - start[:, 0], start[:, 3] - start[:, 0]
    high = np.maximum(np.linalg.norm(down, axis=1), 1e-6)[:, None]
    along /= np.maximum(np.linalg.norm(along, axis=1), 1e-6)[:, None]
    down = down / high
    between = following[None, :, 0] - start[:, None, 1]  # from the end of one to the start of the other
    right, lower = (between * along[:, None]).sum(axis=2) / high, (between * down[:, None]).sum(axis=2) / high
    back = following[None, :, 1] - start[:, None, 0]
    ahead = (back * along[:, None]).sum(axis=2) / high
    in_row = (np.abs(lower) <= ROW) & (right >= -ROW) & (right <= GAP)
    below = (lower > ROW) & (lower <= 1 + BELOW) & (right < ROW) & (ahead > -GAP)
    return np.asarray(in_row | below)

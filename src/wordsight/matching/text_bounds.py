"""Lower bounds of the costs of words on text lines, for a first pass over very many lines.

Each line has a row of 80 bytes: the least cost of each letter and digit anywhere on the line (other characters share
buckets), and a bit for each hashed pair of characters that may be adjacent at a cost below `PAIR`. A word's boundary
counts as a character here. No line costs less than its bound, so scoring lines in the order of their bounds finds the
same as scoring all lines.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wordsight.matching.scene_text import CAP, CONFIDENCE, INSIDE, MIDDLE, MISSING, NO_SPACES, PART
from wordsight.vision.text_lines import BLANK, SCALE, SEPARATOR, TextLines

LETTERS, OTHERS, BYTES = 36, 12, 32  # buckets of one character, shared buckets, bytes of pairs
BUCKETS, WIDTH = LETTERS + OTHERS, LETTERS + OTHERS + BYTES
PAIR = 4.0  # nats
VERSION = f"bounds 2, {CONFIDENCE} {CAP} {INSIDE} {PART}"  # rows of other versions are computed again
_CAP, _INSIDE, _PART = int(CAP * SCALE), int(INSIDE * SCALE), int(PART * SCALE)
_PAIR, _MISSING = int(PAIR * SCALE), int(MISSING * SCALE)
_END = BLANK  # boundary of a word, as a character of a pair
assert PAIR <= MIDDLE <= MISSING
Rows = NDArray[np.uint8]


def rows_of(lines: TextLines) -> Rows:
    """The rows of L lines: (L, 80)."""
    rows = np.zeros((len(lines), WIDTH), np.uint8)
    rows[:, :BUCKETS] = min(int(CAP * SCALE), 255)
    ends, steps = np.cumsum(lines.steps), np.cumsum(lines.counts, dtype=np.int64)
    starts = steps - lines.counts
    line = np.repeat(np.repeat(np.arange(len(lines)), lines.steps), lines.counts)
    best = np.repeat(lines.costs[starts].astype(np.float32), lines.counts)
    relative = np.floor(np.minimum(lines.costs - (1 - CONFIDENCE) * best, CAP * SCALE)).astype(np.uint8)
    real = lines.symbols > SEPARATOR
    np.minimum.at(rows, (line[real], bucket(lines.symbols[real])), relative[real])
    for number, end in enumerate(ends):
        cells = range(end - lines.steps[number], end)
        each = [
            list(zip(lines.symbols[a:b].tolist(), relative[a:b].tolist(), strict=True))
            for a, b in ((starts[cell], steps[cell]) for cell in cells)
        ]
        for bit in _pairs(each):
            rows[number, BUCKETS + (bit >> 3)] |= 1 << (bit & 7)
    return rows


def bucket(symbols: NDArray[np.uint16]) -> NDArray[np.int64]:
    """The bucket (column of a row) of each symbol."""
    found = symbols.astype(np.int64)
    digits, letters = (found >= 48) & (found < 58), (found >= 97) & (found < 123)
    return np.where(digits, found - 48, np.where(letters, found - 87, LETTERS + found % OTHERS))


def lower_bounds(columns: Rows, word: Sequence[int], *, prefix: bool = False) -> NDArray[np.uint16]:
    """Lower bound of a word's cost on each line: (L,), in nats x `SCALE`.

    Args:
        columns: (80, L), the transposed rows of L lines.
        word: folded symbols, without separators.
        prefix: the word may be the beginning of a longer one.
    """
    chain = [_END] * (word[0] < NO_SPACES) + [*word] + [_END] * (word[-1] < NO_SPACES and not prefix)
    single = [
        np.zeros(columns.shape[1], np.uint8)
        if symbol == _END
        else np.minimum(columns[bucket(np.array([symbol], np.uint16))[0]], _MISSING)
        for symbol in chain
    ]
    both = []
    for at, (first, second) in enumerate(pairwise(chain)):
        bit = _bit(first, second)
        absent = (columns[BUCKETS + (bit >> 3)] & (1 << (bit & 7))) == 0
        both.append(np.maximum(single[at] + single[at + 1], absent * np.uint8(_PAIR)))  # at most 160
    totals = []
    for start in (0, 1):  # disjoint pairs from the first character on, and from the second
        pairs = range(start, len(chain) - 1, 2)
        alone = set(range(len(chain))) - {at + more for at in pairs for more in (0, 1)}
        total = np.zeros(columns.shape[1], np.uint16)
        for part in (*(both[at] for at in pairs), *(single[at] for at in alone)):
            total += part
        totals.append(total)
    return np.maximum(totals[0], totals[1])


def _pairs(steps: list[list[tuple[int, int]]]) -> set[int]:
    """The bits of the pairs of characters that may be adjacent on a line, boundaries of words included."""
    bits: set[int] = set()
    before = {_END: 0}  # cost so far of an emitted character and the blanks behind it
    for entries in steps:
        costs = dict(entries)
        now = _passed(before, costs)
        for symbol, cost in costs.items():
            if symbol > SEPARATOR:
                bits.update(_bit(other, symbol) for other, spent in before.items() if spent + cost < _PAIR)
                again = before.get(symbol, 0) + cost
                now[symbol] = min(now.get(symbol, cost), cost, again)
        before = now
    after = {_END: 0}
    for entries in reversed(steps):
        costs = dict(entries)
        bits.update(_bit(symbol, _END) for symbol, cost in entries if symbol > SEPARATOR and after[_END] + cost < _PAIR)
        after = _passed(after, costs)
    return bits


def _passed(before: dict[int, int], costs: dict[int, int]) -> dict[int, int]:
    """Costs of emitted characters after a blank step, and of a word's boundary, which may be at this step too."""
    apart = costs.get(SEPARATOR, _CAP)
    blank = min(costs.get(BLANK, _CAP), apart + _INSIDE)
    now = {symbol: cost + blank for symbol, cost in before.items() if cost + blank < _PAIR}
    return now | {_END: min(before[_END] + blank, apart + _PART)}


def _bit(first: int, second: int) -> int:
    return (first * 37 + second * 101 + (first ^ second) // 3) % (8 * BYTES)

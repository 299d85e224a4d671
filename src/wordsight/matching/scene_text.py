"""Scene text retrieval: how well a word fits the text lines of pictures, by the recogniser's probabilities.

Jaderberg et al. 2016 score a picture by the most probable of its word boxes: max over b of p(word | b). Here p is that
of a CTC recogniser, so any spelling can be searched for, and a misread word is still found: "coffee" where the reading
is "COFFFE". The cost of a word on a line is minus the log-probability of its best CTC path over any span of the line's
steps, relative to the best path of any text over the same span:

    cost = min over spans, paths of  sum over steps t of  [-log y_t(path_t)] - (1 - CONFIDENCE) [-log max_k y_t(k)]

plus `MIDDLE` for each end of the span inside a longer word, or `PART` for each end inside a line. The cost of a step is
capped at `CAP`, so a character missing from the recogniser's alternatives costs about as much as an edit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wordsight.vision.text_lines import BLANK, SCALE, SEPARATOR, TextLines

CONFIDENCE = 0.5  # share of the best path's own cost, the recogniser's doubt, that counts
CAP = 5.0  # nats, greatest cost of a step
MIDDLE = 4.0  # nats, for an end inside a longer word
PART = 0.3  # nats, for an end inside a line: a word that is a whole line ranks before a part of a line
INSIDE = 0.5  # nats, for a separator inside the searched word: "62-03" is 6203
MISSING = 5.0  # nats, for a character of the word that is not on the line
TOGETHER = 512  # lines scored at once
NO_SPACES = 0x2E80  # scripts from this code point on write no spaces between words
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Emissions:
    """Costs of a word's symbols at the T steps of N lines, in nats; padding steps are blanks of cost 0.

    Attributes:
        symbols: (N, T, S) cost of each distinct symbol.
        blank: (N, T) cost of a blank, or of a separator inside the word.
        separator: (N, T) cost of a separator.
    """

    symbols: Floats
    blank: Floats
    separator: Floats


def emissions(lines: TextLines, wanted: Sequence[int]) -> Emissions:
    """Compute the costs of some symbols at each step of N lines.

    Args:
        lines: of any number of pictures.
        wanted: S distinct folded symbols.
    """
    longest, count = int(lines.steps.max(initial=0)), len(lines.steps)
    line = np.repeat(np.arange(count), lines.steps)
    first = np.cumsum(lines.steps) - lines.steps
    cell = line * longest + np.arange(len(line)) - first[line]  # of each step, in (N, T)
    starts = np.cumsum(lines.counts, dtype=np.int64) - lines.counts
    costs = lines.costs.astype(np.float32) / np.float32(SCALE)
    entry = np.repeat(np.arange(len(cell)), lines.counts)
    relative = np.minimum(costs - (1 - CONFIDENCE) * costs[starts][entry], CAP) if len(costs) else costs
    table = np.full((count * longest, len(wanted) + 2), np.float32(CAP))
    for column, symbol in enumerate((*wanted, BLANK, SEPARATOR)):
        of = np.flatnonzero(lines.symbols == symbol)
        table[cell[entry[of]], column] = relative[of]
    padding = np.ones(count * longest, bool)
    padding[cell] = False
    table[padding] = [*[np.inf] * len(wanted), 0, 0]
    cells = table.reshape(count, longest, -1)
    return Emissions(cells[:, :, :-2], np.minimum(cells[:, :, -2], cells[:, :, -1] + INSIDE), cells[:, :, -1])


def word_costs(lines: TextLines, word: Sequence[int], *, prefix: bool = False) -> Floats:
    """The cost of a word on each of N lines: 0 if the line is exactly that word, and the recogniser certain.

    Args:
        lines: of any number of pictures.
        word: folded symbols without separators; at least one.
        prefix: the word may be the beginning of a longer one.

    Returns:
        (N,) nats.
    """
    costs = np.empty(len(lines), np.float32)
    for rows in _alike(lines):
        seen = emissions(lines.take(rows), list(dict.fromkeys(word)))
        enter, leave = _boundaries(seen, word, prefix)
        costs[rows] = _best_paths(seen, word, enter, leave)[0]
    return costs


def word_spans(lines: TextLines, word: Sequence[int], *, prefix: bool = False) -> tuple[Floats, Ints, Ints]:
    """The cost of a word on each of N lines as in `word_costs`, its first step, and the step behind its last.

    The same search over the reversed lines finds the first step.
    """
    costs, starts, ends = (
        np.empty(len(lines), np.float32),
        np.zeros(len(lines), np.int64),
        np.zeros(len(lines), np.int64),
    )
    order = list(dict.fromkeys(word))
    for rows in _alike(lines):
        seen = emissions(lines.take(rows), order)
        enter, leave = _boundaries(seen, word, prefix)
        costs[rows], ends[rows] = _best_paths(seen, word, enter, leave)
        steps = lines.steps[rows].astype(np.int64)
        back = Emissions(*(_turned(part, steps) for part in (seen.symbols, seen.blank, seen.separator)))
        # the columns of symbols keep the order of the unreversed word, so only the word itself is reversed
        turned = _turned(leave, steps + 1), _turned(enter, steps + 1)
        starts[rows] = steps - _best_paths(back, word[::-1], *turned, order=order)[1]
    return costs, np.minimum(starts, np.maximum(ends - 1, 0)), ends


def _turned(table: Floats, sizes: Ints) -> Floats:
    """A table (N, T, ...) with the first `sizes` (N,) entries of each row reversed; padding stays at the end."""
    place = np.arange(table.shape[1])
    from_ = np.where(place < sizes[:, None], sizes[:, None] - 1 - place, place)
    return table[np.arange(len(table))[:, None], from_]


def _alike(lines: TextLines) -> Iterator[Ints]:
    """Indices of lines in blocks of similar length, at most `TOGETHER` each, to save padding."""
    order = np.argsort(lines.steps, kind="stable")
    return (order[first : first + TOGETHER] for first in range(0, len(order), TOGETHER))


def _best_paths(
    seen: Emissions, word: Sequence[int], enter: Floats, leave: Floats, order: Sequence[int] | None = None
) -> tuple[Floats, Ints]:
    """The cost of a word's best path on each line, and the step behind its last character: (N,) each."""
    order = order or list(dict.fromkeys(word))
    column = [order.index(symbol) for symbol in word]
    count, longest, _ = seen.symbols.shape
    size, infinite = len(word), np.float32(np.inf)
    at_step = np.ascontiguousarray(seen.symbols.transpose(1, 2, 0))  # (T, S, N)
    blank, enter, leave = (np.ascontiguousarray(part.T) for part in (seen.blank, enter, leave))  # (T, N)
    on, after = np.full((size, count), infinite), np.full((size, count), infinite)  # at a character; at blanks after it
    before = np.empty_like(on)
    twice = np.array([[infinite if one == other else 0] for one, other in pairwise(word)], np.float32)
    best, ends = np.full(count, infinite), np.zeros(count, np.int64)
    for t in range(longest):
        before[0] = enter[t]
        if size > 1:
            np.minimum(after[:-1], on[:-1] + twice if twice.any() else on[:-1], out=before[1:])
            np.minimum(before[1:], before[:-1] + MISSING, out=before[1:])
        np.minimum(after, on, out=after)
        after += blank[t]
        np.minimum(on, before, out=on)
        on += at_step[t][column]
        last = on[-1] if size == 1 else np.minimum(on[-1], np.minimum(on[-2], after[-2]) + MISSING)
        total = last + leave[t + 1]
        ends[total < best] = t + 1
        np.minimum(best, total, out=best)
    return best, ends


def _boundaries(seen: Emissions, word: Sequence[int], prefix: bool) -> tuple[Floats, Floats]:
    """The costs of a word's beginning and of its end before each step: (N, T + 1) each."""
    none = np.zeros((len(seen.blank), seen.blank.shape[1] + 1), np.float32)
    enter = _apart(seen.blank, seen.separator) if word[0] < NO_SPACES else none
    if word[-1] >= NO_SPACES or prefix:
        return enter, none
    return enter, _apart(seen.blank[:, ::-1], seen.separator[:, ::-1])[:, ::-1]


def _apart(blank: Floats, separator: Floats) -> Floats:
    """The cost, before each step, of a line's beginning or a separator, then only blanks: (N, T + 1)."""
    zero = np.zeros((len(blank), 1))
    passed = np.concatenate([zero, np.cumsum(blank, axis=1, dtype=np.float64)], axis=1)  # exact: few binary places
    since = np.concatenate([zero, separator + np.float32(PART) - passed[:, 1:]], axis=1)
    return np.minimum(passed + np.minimum.accumulate(since, axis=1), MIDDLE).astype(np.float32)

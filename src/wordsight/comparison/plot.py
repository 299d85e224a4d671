"""Plots of quality against cost, as inline SVG: a line or a point for each system, labelled at its end."""

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

from wordsight.reports.marks import COLOURS

WIDE, HIGH = 620, 360
LEFT, RIGHT, TOP, BOTTOM = 52, 170, 14, 42
LINE = 15  # distance between labels
LONG = 20  # most letters of a label
Series = Sequence[tuple[str, Sequence[tuple[float, float]]]]  # names with their points, x above 0


class Axis:
    """Axis of a plot: maps values to positions, on a log scale with `ratio` where values are above 0.

    Args:
        values: all values on the axis.
        start: position of the least.
        end: position of the greatest.
        ratio: use a log scale.
    """

    def __init__(self, values: Sequence[float], start: float, end: float, *, ratio: bool = False) -> None:
        self.ratio = ratio and min(values) > 0
        low, high = (self._of(edge(values)) for edge in (min, max))
        room = 0.06 * (high - low) or 0.5
        self.low, self.high, self.start, self.end = low - room, high + room, start, end

    def at(self, value: float) -> float:
        """The position of a value."""
        return self.start + (self._of(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def marks(self) -> list[float]:
        """Three to eight round values for ticks."""
        if self.ratio:
            powers = range(math.floor(self.low), math.ceil(self.high) + 1)
            steps = (1, 2, 5) if self.high - self.low < 2 else (1,) if self.high - self.low > 3.5 else (1, 3)
            every = [step * 10.0**power for power in powers for step in steps]
        else:
            rough = (self.high - self.low) / 5
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * 0.999999)
            first, last = math.ceil(self.low / step), math.floor(self.high / step)
            every = [number * step for number in range(first, last + 1)]
        return [value for value in every if self.low <= self._of(value) <= self.high]

    def _of(self, value: float) -> float:
        return math.log10(value) if self.ratio else value


def plot(series: Series, across: str, up: str, *, ratio: bool = False) -> str:
    """One drawing.

    Args:
        series: systems; those without points are left out. One point is a dot, several are joined.
        across: title of x.
        up: title of y.
        ratio: log scale of x.

    Returns:
        An `<svg>`; empty when there is nothing to show.
    """
    shown = [(name, points) for name, points in series if points]
    if not shown:
        return ""
    every = [point for _, points in shown for point in points]
    x = Axis([point[0] for point in every], LEFT, WIDE - RIGHT, ratio=ratio)
    y = Axis([point[1] for point in every], HIGH - BOTTOM, TOP)
    parts = _frame(x, y, across, up)
    ends = [points[-1] for _, points in shown]
    heights = _apart([y.at(end[1]) for end in ends])
    for number, ((name, points), end, height) in enumerate(zip(shown, ends, heights, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in points)
        tip, label = (x.at(end[0]), y.at(end[1])), WIDE - RIGHT + 14
        parts.append(f'<polyline points="{path}" stroke="{colour}"/>' if len(points) > 1 else "")
        parts.append(f'<circle cx="{tip[0]:.1f}" cy="{tip[1]:.1f}" r="4" fill="{colour}"/>')
        parts.append(
            f'<line x1="{tip[0]:.1f}" y1="{tip[1]:.1f}" x2="{label - 4}" y2="{height:.1f}" stroke="{colour}" '
            'stroke-width="0.7" opacity="0.45"/>'
        )
        words = f"{escape(name if len(name) <= LONG else f'{name[: LONG - 1]}…')} {end[1]:.3g}"
        parts.append(f'<text class="now" x="{label}" y="{height + 4:.1f}" style="fill:{colour}">{words}</text>')
    what = escape(f"{up} against {across}")
    return f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{what}">{"".join(parts)}</svg>'


def _frame(x: Axis, y: Axis, across: str, up: str) -> list[str]:
    """Grid lines, tick values and axis titles."""
    parts = []
    for value in y.marks():
        at = f"{y.at(value):.1f}"
        parts.append(f'<line class="gridline" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y.at(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    for value in x.marks():
        at = f"{x.at(value):.1f}"
        parts.append(f'<text x="{at}" y="{HIGH - BOTTOM + 18}" text-anchor="middle">{_short(value)}</text>')
    middle = (LEFT + WIDE - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HIGH - 6}" text-anchor="middle">{escape(f"{up} against {across}")}</text>')
    return parts


def _short(value: float) -> str:
    """1500000 as "1.5M"."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _apart(heights: Sequence[float]) -> list[float]:
    """Heights moved so that labels do not overlap and stay inside."""
    order = sorted(range(len(heights)), key=lambda number: heights[number])
    moved = list(heights)
    for before, number in pairwise(order):
        moved[number] = max(moved[number], moved[before] + LINE)
    over = moved[order[-1]] - (HIGH - BOTTOM)
    if over <= 0:
        return moved
    last = float(HIGH - BOTTOM + LINE)
    for number in reversed(order):
        moved[number] = last = min(moved[number], last - LINE)
    return moved

"""Training curves as inline SVG."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

from wordsight.reports.marks import COLOURS

WIDE, HIGH = 560, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 128, 16, 40
Record = Mapping[str, float]


class Plot:
    """Where epochs and values stand in the drawing."""

    def __init__(self, first: float, last: float, top: float) -> None:
        self.first, self.span, self.top = first, max(last - first, 1e-9), top

    def x(self, epoch: float) -> float:
        """From the left, in units of the drawing."""
        return LEFT + (epoch - self.first) / self.span * (WIDE - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """From the top, in units of the drawing."""
        return HIGH - BOTTOM - value / self.top * (HIGH - TOP - BOTTOM)


def curves(history: Sequence[Record], lines: Mapping[str, str], unit: str) -> str:
    """One drawing of several figures, 0 or more, over the epochs; figures that are in no record are left out.

    Args:
        history: a record per evaluation, each with `epoch`.
        lines: key of a figure -> its name.
        unit: what the figures are, for people.

    Returns:
        An `<svg>`; empty when there are fewer than two records, or nothing to show.
    """
    if len(history) < 2:
        return ""
    points = {key: _finite(history, key) for key in lines}
    shown = {key: found for key, found in points.items() if found}
    if not shown:
        return ""
    top = _round_up(max(value for found in shown.values() for _, value in found))
    plot = Plot(history[0]["epoch"], history[-1]["epoch"], top)
    parts = [_axes(plot, history, unit)]
    places = _spread([plot.y(found[-1][1]) for found in shown.values()])
    for number, ((key, found), place) in enumerate(zip(shown.items(), places, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{plot.x(epoch):.1f},{plot.y(value):.1f}" for epoch, value in found)
        x, y = plot.x(found[-1][0]), plot.y(found[-1][1])
        parts.append(
            f'<polyline points="{path}" stroke="{colour}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>'
        )
        label = f"{escape(lines[key])} {found[-1][1]:.3g}"
        parts.append(
            f'<text class="now" x="{WIDE - RIGHT + 12}" y="{place + 4:.1f}" style="fill:{colour}">{label}</text>'
        )
    return f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(unit)} by epoch">{"".join(parts)}</svg>'


def _finite(history: Sequence[Record], key: str) -> list[tuple[float, float]]:
    """Epoch and value of every record that has the figure."""
    return [(record["epoch"], record[key]) for record in history if math.isfinite(record.get(key, math.nan))]


def _axes(plot: Plot, history: Sequence[Record], unit: str) -> str:
    """Lines across with their values, epochs below."""
    parts = []
    for value in (plot.top * part / 4 for part in range(5)):
        y = plot.y(value)
        parts.append(f'<line class="gridline" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    every = max(1, math.ceil(len(history) / 10))
    for record in history[::every]:
        x = plot.x(record["epoch"])
        parts.append(f'<text x="{x:.1f}" y="{HIGH - BOTTOM + 18}" text-anchor="middle">{record["epoch"]:g}</text>')
    middle = (LEFT + WIDE - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HIGH - 5}" text-anchor="middle">epoch · {escape(unit)}</text>')
    return "".join(parts)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 8, 10 times a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value * 0.999999)


def _spread(places: Sequence[float]) -> list[float]:
    """The same heights, moved apart so that labels there do not overlap."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    moved = list(places)
    for before, number in pairwise(order):
        moved[number] = max(moved[number], moved[before] + 15)
    over = max(moved) - (HIGH - BOTTOM) if moved else 0
    return [place - over for place in moved] if over > 0 else moved

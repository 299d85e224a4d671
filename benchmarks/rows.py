"""Rows of a benchmark's results: ours, the peers, and the floor, with the ratio of ours to each."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Row:
    """One way of doing a piece of work, measured.

    Attributes:
        work: the piece of work; ways that do the same work have the same text here.
        way: the way of doing it.
        kind: `ours`, a `peer`, which does the same by other means, or the `floor`, which no way can be below.
        figure: the rate or time; None if it was not measured.
        unit: unit of the figure: a rate if it ends with "/s", else a time.
        note: why it was not measured.
    """

    work: str
    way: str
    kind: Literal["ours", "peer", "floor"]
    figure: float | None
    unit: str
    note: str = ""


def ratios(rows: Sequence[Row]) -> list[float | None]:
    """How many times as fast as each way our first way of the same work is; None if that is not known."""
    ours: dict[str, Row] = {}
    for row in rows:
        if row.kind == "ours":
            ours.setdefault(row.work, row)
    found: list[float | None] = []
    for row in rows:
        mine = ours[row.work].figure if row.work in ours else None
        if not mine or not row.figure:
            found.append(None)
        else:
            found.append(mine / row.figure if row.unit.endswith("/s") else row.figure / mine)
    return found


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    lines, before = [f"{'':44}{'':>12}{'':14}{'ours is x times as fast':>24}"], ""
    for row, ratio in zip(rows, ratios(rows), strict=True):
        if row.work != before:
            lines.append(before := row.work)
        if row.figure is None:
            lines.append(f"  {row.way:36}{row.kind:6}{'not measured: ' + row.note}")
        else:
            told = "" if ratio is None else f"{ratio:24.2f}"
            lines.append(f"  {row.way:36}{row.kind:6}{row.figure:12,.2f} {row.unit:13}{told}")
    return "\n".join(lines)


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain values, with the ratios."""
    return [{**asdict(row), "ratio": ratio} for row, ratio in zip(rows, ratios(rows), strict=True)]


def write(path: Path | None, rows: Sequence[Row]) -> None:
    """Write the rows as JSON, if a path is given."""
    if path is not None:
        path.write_text(json.dumps(plain(rows), indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> list[Row]:
    """Read what `write` wrote."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return [Row(**{name: value for name, value in one.items() if name != "ratio"}) for one in told]

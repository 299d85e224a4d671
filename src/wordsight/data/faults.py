"""Faults of a dataset's files: bad rows are left out or repaired, and reported; strict reading refuses them."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.errors import InputError

SHOWN = 3  # number of faults of each kind that are quoted; the others are only counted


@dataclass
class _File:
    """The faults of one file: its number of good rows, and the errors of rows left out or mended."""

    good: int = 0
    left_out: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)


class Faults:
    """Collects faults while the files of a dataset are read.

    Args:
        strict: refuse the first bad row, with file and line, rather than leave it out or repair it.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._files: dict[Path, _File] = defaultdict(_File)
        self._spelled: list[str] = []
        self._notes: list[str] = []

    def good(self, path: Path, rows: int = 1) -> None:
        """Count usable rows of a file."""
        self._files[path].good += rows

    def left_out(self, path: Path, why: InputError) -> None:
        """Record a row that is left out.

        Args:
            path: its file.
            why: the error, which names the row and what was expected.

        Raises:
            InputError: reading is strict.
        """
        if self.strict:
            raise why
        self._files[path].left_out.append(str(why))

    def mended(self, path: Path, where: str, what: str) -> None:
        """Record a row that is repaired.

        Args:
            path: its file.
            where: the row, such as "line 7".
            what: the fault and its repair.

        Raises:
            InputError: reading is strict.
        """
        if self.strict:
            raise InputError(f"{path}, {where}: {what}.")
        self._files[path].mended.append(f"{where}: {what}")

    def spelled(self, named: str, real: str) -> None:
        """Record a picture found under a different spelling of its name."""
        self._spelled.append(f"'{named}' is {real}")

    def note(self, sentence: str) -> None:
        """Record anything else to report, such as a skipped file."""
        if sentence not in self._notes:
            self._notes.append(sentence)

    def require(self, path: Path) -> None:
        """Refuse a file whose rows are nearly all bad: it has another format.

        Raises:
            InputError: fewer than a tenth of its rows are usable; the message names the first bad row.
        """
        rows = self._files[path]
        bad = len(rows.left_out)
        if bad and rows.good * 9 < bad:
            others = f" {bad} of its {bad + rows.good} rows cannot be used." if bad > 1 else ""
            raise InputError(rows.left_out[0] + others)

    def sentences(self) -> tuple[str, ...]:
        """All faults: one sentence for each kind of fault in each file."""
        found = list(self._notes)
        for path, rows in self._files.items():
            for what, some in (("left out", rows.left_out), ("mended", rows.mended)):
                if some:
                    first = [one.removeprefix(f"{path}, ").removeprefix(f"{path}: ").rstrip(".") for one in some]
                    found.append(f"{path}: {_rows(len(some))} {what} ({_listed(first)}).")
        if self._spelled:
            found.append(
                f"Pictures whose names are spelled otherwise: {len(self._spelled)} ({_listed(self._spelled)})."
            )
        return tuple(found)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _listed(some: list[str]) -> str:
    more = [f"and {len(some) - SHOWN:,} more"] if len(some) > SHOWN else []
    return "; ".join([*some[:SHOWN], *more])

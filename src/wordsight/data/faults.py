"""What is wrong with a dataset's files: bad rows are left out or mended, counted and named; strict reading refuses."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.errors import InputError

SHOWN = 3  # faults of a kind that are named; the others are counted


@dataclass
class _File:
    """The faults of one file: how many rows were read, and what was wrong with the others."""

    good: int = 0
    left_out: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)


class Faults:
    """Collects what is wrong while the files of a dataset are read.

    Args:
        strict: refuse the first bad row, with the file and the line, where otherwise it is left out or mended.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._files: dict[Path, _File] = defaultdict(_File)
        self._spelled: list[str] = []
        self._notes: list[str] = []

    def good(self, path: Path, rows: int = 1) -> None:
        """Count rows of a file that could be used."""
        self._files[path].good += rows

    def left_out(self, path: Path, why: InputError) -> None:
        """A row is left out.

        Args:
            path: its file.
            why: says which row, and what was expected.

        Raises:
            InputError: reading is strict.
        """
        if self.strict:
            raise why
        self._files[path].left_out.append(str(why))

    def mended(self, path: Path, where: str, what: str) -> None:
        """A row is used in another form than it has.

        Args:
            path: its file.
            where: the row, such as "line 7".
            what: what was wrong, and what was made of it.

        Raises:
            InputError: reading is strict.
        """
        if self.strict:
            raise InputError(f"{path}, {where}: {what}.")
        self._files[path].mended.append(f"{where}: {what}")

    def spelled(self, named: str, real: str) -> None:
        """A picture was found under a name that is spelled otherwise."""
        self._spelled.append(f"'{named}' is {real}")

    def note(self, sentence: str) -> None:
        """Something else that a person should know, such as a file that was passed over."""
        if sentence not in self._notes:
            self._notes.append(sentence)

    def require(self, path: Path) -> None:
        """Make sure that the rows of a file are not nearly all bad: then it has another format.

        Raises:
            InputError: fewer than a tenth could be used; the message names the first bad row.
        """
        rows = self._files[path]
        bad = len(rows.left_out)
        if bad and rows.good * 9 < bad:
            others = f" {bad} of its {bad + rows.good} rows cannot be used." if bad > 1 else ""
            raise InputError(rows.left_out[0] + others)

    def sentences(self) -> tuple[str, ...]:
        """Everything that was found, a sentence for each kind of fault in each file."""
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

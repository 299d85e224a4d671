"""Seal: what a catalogue must hold, in a small file beside it; it shows lost commits, and restores damaged facts.

It is written after each commit. If a writer is killed in between, the seal is that of an earlier commit, and says
nothing about the rows.
"""

import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from wordsight.files import read_bytes, write_text

FILE = "seal.json"
ASIDE = "catalog.seal.json"  # used instead if the user has a file `seal.json`


@dataclass(frozen=True)
class Seal:
    """Seal of a catalogue after a commit.

    Attributes:
        generation: number of commits so far.
        facts: all facts about the whole index.
        rows: for each table the number of rows, and the sum of their checksums.
    """

    generation: int
    facts: dict[str, str]
    rows: dict[str, list[int]]

    def write(self, folder: Path) -> None:
        """Write it beside the catalogue.

        Raises:
            InputError: it cannot be written.
        """
        text = json.dumps(asdict(self), sort_keys=True)
        write_text(
            seal_path(folder), json.dumps({"checksum": zlib.crc32(text.encode()), "seal": asdict(self)}, indent=1)
        )

    @classmethod
    def read(cls, folder: Path) -> "Seal | None":
        """The seal of an index; None if it is missing or damaged itself."""
        try:
            found = json.loads(read_bytes(seal_path(folder)))
            seal = cls(**found["seal"])
            text = json.dumps(asdict(seal), sort_keys=True)
            return seal if zlib.crc32(text.encode()) == found["checksum"] else None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None


def seal_path(folder: Path) -> Path:
    """The file of an index's seal."""
    aside = folder / ASIDE
    return aside if os.path.lexists(aside) else folder / FILE


def leave_alone(folder: Path) -> None:
    """Before an index gets its first seal: if the user has a file of that name, keep it and choose the other name.

    Raises:
        InputError: the other file cannot be made.
    """
    if os.path.lexists(folder / FILE) and Seal.read(folder) is None:
        write_text(folder / ASIDE, "")

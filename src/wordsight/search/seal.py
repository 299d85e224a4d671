"""What a catalogue must hold, in a small file beside it: it shows that commits were lost, and restores the facts.

It is written after each commit. A writer that is killed in between leaves that of an earlier one: then it says nothing
about the rows.
"""

import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from wordsight.files import read_bytes, write_text

FILE = "seal.json"
ASIDE = "catalog.seal.json"  # where the user has a file of that name


@dataclass(frozen=True)
class Seal:
    """A catalogue after a commit.

    Attributes:
        generation: counts its commits.
        facts: all that it says of the whole index.
        rows: how many rows each table has, and the sum of their checksums.
    """

    generation: int
    facts: dict[str, str]
    rows: dict[str, list[int]]

    def write(self, folder: Path) -> None:
        """Put it beside the catalogue.

        Raises:
            InputError: it cannot be written.
        """
        text = json.dumps(asdict(self), sort_keys=True)
        write_text(
            seal_path(folder), json.dumps({"checksum": zlib.crc32(text.encode()), "seal": asdict(self)}, indent=1)
        )

    @classmethod
    def read(cls, folder: Path) -> "Seal | None":
        """The seal of an index; none where there is none, or it is damaged itself."""
        try:
            found = json.loads(read_bytes(seal_path(folder)))
            seal = cls(**found["seal"])
            text = json.dumps(asdict(seal), sort_keys=True)
            return seal if zlib.crc32(text.encode()) == found["checksum"] else None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None


def seal_path(folder: Path) -> Path:
    """The file of the seal of an index."""
    aside = folder / ASIDE
    return aside if os.path.lexists(aside) else folder / FILE


def leave_alone(folder: Path) -> None:
    """Where an index that never had a seal is to have one: leave the user's own file of that name as it is.

    Raises:
        InputError: another file for the seal cannot be made.
    """
    if os.path.lexists(folder / FILE) and Seal.read(folder) is None:
        write_text(folder / ASIDE, "")

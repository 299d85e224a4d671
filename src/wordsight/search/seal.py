"""What a catalogue must hold, in a small file beside it: it shows that commits were lost, and restores the facts.

It is written after each commit. A writer that is killed in between leaves that of an earlier one: then it says nothing
about the rows.
"""

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from wordsight.files import read_bytes, write_text

FILE = "seal.json"


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
        write_text(folder / FILE, json.dumps({"checksum": zlib.crc32(text.encode()), "seal": asdict(self)}, indent=1))

    @classmethod
    def read(cls, folder: Path) -> "Seal | None":
        """The seal of an index; none where there is none, or it is damaged itself."""
        try:
            found = json.loads(read_bytes(folder / FILE))
            seal = cls(**found["seal"])
            text = json.dumps(asdict(seal), sort_keys=True)
            return seal if zlib.crc32(text.encode()) == found["checksum"] else None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

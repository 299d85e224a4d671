"""The bundled model: part of the package, and the default if the user names no run.

bundled/align/           an aligner; its calibration.json calibrates the confidence of hits
bundled/captions/        a captioner of pictures
bundled/regions/         a captioner of regions
bundled/checksums.json   the SHA-256 of each file in the folder (`tools/pack.py` writes it)
bundled/README.md        its training data and metrics
"""

import hashlib
import sys
from pathlib import Path

from wordsight.errors import InputError
from wordsight.files import field, read_json

BOX = Path(__file__).with_name("bundled")
CHECKSUMS, CALIBRATION = "checksums.json", "calibration.json"


def in_the_box(part: str) -> Path:
    """Folder of a part of the bundled model, after its checksums are verified.

    Args:
        part: `align`, `captions` or `regions`, the folder of a run.

    Raises:
        InputError: this package has no bundled model, or one of the part's files is missing or damaged.
    """
    listed = BOX / CHECKSUMS
    if not listed.exists():
        raise InputError(
            f"This wordsight was installed without its small model ({BOX} has none): name a model of your own, "
            "with --model RUN where a command has that, or install a package that has one."
        )
    sums = field(read_json(listed), "sha256", dict, str(listed))
    mine = {name: expected for name, expected in sums.items() if name.split("/")[0] == part}
    if not mine:
        raise InputError(f"{listed}: damaged, as it knows no '{part}'; install wordsight again.")
    for name, expected in mine.items():
        if checksum(BOX / name) != expected:
            raise InputError(f"{BOX / name}: damaged or missing, not as it was packed; install wordsight again.")
    return BOX / part


def say_bundled() -> None:
    """Print on stderr that the bundled model is used."""
    print(f"model: the small model that comes with wordsight ({BOX})", file=sys.stderr)


def checksum(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""

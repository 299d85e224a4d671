"""Writer of generated datasets: a folder in the Karpathy layout that appears only when it is complete."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wordsight.errors import InputError


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `out` at the end; after an error nothing is left.

    An empty folder that is there, maybe as the current one, a link's or a drive's, stays and gets the contents.

    Raises:
        InputError: `out` exists and is not an empty folder, or it cannot be written.
    """
    try:
        there = _is_empty_folder(out)
        place = Path(os.path.realpath(out))
        beside = place if there else place.parent
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=beside, prefix=f".{place.name}-") as work:
            made = Path(work) / "made"
            (made / "images").mkdir(parents=True)
            yield made
            if there:
                _move_contents(made, place)
            else:
                made.replace(place)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror or error}).") from error


def _is_empty_folder(out: Path) -> bool:
    """Whether `out` is an empty folder; False if it is nothing yet, an InputError if it is anything else."""
    if not out.exists():
        return False
    if not out.is_dir() or any(out.iterdir()):
        raise InputError(f"{out}: expected an empty or new folder.")
    return True


def _move_contents(made: Path, place: Path) -> None:
    """Move all from a folder into one on the same drive: pictures first, as the file beside them makes a dataset."""
    for path in sorted(made.iterdir(), key=lambda path: (path.is_file(), path.name == "dataset.json")):
        path.rename(place / path.name)


class Records:
    """The records of a Karpathy JSON file, added one picture or clip at a time."""

    def __init__(self) -> None:
        self._images: list[dict[str, Any]] = []
        self._sentences = 0

    def add(self, filename: str, split: str, texts: Sequence[str]) -> None:
        """Add a file of `images/` with its sentences."""
        ids = list(range(self._sentences, self._sentences + len(texts)))
        self._sentences += len(texts)
        number = len(self._images)
        sentences = [
            {"tokens": text.split(), "raw": text, "imgid": number, "sentid": i}
            for i, text in zip(ids, texts, strict=True)
        ]
        self._images.append(
            {"filename": filename, "imgid": number, "split": split, "sentids": ids, "sentences": sentences}
        )

    def write(self, folder: Path, name: str) -> None:
        """Write `dataset.json`."""
        (folder / "dataset.json").write_text(json.dumps({"dataset": name, "images": self._images}), encoding="utf-8")

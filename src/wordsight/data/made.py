"""Writer of generated datasets: a folder in the Karpathy layout that appears only when it is complete."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wordsight.errors import InputError


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A temporary folder to fill, which is renamed to `out` at the end; after an error nothing is left.

    Raises:
        InputError: `out` exists and is not an empty folder, or it cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: expected an empty or new folder.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as work:
            made = Path(work) / "made"
            (made / "images").mkdir(parents=True)
            yield made
            made.replace(out)  # also replaces an empty folder
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror or error}).") from error


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

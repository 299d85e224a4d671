"""A folder of pictures with their captions beside them: `x.jpg` and `x.txt`, one sentence a line."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from wordsight.data.find import PICTURE_SUFFIXES
from wordsight.data.records import Dataset, Picture, split_in
from wordsight.files import read_text

_NO_CAPTIONS = re.compile(r"(readme|licen[cs]e|notice|copying|requirements|classes|labels)\b.*", re.IGNORECASE)


def recognised(root: Path) -> bool:
    """Whether a picture in a folder, or in the folders inside, has a text file beside it."""
    return any(
        os.path.splitext(name)[0] + ".txt" in files for _, files in _walk(root) for name in files if _is_picture(name)
    )


def read(root: Path) -> Dataset:
    """The dataset in a folder and the folders in it; a first folder named like a split gives the split, else train.

    A picture without a text file has no sentences; a text file without a picture stands for a picture that is missing.

    Raises:
        InputError: a text file cannot be read as UTF-8; the message names the line.
    """
    pictures = []
    for folder, files in _walk(root):
        within = folder.relative_to(root)
        split = split_in(within.parts[0]) if within.parts else "train"
        stems: dict[str, str] = {os.path.splitext(name)[0]: name for name in files if _is_picture(name)}
        for name in sorted(files):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() == ".txt" and not _NO_CAPTIONS.fullmatch(stem):
                stems.setdefault(stem, f"{stem}.jpg")
        for stem in sorted(stems):
            text = folder / f"{stem}.txt"
            lines = read_text(text).strip().split("\n") if text.name in files else []
            said = tuple(line.strip() for line in lines if line.strip() or len(lines) == 1)
            pictures.append(Picture((within / stems[stem]).as_posix(), folder / stems[stem], split, said))
    return Dataset(root.name, root, "pairs", tuple(pictures))


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def _walk(root: Path) -> Iterator[tuple[Path, set[str]]]:
    """Each folder with the names of its files, without hidden ones, in the order of the alphabet."""
    for folder, inside, files in os.walk(root):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        yield Path(folder), {name for name in files if not name.startswith(".")}

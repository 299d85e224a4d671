"""The original layout of Flickr8k and Flickr30k: a token file, and a list of pictures for each split."""

import re
from pathlib import Path

from wordsight.data.find import PictureFiles
from wordsight.data.records import Dataset, Picture
from wordsight.errors import InputError
from wordsight.files import read_text

_LINE = re.compile(r"(?P<name>[^\t]*\S)#(?P<number>\d+)\t(?P<sentence>.*)")
_LISTS = {
    "train": ("*trainImages.txt", "train.txt"),
    "val": ("*devImages.txt", "val.txt", "dev.txt"),
    "test": ("*testImages.txt", "test.txt"),
}


def recognised(path: Path) -> bool:
    """Whether a text file is a token file: its first line is `picture.jpg#0<TAB>sentence`."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return bool(_LINE.match(file.readline()))


def read(path: Path) -> Dataset:
    """The dataset of a token file and the lists of pictures beside it.

    Where there are lists, only the pictures that they name belong to the dataset; where there are none, all are for
    training.

    Args:
        path: of the token file, lines of `picture.jpg#0<TAB>sentence`.

    Raises:
        InputError: a line has another form, or a picture is in two lists; the message names the line.
    """
    said: dict[str, list[str]] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if match := _LINE.fullmatch(line.rstrip("\r")):
            said.setdefault(match["name"], []).append(match["sentence"].strip())
        elif line.strip():
            raise InputError(
                f"{path}, line {number}: expected 'picture.jpg#0', a tab and a sentence, found {line[:40]!r}."
            )
    splits = _splits(path.parent)
    files = PictureFiles(path.parent)
    pictures = [
        Picture(name, files.find(name), split, tuple(said.get(name, ())))
        for name, split in (splits or dict.fromkeys(said, "train")).items()
    ]
    return Dataset(path.parent.name, path.parent, "flickr", tuple(pictures))


def _splits(folder: Path) -> dict[str, str]:
    """Picture -> split, from the lists in a folder; empty when there are none."""
    splits: dict[str, str] = {}
    for split, patterns in _LISTS.items():
        for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
            for number, line in enumerate(read_text(path).split("\n"), 1):
                name = line.strip()
                name = f"{name}.jpg" if name.isdecimal() else name  # Flickr30k's lists leave the suffix out
                if splits.setdefault(name, split) != split and name:
                    raise InputError(f"{path}, line {number}: {name} is already in the split '{splits[name]}'.")
    splits.pop("", None)
    return splits

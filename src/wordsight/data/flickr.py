"""Flickr8k and Flickr30k in the original layout: a token file, and a list of pictures for each split."""

import re
from pathlib import Path

from wordsight.data import decode
from wordsight.data.faults import Faults
from wordsight.data.lookup import PictureFiles
from wordsight.data.records import Dataset, Picture
from wordsight.errors import InputError

_LINE = re.compile(r"(?P<name>[^\t]*\S)#(?P<number>\d+)\t(?P<sentence>.*)")
_WITH_SPACES = re.compile(r"(?P<name>\S+\.\w{3,4}(?:\.\d)?)#(?P<number>\d+)\s+(?P<sentence>.*)")
_LOOKED_AT = 10  # lines read to recognise a token file
_LISTS = {
    "train": ("*trainImages.txt", "train.txt"),
    "val": ("*devImages.txt", "val.txt", "dev.txt"),
    "test": ("*testImages.txt", "test.txt"),
}


def recognised(text: str) -> bool:
    """Whether a text is a token file: most of its first lines are `picture.jpg#0<TAB>sentence`."""
    lines = [line for line in text.split("\n", 2 * _LOOKED_AT)[:-1] or [text] if line.strip()][:_LOOKED_AT]
    return 2 * sum(_match(line) is not None for line in lines) > len(lines)


def read(path: Path, faults: Faults) -> Dataset:
    """Read a token file and the lists of pictures beside it.

    With lists, only their pictures belong to the dataset; without lists, all pictures are for training.

    Args:
        path: the token file, with lines of `picture.jpg#0<TAB>sentence`.
        faults: collects malformed lines.

    Raises:
        InputError: nearly all lines are malformed; or reading is strict, and any line is.
    """
    said: dict[str, list[str]] = {}
    for number, line in enumerate(decode.read(path, faults).split("\n"), 1):
        if match := _match(line):
            said.setdefault(match["name"], []).append(match["sentence"].strip())
            faults.good(path)
        elif line.strip():
            what = f"expected 'picture.jpg#0', a tab and a sentence, found {line[:40]!r}"
            faults.left_out(path, InputError(f"{path}, line {number}: {what}."))
    faults.require(path)
    splits = _splits(path.parent, faults)
    files = PictureFiles(faults, path.parent)
    pictures = [
        Picture(name, files.find(name), split, tuple(said.get(name, ())))
        for name, split in (splits or dict.fromkeys(said, "train")).items()
    ]
    return Dataset(path.parent.name, path.parent, "flickr", tuple(pictures))


def _match(line: str) -> re.Match[str] | None:
    return _LINE.fullmatch(line) or _WITH_SPACES.fullmatch(line)


def _splits(folder: Path, faults: Faults) -> dict[str, str]:
    """Picture -> split, from the lists in a folder; empty without any."""
    splits: dict[str, str] = {}
    for split, patterns in _LISTS.items():
        for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
            if not path.is_file():
                continue
            for number, line in enumerate(decode.read(path, faults).split("\n"), 1):
                name = line.strip()
                name = f"{name}.jpg" if name.isdecimal() else name  # Flickr30k's lists omit the suffix
                if name and splits.setdefault(name, split) != split:
                    error = InputError(f"{path}, line {number}: {name} is already in the split '{splits[name]}'.")
                    faults.left_out(path, error)
    return splits

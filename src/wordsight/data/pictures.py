"""What a user points at -> picture files: files, folders, patterns, or a list of paths."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from wordsight.data.find import PICTURE_SUFFIXES
from wordsight.errors import InputError

LISTED = "-"  # stands for a list of paths, one a line


def picture_files(named: Sequence[str | Path], listed: Iterable[str] = ()) -> list[Path]:
    """The picture files that some names stand for.

    Args:
        named: of each a file, whether it exists or not; a folder, for all pictures in it and in the folders inside; a
            pattern with `*`, `?`, `[...]` or `**`; or "-" for the paths in `listed`.
        listed: lines with a path each; empty ones are passed over.

    Returns:
        Each file once, in the order of the names; in a folder or pattern by the alphabet.

    Raises:
        InputError: a folder, pattern or list without a picture.
    """
    found = [path for name in named for path in _files(str(name), listed)]
    return list(dict.fromkeys(found))


def _files(name: str, listed: Iterable[str]) -> list[Path]:
    if name == LISTED:
        paths = [Path(line.rstrip("\r\n")) for line in listed if line.strip()]
        what = "the list of pictures is empty; expected a path a line."
    elif os.path.isdir(name):
        paths = list(_walk(name))
        what = "no picture in this folder."
    elif glob.has_magic(name) and not os.path.exists(name):
        paths = [Path(match) for match in sorted(glob.glob(name, recursive=True)) if not os.path.isdir(match)]
        what = "no file matches this pattern."
    else:
        return [Path(name)]
    if not paths:
        raise InputError(f"{name}: {what}")
    return paths


def _walk(root: str) -> Iterator[Path]:
    """The pictures in a folder and the folders inside, without hidden ones."""
    for folder, inside, files in os.walk(root):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        for name in sorted(files):
            if Path(name).suffix.lower() in PICTURE_SUFFIXES and not name.startswith("."):
                yield Path(folder, name)

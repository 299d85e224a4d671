"""Pairs of photos and sketches of them, for fine-grained sketch-based image retrieval.

A dataset is a folder or a CSV file:

- a folder with `photo/` and `sketch/`, and optionally `gallery/` (photos without sketches). A sketch belongs to the
  photo with its name, less a number after the last `-` or `_` if need be: Sketchy's `zebra/n02391049_980-3.png` to
  `zebra/n02391049_980.jpg`, QMUL's `192-1.jpg` to `192.jpg`. Subfolders count as part of the name.
- a CSV file with the columns `photo` and `sketch`, a pair on each line; paths are relative to the file's folder.
"""

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wordsight.data.find import find, is_picture
from wordsight.errors import InputError
from wordsight.files import read_text, reason

FOLDERS = {  # kind of picture -> the names its folder may have
    "photo": ("photo", "photos", "image", "images"),
    "sketch": ("sketch", "sketches"),
    "gallery": ("gallery", "distractors"),
}
NUMBER = re.compile(r"[-_]\d+$")  # ends the name of one of several sketches of a photo


@dataclass(frozen=True)
class Sketch:
    """A sketch of a photo.

    Attributes:
        path: its file.
        photo: the index of its photo among the photos of the dataset.
    """

    path: Path
    photo: int


@dataclass(frozen=True)
class SketchData:
    """Sketch dataset: photos, sketches of them, and photos without a sketch.

    Attributes:
        root: the folder or table that was read.
        photos: P files, in the order of names within each folder, or of the table.
        sketches: the sketches of these photos, ordered by photo and path.
        gallery: further photos, without a sketch.
    """

    root: Path
    photos: tuple[Path, ...]
    sketches: tuple[Sketch, ...]
    gallery: tuple[Path, ...] = ()


def load_sketches(source: str | Path) -> SketchData:
    """Read a dataset of sketches.

    Args:
        source: a folder or a CSV file, or its name in the folder of shared data.

    Raises:
        InputError: it has another layout, or a sketch has no photo.
    """
    root = find(source, "dataset of sketches")
    return _table(root) if root.is_file() else _folder(root)


def _folder(root: Path) -> SketchData:
    photos, sketches, gallery = (_pictures(root, kind) for kind in FOLDERS)
    for kind, found in (("photo", photos), ("sketch", sketches)):
        if not found:
            raise InputError(
                f"{root}: no pictures in a folder `{kind}`; expected photo/ and sketch/, or a CSV file of pairs."
            )
    numbers = {name: number for number, name in enumerate(photos)}
    pairs, orphans = [], []
    for name, path in sketches.items():
        number = numbers.get(name, numbers.get(NUMBER.sub("", name)))
        if number is None:
            orphans.append(path)
        else:
            pairs.append(Sketch(path, number))
    if orphans:
        wanted = f"expected one called {NUMBER.sub('', orphans[0].stem)!r} with any ending"
        others = f"; {len(orphans):,} of {len(sketches):,} sketches have none" if len(orphans) > 1 else ""
        raise InputError(f"{orphans[0]}: a sketch without its photo, {wanted}{others}.")
    return SketchData(root, tuple(photos.values()), _ordered(pairs), tuple(gallery.values()))


def _pictures(root: Path, kind: str) -> dict[str, Path]:
    """The pictures below one of a dataset's folders, by name without suffix."""
    folders = [root / name for name in FOLDERS[kind] if (root / name).is_dir()]
    return {key: path for folder in folders[:1] for key, path in _below(folder)}


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    """The pictures in a folder and its subfolders: each path relative to the folder without suffix, and the file."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{folder}: cannot be read ({reason(error)}).") from None

    for place, inside, names in os.walk(folder, onerror=refuse):
        inside.sort()
        for name in sorted(names):
            path = Path(place, name)
            if is_picture(name) and not name.startswith("."):
                yield path.relative_to(folder).with_suffix("").as_posix(), path


def _table(path: Path) -> SketchData:
    lines = read_text(path).split("\n")
    mark = max(",;\t", key=lines[0].count)
    rows = csv.DictReader(lines, delimiter=mark, skipinitialspace=True)
    try:
        columns = {str(name).strip().lower(): name for name in rows.fieldnames or ()}
        lined = [(rows.line_num, row) for row in rows]
    except csv.Error as error:  # a quote that is not closed
        raise InputError(f"{path}, line {rows.line_num + 1}: expected a photo and a sketch ({error}).") from None
    if not {"photo", "sketch"} <= columns.keys():
        found = ", ".join(columns) or "none"
        raise InputError(f"{path}, line 1: expected the columns `photo` and `sketch`, found {found}.")
    numbers: dict[Path, int] = {}
    pairs = []
    for line, row in lined:
        where = f"{path}, line {line}"
        photo, sketch = (_file(row[columns[kind]], kind, path.parent, where) for kind in ("photo", "sketch"))
        pairs.append(Sketch(sketch, numbers.setdefault(photo, len(numbers))))
    if not pairs:
        raise InputError(f"{path}: has no pairs; expected a photo and a sketch a line.")
    return SketchData(path, tuple(numbers), _ordered(pairs))


def _file(name: str | None, kind: str, folder: Path, where: str) -> Path:
    if not name or not name.strip():
        other = "a sketch without its photo" if kind == "photo" else "a photo without a sketch"
        raise InputError(f"{where}: {other}; expected both.")
    path = folder / name.strip()
    if not os.path.isfile(path):
        what = "the photo of this sketch is not there" if kind == "photo" else "this sketch is not there"
        raise InputError(f"{where}: {what} ({path}).")
    return path


def _ordered(pairs: list[Sketch]) -> tuple[Sketch, ...]:
    return tuple(sorted(pairs, key=lambda one: (one.photo, one.path)))

"""Situations: a picture's verb and the nouns that fill its roles, as of imSitu and SWiG."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wordsight.data.faults import Faults
from wordsight.data.find import find
from wordsight.data.frames import Box, boxes_of, frames_of
from wordsight.data.lookup import PictureFiles
from wordsight.data.records import no_split, split_name, split_of_file
from wordsight.data.verbs import SPACE_FILES, Verb, read_nouns, read_verbs
from wordsight.errors import InputError
from wordsight.files import describe, read_json
from wordsight.files import field as value

_BESIDE = ("SWiG_jsons", "annotations", "jsons")  # folders of annotations, whose pictures are in folders beside them
_LOOKED_AT = 20  # entries read to recognise a JSON file


@dataclass(frozen=True)
class Situation:
    """A picture with its verb, and one frame by each annotator.

    Attributes:
        name: the picture's file name, unique.
        path: the file; it may be missing.
        split: "train", "val", "test" or another name that the data gives.
        verb: a key of `Situations.verbs`.
        frames: at least one; role -> noun id, or "" for an empty role. Each has every role of the verb.
        boxes: role -> `xyxy` fractions of the picture's width and height; a role without a box is absent. None where
            the data has no boxes.
    """

    name: str
    path: Path
    split: str
    verb: str
    frames: tuple[dict[str, str], ...]
    boxes: dict[str, Box] | None = None


@dataclass(frozen=True)
class Situations:
    """A set of situations, with its verbs and nouns.

    Attributes:
        name: for display.
        root: the folder.
        verbs: by name, in the order of the file; including verbs without a picture.
        nouns: id -> the word to show, for the nouns in the frames.
        situations: all of them, in the order of the files.
        faults: sentences that report rows left out or repaired.
    """

    name: str
    root: Path
    verbs: dict[str, Verb]
    nouns: dict[str, str]
    situations: tuple[Situation, ...]
    faults: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, int]:
        """The names of the splits and the number of situations in each."""
        return dict(Counter(one.split for one in self.situations))

    def split(self, name: str) -> list[Situation]:
        """The situations of a split.

        Args:
            name: "train", "val", "test", a synonym ("dev", "validation"), or another name in the data.

        Raises:
            InputError: there is no such split; the message lists them.
        """
        name = split_name(name)
        if name not in self.splits:
            raise no_split(self.root, name, self.splits)
        return [one for one in self.situations if one.split == name]


@dataclass
class _Reading:
    """The state of the reader while it reads one set."""

    verbs: dict[str, Verb]
    glosses: dict[str, str]
    faults: Faults
    pictures: PictureFiles
    seen: dict[str, Path] = field(default_factory=dict)


def load_situations(path: str | Path) -> Situations:
    """Read situations in the layout of imSitu or SWiG.

    A folder holds `imsitu_space.json`, or else `verbs.json` with `noun_1gloss.tab`, and annotations: `train.json`,
    `dev.json`, `test.json`, or other JSON files of the same shape. Pictures are in it or its subfolders.

    Args:
        path: the folder, or one of its annotation files, which `find` resolves.

    Returns:
        The situations; picture files may be missing. Malformed rows are left out or repaired, and are in `faults`.

    Raises:
        InputError: the path does not exist, a file is of another layout, the table of verbs is missing or has none with
            roles, nearly all of a file is malformed, or there is no situation.
    """
    place = find(path, "situations").absolute()
    root = _with_tables(place) if place.is_dir() else place.parent
    faults = Faults()
    verbs = read_verbs(root, faults)
    files = list(_annotations(root, faults)) if place.is_dir() else [(place, read_json(place, strict=True))]
    if not files:
        raise InputError(f"{root} has no situations: expected train.json, dev.json or test.json as of imSitu or SWiG.")
    roots = (root, root.parent) if root.name in _BESIDE else (root,)
    reading = _Reading(verbs, read_nouns(root, faults), faults, PictureFiles(faults, *roots))
    found = tuple(one for file, content in files for one in _situations(file, content, reading))
    if not found:
        raise InputError(f"{files[0][0]} has no situations.")
    used = sorted({noun for one in found for frame in one.frames for noun in frame.values() if noun})
    nouns = {noun: reading.glosses.get(noun, noun) for noun in used}
    return Situations(root.name, root, verbs, nouns, found, faults.sentences())


def _with_tables(folder: Path) -> Path:
    """The folder with the table of verbs: this one, or its subfolder for JSON files, as in SWiG."""
    places = (folder, *(folder / name for name in _BESIDE))
    return next((one for one in places if any((one / name).exists() for name in SPACE_FILES)), folder)


def _annotations(root: Path, faults: Faults) -> Iterator[tuple[Path, Any]]:
    """The JSON files of a folder that are annotations by their content, train before dev before test."""
    order = {"train": 0, "val": 1, "test": 2}
    paths = [path for path in sorted(root.glob("*.json")) if path.name not in SPACE_FILES]
    for path in sorted(paths, key=lambda path: order.get(split_of_file(path.stem, ""), 3)):
        try:
            content = read_json(path, strict=True)
        except InputError as error:
            if split_of_file(path.stem, ""):
                raise
            faults.note(f"{path.name} was passed over: {error}")
            continue
        if isinstance(content, dict) and any(_is_row(one) for one in list(content.values())[:_LOOKED_AT]):
            yield path, content
        elif split_of_file(path.stem, ""):
            raise _another_layout(path, content)


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and ("frames" in row or "verb" in row)


def _another_layout(path: Path, content: object) -> InputError:
    found = f"the keys {', '.join(list(content)[:3])}" if isinstance(content, dict) and content else describe(content)
    return InputError(f"{path}: expected pictures, each with its verb and frames, as of imSitu, found {found}.")


def _situations(path: Path, content: object, reading: _Reading) -> Iterator[Situation]:
    """The situations of one file; malformed rows are left out."""
    if not isinstance(content, dict) or not any(map(_is_row, content.values())):
        raise _another_layout(path, content)
    default = split_of_file(path.stem)
    for name, row in content.items():
        try:
            situation = _situation(path, name, row, default, reading)
        except InputError as error:
            reading.faults.left_out(path, error)
            continue
        reading.seen[name] = path
        reading.faults.good(path)
        yield situation
    reading.faults.require(path)


def _situation(path: Path, name: str, row: object, default: str, reading: _Reading) -> Situation:
    where = f"{path}, {name}"
    if not name.strip():
        raise InputError(f"{path}: expected the name of a picture's file, found ''.")
    if name in reading.seen:
        raise InputError(f"{where}: the picture is in {reading.seen[name].name} already.")
    verb = reading.verbs.get(named := value(row, "verb", str, where))
    if verb is None:
        raise InputError(f"{where}: the verb '{named}' is not among the {len(reading.verbs)} verbs with roles.")
    assert isinstance(row, dict)  # `value` has read a key of it
    frames = frames_of(row, verb, path, name, reading.glosses, reading.faults)
    boxes = boxes_of(row, verb, path, name, reading.faults)
    split = value(row, "split", str, where) if row.get("split") is not None else default
    places = [value(row, "path", str, where)] if row.get("path") else []
    file = reading.pictures.find(*places, name, f"{named}/{name}", split=split_name(split))
    return Situation(name, file, split_name(split) or default, named, frames, boxes)

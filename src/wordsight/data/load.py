"""Any dataset -> `Dataset`: the format is recognised by looking at the files."""

import os
from collections import Counter
from pathlib import Path

from wordsight.data import coco, flickr, folder, karpathy, tables
from wordsight.data.find import find
from wordsight.data.records import Dataset
from wordsight.errors import InputError
from wordsight.files import read_json

FORMATS = (
    "Karpathy JSON (dataset_*.json), COCO captions JSON, a Flickr8k token file, imagefolder (metadata.jsonl), "
    "CSV or Parquet with filepath and caption, or x.jpg with x.txt"
)


def load_dataset(path: str | Path) -> Dataset:
    """Read a dataset in any of the known formats.

    Args:
        path: its folder, or one of its files (to choose where a folder has several), as `find` takes it.

    Returns:
        The dataset; single pictures in it may be missing or broken, and some may have no sentences.

    Raises:
        InputError: nothing is there, the format is none of the known ones, a file is wrong (the message names the line
            or key), two pictures have one name, there is no picture or no sentence, or every picture is missing.
    """
    place = find(path, "dataset").absolute()
    dataset = _from_folder(place) if place.is_dir() else _from_file(place)
    names = Counter(picture.name for picture in dataset.pictures)
    if not names:
        raise InputError(f"{place} is an empty dataset: it lists no pictures.")
    if repeated := [name for name, count in names.items() if count > 1]:
        raise InputError(f"{place} has two pictures named '{repeated[0]}': expected each only once.")
    if not any(picture.sentences for picture in dataset.pictures):
        raise InputError(f"{place} is an empty dataset: none of its {len(names)} pictures has a sentence.")
    if not any(os.path.exists(picture.path) for picture in dataset.pictures):
        first = dataset.pictures[0].path
        raise InputError(f"{place}: none of its {len(names)} pictures is there; the first was looked for at {first}.")
    return dataset


def _from_folder(root: Path) -> Dataset:
    """The first of the formats that the folder's files show; JSON with an unusual name is looked at last."""
    if dataset := _from_named_json(root):
        return dataset
    texts = sorted(path for path in (*root.glob("*.txt"), *root.glob("*.token")) if path.is_file())
    if tokens := [path for path in texts if flickr.recognised(path)]:
        return flickr.read(tokens[0])
    if found := tables.find_tables(root) or [path for path in texts if tables.recognised(path)]:
        return tables.read(root, found)
    if folder.recognised(root):
        return folder.read(root)
    for path in sorted(root.glob("*.json")):
        content = read_json(path)
        if karpathy.recognised(content) or coco.recognised(content):
            return _from_json(path, root, content)
    raise InputError(f"{root} is no dataset, or an empty one: expected {FORMATS}.")


def _from_named_json(root: Path) -> Dataset | None:
    """A Karpathy or COCO dataset in the files that usually hold one."""
    named = sorted(root.glob("dataset*.json"))
    if len(named) > 1:
        names = ", ".join(path.name for path in named)
        raise InputError(f"{root} holds {len(named)} datasets: expected the name of one of them ({names}).")
    if named:
        return _from_json(named[0], root, read_json(named[0]))
    captions = sorted((*root.glob("captions*.json"), *root.glob("annotations/captions*.json")))
    return coco.read(root, [(path, read_json(path)) for path in captions]) if captions else None


def _from_json(path: Path, root: Path, content: object) -> Dataset:
    if coco.recognised(content) and not karpathy.recognised(content):
        return coco.read(root, [(path, content)])
    return karpathy.read(path, content)


def _from_file(path: Path) -> Dataset:
    root = path.parent
    if path.suffix == ".json":
        return _from_json(path, root.parent if root.name == "annotations" else root, read_json(path))
    if path.suffix in tables.SUFFIXES:
        return tables.read(root, [path])
    if path.suffix in (".txt", ".token"):
        return tables.read(root, [path]) if tables.recognised(path) else flickr.read(path)
    raise InputError(f"{path} is no dataset: expected {FORMATS}.")

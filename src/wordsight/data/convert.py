"""Conversion of any dataset to Karpathy JSON."""

import os
from itertools import count
from pathlib import Path
from typing import Any

from wordsight.data.faults import Faults
from wordsight.data.layout import read_json
from wordsight.data.records import Dataset, Picture
from wordsight.errors import InputError, printable
from wordsight.files import to_json, write_text
from wordsight.text.tokens import tokenise, without_surrogates


def write_karpathy(dataset: Dataset, out: Path) -> None:
    """Write a dataset as Karpathy JSON; reading it gives the same names, pictures, splits, sentences, and ids of both.

    The pictures are not copied: each has its folder, relative to the JSON file's folder, in `filepath`. If no sentence
    of the dataset has an id, they are numbered from 0; if some have, a picture without ids gets none.

    Args:
        dataset: any dataset.
        out: the file to write; its folder is created.

    Raises:
        InputError: a picture's name is not UTF-8, the file cannot be written, or is there and is no Karpathy JSON, or
            is in the folder of a dataset that was read from such a file; the old one is kept.
    """
    _require_other(Path(out), dataset)
    images: list[dict[str, Any]] = []
    numbers, known = count(), any(picture.ids for picture in dataset.pictures)
    for place, picture in enumerate(dataset.pictures):
        name, folder = _name_and_folder(picture, Path(out))
        if without_surrogates(written := f"{folder}/{name}") != written and os.path.exists(picture.path):
            path = printable(picture.path)
            raise InputError(
                f"{path}: a name that is not UTF-8 cannot be written to JSON; rename the file or its folder."
            )
        said = picture.sentences
        sentences = [{"tokens": tokenise(sentence), "raw": sentence, "imgid": place} for sentence in said]
        record: dict[str, Any] = {"filepath": folder} if folder else {}
        record |= {"filename": name, "imgid": place, "split": picture.split}
        record |= {"cocoid": picture.image_id} if picture.image_id is not None else {}
        ids = picture.ids if known else [next(numbers) for _ in said]
        if len(ids) == len(said):
            record["sentids"] = list(ids)
            sentences = [one | {"sentid": identity} for one, identity in zip(sentences, ids, strict=True)]
        images.append(record | {"sentences": sentences})
    write_text(Path(out), to_json({"dataset": dataset.name, "images": images}) + "\n")


def _require_other(out: Path, dataset: Dataset) -> None:
    """Check that a file is new, or Karpathy JSON that the dataset was not read from."""
    if not os.path.exists(out):
        return
    try:
        replaced = read_json(out, Faults()).kind == "karpathy"
    except InputError:
        replaced = False
    own = dataset.format == "karpathy" and out.resolve().is_relative_to(dataset.root.resolve())
    if own or not replaced:
        what = "the dataset may be read from it" if own else "it is no Karpathy JSON"
        raise InputError(f"{out}: is there already, and {what}; expected another file to write.")


def _name_and_folder(picture: Picture, out: Path) -> tuple[str, str]:
    """`filename` and `filepath` of a picture: its name, and the folder to which it is relative."""
    path = picture.path.absolute().as_posix()
    name = picture.name if path.endswith("/" + picture.name) else picture.path.name
    folder = os.path.relpath(path[: -len(name) - 1] or "/", out.absolute().parent)
    return name, "" if folder == "." else Path(folder).as_posix()

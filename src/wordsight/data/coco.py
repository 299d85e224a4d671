"""COCO captions: JSON files with `images` and `annotations`, one file for each split."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from wordsight.data.faults import Faults
from wordsight.data.lookup import PictureFiles
from wordsight.data.records import Dataset, Picture, split_name, split_of_file
from wordsight.errors import InputError
from wordsight.files import describe, field

_ADDRESSES = ("coco_url", "flickr_url", "url")
_LOOKED_AT = 100  # annotations read to tell captions from boxes


def require(path: Path, content: object) -> None:
    """Check that a JSON file has this format: images, and separate annotations with captions.

    Raises:
        InputError: it has another format; the message names what is missing.
    """
    field(content, "images", list, str(path))
    first = field(content, "annotations", list, str(path))[:_LOOKED_AT]
    if first and not any(isinstance(one, dict) and "caption" in one for one in first):
        field(first[0], "caption", str, f"{path}, annotations[0]")


def read(root: Path, files: Sequence[tuple[Path, Any]], faults: Faults) -> Dataset:
    """Read COCO captions files; the split is in the file's name ("captions_val2014.json").

    Args:
        root: the dataset's folder.
        files: (path, content) of each file.
        faults: collects malformed images and annotations.

    Raises:
        InputError: nearly all of a file is malformed; or reading is strict, and anything is.
    """
    places = PictureFiles(faults, root)
    pictures = [picture for path, content in files for picture in _pictures(path, content, places, faults)]
    return Dataset(root.name, root, "coco", tuple(pictures))


def _pictures(path: Path, content: Any, places: PictureFiles, faults: Faults) -> list[Picture]:
    """The pictures of one file, each with its captions; malformed records are left out."""
    said: dict[str, list[str]] = {}
    ids: dict[str, list[int]] = {}  # image id -> its captions' ids
    named: dict[str, tuple[str, str]] = {}  # id -> file name, split
    default = split_of_file(path.stem)
    for number, image in enumerate(content["images"]):
        where = f"{path}, images[{number}]"
        try:
            identity = _identity(image, "id", where)
            if identity in said:
                raise InputError(f"{where}, key 'id': {image['id']!r} is there twice.")
            name = _file_name(image, where)
            if not name.strip():
                raise InputError(f"{where}, key 'file_name': expected the name of a picture's file, found ''.")
            given = field(image, "split", str, where) if image.get("split") is not None else ""
        except InputError as error:
            faults.left_out(path, error)
            continue
        said[identity], ids[identity], named[identity] = [], [], (name, split_name(given) or default)
    plain = {_number(identity): identity for identity in said}
    for number, annotation in enumerate(content["annotations"]):
        where = f"{path}, annotations[{number}]"
        try:
            identity = _identity(annotation, "image_id", where)
            if identity not in said and (other := plain.get(_number(identity))) is not None:
                value = annotation["image_id"]
                faults.mended(path, f"annotations[{number}]", f"image_id {value!r} is taken for the image {other}")
                identity = other
            if identity not in said:
                raise InputError(f"{where}, key 'image_id': no image has the id {annotation['image_id']!r}.")
            said[identity].append(field(annotation, "caption", str, where).strip())
            ids[identity] += [annotation["id"]] if type(annotation.get("id")) is int else []
            faults.good(path)
        except InputError as error:
            faults.left_out(path, error)
    faults.require(path)
    return [
        Picture(
            name,
            places.find(name, split=split),
            split,
            tuple(said[identity]),
            ids=tuple(ids[identity]) if len(ids[identity]) == len(said[identity]) else (),
            image_id=identity[1:-1] if identity.startswith('"') else int(identity),
        )
        for identity, (name, split) in named.items()
    ]


def _file_name(image: object, where: str) -> str:
    """The name of an image's file; without one, the file name in its URL."""
    if isinstance(image, dict) and image.get("file_name") is None:
        for key in _ADDRESSES:
            if isinstance(address := image.get(key), str) and (name := re.split(r"[?#]", address)[0].split("/")[-1]):
                return unquote(name)
    return field(image, "file_name", str, where)


def _identity(record: object, key: str, where: str) -> str:
    """An image's id as a string that keeps text and numbers apart: '"7"' and '7'."""
    value = field(record, key, object, where)
    if isinstance(value, bool) or not isinstance(value, int | str):
        if not (isinstance(value, float) and value.is_integer()):
            raise InputError(f"{where}, key '{key}': expected a number or text, found {describe(value)}.")
        value = int(value)
    return f'"{value}"' if isinstance(value, str) else str(value)


def _number(identity: str) -> str:
    """Normalise an id from `_identity`: a number given as text ("007") equals the number."""
    plain = identity.strip('"').strip()
    return plain.lstrip("0") or "0" if plain.isdecimal() else plain

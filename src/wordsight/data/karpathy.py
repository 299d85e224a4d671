"""Karpathy JSON: `dataset_*.json`, the usual exchange format for captions with splits."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wordsight.data.faults import Faults
from wordsight.data.lookup import PictureFiles
from wordsight.data.records import Dataset, Picture, split_name
from wordsight.errors import InputError
from wordsight.files import field

_LOOKED_AT = 100  # images read to recognise the format
_Image = tuple[str, str, str, tuple[str, ...], tuple[int, ...], int | str | None]


def require(path: Path, content: object) -> None:
    """Check that a JSON file has this format: images with their sentences.

    Raises:
        InputError: it has another format; the message names what is missing.
    """
    images = field(content, "images", list, str(path))
    if not images:
        raise InputError(f"{path} is an empty dataset: it lists no pictures.")
    if not any(isinstance(image, dict) and "sentences" in image for image in images[:_LOOKED_AT]):
        field(images[0], "sentences", list, f"{path}, images[0]")


def read(root: Path, path: Path, content: Any, faults: Faults) -> Dataset:
    """Read a Karpathy JSON file; `restval` joins train, as do pictures without a split.

    Args:
        root: the dataset's folder.
        path: the file, in or below the folder.
        content: its parsed content.
        faults: collects malformed images and sentences.

    Raises:
        InputError: nearly all of the file is malformed; or reading is strict, and anything is.
    """
    files = PictureFiles(faults, path.parent, root)
    found = list(_images(path, content["images"], faults))
    names = Counter(name for name, _ in {(name, folder) for name, folder, *_ in found})
    pictures = []
    for name, folder, split, said, ids, image_id in found:
        inside = f"{folder}/{name}" if folder else name
        file = files.find(inside, name, split=split)
        ids = ids if len(ids) == len(said) else ()
        own = name if names[name] == 1 else inside
        pictures.append(Picture(own, file, split, said, ids=ids, image_id=image_id))
    faults.require(path)
    title = content.get("dataset")
    title = title if isinstance(title, str) and title else root.name
    return Dataset(title, root, "karpathy", tuple(pictures))


def _images(path: Path, images: list[Any], faults: Faults) -> Iterator[_Image]:
    """For each image: file name, folder, split, sentences, those of their ids that are whole numbers, and COCO's id."""
    for number, image in enumerate(images):
        where = f"{path}, images[{number}]"
        try:
            name = field(image, "filename", str, where)
            if not name.strip():
                raise InputError(f"{where}, key 'filename': expected the name of a picture's file, found ''.")
            folder = field(image, "filepath", str, where) if image.get("filepath") is not None else ""
            split = field(image, "split", str, where) if image.get("split") is not None else "train"
            sentences = field(image, "sentences", list, where)
        except InputError as error:
            faults.left_out(path, error)
            continue
        said, ids = [], []
        for place, record in enumerate(sentences):
            try:
                said.append(_sentence(record, f"{where}, sentences[{place}]"))
            except InputError as error:
                faults.left_out(path, error)
                continue
            if isinstance(record, dict) and type(record.get("sentid")) is int:
                ids.append(record["sentid"])
        faults.good(path, len(said) or not sentences)
        number = image.get("cocoid")
        image_id = number if type(number) in (int, str) else None
        yield name, folder, split_name(split) or "train", tuple(said), tuple(ids), image_id


def _sentence(record: object, where: str) -> str:
    if isinstance(record, str):
        return record
    if isinstance(record, dict) and "raw" not in record and "tokens" in record:
        tokens = field(record, "tokens", list, where)
        if not all(isinstance(token, str) for token in tokens):
            raise InputError(f"{where}, key 'tokens': expected a list of words.")
        return " ".join(tokens)
    return field(record, "raw", str, where)

"""COCO captions: JSON files with `images` and `annotations`, one file a split."""

from collections.abc import Sequence
from pathlib import Path

from wordsight.data.find import PictureFiles
from wordsight.data.records import Dataset, Picture, split_in, split_name
from wordsight.errors import InputError
from wordsight.files import describe, field


def recognised(content: object) -> bool:
    """Whether a JSON file's content is of this format: images, and annotations with captions apart from them."""
    return isinstance(content, dict) and "images" in content and "annotations" in content


def read(root: Path, files: Sequence[tuple[Path, object]]) -> Dataset:
    """The dataset in some COCO captions files: the split is in the file's name ("captions_val2014.json").

    Args:
        root: the dataset's folder.
        files: path and content of each.

    Raises:
        InputError: a key is missing or of the wrong type, or a caption is of no image; the message names it.
    """
    places = PictureFiles(root)
    pictures = [picture for path, content in files for picture in _pictures(path, content, places)]
    return Dataset(root.name, root, "coco", tuple(pictures))


def _pictures(path: Path, content: object, places: PictureFiles) -> list[Picture]:
    said: dict[int | str, list[str]] = {}
    images = field(content, "images", list, str(path))
    for number, image in enumerate(images):
        identity = _identity(image, "id", f"{path}, images[{number}]")
        if identity in said:
            raise InputError(f"{path}, images[{number}], key 'id': {identity!r} is there twice.")
        said[identity] = []
    for number, annotation in enumerate(field(content, "annotations", list, str(path))):
        where = f"{path}, annotations[{number}]"
        identity = _identity(annotation, "image_id", where)
        if identity not in said:
            raise InputError(f"{where}, key 'image_id': no image has the id {identity!r}.")
        said[identity].append(field(annotation, "caption", str, where).strip())
    default = split_in(path.stem)
    pictures = []
    for number, image in enumerate(images):
        where = f"{path}, images[{number}]"
        name = field(image, "file_name", str, where)
        split = split_name(field(image, "split", str, where)) if "split" in image else default
        pictures.append(Picture(name, places.find(name), split, tuple(said[image["id"]])))
    return pictures


def _identity(record: object, key: str, where: str) -> int | str:
    value = field(record, key, object, where)
    if not isinstance(value, int | str):
        raise InputError(f"{where}, key '{key}': expected a number or text, found {describe(value)}.")
    return value

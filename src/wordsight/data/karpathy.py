"""Karpathy JSON: `dataset_*.json`, the usual exchange format for captions with splits."""

from collections import Counter
from pathlib import Path

from wordsight.data.find import PictureFiles
from wordsight.data.records import Dataset, Picture, split_name
from wordsight.errors import InputError
from wordsight.files import field


def recognised(content: object) -> bool:
    """Whether a JSON file's content is of this format: images that carry their sentences."""
    images = content.get("images") if isinstance(content, dict) else None
    return isinstance(images, list) and any(isinstance(image, dict) and "sentences" in image for image in images[:10])


def read(path: Path, content: object) -> Dataset:
    """The dataset in a Karpathy JSON file; `restval` joins train, and a picture without a split is for training.

    Args:
        path: of the file.
        content: of the file.

    Raises:
        InputError: a key is missing or of the wrong type; the message names it.
    """
    images = field(content, "images", list, str(path))
    files = PictureFiles(path.parent)
    filenames = [field(image, "filename", str, f"{path}, images[{number}]") for number, image in enumerate(images)]
    names = Counter(filenames)
    pictures = []
    for number, (name, image) in enumerate(zip(filenames, images, strict=True)):
        where = f"{path}, images[{number}]"
        folder = field(image, "filepath", str, where) if "filepath" in image else ""
        inside = f"{folder}/{name}" if folder else name
        sentences = field(image, "sentences", list, where)
        split = split_name(field(image, "split", str, where)) if "split" in image else "train"
        said = tuple(_sentence(one, f"{where}, sentences[{place}]") for place, one in enumerate(sentences))
        pictures.append(Picture(name if names[name] == 1 else inside, files.find(inside, name), split, said))
    title = content.get("dataset") if isinstance(content, dict) else None
    title = title if isinstance(title, str) and title else path.parent.name
    return Dataset(title, path.parent, "karpathy", tuple(pictures))


def _sentence(record: object, where: str) -> str:
    if isinstance(record, dict) and "raw" not in record and "tokens" in record:
        tokens = field(record, "tokens", list, where)
        if not all(isinstance(token, str) for token in tokens):
            raise InputError(f"{where}, key 'tokens': expected a list of words.")
        return " ".join(tokens)
    return field(record, "raw", str, where)

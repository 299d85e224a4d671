"""Flickr30k Entities in its public layout (Plummer et al. 2015): `Sentences/NAME.txt` and `Annotations/NAME.xml`.

A line of `Sentences` is a sentence, with its phrases in brackets: `[/EN#CHAIN/TYPE/TYPE words]`. A file of
`Annotations` has the picture's size and its objects. Each object has its chains, and a box (1-based pixels, inclusive
ends) or a mark that it is the scene or has no box. Records have the form of those in `entities.json`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from wordsight.errors import InputError
from wordsight.files import read_text

SENTENCES, ANNOTATIONS = "Sentences", "Annotations"
BESIDE = ("", "flickr30k_entities", "Flickr30kEntities", "entities")  # where the two may be in a dataset's folder
_PHRASE = re.compile(r"\[/EN#(?P<chain>[^/\s]*)/(?P<types>\S*)\s+(?P<words>[^\]]*)\]")
_NUMBERS = ("xmin", "ymin", "xmax", "ymax")


class EntitiesFiles(Mapping[str, object]):
    """Records of phrases and boxes by a picture's file name, each read on access.

    Args:
        folder: contains `Sentences` and `Annotations`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, folder: Path) -> "EntitiesFiles | None":
        """The records in a dataset's folder, or in a subfolder with a usual name; None if there are none."""
        places = (folder / name for name in BESIDE)
        both = (place for place in places if (place / SENTENCES).is_dir() and (place / ANNOTATIONS).is_dir())
        return next((cls(place) for place in both), None)

    def __getitem__(self, name: str) -> dict[str, Any]:
        """The record of a picture.

        Raises:
            KeyError: the picture has none.
            InputError: one of its files is malformed; the message names it.
        """
        if name not in self:
            raise KeyError(name)
        sentences, annotations = self._files(name)
        width, height, boxes = _read_annotations(annotations)
        lines = read_text(sentences).split("\n")
        said = [_sentence(line, f"{sentences}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
        return {"w": width, "h": height, "sentences": said, "boxes_xyxy_1based": boxes}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and all(path.is_file() for path in self._files(name))

    def __iter__(self) -> Iterator[str]:
        names = (f"{path.stem}.jpg" for path in sorted((self.folder / SENTENCES).glob("*.txt")))
        return (name for name in names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _files(self, name: str) -> tuple[Path, Path]:
        stem = Path(name).stem
        return self.folder / SENTENCES / f"{stem}.txt", self.folder / ANNOTATIONS / f"{stem}.xml"


def _sentence(line: str, where: str) -> dict[str, Any]:
    """A sentence and its phrases, whose positions count words separated by spaces."""
    words: list[str] = []
    phrases = []
    rest = 0
    for found in _PHRASE.finditer(line):
        words += line[rest : found.start()].split()
        own = found["words"].split()
        if not own:
            raise InputError(f"{where}: expected words in the phrase {found[0]!r}.")
        told = {"chain": found["chain"], "types": found["types"].split("/")}
        phrases.append({**told, "start": len(words), "len": len(own), "text": " ".join(own)})
        words += own
        rest = found.end()
    words += line[rest:].split()
    if any(word.startswith("[/EN#") for word in words):
        raise InputError(f"{where}: expected phrases as in [/EN#1/people A man], found one that does not end.")
    return {"text": " ".join(words), "phrases": phrases}


def _read_annotations(path: Path) -> tuple[int, int, dict[str, list[list[int]]]]:
    """The picture's width and height, and the boxes of each chain.

    Raises:
        InputError: it is not XML of this layout.
    """
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities could expand a small file to a huge text
        raise InputError(f"{path}: expected XML without a document type.")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not valid XML: {error}.") from None
    boxes: dict[str, list[list[int]]] = {}
    for thing in root.findall("object"):
        if (box := thing.find("bndbox")) is not None:
            corners = [_number(box, key, path) for key in _NUMBERS]
            for name in thing.findall("name"):
                boxes.setdefault((name.text or "").strip(), []).append(corners)
    size = root.find("size")
    if size is None:
        raise InputError(f"{path}: expected the picture's <size>.")
    return _number(size, "width", path), _number(size, "height", path), boxes


def _number(parent: ElementTree.Element, key: str, path: Path) -> int:
    text = (parent.findtext(key) or "").strip()
    if not text.isdecimal() or len(text) > 9:
        raise InputError(f"{path}: expected a whole number in <{key}> of <{parent.tag}>, found {text[:40]!r}.")
    return int(text)

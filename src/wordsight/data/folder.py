"""Folders of picture-caption pairs: `x.jpg` or `x.mp4` with `x.txt`, `x.caption`, `x.jpg.txt` or `x.json`.

Captions may be in a folder of their own: `captions/x.txt` for `images/x.jpg`.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from wordsight.data import columns, decode
from wordsight.data.faults import Faults
from wordsight.data.find import is_media, is_picture
from wordsight.data.lookup import files_below, folded
from wordsight.data.records import Dataset, Picture, split_of_folder
from wordsight.errors import InputError
from wordsight.files import describe, parse_json

TEXTS = (".txt", ".caption", ".json")  # in order of preference: only one file is read for a picture
LARGEST = 1 << 20  # maximum bytes of a picture's captions
IMAGES = ("images", "imgs", "image", "img", "pictures", "photos")
CAPTIONS = ("captions", "caption", "labels", "texts", "text", "txt", "txts", "descriptions", "annotations")
_TRIED = 20  # maximum number of files opened to look for captions
_NO_CAPTIONS = re.compile(
    r"(readme|captions|annotations|licen[cs]e|notice|copying|requirements|classes|labels)\b.*", re.IGNORECASE
)


def recognised(root: Path, faults: Faults) -> bool:
    """Whether any picture below a folder has captions beside it."""
    tried = 0
    for folder, files in files_below(root, Faults()):
        texts = (_elsewhere(root, folder) if any(map(is_media, files)) else {}) | _texts(files)
        for name in filter(is_media, files):
            for text in _beside(name, texts):
                if not text.lower().endswith(".json") and os.path.dirname(text) == "":
                    return True
                tried += 1
                with suppress(InputError):
                    if tried <= _TRIED and any(map(_has_words, _said(folder / text, Faults()))):
                        return True
    return False


def read(root: Path, faults: Faults) -> Dataset:
    """Read a folder and its subfolders; the first folder in a path that is named like a split gives it, else train.

    A picture without captions has no sentences; a text file without a picture becomes a missing picture.

    Args:
        root: the folder.
        faults: collects malformed files.
    """
    return Dataset(root.name, root, "pairs", tuple(pictures(root, faults)))


def pictures(root: Path, faults: Faults, default: str = "train") -> Iterator[Picture]:
    """The pictures below a folder with the captions beside them; a folder's name gives the split, else `default`."""
    for folder, files in files_below(root, faults):
        within = folder.relative_to(root)
        split = next(filter(None, map(split_of_folder, within.parts)), default)
        if not any(map(is_media, files)) and _pictures_of(root, folder):
            continue  # captions that are read with their pictures
        texts = (_elsewhere(root, folder) if any(map(is_media, files)) else {}) | _texts(files)
        text_of = _assigned(folder, files, texts, faults)
        spoken = set(text_of.values())
        videos = sorted(filter(is_media, files)) if not any(map(is_picture, files)) else []
        usual = os.path.splitext(videos[0])[1] if videos else ".jpg"  # suffix of pictures that are missing
        stems = {os.path.splitext(name)[0] for name in filter(is_media, files)}
        for text in texts.values():
            stem, suffix = os.path.splitext(os.path.basename(text))
            if suffix.lower() != ".json" and text not in spoken and not _NO_CAPTIONS.fullmatch(stem):
                if stem in files or stem in stems:
                    continue  # its picture has other captions
                text_of[stem if is_media(stem) else stem + usual] = text
        for name in sorted(text_of):
            text = text_of[name]
            said: tuple[str, ...] = ()
            try:
                said = _said(folder / text, faults) if text else ()
                faults.good(root)
            except InputError as error:
                faults.left_out(root, error)
            yield Picture((within / name).as_posix(), folder / name, split, said)


def _assigned(folder: Path, files: set[str], texts: Mapping[tuple[str, str], str], faults: Faults) -> dict[str, str]:
    """Picture -> caption file, or ""; of several pictures that share a file, only the first is kept."""
    found: dict[str, str] = {}
    owner: dict[str, str] = {}
    for name in sorted(filter(is_media, files)):
        text = next(iter(_beside(name, texts)), "")
        if text and owner.setdefault(text, name) != name:
            faults.note(f"{folder / text} has captions of {owner[text]} and of {name}: {name} was left out.")
            continue
        found[name] = text
    spelled: dict[str, list[str]] = {}
    for stem, suffix in texts:
        if suffix != ".json" and texts[stem, suffix] not in owner:
            spelled.setdefault(folded(stem), []).append(texts[stem, suffix])
    for name in (name for name in found if spelled and not found[name]):
        if len(same := spelled.pop(folded(os.path.splitext(name)[0]), [])) == 1:
            found[name] = same[0]
            faults.spelled(same[0], f"of {name}")
    return found


def _elsewhere(root: Path, folder: Path) -> dict[tuple[str, str], str]:
    """`_texts` of the caption folder that corresponds to a picture folder, as paths that include it."""
    for place in [*_renamed(root, folder, IMAGES, CAPTIONS), *(folder / name for name in CAPTIONS)]:
        try:
            found = _texts(entry.name for entry in os.scandir(place) if entry.name[0] != "." and not entry.is_dir())
        except OSError:
            continue
        if found:
            return {key: os.path.join(place, name) for key, name in found.items()}
    return {}


def _pictures_of(root: Path, folder: Path) -> bool:
    """Whether a caption folder has a corresponding picture folder."""
    places = [*_renamed(root, folder, CAPTIONS, IMAGES), *([folder.parent] if folder.name.lower() in CAPTIONS else [])]
    for place in places:
        try:
            if folder != root and any(is_media(entry.name) for entry in os.scandir(place)):
                return True
        except OSError:
            continue
    return False


def _renamed(root: Path, folder: Path, before: Sequence[str], after: Sequence[str]) -> Iterator[Path]:
    """Folders, existing or not, whose path differs from that of `folder` in one renamed part."""
    parts = folder.relative_to(root).parts
    for place, part in enumerate(parts):
        if part.lower() in before:
            yield from (root.joinpath(*parts[:place], name, *parts[place + 1 :]) for name in after)


def _has_words(caption: str) -> bool:
    return any(map(str.isalpha, caption))


def _texts(files: Iterable[str]) -> dict[tuple[str, str], str]:
    """(stem, lower-case suffix) -> name of each file that may have captions."""
    split = (os.path.splitext(name) for name in sorted(files, reverse=True))
    return {(stem, suffix.lower()): stem + suffix for stem, suffix in split if suffix.lower() in TEXTS}


def _beside(name: str, texts: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """The caption files of a picture, in order of preference."""
    stem = os.path.splitext(name)[0]
    for suffix in TEXTS:
        for beginning in (stem, name):
            if (beginning, suffix) in texts:
                yield texts[beginning, suffix]


def _said(path: Path, faults: Faults) -> tuple[str, ...]:
    """The captions in a file: one on each line, or in JSON under its keys for captions."""
    text = decode.read(path, faults, LARGEST)
    if path.suffix.lower() != ".json":
        lines = text.strip().split("\n")
        return tuple(line.strip() for line in lines if line.strip() or len(lines) == 1)
    content = parse_json(text, str(path))
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected an object, found {describe(content)}.")
    row = columns.lowered(content)
    return tuple(columns.captions_of(row, str(path))[0]) if columns.captions_in(row) else ()

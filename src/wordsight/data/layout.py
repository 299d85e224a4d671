"""Format detection: which files of a folder may hold a dataset, by content rather than name."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wordsight.data import clips, coco, decode, flickr, json_rows, karpathy, tables, webdataset
from wordsight.data.faults import Faults
from wordsight.data.find import is_media
from wordsight.data.lookup import files_below
from wordsight.errors import InputError
from wordsight.files import parse_json

_NAMED = re.compile(
    r"((dataset|captions|msr-?vtt).*|.*videodatainfo.*)\.json", re.IGNORECASE
)  # usual file names of datasets in JSON
_TEXTS = (".txt", ".token")
_FOLDERS = 1000  # maximum number of folders searched for tables and archives
_DEEPEST = 2  # maximum levels of folders searched
_LISTED = re.compile(r"\s*(?:\[|\{.*\}\s*\n\s*\{)")  # a list of objects, or an object on each line
_SHAPE = re.compile(r'"(images|annotations|videos|sentences)"\s*:')


@dataclass(frozen=True)
class Json:
    """A JSON file with a dataset, of kind "karpathy", "coco", "msr-vtt" or "table" (whose content is not kept)."""

    path: Path
    kind: str
    content: Any = None


class Layout:
    """The dataset files of a folder by format, detected lazily.

    Args:
        root: the folder.
        faults: collects files with a dataset's name but other content.
    """

    def __init__(self, root: Path, faults: Faults) -> None:
        self.root, self.faults = root, faults
        self.passed: list[InputError] = []  # why files were skipped
        self.here = list(_files(root, 0))

    @cached_property
    def levels(self) -> list[list[Path]]:
        """The files that may be a table or an archive, by depth."""
        levels: list[list[Path]] = [[] for _ in range(_DEEPEST + 1)]
        for path in _files(self.root, _DEEPEST):
            if path.name.lower().endswith((*tables.SUFFIXES, *webdataset.SUFFIXES)):
                levels[len(path.relative_to(self.root).parts) - 1].append(path)
        return levels

    def json(self, *, named: bool) -> Iterator[Json]:
        """The JSON datasets, here and in `annotations`: if `named`, files with usual names, else all others."""
        beside = _files(self.root / "annotations", 0) if (self.root / "annotations").is_dir() else ()
        for path in [*self.here, *beside]:
            if path.suffix.lower() == ".json" and bool(_NAMED.fullmatch(path.name)) == named:
                try:
                    yield read_json(path, self.faults)
                except InputError as error:
                    self._pass(error, path, said=named)

    def tokens(self) -> list[Path]:
        """The token files of Flickr8k and Flickr30k, lemmatised ones last."""
        found = [path for path in self._texts() if self._holds(path, _is_tokens)]
        return sorted(found, key=lambda path: "lemma" in path.name.lower())

    def corpora(self) -> list[Path]:
        """The files of MSVD: the CSV, or text files of clips and sentences."""
        for level in (
            *([path for path in some if path.suffix.lower() in clips.TABLES] for some in self.levels),
            self._texts(),
        ):
            found = [path for path in level if self._holds(path, clips.is_corpus)]
            whole = [path for path in found if path.stem.lower().startswith("allvideodescriptions")]
            if found:
                return whole or found
        return []

    def tables(self) -> list[Path]:
        """The tables of the dataset: all `metadata.*`, else those at the least depth, else text files."""
        every = [[path for path in level if path.suffix.lower() in tables.SUFFIXES] for level in self.levels]
        metadata = [path for level in every for path in level if path.stem.lower() == "metadata"]
        for level in (metadata, *every, self._texts()):
            if found := self._once([path for path in level if self._holds(path, _is_table)]):
                return found
        return []

    def archives(self) -> list[Path]:
        """The webdataset shards, here or one folder down."""
        for level in self.levels[:2]:
            some = [path for path in level if path.name.lower().endswith(webdataset.SUFFIXES)]
            if found := [path for path in some if self._holds(path, webdataset.recognised)]:
                return found
        return []

    def _texts(self) -> list[Path]:
        """The text files of this folder that are not the captions of one picture."""
        pictures = [path.name for path in self.here if is_media(path.name)]
        taken = {*pictures, *(os.path.splitext(name)[0] for name in pictures)}
        return [path for path in self.here if path.suffix.lower() in _TEXTS and path.stem not in taken]

    def _holds(self, path: Path, look: Callable[[Path], bool]) -> bool:
        try:
            return look(path)
        except InputError as error:
            self._pass(error, path, said=True)
            return False

    def _once(self, found: list[Path]) -> list[Path]:
        """Of tables in one folder that differ only in suffix, keep the preferred one."""
        order = [*tables.SUFFIXES, *_TEXTS]
        first: dict[Path, Path] = {}
        for path in sorted(found, key=lambda path: order.index(path.suffix.lower())):
            if (other := first.setdefault(path.with_suffix(""), path)) != path:
                self.faults.note(f"{path} was passed over: {other.name} stands for the same.")
        return sorted(first.values())

    def _pass(self, error: InputError, path: Path, *, said: bool) -> None:
        self.passed.append(error)
        if said:
            why = str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, ").removeprefix(f"{path} ")
            self.faults.note(f"{path} was passed over: {why}")


def _files(root: Path, deepest: int) -> Iterator[Path]:
    for count, (folder, names) in enumerate(files_below(root, Faults(), deepest)):
        if count >= _FOLDERS:
            return
        yield from (folder / name for name in sorted(names))


def _is_tokens(path: Path) -> bool:
    return flickr.recognised(decode.sniff(path))


def _is_table(path: Path) -> bool:
    if path.suffix.lower() in tables.SUFFIXES:
        tables.require(path)
        return True
    return tables.recognised(path)


def read_json(path: Path, faults: Faults) -> Json:
    """Read a JSON file that may hold a dataset.

    Raises:
        InputError: it holds no dataset; the message names what is missing.
    """
    start = decode.sniff(path)
    if _LISTED.match(start) and tables.recognised(path):
        return Json(path, "table")
    likely = _SHAPE.search(start) or json_rows.begins_by_picture(start) or tables.recognised(path)
    if not likely and len(start) >= decode.SNIFFED // 4:  # too large to parse on trial
        raise InputError(f"{path}: expected the key 'images' near its beginning.")
    content = parse_json(decode.read(path, faults), str(path))
    if isinstance(content, dict) and "videos" in content and "images" not in content:
        clips.require_msrvtt(path, content)
        return Json(path, "msr-vtt", content)
    try:
        karpathy.require(path, content)
        return Json(path, "karpathy", content)
    except InputError as error:
        if not (isinstance(content, dict) and content.get("images") and "annotations" in content):
            if json_rows.unwrapped(content):
                return Json(path, "table")
            raise error
    coco.require(path, content)
    return Json(path, "coco", content)

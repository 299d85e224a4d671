"""Picture lookup: find the files of a dataset's pictures."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from wordsight.data.faults import Faults
from wordsight.data.find import is_media
from wordsight.data.records import split_of_folder
from wordsight.vision.fragments import fragment

_IMAGES = ("images", "imgs", "videos", "clips")


class PictureFiles:
    """The picture files of a dataset, in the usual folders.

    Folders are searched in this order: the dataset's, its subfolders ("images" first), the subfolders of "images". Each
    is listed once. A name without an exact match is compared regardless of Unicode form, case, direction of slashes
    and, if missing, suffix.

    Args:
        faults: collects names spelled differently from their files.
        roots: the folders to search, with subfolders.
    """

    def __init__(self, faults: Faults, *roots: Path) -> None:
        self.faults = faults
        self.roots = [str(root) for root in dict.fromkeys(roots)]
        self.last = ""
        self._listings: dict[str, frozenset[str]] = {}
        self._foldings: dict[str, dict[str, list[str]]] = {}
        self._orders: dict[str, list[str]] = {}

    def find(self, *names: str, split: str = "") -> Path:
        """The file of a picture.

        Args:
            names: paths, relative to the dataset or absolute; the first existing one is taken. For a part of a clip
                (`clip.mp4#t=10,12`), the clip's file is searched for.
            split: folders of this name are searched first.

        Returns:
            The file; if none exists, its likely path.
        """
        if not (part := fragment(names[0])).whole:
            files = (str(fragment(name).file) for name in names)
            return part._replace(file=self.find(*files, split=split)).path
        for name in names:
            if os.path.isabs(name):
                if os.path.exists(name):
                    return Path(name)
                continue
            folder, base = os.path.split(os.path.normpath(name))
            for place in self._places(split):
                if base in self._listing(os.path.join(place, folder) if folder else place):
                    self.last = place
                    return Path(place, folder, base)
        if found := self._spelled_otherwise(names, split):
            return found
        return Path(self.last or self.roots[0], names[0])

    @cached_property
    def places(self) -> list[str]:
        """The folders searched for pictures."""
        found = []
        for root in self.roots:
            inside = _folders(root)
            inside.sort(key=lambda folder: os.path.basename(folder).lower() not in _IMAGES)
            images = [folder for folder in inside if os.path.basename(folder).lower() in _IMAGES]
            found += [root, *inside, *(deeper for folder in images for deeper in _folders(folder))]
        return list(dict.fromkeys(found))

    def _places(self, split: str) -> list[str]:
        if split not in self._orders:
            order = sorted(self.places, key=lambda place: split_of_folder(os.path.basename(place)) != split)
            self._orders[split] = order if split else self.places
        return self._orders[split]

    def _spelled_otherwise(self, names: Iterable[str], split: str) -> Path | None:
        for name in names:
            folder, base = os.path.split(os.path.normpath(name.replace("\\", "/")))
            within = [os.path.join(place, folder) for place in self._places(split)] if folder else []
            if (found := self._only(within, base)) or (found := self._only(self._places(split), base)):
                self.faults.spelled(name, found.name if os.path.basename(name) != found.name else str(found))
                return found
        return None

    def _only(self, places: Iterable[str], base: str) -> Path | None:
        """The only file in these folders with the same folded name; None if there is none, or several."""
        wanted = folded(base)
        found = [os.path.join(place, real) for place in places for real in self._folding(place).get(wanted, ())]
        return Path(found[0]) if len(found) == 1 else None

    def _folding(self, folder: str) -> dict[str, list[str]]:
        """The files of a folder by folded name; pictures also by folded stem."""
        if folder not in self._foldings:
            found: dict[str, list[str]] = {}
            for name in self._listing(folder):
                found.setdefault(folded(name), []).append(name)
                if is_media(name):
                    found.setdefault(folded(os.path.splitext(name)[0]), []).append(name)
            self._foldings[folder] = found
        return self._foldings[folder]

    def _listing(self, folder: str) -> frozenset[str]:
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))
            except (OSError, ValueError):
                self._listings[folder] = frozenset()
        return self._listings[folder]


def files_below(root: Path, faults: Faults, deepest: int = 1000) -> Iterator[tuple[Path, set[str]]]:
    """Walk a folder: yields each folder with the names of its files, without hidden ones, alphabetically.

    A folder that links reach again is yielded once: as the real folder if that is inside.

    Args:
        root: the folder.
        faults: collects folders that cannot be read.
        deepest: maximum levels of folders.
    """
    seen: set[tuple[int, int]] = set()
    waiting, links = [(str(root), 0)], list[tuple[str, int]]()
    while waiting or links:
        folder, depth = waiting.pop() if waiting else links.pop(0)
        try:
            found = os.stat(folder)
            entries = sorted((one for one in os.scandir(folder) if one.name[0] != "."), key=lambda one: one.name)
        except OSError as error:
            faults.note(f"{folder} cannot be read: {error.strerror}; nothing in it was.")
            continue
        if (found.st_dev, found.st_ino) in seen:
            continue
        seen.add((found.st_dev, found.st_ino))
        inside = [entry for entry in entries if _is_folder(entry)]
        if depth < deepest:
            waiting += [(entry.path, depth + 1) for entry in reversed(inside) if not entry.is_symlink()]
            links += [(entry.path, depth + 1) for entry in inside if entry.is_symlink()]
        yield Path(folder), {entry.name for entry in entries} - {entry.name for entry in inside}


def folded(name: str) -> str:
    """A name folded in case and Unicode form."""
    return unicodedata.normalize("NFC", name).casefold()


def _folders(folder: str) -> list[str]:
    """The subfolders of a folder, by name, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if _is_folder(entry) and not entry.name.startswith("."))
    except (OSError, ValueError):
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circular link
        return False

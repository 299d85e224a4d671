"""Folder tree of an index, with names that do not reveal where the folders are on this machine.

Pictures below the folder that holds the index are in the folders of their names. Pictures elsewhere are named by whole
paths: what these have in common is left out, except its last folder.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.search.catalog import Catalog
from wordsight.search.frames import once


@dataclass
class Folder:
    """A folder with its pictures.

    Attributes:
        name: the name of the folder alone.
        path: its path from the top of the tree, as `Folders.path` takes it.
        count: the number of pictures in it and below.
        folders: the folders in it, by name.
    """

    name: str
    path: str
    count: int = 0
    folders: dict[str, "Folder"] = field(default_factory=dict)


class Folders:
    """The folders of some pictures.

    Args:
        counts: the number of pictures in each folder; a folder is a picture's name in the index without its last part.
        root: the folder that holds the index.
    """

    def __init__(self, counts: Mapping[str, int], root: str) -> None:
        self._root, self._counts = root, counts
        self._tops = self._elsewhere()

    @classmethod
    def read(cls, catalog: Catalog, root: str) -> "Folders":
        """The folders of the pictures in a catalogue."""
        return cls(Counter(map(_folder, catalog.paths(once()))), root)

    def _elsewhere(self) -> dict[str, str]:
        """The common folder of the pictures elsewhere, for each drive or main folder: name in the tree -> path."""
        groups: dict[tuple[str, ...], list[str]] = {}
        for folder in self._counts:
            if os.path.isabs(folder):
                groups.setdefault(Path(folder).parts[:2], []).append(folder)
        taken = {folder.partition("/")[0] for folder in self._counts if folder and not os.path.isabs(folder)}
        tops: dict[str, str] = {}
        for several in groups.values():
            top = os.path.commonpath(several)
            name = base = os.path.basename(top) or "drive"
            again = 2
            while name in tops or name in taken:
                name, again = f"{base} ({again})", again + 1
            tops[name] = top
        return tops

    def of(self, key: str) -> str:
        """The folder of a picture, as a path from the top of the tree; empty at the top."""
        return self._named(_folder(key)) if os.path.isabs(key) else _folder(key)

    def _named(self, folder: str) -> str:
        for name, top in self._tops.items():
            if folder == top or folder.startswith(top.rstrip(os.sep) + os.sep):
                return "/".join([name, *Path(folder).relative_to(top).parts])
        return os.path.basename(folder)

    def path(self, name: str) -> str:
        """The whole path of a folder given by its path from the top of the tree, whether it exists or not."""
        first, _, rest = name.partition("/")
        return os.path.join(self._tops[first], rest) if first in self._tops else os.path.join(self._root, name)

    def tree(self) -> list[Folder]:
        """The folders at the top of the tree, with those in them, in alphabetical order."""
        top = Folder("", "")
        for folder, count in sorted(
            (self._named(name) if os.path.isabs(name) else name, n) for name, n in self._counts.items()
        ):
            here = top
            for name in folder.split("/") if folder else ():
                path = f"{here.path}/{name}" if here.path else name
                here = here.folders.setdefault(name, Folder(name, path))
                here.count += count
        return list(top.folders.values())


def _folder(key: str) -> str:
    """The folder of a picture: its name in the index without the last part."""
    return os.path.dirname(key) if os.path.isabs(key) else key.rpartition("/")[0]

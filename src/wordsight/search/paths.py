"""Names of pictures in an index, which let it be moved: with its pictures, or away from them.

A picture below the folder that holds the index is named by its path relative to that folder, any other by its absolute
path. The index also keeps the folder where it was made: a picture that is not beside the index is looked for there.
"""

import errno
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

from wordsight.errors import InputError
from wordsight.search.frames import file_of

_GONE = (errno.ENOENT, errno.ENOTDIR)


def is_gone(error: OSError) -> bool:
    """Whether an error means that there is no such file, not only that it cannot be read."""
    return error.errno in _GONE


class Paths:
    """Translates names in an index to files, and back.

    Args:
        index: the index's folder.
        made: the folder that held the index when it was made.
    """

    def __init__(self, index: Path, made: str) -> None:
        self.roots = list(dict.fromkeys((os.path.dirname(os.path.abspath(index)), made)))
        self._bases = dict.fromkeys((*self.roots, _real(self.roots[0])))  # a link may lead to the index

    def key(self, path: str | Path) -> str:
        """The name of a file in the index.

        Raises:
            InputError: its path is not Unicode, or contains a zero byte.
        """
        name = str(path)
        try:
            name.encode()
        except UnicodeEncodeError:
            raise InputError(f"{name.encode(errors='backslashreplace').decode()}: its name is not Unicode.") from None
        if "\0" in name:
            raise InputError(f"{name!r}: no file can have this name.")
        full = os.path.abspath(name)
        for root in self._bases:
            base = root.rstrip(os.sep) + os.sep
            if full.startswith(base):
                return full[len(base) :].replace(os.sep, "/")
        return full

    def path(self, key: str) -> Path:
        """The file of a name, for a frame that of its video; it may be gone.

        Of two candidates, the one that exists; else one that the drive cannot check; else the one beside the index.
        """
        key = file_of(key)
        if os.path.isabs(key):
            return Path(key)
        found = [Path(root, key) for root in self.roots]
        return min(found, key=_doubt) if len(found) > 1 else found[0]

    def place(self) -> Callable[[str], str]:
        """The function `path` for many names, as text; where files may be in two places, it lists each folder once."""
        listed = cache(_listed)

        def place(key: str) -> str:
            key = file_of(key)
            if os.path.isabs(key):
                return key
            *folders, name = key.split("/")
            places = [os.path.join(root, *folders) for root in self.roots]
            found = [listed(folder) for folder in places] if len(places) > 1 else []
            for folder, names in zip(places, found, strict=False):
                if names is None:
                    return str(self.path(key))
                if name in names:
                    return os.path.join(folder, name)
            return str(self.path(key)) if any(found) else os.path.join(places[0], name)  # case may be ignored

        return place

    def is_gone(self, key: str) -> bool:
        """Whether the file of a name surely does not exist; False if the drive cannot tell."""
        return _doubt(self.path(key), os.stat) == 2

    def is_deleted(self, key: str) -> bool:
        """Whether the file of a name is gone, but its drive is not: something else is in its folder."""
        return self.is_gone(key) and bool(_listed(str(self.path(key).parent)))

    def below(self, keys: Iterable[str], folder: str | Path) -> Iterator[str]:
        """Those of the names that are the file `folder`, or files in this folder and below; they need not exist."""
        return filter(self.within(folder), keys)

    def within(self, folder: str | Path) -> Callable[[str], bool]:
        """The test of `below`, of one name."""
        wanted = tuple(dict.fromkeys((os.path.abspath(folder), _real(folder))))  # links may lead to indexed files
        bases = tuple(full.rstrip(os.sep) + os.sep for full in wanted)
        roots = list(dict.fromkeys((*self.roots, *map(_real, self.roots))))  # a link may lead to the index
        return lambda key: any(path in wanted or path.startswith(bases) for path in _below(roots, key))

    def every(self, key: str) -> list[str]:
        """All absolute paths that a name may stand for, wherever the index was made or is now."""
        return _below(self.roots, key)


def _below(roots: Iterable[str], key: str) -> list[str]:
    key = file_of(key)
    return [key] if os.path.isabs(key) else [os.path.join(root, *key.split("/")) for root in roots]


def _doubt(path: Path, look: Callable[[Path], object] = os.lstat) -> int:
    """0 if the file exists, 1 if the drive cannot tell, 2 if it does not exist."""
    try:
        look(path)
    except ValueError:  # no file can have this name
        return 2
    except OSError as error:
        return 2 if is_gone(error) else 1
    return 0


def _listed(folder: str) -> Collection[str] | None:
    """The names in a folder, none if there is no such folder; None if it cannot be listed."""
    try:
        return frozenset(os.listdir(folder))
    except ValueError:  # no folder can have this name
        return frozenset()
    except OSError as error:
        return frozenset() if is_gone(error) else None


def _real(path: str | Path) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return os.path.abspath(path)

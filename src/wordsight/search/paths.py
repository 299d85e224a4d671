"""Names of pictures in an index, which let it be moved: with its pictures, or away from them.

A picture below the folder that holds the index is named by its path relative to that folder, any other by its absolute
path. The index also keeps the folder where it was made: a picture that is not beside the index is looked for there.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
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

    def is_gone(self, key: str) -> bool:
        """Whether the file of a name surely does not exist; False if the drive cannot tell."""
        return _doubt(self.path(key), os.stat) == 2

    def below(self, keys: Iterable[str], folder: str | Path) -> Iterator[str]:
        """Those of the names that are the file `folder`, or files in this folder and below; they need not exist."""
        return filter(self.within(folder), keys)

    def within(self, folder: str | Path) -> Callable[[str], bool]:
        """The test of `below`, of one name."""
        wanted = tuple(dict.fromkeys((os.path.abspath(folder), _real(folder))))  # links may lead to indexed files
        bases = tuple(full.rstrip(os.sep) + os.sep for full in wanted)
        return lambda key: any(path in wanted or path.startswith(bases) for path in self.every(key))

    def every(self, key: str) -> list[str]:
        """All absolute paths that a name may stand for, wherever the index was made or is now."""
        key = file_of(key)
        return [key] if os.path.isabs(key) else [os.path.join(root, *key.split("/")) for root in self.roots]


def _doubt(path: Path, look: Callable[[Path], object] = os.lstat) -> int:
    """0 if the file exists, 1 if the drive cannot tell, 2 if it does not exist."""
    try:
        look(path)
    except ValueError:  # no file can have this name
        return 2
    except OSError as error:
        return 2 if is_gone(error) else 1
    return 0


def _real(path: str | Path) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return os.path.abspath(path)

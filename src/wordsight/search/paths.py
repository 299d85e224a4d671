"""What pictures are called in an index, so that it can be moved: with its pictures, or away from them.

A picture below the folder that holds the index is called by its path from there, any other by its whole path. The
folder where the index was made is kept too: if a picture is not found beside the index, it is looked for there.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from wordsight.errors import InputError
from wordsight.search.frames import file_of

_GONE = (errno.ENOENT, errno.ENOTDIR)


def is_gone(error: OSError) -> bool:
    """Whether this says that there is no such file, and not only that it cannot be read."""
    return error.errno in _GONE


class Paths:
    """Names in an index <-> files.

    Args:
        index: the index's folder.
        made: the folder that held the index when it was made.
    """

    def __init__(self, index: Path, made: str) -> None:
        self.roots = list(dict.fromkeys((os.path.dirname(os.path.abspath(index)), made)))
        self._bases = dict.fromkeys((*self.roots, _real(self.roots[0])))  # a link may lead to the index

    def key(self, path: str | Path) -> str:
        """What a file is called.

        Raises:
            InputError: its name is no Unicode text, or holds a zero byte.
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
        """The file of a name, of a frame that of its video; it may be gone.

        Of two places, where it is; else where the drive does not say that it is gone; else beside the index.
        """
        key = file_of(key)
        if os.path.isabs(key):
            return Path(key)
        found = [Path(root, key) for root in self.roots]
        return min(found, key=_doubt) if len(found) > 1 else found[0]

    def is_gone(self, key: str) -> bool:
        """Whether the drive says that there is no file of this name; not where it cannot say."""
        return _doubt(self.path(key), os.stat) == 2

    def full(self, key: str) -> str:
        """The whole path of a name, beside the index as it is now, whether there is a file or not."""
        key = file_of(key)
        return os.path.join(self.roots[0], *key.split("/")) if not os.path.isabs(key) else key

    def below(self, keys: Iterable[str], folder: str | Path) -> Iterator[str]:
        """The names of a file, or of all files in a folder and below, whether there is still one or not."""
        wanted = list(dict.fromkeys((os.path.abspath(folder), _real(folder))))  # links lead to what is indexed, too
        bases = tuple(full.rstrip(os.sep) + os.sep for full in wanted)
        for key in keys:
            if any(path in wanted or path.startswith(bases) for path in self._full(key)):
                yield key

    def _full(self, key: str) -> list[str]:
        key = file_of(key)
        return [key] if os.path.isabs(key) else [os.path.join(root, *key.split("/")) for root in self.roots]


def _doubt(path: Path, look: Callable[[Path], object] = os.lstat) -> int:
    """0 where a file is, 1 where the drive does not say, 2 where there is none."""
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

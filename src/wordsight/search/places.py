"""What pictures are called in an index, so that it can be moved: with its pictures, or away from them.

A picture below the folder that holds the index is called by its path from there, any other by its whole path. The
folder where the index was made is kept too: if a picture is not found beside the index, it is looked for there.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from wordsight.errors import InputError


class Places:
    """Names in an index <-> files.

    Args:
        index: the index's folder.
        made: the folder that held the index when it was made.
    """

    def __init__(self, index: Path, made: str) -> None:
        self.roots = list(dict.fromkeys((os.path.dirname(os.path.abspath(index)), made)))

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
        for root in self.roots:
            base = root.rstrip(os.sep) + os.sep
            if full.startswith(base):
                return full[len(base) :].replace(os.sep, "/")
        return full

    def path(self, key: str) -> Path:
        """The file of a name; it may be gone."""
        if os.path.isabs(key):
            return Path(key)
        found = [Path(root, key) for root in self.roots]
        return next((path for path in found if os.path.lexists(path)), found[0])

    def full(self, key: str) -> str:
        """The whole path of a name, beside the index as it is now, whether there is a file or not."""
        return os.path.join(self.roots[0], *key.split("/")) if not os.path.isabs(key) else key

    def below(self, keys: Iterable[str], folder: str | Path) -> Iterator[str]:
        """The names of a file, or of all files in a folder and below, whether there is still one or not."""
        full = os.path.abspath(folder)
        base = full.rstrip(os.sep) + os.sep
        for key in keys:
            if any(path == full or path.startswith(base) for path in self._full(key)):
                yield key

    def _full(self, key: str) -> list[str]:
        return [key] if os.path.isabs(key) else [os.path.join(root, *key.split("/")) for root in self.roots]

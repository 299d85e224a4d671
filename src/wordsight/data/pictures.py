"""Picture files from user input: files, folders, patterns, or a list of paths."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from wordsight.data.find import is_media, is_picture
from wordsight.data.patterns import has_magic, matches
from wordsight.errors import InputError
from wordsight.files import reason

LISTED = "-"  # stands for a list of paths, one on each line
_NONE = "no picture in this folder."
Names = str | Path | Sequence[str | Path]


class Listing(list[Path]):
    """Picture files.

    Attributes:
        left_out: names without a picture, and folders that cannot be listed -> the reason.
    """

    def __init__(self, files: Iterable[Path], left_out: dict[Path, str]) -> None:
        super().__init__(files)
        self.left_out = left_out


def named(names: Names) -> list[str | Path]:
    """One name or several, as a list."""
    return [names] if isinstance(names, str | Path) else list(names)


def picture_files(
    names: Names, listed: Iterable[str | bytes] = (), *, videos: bool = False, empty: bool = False
) -> Listing:
    """Resolve names to picture files.

    Links to folders are followed. A file reached by several paths is listed once, by one without links if possible.

    Args:
        names: each a file, existing or not; a folder, for all pictures below it; a pattern with `*`, `?`, `[...]` or
            `**`; or "-" for the paths in `listed`. A `Listing` is returned unchanged.
        listed: lines with one path each; empty lines are skipped.
        videos: whether videos in folders are listed too.
        empty: accept names that are all folders without a picture, if all of these can be listed.

    Returns:
        Each file once, in the order of the names; in a folder or pattern alphabetically.

    Raises:
        InputError: none of the names gives a file.
    """
    if isinstance(names, Listing):
        return names
    search = _Search(is_media if videos else is_picture)
    several = list(dict.fromkeys(map(str, named(names))))
    linked = [name for name in several if os.path.islink(name)]
    for name in [*(name for name in several if name not in set(linked)), *linked]:
        search.add(name, listed)
    search.follow()
    files = [path for name in several for path in search.found[name]]
    for name in several:
        if not search.found[name]:
            search.left_out.setdefault(Path(name), f"{name}: {search.empty[name]}")
    if not files:
        if empty and several and all(why.endswith(_NONE) for why in search.left_out.values()):
            return Listing([], {})
        first = next(iter(search.left_out.values()), "no picture is named.")
        more = f"None of the {len(several):,} names stands for a picture: " if len(several) > 1 else ""
        raise InputError(more + first)
    return Listing(search.once(files), search.left_out)


class _Search:
    """Search for pictures that lists each folder once, and linked folders after all others."""

    def __init__(self, is_wanted: Callable[[str], bool]) -> None:
        self._is_wanted = is_wanted
        self.found: dict[str, list[Path]] = {}
        self.empty: dict[str, str] = {}  # name -> the reason, if it gives no picture
        self.left_out: dict[Path, str] = {}
        self._seen: set[tuple[int, int] | str] = set()
        self._links: list[tuple[str, str]] = []  # (name, link to a folder below it)

    def add(self, name: str, listed: Iterable[str | bytes]) -> None:
        """Add the files of a name, except behind links."""
        self.empty[name] = _NONE
        if name == LISTED:
            lines = (os.fsdecode(line).rstrip("\r\n") for line in listed)
            self.found[name] = [Path(line) for line in lines if line.strip()]
            self.empty[name] = "the list of pictures is empty; expected a path a line."
        elif os.path.isdir(name):
            self.found[name] = list(self._walk(name, name))
        elif has_magic(name) and not os.path.lexists(name):
            self.found[name] = matches(name, self.left_out)
            self.empty[name] = "no file matches this pattern."
        else:
            self.found[name] = [Path(name)]

    def follow(self) -> None:
        """Add the files of linked folders, recursively."""
        while self._links:
            name, link = self._links.pop(0)
            self.found[name] += self._walk(name, link)

    def once(self, files: Sequence[Path]) -> list[Path]:
        """Each file once, by the path with the fewest links."""
        best: dict[str, tuple[int, Path]] = {}
        folders: dict[str, str] = {}
        for path in files:
            links, real = _real(path, folders)
            if real not in best or links < best[real][0]:
                best[real] = links, path
        return [path for _, path in best.values()]

    def _walk(self, name: str, root: str) -> Iterator[Path]:
        """The pictures below a folder, without hidden ones; links to folders are deferred."""
        inside = [root]
        while inside:
            folder = inside.pop()
            if not self._is_new(folder):
                continue
            try:
                with os.scandir(folder) as entries:
                    here = sorted((entry for entry in entries if not entry.name.startswith(".")), key=_name)
            except OSError as error:
                self.left_out[Path(folder)] = f"{folder}: {reason(error)}"
                continue
            below = []
            for entry in here:
                if self._is_folder(entry):
                    if entry.is_symlink():
                        self._links.append((name, entry.path))
                    else:
                        below.append(entry.path)
                elif self._is_wanted(entry.name):
                    yield Path(entry.path)
            inside += reversed(below)

    def _is_new(self, folder: str) -> bool:
        try:
            found = os.stat(folder)
        except OSError as error:
            self.left_out[Path(folder)] = f"{folder}: {reason(error)}"
            return False
        one = (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(folder)
        new = one not in self._seen
        self._seen.add(one)
        return new

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir()
        except OSError as error:  # a circular link, or one to an unreadable folder
            if not self._is_wanted(entry.name):  # else opening it reports the error
                self.left_out[Path(entry.path)] = f"{entry.path}: {reason(error)}"
            return False


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _real(path: Path, folders: dict[str, str]) -> tuple[int, str]:
    """Rank of a path by its links (0: none, 1: in its folders, 2: the file), and the real path; folders are cached."""
    try:
        if os.path.islink(path):
            return 2, os.path.realpath(path)
        parent = os.path.dirname(path)
        if parent not in folders:
            folders[parent] = os.path.realpath(parent)
        real = os.path.join(folders[parent], path.name)
        return int(real != os.path.abspath(path)), real
    except (OSError, ValueError):  # not a valid file name
        return 0, str(path)

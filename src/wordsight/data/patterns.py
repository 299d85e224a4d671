"""Glob patterns of file names, as in shells; each folder is listed once, even if several links lead to it."""

import fnmatch
import glob
import os
from collections import deque
from pathlib import Path

from wordsight.files import reason

has_magic = glob.has_magic
_ANY = "**"


def matches(pattern: str, left_out: dict[Path, str]) -> list[Path]:
    """The files that match a pattern with `*`, `?`, `[...]` or `**`, alphabetically; no folders.

    Args:
        pattern: the pattern; hidden files match only where it has the dot.
        left_out: receives the folders that cannot be listed, with the reason.
    """
    path = Path(pattern)
    parts = [part for part in path.parts if part != path.anchor]
    parts = [part for place, part in enumerate(parts) if part != _ANY or parts[place - 1 : place] != [_ANY]]
    found: dict[str, None] = {}
    seen: set[tuple[int, int, int]] = set()  # a folder, and the length of the remaining pattern
    waiting, links = deque([(path.anchor, 0)]), deque[tuple[str, int]]()
    while waiting or links:
        folder, place = waiting.popleft() if waiting else links.popleft()
        if place == len(parts) or not _is_new(folder, place, seen):
            continue
        part, last = parts[place], place == len(parts) - 1
        if not has_magic(part):
            below = os.path.join(folder, part)
            if not last:
                waiting.append((below, place + 1))
            elif os.path.lexists(below) and not os.path.isdir(below):
                found[below] = None
            continue
        if part == _ANY and not last:
            waiting.append((folder, place + 1))
        for name in _names(folder, part, left_out):
            below = os.path.join(folder, name)
            if os.path.isdir(below):
                (links if os.path.islink(below) else waiting).append((below, place if part == _ANY else place + 1))
            elif last:
                found[below] = None
    return sorted(map(Path, found))


def _is_new(folder: str, place: int, seen: set[tuple[int, int, int]]) -> bool:
    try:
        there = os.stat(folder or os.curdir)
    except (OSError, ValueError):  # unreadable: no match
        return False
    one = (there.st_dev, there.st_ino or hash(os.path.realpath(folder)), place)
    new = one not in seen
    seen.add(one)
    return new


def _names(folder: str, part: str, left_out: dict[Path, str]) -> list[str]:
    """The names in a folder that match a part of a pattern."""
    try:
        names = sorted(os.listdir(folder or os.curdir))
    except NotADirectoryError:
        return []
    except OSError as error:
        left_out[Path(folder or os.curdir)] = f"{folder}: {reason(error)}"
        return []
    if not part.startswith("."):
        names = [name for name in names if not name.startswith(".")]
    return names if part == _ANY else fnmatch.filter(names, part)

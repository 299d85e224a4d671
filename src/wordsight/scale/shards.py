"""Shards: a folder of indexes that are searched together, with a list of those that should be there.

FOLDER/shard-00000 ...   each an index
FOLDER/shards.json       how many pictures each shard has and from where, to tell what a missing shard held

Without the list all indexes in the folder are searched, and a missing one is not noticed.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import parse_json, read_text, write_text
from wordsight.search.catalog import Catalog
from wordsight.search.frames import file_of
from wordsight.search.identity import is_ours
from wordsight.search.index import Index

SHARD, LIST, FORMAT = "shard-", "shards.json", 1
Ints = NDArray[np.int64]
FOLDERS = 10  # most folders that the list names for a shard: those with most pictures


@dataclass(frozen=True)
class Shard:
    """A shard in the list.

    Attributes:
        name: of its folder.
        pictures: how many files it holds.
        folders: those with most of its files.
    """

    name: str
    pictures: int
    folders: tuple[str, ...] = ()

    def __str__(self) -> str:
        """What it holds, in words."""
        where = f", from {', '.join(self.folders[:3])}" if self.folders else ""
        return f"{self.name} ({self.pictures:,} pictures{where})"


def shard_folders(home: Path) -> list[Path]:
    """The shards in a folder, by name; empty if there is no such folder."""
    return sorted(path for path in home.glob(f"{SHARD}*") if path.is_dir() and is_ours(path))


def is_sharded(home: Path) -> bool:
    """Whether a folder is not an index itself, but holds shards or their list."""
    return home.is_dir() and not is_ours(home) and ((home / LIST).exists() or bool(_indexes(home)))


def _indexes(home: Path) -> list[Path]:
    return sorted(path for path in home.iterdir() if path.is_dir() and is_ours(path))


def write_list(home: Path, shards: Sequence[Index]) -> None:
    """Write the list of a folder's shards."""
    rows = [{"name": one.folder.name, **_held(one)} for one in shards]
    write_text(home / LIST, json.dumps({"format": FORMAT, "shards": rows}, indent=1))


def _held(shard: Index) -> dict[str, object]:
    with Catalog(shard.folder) as catalog:
        files = dict.fromkeys(file_of(entry.path) for entry in catalog.entries())
    folders = Counter(str(shard.paths.path(name).parent) for name in files)
    return {"pictures": len(files), "folders": [name for name, _ in folders.most_common(FOLDERS)]}


def listed(home: Path) -> list[Shard]:
    """The shards that should be in a folder, by its list, and unlisted ones that are there, by name.

    Raises:
        InputError: the list is damaged or of a newer version, or there is no shard at all.
    """
    path, found = home / LIST, dict[str, Shard]()
    if path.exists():
        rows = parse_json(read_text(path), str(path))
        try:
            if rows["format"] > FORMAT:
                raise InputError(f"{path}: written by a newer wordsight; update wordsight.")
            found = {
                str(row["name"]): Shard(str(row["name"]), int(row["pictures"]), tuple(map(str, row["folders"])))
                for row in rows["shards"]
            }
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: damaged; delete it, and `wordsight index build --ray` writes it anew.") from None
    for folder in _indexes(home):
        found.setdefault(folder.name, Shard(folder.name, 0))
    if not found:
        raise InputError(f"{home}: expected an index, or a folder of indexes.")
    return [found[name] for name in sorted(found)]


def parts_of_index(folder: Path, count: int) -> list[Shard]:
    """Divide an index into `count` parts, one for each `ShardScan`."""
    with Catalog(folder) as catalog:
        names = [file_of(entry.path) for entry in catalog.entries() if entry.rows]
    firsts = dict[str, int]()
    for place, name in enumerate(names):
        firsts.setdefault(name, place)
    files = np.bincount(part_of(np.array(list(firsts.values()), np.int64), len(names), count), minlength=count)
    return [Shard(f"part {number + 1} of {count}", int(files[number])) for number in range(count)]


def part_of(first: Ints, pictures: int, parts: int) -> Ints:
    """Which part of an index has a file: by the place of its first picture, so that a video's frames stay together.

    Args:
        first: (F,) place of each file's first picture, from 0.
        pictures: how many pictures the index has, each frame counted.
        parts: number of parts.

    Returns:
        (F,) 0 to `parts` - 1.
    """
    return first * parts // max(1, pictures)

"""Distributed build: each worker makes an index of its own, a shard; `Index.merge` joins the shards.

INDEX.shards/shard-00000 ...   during `build_shards`; each is deleted once it is merged
INDEX/shard-00000 ...          after `keep_shards`: the shards stay apart, and are searched together (`shards.py`)

A shard is an ordinary index: what is committed in it survives a killed worker, and Ray runs the task again, which
continues from there. A build that was stopped continues likewise: the shards that it left are merged first, even
incomplete ones, and only pictures that are in none are given to workers.

These are plain Ray tasks, not Ray Data: a worker makes a folder, which itself records what is done. Ray Data moves rows
between blocks, and computes a whole block again if its worker is killed.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from wordsight.data.pictures import Listing
from wordsight.errors import InputError, WorkFailed
from wordsight.progress import Progress, clock
from wordsight.scale.cluster import cluster, cores
from wordsight.scale.relay import Relay, Relayed
from wordsight.scale.shards import SHARD, shard_folders, write_list
from wordsight.search.catalog import Catalog
from wordsight.search.frames import file_of
from wordsight.search.identity import discard, is_index, is_ours
from wordsight.search.index import Index

LEAST = 64  # pictures per shard, at least roughly, if there are enough
SHARES = 4  # shards per core, so that no core waits long for the last shard
RETRIES = 5  # times that a shard is continued after its worker was killed
LOOK = 0.5  # seconds between two checks of the workers


def build_shards(
    address: str,
    index: Index,
    pictures: Sequence[Path],
    *,
    text: bool = False,
    progress: Progress | None = None,
) -> int:
    """Encode new pictures for an index on the workers of a cluster, and merge the shards.

    Pictures are added in the given order, whichever worker is faster. Files that have changed or were moved are left to
    `Index.build`.

    Args:
        address: of the cluster, see `cluster`.
        index: to which pictures are added.
        pictures: files.
        text: read the text in pictures.
        progress: receives updates.

    Returns:
        How many pictures and videos were added.

    Raises:
        InputError: the index or a shard cannot be written.
        WorkFailed: the workers of a shard were killed `RETRIES` + 1 times; all other shards are merged.
    """
    progress, home = progress or Progress(), index.folder.parent / f"{index.folder.name}.shards"
    added = 0

    def merge(folder: Path) -> None:
        nonlocal added
        added += index.merge(folder)[0]
        discard(folder)

    for folder in shard_folders(home):
        merge(folder)
    if work := _new(index, pictures):
        with cluster(address, [index.folder, work[0]]) as ray:
            parts = _parts(work, SHARES * cores(ray))
            folders = [home / f"{SHARD}{number:05}" for number in range(len(parts))]
            _Work(ray, index, text, progress).run(folders, parts, merge)
    shutil.rmtree(home, ignore_errors=True)
    return added


def keep_shards(
    address: str,
    home: Path,
    pictures: Sequence[Path],
    *,
    run: Path | None,
    device: str,
    text: bool = False,
    calibration: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Encode new pictures as `build_shards` does, but keep the shards apart: one per core, in a folder with a list.

    Args:
        address: of the cluster, see `cluster`.
        home: a folder of shards, or a new one.
        pictures: files; those that no shard has are put into new shards.
        run: the model of new shards; None for that of the others, or the bundled one.
        device: `auto`, `cpu`, `cuda` or `mps`.
        text: read the text in pictures.
        calibration: the dataset to learn confidence from; None or `none` for the first shard's calibration as it is.
        progress: receives updates.

    Returns:
        `index`; the numbers of `pictures` and `shards` there now, and of pictures `added`; `broken` files, with why.

    Raises:
        InputError, WorkFailed: as of `build_shards`.
    """
    if is_ours(home):
        raise InputError(f"{home}: an index already; expected a folder of shards, or a new folder.")
    progress, there, work = progress or Progress(), shard_folders(home), list(pictures)
    for folder in there:
        work = _new(Index(folder, device), work)
    before = _count(there, device)
    first = 1 + max((int(folder.name.removeprefix(SHARD)) for folder in there), default=-1)
    if work:
        with cluster(address, [work[0], *there[:1]]) as ray:
            parts = _parts(work, cores(ray))
            folders = [home / f"{SHARD}{number:05}" for number in range(first, first + len(parts))]
            model = Index(there[0], device) if there else Index.create(folders[0], run, device)
            _Work(ray, model, text, progress).run(folders, parts, lambda folder: None)
    shards = [Index(folder, device) for folder in shard_folders(home)]
    _calibrate(shards, calibration, progress)
    write_list(home, shards)
    broken = {name: why for one in shards for name, why in one.info()["broken"].items()}
    now = _count(shard_folders(home), device)
    return {"index": str(home), "pictures": now, "shards": len(shards), "added": now - before, "broken": broken}


def _count(folders: Sequence[Path], device: str) -> int:
    """The number of files in some shards."""
    found = [Index(folder, device).info() for folder in folders]
    return sum(one["pictures"] + one["videos"] for one in found)


def _calibrate(shards: Sequence[Index], data: Path | None, progress: Progress) -> None:
    """Give all shards the same calibration: that of the first, learned from `data` if that is a dataset."""
    first, *others = shards
    if data is not None and data != Path("none"):
        first.calibrate(data, progress)
    with Catalog(first.folder) as catalog:
        learned = catalog.fact("calibration")
    for one in others:
        with one.writing() as catalog, catalog.change():
            catalog.set_fact("calibration", learned)


def _new(index: Index, pictures: Sequence[Path]) -> list[Path]:
    """The files that are not in an index; without those of the same size as a missing one, which may be moved files."""
    with Catalog(index.folder) as catalog:
        entries = list(catalog.entries())
    names = {file_of(entry.path) for entry in entries}
    unknown = [path for path in pictures if index.paths.key(path) not in names]
    if not unknown or not entries:
        return unknown
    moved = {entry.bytes for entry in entries if index.paths.is_gone(entry.path)}
    return [path for path in unknown if not moved or not os.path.exists(path) or os.path.getsize(path) not in moved]


def _parts(work: Sequence[Path], count: int) -> list[list[Path]]:
    """Cut files into at most `count` consecutive parts of nearly equal length."""
    count = min(count, -(-len(work) // LEAST))
    ends = [round(number * len(work) / count) for number in range(count + 1)] if count else []
    return [list(work[first:last]) for first, last in pairwise(ends)]


class _Work:
    """A build of shards on a cluster.

    Args:
        ray: connected.
        index: an index with the model to use; it is not changed.
        text: read the text in pictures.
        progress: receives updates.
    """

    def __init__(self, ray: ModuleType, index: Index, text: bool, progress: Progress) -> None:
        self._ray, self._text, self._progress, self._device = ray, text, progress, index.device
        home = index.facts["home"]
        self._model = None if index.bundled else str(index.folder / "model") if home == "model" else home

    def run(self, folders: Sequence[Path], parts: Sequence[Sequence[Path]], done: Callable[[Path], None]) -> None:
        """Build shards, and call `done` with each in order, as soon as it and all before it are built.

        Raises:
            InputError, WorkFailed: as of `build_shards`.
        """
        ray, total, began = self._ray, sum(map(len, parts)), time.monotonic()
        relay = ray.remote(num_cpus=0)(Relay).remote()
        pending = self._begin(folders, parts, relay)
        built, lost, ahead = set[int](), set[int](), 0
        with self._progress.task("index") as count:
            while pending:
                for one in ray.wait(list(pending), num_returns=1, timeout=LOOK)[0]:
                    number = pending.pop(one)
                    built.add(number)
                    if not self._ended(one):
                        lost.add(number)
                while ahead in built:
                    if is_index(folders[ahead]):
                        done(folders[ahead])
                    ahead += 1
                counts, _ = ray.get(relay.news.remote())
                each = [len(part) if n in built else counts.get(n, (0, 0))[0] for n, part in enumerate(parts)]
                count(sum(each), total)
        seconds = max(time.monotonic() - began, 1e-9)
        rate = f"{total / seconds:,.1f} a second by {cores(ray)} workers"
        self._progress.say(f"{total:,} files in {clock(seconds)}, {rate}")
        if lost:
            first, last = parts[min(lost)][0], parts[min(lost)][-1]
            raise WorkFailed(
                f"{len(lost)} of {len(parts)} shards are not finished: their workers were killed {RETRIES + 1} times, "
                f"first between {first} and {last}. What is built is kept, and the same command goes on."
            )

    def _begin(self, folders: Sequence[Path], parts: Sequence[Sequence[Path]], relay: Any) -> dict[Any, int]:
        """Start the tasks; returns each with the number of its shard."""
        task = self._ray.remote(num_cpus=1, max_retries=RETRIES)(build_shard)
        if self._device.startswith("cuda"):
            task = task.options(num_gpus=1)
        return {
            task.remote(str(folder.absolute()), part, self._model, self._device, self._text, relay, number): number
            for number, (folder, part) in enumerate(zip(folders, parts, strict=True))
        }

    def _ended(self, task: Any) -> bool:
        """Whether a shard was built; False if its workers were killed too often.

        Raises:
            InputError: the shard cannot be built.
        """
        lost = self._ray.exceptions
        try:
            refused = self._ray.get(task)
        except (lost.WorkerCrashedError, lost.NodeDiedError, lost.OutOfMemoryError):
            return False
        if refused:
            raise InputError(refused)
        return True


def build_shard(
    folder: str, pictures: Sequence[Path], run: str | None, device: str, text: bool, relay: Any, number: int
) -> str:
    """Ray task: make a shard, or continue it; returns the error message, empty on success."""
    try:
        index = Index.create(folder, run, device)
        index.build(Listing(pictures, {}), text=text, progress=Relayed(relay, number, "index"))
    except InputError as error:
        return str(error)
    return ""

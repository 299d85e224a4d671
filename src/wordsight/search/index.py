"""A folder of pictures, ready to be asked: `Index.create`, `build`, `search`.

    INDEX/catalog.sqlite    what is known of each picture (`catalog.py`)
    INDEX/vectors/          its regions as vectors, and their boxes (`vectors.py`)
    INDEX/model/            the model that made them, and encodes what is asked
    INDEX/lock              held by the one process that writes
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.batch import Vectors
from wordsight.errors import InputError
from wordsight.matching.score import Rule
from wordsight.run import Run, load
from wordsight.search.build import Builder, Built
from wordsight.search.catalog import FILE, Catalog, Entry
from wordsight.search.places import Places
from wordsight.search.scan import Ints, Spans
from wordsight.search.vectors import Segments
from wordsight.training.progress import Progress

MODEL = ("config.json", "model.safetensors", "vocabulary.json", "recipe.toml", "metrics.json", "README.md")
KNOWN_BY = MODEL[:3]  # the files that say which model it is


@dataclass(frozen=True)
class Snapshot:
    """An index as it was at one moment.

    Attributes:
        generation: counts its changes.
        numbers: (I,) the pictures' numbers in the catalogue, ascending.
        spans: where their rows are.
        vectors: the rows of each segment, mapped.
        boxes: likewise.
    """

    generation: str
    numbers: Ints
    spans: Spans
    vectors: Mapping[int, NDArray[np.float32]]
    boxes: Mapping[int, NDArray[np.float32]]

    def images(self, places: Sequence[int]) -> Vectors:
        """The regions of some pictures: (pictures, R, D), padded to the one with most."""
        some = self.spans[np.asarray(places, np.int64)]
        longest = int(some.count.max(initial=0))
        size = next(iter(self.vectors.values())).shape[1] if self.vectors else 0
        values, boxes = torch.zeros(len(some), longest, size), torch.zeros(len(some), longest, 4)
        mask = torch.arange(longest) < torch.from_numpy(some.count)[:, None]
        for row, (segment, first, count) in enumerate(zip(some.segment, some.first, some.count, strict=True)):
            values[row, :count] = torch.from_numpy(self.vectors[segment][first : first + count])
            boxes[row, :count] = torch.from_numpy(self.boxes[segment][first : first + count])
        return Vectors(values, mask, boxes, torch.from_numpy(some.hubness))


class Index:
    """An index in a folder.

    Attributes:
        folder: where it is.
        device: where pictures and sentences are encoded.
        places: what its pictures are called.
        segments: their vectors.
    """

    def __init__(self, folder: str | Path, device: str = "auto") -> None:
        """Open an index.

        Raises:
            InputError: there is none, or it is damaged or of a newer version.
        """
        self.folder, self.device = Path(folder), device
        with Catalog(self.folder) as catalog:
            self.facts = {name: catalog.fact(name) for name in ("size", "model", "made")}
        self.places = Places(self.folder, self.facts["made"])
        self.segments = Segments(self.folder / "vectors", int(self.facts["size"]))
        self._last: Snapshot | None = None

    @classmethod
    def create(cls, folder: str | Path, run: str | Path, device: str = "auto") -> "Index":
        """An index without pictures, or the one that is there, if it is of the same model.

        Args:
            folder: where to make it.
            run: the folder of a model that aligns; a copy of it goes into the index.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            InputError: the model cannot be indexed, the folder holds something else, an index of another model, or
                cannot be written.
        """
        folder, run = Path(folder), Path(run)
        if is_index(folder):
            index = cls(folder, device)
            if fingerprint(run) != index.facts["model"]:
                raise InputError(f"{run}: not the model of {folder}; leave --model out, or build another index.")
            return index
        if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - _OURS):
            raise InputError(f"{folder}: expected an index, or a folder that is empty or new.")
        size = _size(load(run, device))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder):
                shutil.rmtree(folder / "model", ignore_errors=True)
                (folder / "model").mkdir()
                for name in MODEL:
                    if (run / name).exists():
                        shutil.copyfile(run / name, folder / "model" / name)
                with Catalog(folder, write=True) as catalog, catalog.change():
                    catalog.set_fact("size", str(size))
                    catalog.set_fact("model", fingerprint(folder / "model"))
                    catalog.set_fact("made", os.path.dirname(os.path.abspath(folder)))
        except OSError as error:
            raise InputError(f"{folder}: cannot make an index here ({error.strerror}).") from None
        return cls(folder, device)

    @cached_property
    def run(self) -> Run:
        """The model of the index.

        Raises:
            InputError: it is missing, damaged or another than the vectors are of.
        """
        found = load(self.folder / "model", self.device)
        if fingerprint(self.folder / "model") != self.facts["model"]:
            raise InputError(f"{self.folder / 'model'}: not the model that this index was built with.")
        return found

    @property
    def rule(self) -> Rule:
        """How words make a score."""
        return self.run.model.rule or Rule()

    def build(
        self, pictures: Sequence[Path], *, prune: bool = False, repair: bool = True, progress: Progress | None = None
    ) -> Built:
        """Bring the index up to date with picture files.

        Args:
            pictures: those that are new are added, those whose content has changed are refreshed.
            prune: forget pictures whose files are gone.
            repair: look for damaged rows, and make them anew.
            progress: who is told how far it is.

        Raises:
            InputError: another process is writing, or the index cannot be written.
        """
        progress = progress or Progress()
        with self.writing() as catalog, progress.task("index") as count:
            builder = Builder(catalog, self.segments, self.places, self.run)
            damaged = self._damaged(catalog) if repair else []
            builder.add(pictures, damaged, count)
            if prune:
                builder.prune()
            return builder.built

    def remove(self, pictures: Sequence[str | Path]) -> int:
        """Leave pictures out, by file or folder, whether these still exist or not; gives how many there were.

        Raises:
            InputError: one of the names stands for no picture in the index, or the index cannot be written.
        """
        with self.writing() as catalog:
            keys = [entry.path for entry in catalog.entries()]
            every = [*keys, *catalog.broken()]
            gone: list[str] = []
            for name in pictures:
                found = list(self.places.below(every, name))
                if not found:
                    raise InputError(f"{name}: no picture of {self.folder} is called so, or is in such a folder.")
                gone += found
            with catalog.change():
                catalog.forget(dict.fromkeys(gone))
            return len(set(gone) & set(keys))

    def info(self) -> dict[str, Any]:
        """What is in it, as plain values: counts, sizes, the model, and the pictures that cannot be read."""
        with Catalog(self.folder) as catalog:
            pictures, used = catalog.db.execute("SELECT count(*), coalesce(sum(rows), 0) FROM pictures").fetchone()
            kept = sum(catalog.segments().values())
            broken = {str(self.places.path(key)): why for key, why in catalog.broken().items()}
            calibration = json.loads(catalog.fact("calibration", "null"))
        return {
            "index": str(self.folder),
            "pictures": pictures,
            "regions": used,
            "unused_regions": kept - used,
            "size": self.segments.size,
            "bytes": sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()),
            "model": self.facts["model"],
            "calibration": calibration,
            "broken": broken,
        }

    def verify(self) -> list[Path]:
        """The pictures whose rows are cut short or damaged on disk; `build` makes them anew.

        Raises:
            InputError: the catalogue itself is damaged.
        """
        with Catalog(self.folder) as catalog:
            return [self.places.path(key) for key in self._damaged(catalog)]

    def snapshot(self, catalog: Catalog) -> Snapshot:
        """The index as a reading catalogue sees it; kept until it changes.

        Raises:
            InputError: a file of vectors is cut short.
        """
        generation, last = catalog.fact("generation"), self._last
        if last is not None and last.generation == generation:
            return last
        query = "SELECT number, segment, first, rows, hubness FROM pictures ORDER BY number"
        table = np.array(catalog.db.execute(query).fetchall(), np.float64).reshape(-1, 5)
        numbers, segment, first, count = (np.ascontiguousarray(column) for column in table[:, :4].T.astype(np.int64))
        needed = {int(one): int((first + count)[segment == one].max()) for one in np.unique(segment)}
        maps = {number: self.segments.map(number, rows) for number, rows in needed.items()}
        self._last = Snapshot(
            generation,
            numbers,
            Spans(segment, first, count, table[:, 4].astype(np.float32)),
            {number: vectors for number, (vectors, _) in maps.items()},
            {number: boxes for number, (_, boxes) in maps.items()},
        )
        return self._last

    @contextmanager
    def writing(self) -> Iterator[Catalog]:
        """The catalogue, for the only process that writes.

        Raises:
            InputError: another process is writing, or the folder cannot be written.
        """
        with locked(self.folder), Catalog(self.folder, write=True) as catalog:
            yield catalog

    def _damaged(self, catalog: Catalog) -> list[str]:
        """Names of the pictures that have a row in a batch that is not as it was written."""
        bad = [one for one in catalog.batches() if self.segments.checksum(*one[:3]) != one.checksum]
        return [entry.path for entry in catalog.entries() if any(_within(entry, one.segment, one.first, one.rows) for one in bad)]


_OURS = {"model", "lock", FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal"}  # of an index that was never finished


def is_index(folder: Path) -> bool:
    """Whether an index was made here, to its end."""
    if not (folder / FILE).exists():
        return False
    with Catalog(folder, write=os.access(folder, os.W_OK)) as catalog:
        return bool(catalog.fact("model"))


def fingerprint(run: Path) -> str:
    """What a model is known by: its weights, vocabulary and hyper-parameters, wherever it is.

    Raises:
        InputError: one of them is missing.
    """
    found = hashlib.blake2b(digest_size=16)
    for name in KNOWN_BY:
        try:
            found.update(hashlib.blake2b((run / name).read_bytes()).digest())
        except OSError as error:
            raise InputError(f"{run / name}: cannot be read ({error.strerror}).") from None
    return found.hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The right to write, which one process has at a time and loses when it ends, however it ends.

    Raises:
        InputError: another has it, or the folder cannot be written.
    """
    path = folder / "lock"
    try:
        lock = open(path, "ab")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None
    with lock:
        try:
            import fcntl
        except ImportError:  # Windows: left to SQLite, which lets one write at a time
            yield
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another process is writing to this index; wait until it is done.") from None
        yield


def _size(run: Run) -> int:
    """D of a model's vectors.

    Raises:
        InputError: its scores are no sum over words of the best region.
    """
    if run.model.rule is None:
        raise InputError(f"{run.folder}: a model that looks at pictures and sentences together cannot be indexed.")
    return run.encode_texts(["a"]).values.shape[2]


def _within(entry: Entry, segment: int, first: int, rows: int) -> bool:
    return entry.segment == segment and entry.first < first + rows and first < entry.first + entry.rows

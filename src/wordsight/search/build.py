"""Pictures into an index: what is new or changed is encoded, in batches that are committed every few seconds."""

import hashlib
import os
import stat
import time
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch

from wordsight.errors import InputError
from wordsight.run import Run
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.places import Places
from wordsight.search.rough import extent
from wordsight.search.vectors import Segments
from wordsight.training.progress import Count
from wordsight.vision.images import read_header
from wordsight.vision.regions import Row, as_regions

BATCH = 64  # pictures that are encoded and committed together, at most
SECONDS = 5.0  # after so long they are committed, however few


@dataclass
class Built:
    """What a build did, in names of pictures.

    Attributes:
        added: they were new.
        refreshed: their content had changed, or their rows were damaged.
        unchanged: how many were as the index knew them.
        broken: they cannot be read, and why.
        forgotten: they were gone.
    """

    added: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    unchanged: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)


class Builder:
    """Adds pictures to an index that this process may write."""

    def __init__(self, catalog: Catalog, segments: Segments, places: Places, run: Run) -> None:
        self.catalog, self.segments, self.places, self.run = catalog, segments, places, run
        self.built = Built()
        self._known = {entry.path: entry for entry in catalog.entries()}
        self._ready: list[tuple[Entry, Row]] = []
        self._touched: list[tuple[str, int, int]] = []
        self._refused: list[tuple[str, str]] = []
        self._since = time.monotonic()

    def add(self, paths: Sequence[Path], damaged: Iterable[str] = (), count: Count = lambda done, total: None) -> Built:
        """Bring the index up to date with some files.

        Args:
            paths: they are encoded if they are new or have changed.
            damaged: names of pictures that are encoded whatever is known of them.
            count: told how many files are done, and how many there are.

        Raises:
            InputError: the index cannot be written; what was committed is kept.
            KeyboardInterrupt: likewise.
        """
        force = dict.fromkeys(damaged)
        work = self._named([*paths, *(self.places.path(key) for key in force)])
        waiting: deque[Entry] = deque()
        done = len(paths) + len(force) - len(work)
        try:
            rows = self.run.encoder.stream(self._wanted(work, force, waiting))
            for row in rows:
                self._take(waiting.popleft(), row)
                count(done + self._finished(), done + len(work))
            count(done + len(work), done + len(work))
        except KeyboardInterrupt:
            raise KeyboardInterrupt("Stopped; what was added is kept, the same command goes on.") from None
        finally:
            self._commit()
        return self.built

    def prune(self) -> None:
        """Forget pictures whose files are gone."""
        gone = [key for key in self._known if not self.places.path(key).exists()]
        gone += [key for key in self.catalog.broken() if not self.places.path(key).exists()]
        with self.catalog.change():
            self.catalog.forget(gone)
        self.built.forgotten += gone

    def _finished(self) -> int:
        return len(self.built.added) + len(self.built.refreshed) + self.built.unchanged + len(self.built.broken)

    def _named(self, paths: Iterable[Path]) -> dict[str, Path]:
        """Each picture once, by its name."""
        work: dict[str, Path] = {}
        for path in paths:
            try:
                work.setdefault(self.places.key(path), path)
            except InputError as error:
                self._refuse(str(path).encode(errors="backslashreplace").decode(), str(error))
        return work

    def _wanted(self, work: Mapping[str, Path], force: Container[str], waiting: deque[Entry]) -> Iterator[Path]:
        """The files that must be encoded; what is known of each is put into `waiting`."""
        for key, path in work.items():
            old = None if key in force else self._known.get(key)
            try:
                found = os.stat(path)
                if old and (found.st_size, found.st_mtime_ns) == (old.bytes, old.mtime_ns):
                    self.built.unchanged += 1
                    continue
                new = _look(key, path)
            except (OSError, ValueError) as error:
                if old and isinstance(error, FileNotFoundError):  # until it is pruned
                    self.built.unchanged += 1
                else:
                    self._refuse(key, f"{path}: {_why(error)}")
                continue
            if old and old.hash == new.hash:
                self._touched.append((key, new.bytes, new.mtime_ns))
                self.built.unchanged += 1
                continue
            waiting.append(new)
            yield path

    def _refuse(self, key: str, why: str) -> None:
        self.built.broken[key] = why
        self._refused.append((key, why))

    def _take(self, entry: Entry, row: Row | InputError) -> None:
        if isinstance(row, InputError):
            self._refuse(entry.path, str(row))
        else:
            self._ready.append((entry, row))
            (self.built.refreshed if entry.path in self._known else self.built.added).append(entry.path)
        if len(self._ready) >= BATCH or time.monotonic() - self._since > SECONDS:
            self._commit()

    @torch.inference_mode()
    def _commit(self) -> None:
        """Encode what is ready; first onto the disk, then into the catalogue."""
        ready, self._ready = self._ready, []
        touched, self._touched = self._touched, []
        refused, self._refused = self._refused, []
        self._since = time.monotonic()
        if ready:
            images = self.run.model.encode_images(
                as_regions([row for _, row in ready], self.run.encoder.size).to(self.run.device)
            ).to("cpu")
            batch = self.segments.append(
                self.catalog.segments(), images.values[images.mask].numpy(), images.places[images.mask].numpy()
            )
            hubness = torch.zeros(len(ready)) if images.hubness is None else images.hubness
            entries, first = [], batch.first
            known_of = (images.mask.sum(dim=1), hubness, *extent(images.values, images.mask))
            parts = (part.tolist() for part in known_of)
            for (entry, _), rows, hub, length, blur in zip(ready, *parts, strict=True):
                known = entry._replace(rows=rows, hubness=hub, length=length, blur=blur)
                entries.append(known._replace(segment=batch.segment, first=first))
                first += rows
        if not (ready or touched or refused):
            return
        with self.catalog.change():
            if ready:
                self.catalog.put(batch, entries)
            for key, size, mtime_ns in touched:
                self.catalog.touch(key, size, mtime_ns)
            self.catalog.break_(refused)


def _look(key: str, path: Path) -> Entry:
    """What can be known of a picture's file without decoding it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no file.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("expected a picture, but this is no file")
    content = path.read_bytes()
    header = read_header(content)
    when = header.taken if header and header.taken else _date(found.st_mtime)
    return Entry(
        path=key,
        hash=hashlib.blake2b(content, digest_size=16).digest(),
        bytes=found.st_size,
        mtime_ns=found.st_mtime_ns,
        width=header.width if header else 0,
        height=header.height if header else 0,
        taken=when.isoformat(sep=" ", timespec="seconds"),
        added=datetime.now(UTC).isoformat(sep=" ", timespec="seconds")[:19],
        segment=0,
        first=0,
        rows=0,
        hubness=0.0,
        length=0.0,
        blur=0.0,
    )


def _date(seconds: float) -> datetime:
    """When a file was changed, local time; 1970 for what no calendar has."""
    try:
        return datetime.fromtimestamp(seconds)
    except (OverflowError, OSError, ValueError):
        return datetime(1970, 1, 1)


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such picture"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)

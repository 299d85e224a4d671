"""Build an index: encode new and changed pictures, in batches that are committed every few seconds."""

import os
import time
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch

from wordsight.errors import InputError
from wordsight.progress import Count
from wordsight.search.append import append, like
from wordsight.search.built import Built
from wordsight.search.catalog import Batch, Catalog, Entry
from wordsight.search.frames import file_of, split
from wordsight.search.known import Known
from wordsight.search.look import look, why
from wordsight.search.opened import Opened
from wordsight.search.paths import is_gone
from wordsight.search.video_build import Sampling, VideoBuilder
from wordsight.vision.fragments import is_video
from wordsight.vision.images import Source
from wordsight.vision.regions import Row, as_regions

BATCH = 64  # maximum number of pictures that are encoded and committed together
SECONDS = 5.0  # after this time a smaller batch is committed too


class _Coming(NamedTuple):
    """A file that is being encoded, with other files of the same content; or a frame of a video."""

    entry: Entry
    path: Path
    copies: list[tuple[Entry, Path]]
    video: Sampling | None = None


@dataclass
class _Changes:
    """Changes that are written into the catalogue together."""

    encoded: list[tuple[_Coming, Row]] = field(default_factory=list)
    copies: list[Entry] = field(default_factory=list)
    changed: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


class Builder:
    """Adds pictures to an index; this process must hold the index's lock."""

    def __init__(self, catalog: Catalog, index: Opened) -> None:
        self.catalog, self.index, self.run = catalog, index, index.run
        self.built = Built()
        self._names, self._broken = {file_of(entry.path) for entry in catalog.entries()}, set(catalog.broken())
        pictures = (entry for entry in catalog.entries() if entry.rows and split(entry.path)[1] is None)
        self._known, self._videos = Known(pictures, index.paths), VideoBuilder(catalog, index.paths)
        self._left: set[str] = set()  # former names of pictures that were moved
        self._coming: dict[bytes, _Coming] = {}
        self._next = _Changes()
        self._since = time.monotonic()

    def add(self, paths: Sequence[Path], damaged: Iterable[str] = (), count: Count = lambda done, total: None) -> Built:
        """Bring the index up to date with some files.

        Args:
            paths: the files; new and changed ones are encoded.
            damaged: names of pictures that are encoded in any case.
            count: receives the number of files done and the total.

        Raises:
            InputError: the index cannot be written; what was committed is kept.
            KeyboardInterrupt: the user stopped the build; what was committed is kept.
        """
        force = dict.fromkeys(map(file_of, damaged))
        for key in force.keys() & self._known.entries.keys():
            self._known.drop(self._known.entries[key])
        work = self._named([*paths, *(self.index.paths.path(key) for key in force)])
        waiting: deque[_Coming] = deque()
        done = len(paths) + len(force) - len(work)
        self._permute(work)
        try:
            for row in self.run.encoder.stream(self._wanted(work, force, waiting)):
                self._take(waiting.popleft(), row)
                count(done + self.built.done + len(self.built.broken), done + len(work))
            count(done + len(work), done + len(work))
        except KeyboardInterrupt:
            raise KeyboardInterrupt("Stopped; what was added is kept, the same command goes on.") from None
        finally:
            self._commit()
        return self.built

    def _named(self, paths: Iterable[Path]) -> dict[str, Path]:
        """Each file once, by its name in the index; a known file that is reached by a link keeps its name."""
        work: dict[str, Path] = {}
        for path in paths:
            try:
                key = self.index.paths.key(path)
                if split(key)[1] is not None:
                    raise InputError(f"{path}: its name would be that of a frame of a video; call it otherwise.")
                if key not in self._names:
                    real = os.path.realpath(path)
                    if self.index.paths.key(real) in self._names:
                        key, path = self.index.paths.key(real), Path(real)
                work.setdefault(key, path)
            except (InputError, OSError) as error:
                self._refuse(str(path).encode(errors="backslashreplace").decode(), str(error))
        return work

    def _permute(self, work: dict[str, Path]) -> None:
        """Move the entries of pictures whose files took the names of other pictures; their files are then done."""
        now: dict[str, Entry] = {}
        for key in work.keys() & self._known.entries.keys():
            was = self._known.entries[key]
            with suppress(OSError):  # it is reported when the file's turn comes
                found = os.stat(work[key])
                if (found.st_size, found.st_mtime_ns) != (was.bytes, was.mtime_ns):
                    now[key] = look(key, work[key])
        sizes = {one.bytes for key, new in now.items() if (one := self._known.entries[key]).hash != new.hash}
        for key in work.keys() - self._names if sizes else ():
            with suppress(OSError):
                if os.stat(work[key]).st_size in sizes:
                    now[key] = look(key, work[key])
        pairs = self._known.permuted(now) if sizes else {}
        if not pairs:
            return
        changes = {
            name: self._known.entries[name]._replace(path=new, bytes=now[new].bytes, mtime_ns=now[new].mtime_ns)
            for name, new in pairs.items()
        }
        # a name whose file has new content keeps its old rows until that content is encoded
        stale = [
            self._known.entries[name]._replace(meta="{}") for name in pairs.keys() & now.keys() - {*pairs.values()}
        ]
        with self.catalog.change():
            self.catalog.replace(changes)
            self.catalog.set_entries(stale)
        for name in changes:
            self._known.drop(self._known.entries[name])
        self._names = self._names - pairs.keys() | set(pairs.values()) | {entry.path for entry in stale}
        for entry in [*stale, *changes.values()]:
            self._known.put(entry)
        for entry in changes.values():
            self.built.moved.append(entry.path)
            del work[entry.path]

    def _wanted(self, work: Mapping[str, Path], force: Container[str], waiting: deque[_Coming]) -> Iterator[Source]:
        """Yield the files and frames to encode, and append an item for each to `waiting`."""
        for key, path in work.items():
            if time.monotonic() - self._since > SECONDS:
                self._commit()
            if key in self._left | self._videos.left:
                continue
            if is_video(path):
                yield from self._frames(key, path, key in force, waiting)
                continue
            old = self._known.entries.get(key)
            try:
                found = os.stat(path)
                if old and key not in self._broken and (found.st_size, found.st_mtime_ns) == (old.bytes, old.mtime_ns):
                    self.built.unchanged += 1
                    continue
                new = look(key, path)
            except OSError as error:
                if old and is_gone(error):  # it stays until it is pruned
                    self.built.unchanged += 1
                else:
                    self._refuse(key, f"{path}: {why(error)}", lost=key in force, gone=is_gone(error))
                continue
            if not self._is_at_hand(old, new, path):
                coming = _Coming(new, path, [])
                self._coming[new.hash] = coming
                waiting.append(coming)
                yield path

    def _frames(self, key: str, path: Path, forced: bool, waiting: deque[_Coming]) -> Iterator[Source]:
        """Yield the frames of a video that must be encoded."""
        sampling = None
        try:
            self._commit()
            sampling = self._videos.look(key, path, forced, self._broken)
            if isinstance(sampling, Sampling):
                for entry, sample in self._videos.frames(sampling):
                    waiting.append(_Coming(entry, path, [], sampling))
                    yield sample.image
            elif sampling == "unchanged":
                self.built.unchanged += 1
            elif sampling == "moved":
                self.built.moved.append(key)
                self._names.add(key)
            else:
                self._count(key)
        except OSError as error:
            if key in self._names and is_gone(error):  # it stays until it is pruned
                self.built.unchanged += 1
            else:
                self._refuse(key, f"{path}: {why(error)}", gone=is_gone(error))
        except InputError as error:
            if isinstance(sampling, Sampling):
                sampling.failed = str(error)
            self._refuse(key, str(error))

    def _is_at_hand(self, old: Entry | None, new: Entry, path: Path) -> bool:
        """Whether the content of a file is known or being encoded; if so, the file is recorded as done or a copy."""
        if old and old.hash == new.hash:
            self._change(old, old._replace(bytes=new.bytes, mtime_ns=new.mtime_ns))
            self.built.unchanged += 1
        elif new.hash in self._coming:
            self._coming[new.hash].copies.append((new, path))
        elif new.path not in self._names and (before := self._known.moved_to(new, path)):
            self._left.add(before.path)
            self._names.discard(before.path)
            self._names.add(new.path)
            self._change(before, before._replace(path=new.path, bytes=new.bytes, mtime_ns=new.mtime_ns))
            self.built.moved.append(new.path)
        elif same := self._known.copy_of(new.hash):
            self._next.copies.append(like(new, same))
            self._count(new.path)
            self._known.put(like(new, same))
        else:
            return False
        return True

    def _change(self, old: Entry, new: Entry) -> None:
        self._next.changed.append((old.path, {"path": new.path, "bytes": new.bytes, "mtime_ns": new.mtime_ns}))
        self._known.drop(old)
        self._known.put(new)

    def _count(self, key: str) -> None:
        (self.built.refreshed if key in self._names else self.built.added).append(key)
        self._names.add(key)

    def _refuse(self, key: str, reason: str, *, lost: bool = False, gone: bool = False) -> None:
        """Record that a picture cannot be read or is gone; if its rows are `lost` too, its entry keeps none."""
        self.built.broken[key] = reason
        if gone and (key not in self._broken or self.index.paths.is_deleted(key)):
            self.built.gone.add(key)
        if lost and key in self._names:
            self._next.changed.append((key, {"segment": 0, "first": 0, "rows": 0}))
        self._next.refused.append((key, reason))

    def _take(self, coming: _Coming, row: Row | InputError) -> None:
        if coming.video:
            coming.video.taken += 1
        if isinstance(row, InputError) and coming.video:
            coming.video.failed = str(row)
            self._refuse(file_of(coming.entry.path), f"{coming.path}: {row}")
        elif isinstance(row, InputError):
            del self._coming[coming.entry.hash]
            for entry, path in [(coming.entry, coming.path), *coming.copies]:
                lost = entry.path not in self._known.entries
                self._refuse(entry.path, str(row).replace(str(coming.path), str(path)), lost=lost)
        else:
            self._next.encoded.append((coming, row))
        if len(self._next.encoded) >= BATCH or time.monotonic() - self._since > SECONDS:
            self._commit()

    @torch.inference_mode()
    def _commit(self) -> None:
        """Encode what is ready; write the vectors to disk first, then commit the catalogue."""
        now, self._next, self._since = self._next, _Changes(), time.monotonic()
        ended = any(one.is_done for one in self._videos.open)
        if not (now.encoded or now.copies or now.changed or now.refused or ended):
            return
        self.index.check()
        batch, entries = self._append(now.encoded) if now.encoded else (None, [])
        whole = {entry.hash: entry for entry in entries}
        pictures = [coming for coming, _ in now.encoded if not coming.video]
        copies = [like(one, whole[coming.entry.hash]) for coming in pictures for one, _ in coming.copies]
        for coming in pictures:
            del self._coming[coming.entry.hash]
        with self.catalog.change():
            if batch:
                self.catalog.put(batch, entries)
            for key, values in now.changed:
                self.catalog.change_entry(key, **values)
            self.catalog.set_entries([*copies, *now.copies])
            self.catalog.break_(now.refused)
            done = self._videos.commit([coming.video for coming, _ in now.encoded if coming.video])
        for entry in [*entries, *copies]:
            if split(entry.path)[1] is None:
                self._known.put(entry)
                self._count(entry.path)
        for video in done:
            self._count(video.entry.path)

    def _append(self, ready: Sequence[tuple[_Coming, Row]]) -> tuple[Batch | None, list[Entry]]:
        """Write pictures, and the video frames that are kept, to disk; see `append`."""
        rows = as_regions([row for _, row in ready], self.run.encoder.size).to(self.run.device)
        images = self.run.model.image_vectors(rows).to("cpu")
        kept = self._videos.distinct([(coming.video, coming.entry) for coming, _ in ready], images)
        return append(
            self.index,
            self.catalog,
            [ready[row][0].entry for row in kept],
            images[torch.tensor(kept, dtype=torch.int64)],
        )

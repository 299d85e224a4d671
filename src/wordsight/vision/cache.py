"""Features kept on disk: computed once for a picture's content, read back through memory mapping."""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batch import Regions
from wordsight.errors import InputError
from wordsight.files import read_bytes, read_json, reason, write_at, write_text

if TYPE_CHECKING:
    from wordsight.vision.regions import RegionEncoder, Row

FORMAT = 1
_KEY = 32  # bytes of a SHA-256
_FLUSH = 64  # pictures written at a time; what an interruption can cost
_EMPTY = -1  # kind of a row that is padding


def default_cache() -> Path:
    """$WORDSIGHT_CACHE, or `~/.cache/wordsight`."""
    return Path(os.environ.get("WORDSIGHT_CACHE") or "~/.cache/wordsight").expanduser()


@dataclass(frozen=True)
class FeatureTable:
    """Features of some pictures, by row number; on disk until they are gathered.

    Attributes:
        kept: of the pictures asked for, the positions (0 .. n-1) of those that have a row, in order.
        broken: why the others have none.
    """

    kept: list[int]
    broken: dict[Path, str]
    _records: NDArray[Any] = field(repr=False)  # (pictures in the cache,) of boxes, kinds, features
    _rows: NDArray[np.int64] = field(repr=False)  # (len(kept),) places in `_records`

    def __len__(self) -> int:
        """Pictures that have a row."""
        return len(self._rows)

    def gather(self, indices: Tensor, places: Tensor | None = None) -> Regions:
        """Rows (I,) int64, to their regions (I, R, F) float32, or to those at some places (I, K) of each: (I, K, F)."""
        rows = self._rows[np.asarray(indices)]
        at = rows if places is None else (rows[:, None], np.asarray(places))
        features, kinds, boxes = (torch.from_numpy(self._records[part][at]) for part in ("features", "kinds", "boxes"))
        return Regions(features.float(), kinds != _EMPTY, boxes)

    def kinds(self, indices: Tensor) -> Tensor:
        """Rows (I,) int64, to (I, R) int8: where each box comes from (`proposals.Kind`), -1 in the padding."""
        return torch.from_numpy(self._records["kinds"][self._rows[np.asarray(indices)]])


class FeatureCache:
    """A folder of features, one folder in it for each encoder.

    Pictures are known by the content of their file, so that datasets share what they have in common and moved
    files stay known. Data is written before the index that counts it, so that whatever interrupts, the next
    run continues behind the last picture that is complete.
    """

    def __init__(self, folder: Path, encoder: "RegionEncoder") -> None:
        """Open the folder of this encoder, or make it.

        Raises:
            InputError: what lies there is of another format or encoder, is cut short, or cannot be written.
        """
        self._encoder = encoder
        self.folder = folder / encoder.fingerprint[:16]
        self._data, self._index = self.folder / "features.bin", self.folder / "index.bin"
        regions, size = encoder.settings.regions, encoder.size
        columns = [("boxes", "<f4", (regions, 4)), ("kinds", "i1", (regions,)), ("features", "<f2", (regions, size))]
        self._record = np.dtype(columns)
        self._check_header()
        self._known = self._read_index()

    def __len__(self) -> int:
        """Pictures in the cache."""
        return len(self._known)

    def regions(
        self,
        pictures: Sequence[Path],
        progress: Callable[[int, int], None] | None = None,
        on_broken: Literal["skip", "raise"] = "skip",
    ) -> FeatureTable:
        """The features of some pictures, computed where they are not yet known.

        Args:
            pictures: files; the same content may come more than once.
            progress: told how many of the pictures are done, and how many there are.
            on_broken: leave pictures out that cannot be read, or raise.

        Raises:
            InputError: a picture cannot be read (`raise`), or the cache cannot be written (disk full).
        """
        keys, broken = hashes(pictures)
        failed: dict[bytes, str] = {}
        if self._missing(pictures, keys):
            with self._writing():
                failed = self._compute(self._missing(pictures, keys), len(pictures), progress)
        elif progress:
            progress(len(pictures), len(pictures))
        for path, key in zip(pictures, keys, strict=True):
            if key in failed:
                broken[path] = failed[key]
        if broken and on_broken == "raise":
            raise InputError(next(iter(broken.values())))
        kept = [i for i, key in enumerate(keys) if key in self._known]
        rows = np.array([self._known[keys[i]] for i in kept], np.int64)
        return FeatureTable(kept, broken, self._map(), rows)

    def _missing(self, pictures: Sequence[Path], keys: Sequence[bytes]) -> dict[bytes, Path]:
        """One file of each content that has no row yet."""
        return {key: path for path, key in zip(pictures, keys, strict=True) if key and key not in self._known}

    def _compute(
        self, missing: dict[bytes, Path], total: int, progress: Callable[[int, int], None] | None
    ) -> dict[bytes, str]:
        """Encode and append; gives why pictures could not be, by key. What is done is kept, whatever interrupts."""
        failed: dict[bytes, str] = {}
        keys, records = [], []
        try:
            for done, (key, row) in enumerate(zip(missing, self._encoder.stream(missing.values()), strict=True), 1):
                if isinstance(row, InputError):
                    failed[key] = str(row)
                else:
                    keys.append(key)
                    records.append(self._as_record(row))
                if len(keys) >= _FLUSH:
                    batch, keys, records = (keys, records), [], []
                    self._append(*batch)
                if progress:
                    progress(total - len(missing) + done, total)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("Stopped; the features made so far are kept, the same command goes on.") from None
        finally:
            if keys:
                self._append(keys, records)
        return failed

    def _as_record(self, row: "Row") -> NDArray[Any]:
        record = np.zeros((), self._record)
        count = len(row.boxes)
        record["kinds"] = _EMPTY
        record["boxes"][:count], record["kinds"][:count] = row.boxes, row.kinds
        record["features"][:count] = row.features
        return record

    def _append(self, keys: list[bytes], records: list[NDArray[Any]]) -> None:
        """Data first, then the index, each behind its last complete entry."""
        start = len(self._known)
        try:
            write_at(self._data, start * self._record.itemsize, b"".join(record.tobytes() for record in records))
            write_at(self._index, start * _KEY, b"".join(keys))
        except OSError as error:
            why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
            raise InputError(
                f"{self.folder}: cannot write features ({why}); what was done before is kept, and the same "
                "command continues there; $WORDSIGHT_CACHE chooses another folder"
            ) from None
        self._known.update(zip(keys, range(start, start + len(keys)), strict=True))

    def _map(self) -> NDArray[Any]:
        if not self._known:
            return np.zeros(0, self._record)
        return np.memmap(self._data, self._record, "r", shape=len(self._known))

    def _check_header(self) -> None:
        path = self.folder / "header.json"
        header = {"format": FORMAT, "encoder": self._encoder.fingerprint, "size": self._encoder.size}
        if not path.exists():
            write_text(path, json.dumps(header | {"regions": self._encoder.settings.regions}, indent=1))
        found = read_json(path)
        for key, expected in header.items():
            value = found.get(key) if isinstance(found, dict) else None
            if value != expected:
                raise InputError(
                    f"{path}: a feature cache of another {key if key != 'size' else 'encoder'} ({value}, expected "
                    f"{expected}); remove the folder to have the features computed again"
                )

    def _read_index(self) -> dict[bytes, int]:
        """Row numbers by key, once the data is known to be all there."""
        index = self._index.read_bytes() if self._index.exists() else b""
        count = len(index) // _KEY
        there = self._data.stat().st_size if self._data.exists() else 0
        if there < count * self._record.itemsize:
            raise InputError(
                f"{self._data}: the feature cache is cut short ({there:,} bytes, expected "
                f"{count * self._record.itemsize:,}); remove the folder to have the features computed again"
            )
        return {index[i * _KEY : (i + 1) * _KEY]: i for i in range(count)}

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One process writes at a time; the others wait, then read what it has written."""
        path = self.folder / "lock"
        try:
            lock = open(path, "ab")  # noqa: SIM115
        except OSError as error:
            why = error.strerror
            raise InputError(f"{path}: cannot be written ({why}); $WORDSIGHT_CACHE chooses another folder") from None
        with lock:
            try:
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)
            except (ImportError, OSError):  # Windows, some network disks: left to the user
                pass
            self._known = self._read_index()
            yield


def hashes(pictures: Sequence[Path]) -> tuple[list[bytes], dict[Path, str]]:
    """The hash of each file's bytes, empty for those that cannot be read; and why they cannot."""
    keys, broken = [], {}
    for path in pictures:
        try:
            keys.append(hashlib.sha256(read_bytes(path)).digest())
        except (FileNotFoundError, NotADirectoryError):
            keys.append(b"")
            broken[path] = f"{path}: no such picture"
        except OSError as error:
            keys.append(b"")
            broken[path] = f"{path}: {reason(error)}"
    return keys, broken

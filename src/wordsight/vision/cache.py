"""Feature cache on disk: features are computed once for a picture's content.

features.bin     a record a picture: boxes, kinds, features
checksums.bin    CRC-32 of the key and the record; 0 where an older wordsight wrote them
index.bin        the key of each record, the SHA-256 of the picture's file; written last, so it decides
lock             held by a process while it appends; several may compute at a time

A record is verified before use; a damaged or lost one is computed again, and appended.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import parse_json, reason, write_at, write_text
from wordsight.locks import locked
from wordsight.vision.boxes import Boxes
from wordsight.vision.feature_table import EMPTY, FeatureTable
from wordsight.vision.stored import ELSEWHERE, Records, checksum_of, content_of, hashes

FORMAT = 1
_KEY = 32  # bytes of a SHA-256
_FLUSH = 64  # pictures written at a time; at most these are lost by an interruption
_WAIT = 3600.0  # seconds to wait for another process
_BUSY = "another process is adding features here"


def default_cache() -> Path:
    """$WORDSIGHT_CACHE, or `~/.cache/wordsight`."""
    return Path(os.environ.get("WORDSIGHT_CACHE") or "~/.cache/wordsight").expanduser()


class Row(NamedTuple):
    """One picture: features (R, F) float32, boxes (R, 4) `xyxy` fractions, kinds (R,) int8."""

    features: NDArray[np.float32]
    boxes: Boxes
    kinds: NDArray[np.int8]


class RegionSource(Protocol):
    """Computes the features of pictures, such as a `RegionEncoder`.

    Attributes:
        size: F, features a region.
        rows: R, regions a picture at most.
        precision: numpy type of stored features.
        fingerprint: equal for sources that give the same values.
    """

    size: int
    rows: int
    precision: str
    fingerprint: str

    @property
    def compute(self) -> str:
        """The type that they are computed in."""

    def stream(self, images: Iterable[Path]) -> Iterator[Row | InputError]:
        """A row for each picture, in order; for a broken picture, the error as a value."""


class FeatureCache:
    """A folder of features, one folder in it for each encoder.

    Keys are hashes of file content, so that datasets share pictures and moved files stay cached. Data is written before
    the index, so that after any interruption the next run continues behind the last complete picture.
    """

    def __init__(self, folder: Path, encoder: RegionSource) -> None:
        """Open the folder of this encoder, or make it.

        Raises:
            InputError: the folder was written by a newer wordsight, or cannot be read or written.
        """
        self._encoder = encoder
        low = "" if encoder.compute == "float32" else f"-{encoder.compute}"
        self.folder = folder / f"{encoder.fingerprint[:16]}{low}"
        self._data, self._index = self.folder / "features.bin", self.folder / "index.bin"
        self._sums = self.folder / "checksums.bin"
        regions, size = encoder.rows, encoder.size
        columns = [
            ("boxes", "<f4", (regions, 4)),
            ("kinds", "i1", (regions,)),
            ("features", encoder.precision, (regions, size)),
        ]
        self._record = np.dtype(columns)
        self._sound: set[tuple[bytes, int]] = set()  # keys and rows already verified
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
        """The features of pictures, computed where not cached.

        Args:
            pictures: files; content may repeat.
            progress: called with how many pictures are done, and the total.
            on_broken: leave pictures out that cannot be read, or raise.

        Raises:
            InputError: a picture cannot be read (`raise`), or the cache cannot be written (disk full).
        """
        keys, broken = hashes(pictures)
        failed: dict[bytes, str] = {}
        self._leave_damaged(keys)
        if missing := self._missing(pictures, keys):
            with self._writing():  # what cannot be written is said before anything is computed
                self._leave_damaged(keys)
                missing = self._missing(pictures, keys)
            failed = self._compute(missing, len(pictures), progress)
        elif progress:
            progress(len(pictures), len(pictures))
        for path, key in zip(pictures, keys, strict=True):
            if key in failed:
                broken[path] = failed[key]
        if broken and on_broken == "raise":
            raise InputError(next(iter(broken.values())))
        kept = [i for i, key in enumerate(keys) if key in self._known]
        rows = np.array([self._known[keys[i]] for i in kept], np.int64)
        return FeatureTable(kept, broken, Records(self._data, self._record), rows)

    def _missing(self, pictures: Sequence[Path], keys: Sequence[bytes]) -> dict[bytes, Path]:
        """One file for each content that has no row yet."""
        return {key: path for path, key in zip(pictures, keys, strict=True) if key and key not in self._known}

    def _compute(
        self, missing: dict[bytes, Path], total: int, progress: Callable[[int, int], None] | None
    ) -> dict[bytes, str]:
        """Encode and append; returns the errors of broken pictures by key. Finished ones survive an interruption."""
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
        record["kinds"] = EMPTY
        record["boxes"][:count], record["kinds"][:count] = row.boxes, row.kinds
        record["features"][:count] = row.features
        return record

    def _append(self, keys: list[bytes], records: list[NDArray[Any]]) -> None:
        """Append what no other process has appended meanwhile."""
        with self._writing():
            self._leave_damaged(keys)
            new = [row for row, key in enumerate(keys) if key not in self._known]
            if new:
                self._write([keys[row] for row in new], [records[row] for row in new])

    def _write(self, keys: list[bytes], records: list[NDArray[Any]]) -> None:
        """Append data first, then the index, each behind its last complete entry."""
        start = self._count
        contents = [record.tobytes() for record in records]
        sums = np.array([checksum_of(key, content) for key, content in zip(keys, contents, strict=True)], "<u4")
        try:
            write_at(self._data, start * self._record.itemsize, b"".join(contents))
            write_at(self._sums, start * sums.itemsize, sums.tobytes())
            write_at(self._index, start * _KEY, b"".join(keys))
        except OSError as error:
            raise InputError(
                f"{self.folder}: cannot write features ({reason(error)}); what was done before is kept, and the same "
                f"command continues there; {ELSEWHERE}."
            ) from None
        self._count += len(keys)
        self._known.update(zip(keys, range(start, start + len(keys)), strict=True))

    def _leave_damaged(self, keys: Sequence[bytes]) -> None:
        """Remove damaged records of these keys from the index."""
        content = content_of(self._sums)[: 4 * self._count]
        sums = np.frombuffer(content[: len(content) // 4 * 4], "<u4")
        records = Records(self._data, self._record)
        for key in set(keys) & self._known.keys():
            row = self._known[key]
            if (key, row) in self._sound:
                continue
            expected = int(sums[row]) if row < len(sums) else 0
            if expected and checksum_of(key, records.whole(row)) != expected:
                del self._known[key]
            else:
                self._sound.add((key, row))

    def _check_header(self) -> None:
        """Check that the folder is of this encoder; verify the records if its header is damaged."""
        path = self.folder / "header.json"
        header = {"format": FORMAT, "encoder": self._encoder.fingerprint, "size": self._encoder.size}
        try:
            found = parse_json(content_of(path).decode(), str(path)) if path.exists() else None
        except (InputError, UnicodeDecodeError):
            found = {}
        known = found if isinstance(found, dict) else {}
        if isinstance(newer := known.get("format"), int) and newer > FORMAT:
            raise InputError(f"{path}: made by a newer wordsight (format {newer}); {ELSEWHERE}.")
        if header.items() <= known.items():
            return
        if found is not None and np.count_nonzero(np.frombuffer(content_of(self._sums), "u1")) == 0:
            for file in (self._index, self._sums):  # not verifiable
                file.unlink(missing_ok=True)
        write_text(path, json.dumps(header | {"regions": self._encoder.rows}, indent=1))

    def _read_index(self) -> dict[bytes, int]:
        """Row numbers by key, of complete records; the last one of a repeated key."""
        index = content_of(self._index)
        there = self._data.stat().st_size if self._data.exists() else 0
        self._count = min(len(index) // _KEY, there // self._record.itemsize)
        return {index[i * _KEY : (i + 1) * _KEY]: i for i in range(self._count)}

    def _grown(self) -> bool:
        """Whether another process has appended since the index was read."""
        return not self._index.exists() or self._index.stat().st_size != self._count * _KEY

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Lock for writing; other processes wait, then read the new index."""

        def say() -> None:
            print(f"{self.folder}: {_BUSY}; waiting until it is done.", file=sys.stderr, flush=True)

        try:
            with locked(self.folder, _BUSY, wait=_WAIT, waiting=say):
                if len(self._known) == 0 or self._grown():
                    self._known = self._read_index()
                yield
        except InputError as error:
            if str(error).startswith(str(self.folder)) and ELSEWHERE not in str(error):
                raise InputError(f"{str(error).rstrip('.')}; {ELSEWHERE}.") from None
            raise

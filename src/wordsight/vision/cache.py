"""Feature cache on disk: features are computed once per content of a picture's file.

features.bin     one record per picture: boxes, kinds, features
checksums.bin    CRC-32 of each key and record; 0 if an older wordsight wrote the record
index.bin        the key of each record, a hash of the picture's file (`hashes`); written last, so it is decisive
lock             held by a process while it appends; several may compute at the same time

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
_FLUSH = 64  # pictures written at a time; a crash loses at most these
_WAIT = 3600.0  # seconds to wait for another process
_BUSY = "another process is adding features here"


def default_cache() -> Path:
    """The default cache folder: $WORDSIGHT_CACHE, or `~/.cache/wordsight`."""
    return Path(os.environ.get("WORDSIGHT_CACHE") or "~/.cache/wordsight").expanduser()


class Row(NamedTuple):
    """Regions of one picture: features (R, F) float32, boxes (R, 4) `xyxy` fractions, kinds (R,) int8."""

    features: NDArray[np.float32]
    boxes: Boxes
    kinds: NDArray[np.int8]


class RegionSource(Protocol):
    """Source of the features of pictures, such as a `RegionEncoder`.

    Attributes:
        size: F, features per region.
        rows: R, most regions per picture.
        precision: numpy type of stored features.
        fingerprint: equal for sources that give the same values.
    """

    size: int
    rows: int
    precision: str
    fingerprint: str

    @property
    def compute(self) -> str:
        """The type that features are computed in."""

    def stream(self, images: Iterable[Path]) -> Iterator[Row | InputError]:
        """Yield a row for each picture, in order; for a broken picture, the error as a value."""


class FeatureCache:
    """Feature cache: a folder with one subfolder per encoder.

    Keys are hashes of file content, so datasets share pictures and moved files stay cached. Data is written before the
    index, so after any interruption the next run continues behind the last complete picture.
    """

    def __init__(self, folder: Path, encoder: RegionSource) -> None:
        """Open or create the folder of this encoder.

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
        """Number of pictures in the cache."""
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
            progress: receives the number of pictures done, and the total.
            on_broken: `skip` leaves out pictures that cannot be read, `raise` raises the first error.

        Raises:
            InputError: a picture cannot be read (`raise`), or the cache cannot be written (such as a full disk).
        """
        keys, broken = hashes(pictures)
        failed: dict[bytes, str] = {}
        self._leave_damaged(keys)
        if missing := self._missing(pictures, keys):
            with self._writing():  # an unwritable folder fails before anything is computed
                self._leave_damaged(keys)
                missing = self._missing(pictures, keys)
            failed = self._compute(missing, len(pictures), progress)
        elif progress:
            progress(len(pictures), len(pictures))
        for path, key in zip(pictures, keys, strict=True):
            if key in failed:
                broken[path] = failed[key].replace(str(missing[key]), str(path), 1)  # files may have the same content
        if broken and on_broken == "raise":
            raise InputError(next(iter(broken.values())))
        kept = [i for i, key in enumerate(keys) if key in self._known]
        rows = np.array([self._known[keys[i]] for i in kept], np.int64)
        return FeatureTable(kept, broken, Records(self._data, self._record), rows)

    def _missing(self, pictures: Sequence[Path], keys: Sequence[bytes]) -> dict[bytes, Path]:
        """One file for each content that is not cached yet."""
        return {key: path for path, key in zip(pictures, keys, strict=True) if key and key not in self._known}

    def _compute(
        self, missing: dict[bytes, Path], total: int, progress: Callable[[int, int], None] | None
    ) -> dict[bytes, str]:
        """Encode and append, keeping finished pictures if interrupted; returns broken pictures' errors by key."""
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
        """Append the records that no other process has appended meanwhile."""
        with self._writing():
            self._leave_damaged(keys)
            new = [row for row, key in enumerate(keys) if key not in self._known]
            if new:
                self._write([keys[row] for row in new], [records[row] for row in new])

    def _write(self, keys: list[bytes], records: list[NDArray[Any]]) -> None:
        """Append the data, then the index, each behind its last complete entry."""
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
        """Drop damaged records of these keys from the index in memory."""
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
        """Check the header; if damaged or another encoder's, renew it, and drop the records if none has a checksum."""
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
            for file in (self._index, self._sums):  # without checksums, records cannot be verified
                file.unlink(missing_ok=True)
        write_text(path, json.dumps(header | {"regions": self._encoder.rows}, indent=1))

    def _read_index(self) -> dict[bytes, int]:
        """Row numbers of complete records by key; the last one if a key is repeated."""
        index = content_of(self._index)
        there = self._data.stat().st_size if self._data.exists() else 0
        self._count = min(len(index) // _KEY, there // self._record.itemsize)
        return {index[i * _KEY : (i + 1) * _KEY]: i for i in range(self._count)}

    def _grown(self) -> bool:
        """Whether another process has appended since the index was read."""
        return not self._index.exists() or self._index.stat().st_size != self._count * _KEY

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Lock the folder for writing, after waiting for other processes, and read an index that has changed."""

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

"""What an index knows of its pictures: one SQLite file, read as of one moment while another process writes.

The catalogue is what holds: vectors that it does not name were never there. It is in WAL mode, so that readers see the
state of their first look until they are done, whatever is committed meanwhile.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from wordsight.errors import InputError

FILE = "catalog.sqlite"
MIGRATIONS = (  # number i leads from version i to version i + 1; none is ever changed
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE segments (number INTEGER PRIMARY KEY, rows INTEGER NOT NULL);
    CREATE TABLE batches (
        segment INTEGER NOT NULL, first INTEGER NOT NULL, rows INTEGER NOT NULL, checksum INTEGER NOT NULL,
        PRIMARY KEY (segment, first)
    ) WITHOUT ROWID;
    CREATE TABLE pictures (
        number INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE,
        hash BLOB NOT NULL, bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, taken TEXT NOT NULL, added TEXT NOT NULL,
        segment INTEGER NOT NULL, first INTEGER NOT NULL, rows INTEGER NOT NULL,
        hubness REAL NOT NULL, length REAL NOT NULL, blur REAL NOT NULL,
        meta TEXT NOT NULL DEFAULT '{}'
    );
    CREATE INDEX pictures_in_files ON pictures (segment, first);
    CREATE TABLE broken (path TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
    """,
)


class Entry(NamedTuple):
    """A picture in the catalogue.

    Attributes:
        path: what it is called in the index, see `places.py`.
        hash: of the file's content, BLAKE2b of 16 bytes.
        bytes: the file's size.
        mtime_ns: when the file was changed.
        width: of the upright picture, pixels.
        height: of the upright picture, pixels.
        taken: when, by EXIF or else by the file: ISO, local time.
        added: to the index, ISO, UTC.
        segment: which file of vectors it is in.
        first: its first row there.
        rows: how many rows it has, one a region.
        hubness: what is taken from its scores with sentences.
        length: of its longest vector.
        blur: the most that rounding to bfloat16 moves one of its vectors.
        meta: what the user knows of it, a JSON object.
    """

    path: str
    hash: bytes
    bytes: int
    mtime_ns: int
    width: int
    height: int
    taken: str
    added: str
    segment: int
    first: int
    rows: int
    hubness: float
    length: float
    blur: float
    meta: str = "{}"


class Batch(NamedTuple):
    """Rows that were written at once, and the CRC-32 of all their files."""

    segment: int
    first: int
    rows: int
    checksum: int


_COLUMNS = ", ".join(Entry._fields)
_UPDATED = [f"{name} = excluded.{name}" for name in Entry._fields if name not in ("path", "meta")]
_UPSERT = (
    f"INSERT INTO pictures ({_COLUMNS}) VALUES ({', '.join('?' * len(Entry._fields))}) "
    f"ON CONFLICT (path) DO UPDATE SET {', '.join(_UPDATED)}"
)


class Catalog:
    """An open catalogue; as a context it closes at the end, and says SQLite's errors as `InputError`."""

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        """Open it; a reader is in one transaction, and sees one state until it is closed.

        Args:
            folder: of the index.
            write: make it if there is none, and bring one of an older version up to date.

        Raises:
            InputError: there is none, it is of a newer version, damaged, or cannot be opened.
        """
        self.path = folder / FILE
        if not write and not self.path.exists():
            raise InputError(f"{folder}: not an index (no {FILE}); `wordsight index build` makes one.")
        with self._said():
            self.db = sqlite3.connect(_uri(self.path, write), uri=True, timeout=30, isolation_level=None)
            try:
                self._migrate(write)
                self.db.execute("BEGIN" if not write else "PRAGMA synchronous = FULL")
            except BaseException:
                self.db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.db.close()
        if isinstance(error, sqlite3.Error):
            raise self._sentence(error) from None

    @contextmanager
    def change(self) -> Iterator[None]:
        """All of what is written inside, or nothing; readers notice by the fact `generation`.

        Raises:
            InputError: it cannot be written.
        """
        with self._said():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.set_fact("generation", str(int(self.fact("generation", "0")) + 1))
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    def fact(self, name: str, default: str = "") -> str:
        """Something about the whole index."""
        row = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Write something about the whole index."""
        self.db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def segments(self) -> dict[int, int]:
        """The number of each segment, and how many rows of it hold."""
        return dict(self.db.execute("SELECT number, rows FROM segments ORDER BY number"))

    def batches(self) -> list[Batch]:
        """Every batch, in the order of the files."""
        return [Batch(*row) for row in self.db.execute("SELECT * FROM batches ORDER BY segment, first")]

    def inside(self, batch: Batch) -> list[str]:
        """The pictures whose rows are in a batch."""
        query = "SELECT path FROM pictures WHERE segment = ? AND first >= ? AND first < ? ORDER BY number"
        return [row[0] for row in self.db.execute(query, (batch.segment, batch.first, batch.first + batch.rows))]

    def put(self, batch: Batch, entries: Iterable[Entry]) -> None:
        """Pictures with the batch that their rows are in; those already there keep their number and metadata."""
        self.db.execute("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", batch)
        self.db.execute("INSERT OR REPLACE INTO segments VALUES (?, ?)", (batch.segment, batch.first + batch.rows))
        self.set_entries(entries)

    def set_entries(self, entries: Iterable[Entry]) -> None:
        """Pictures whose rows are there already; those known keep their number and metadata."""
        entries = list(entries)
        self.db.executemany(_UPSERT, entries)
        self.db.executemany("DELETE FROM broken WHERE path = ?", [(entry.path,) for entry in entries])

    def change_entry(self, path: str, /, **values: Any) -> None:
        """Other values for some columns of a picture; it can be read then."""
        columns = ", ".join(f"{name} = ?" for name in values)
        self.db.execute(f"UPDATE pictures SET {columns} WHERE path = ?", (*values.values(), path))
        self.db.executemany("DELETE FROM broken WHERE path = ?", [(path,), (values.get("path", path),)])

    def forget(self, paths: Iterable[str]) -> int:
        """Leave pictures out; gives how many there were. Their rows stay behind, and nobody looks at them."""
        gone = [(path,) for path in paths]
        self.db.executemany("DELETE FROM broken WHERE path = ?", gone)
        return self.db.executemany("DELETE FROM pictures WHERE path = ?", gone).rowcount if gone else 0

    def break_(self, reasons: Iterable[tuple[str, str]]) -> None:
        """Pictures that cannot be read, and why; what is known of them stays."""
        self.db.executemany("INSERT OR REPLACE INTO broken VALUES (?, ?)", list(reasons))

    def without_rows(self) -> list[str]:
        """Pictures whose rows were damaged, and that could not be encoded again."""
        return [row[0] for row in self.db.execute("SELECT path FROM pictures WHERE rows = 0 ORDER BY number")]

    def annotate(self, meta: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """What the user knows of pictures, in place of what was there."""
        rows = [(json.dumps(values, ensure_ascii=False), path) for path, values in meta]
        self.db.executemany("UPDATE pictures SET meta = ? WHERE path = ?", rows)

    def broken(self) -> dict[str, str]:
        """Pictures that could not be read, and why."""
        return dict(self.db.execute("SELECT path, reason FROM broken ORDER BY path"))

    def entries(self) -> Iterator[Entry]:
        """Every picture, in the order of the catalogue."""
        return (Entry(*row) for row in self.db.execute(f"SELECT {_COLUMNS} FROM pictures ORDER BY number"))

    def numbered(self, numbers: Sequence[int]) -> list[Entry]:
        """The pictures of some numbers, in their order, without those that there are not."""
        query = f"SELECT {_COLUMNS} FROM pictures WHERE number = ?"
        rows = (self.db.execute(query, (number,)).fetchone() for number in numbers)
        return [Entry(*row) for row in rows if row]

    def _migrate(self, write: bool) -> None:
        version = int(self.db.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise InputError(
                f"{self.path}: made by a newer wordsight (version {version} of the catalogue, this one reads up to "
                f"{len(MIGRATIONS)}); use that one, or build the index again."
            )
        if version < len(MIGRATIONS) and not write:
            raise InputError(
                f"{self.path}: not finished, or made by an older wordsight; `wordsight index build` mends it."
            )
        if write:
            self.db.execute("PRAGMA journal_mode = WAL")
        for number in range(version, len(MIGRATIONS)):
            self.db.executescript(f"BEGIN; {MIGRATIONS[number]}; PRAGMA user_version = {number + 1}; COMMIT;")

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._sentence(error) from None

    def _sentence(self, error: sqlite3.Error) -> InputError:
        text = str(error)
        if "full" in text:
            return InputError(f"{self.path}: cannot be written (the disk is full); what was committed before is kept.")
        if "unable to open" in text and not os.access(self.path.parent, os.W_OK) and _unfinished(self.path):
            return InputError(
                f"{self.path}: a writer was stopped before it was done, and nothing can be finished in a folder that "
                "cannot be written; run `wordsight index info` once where it can."
            )
        if "readonly" in text or "unable to open" in text:
            return InputError(f"{self.path}: cannot be opened or written ({text}).")
        if "locked" in text:
            return InputError(f"{self.path}: another process is writing for more than 30 seconds; try again.")
        return InputError(f"{self.path}: damaged, or not a catalogue of wordsight ({text}); build the index again.")


def _uri(path: Path, write: bool) -> str:
    """How SQLite is to open the file; in a folder that cannot be written it is taken as it is, if it is finished."""
    uri = path.absolute().as_uri()
    if write:
        return f"{uri}?mode=rwc"
    if os.access(path.parent, os.W_OK):
        return f"{uri}?mode=rw"
    return f"{uri}?mode=ro" if _unfinished(path) else f"{uri}?immutable=1"


def _unfinished(path: Path) -> bool:
    """Whether a writer is at work, or was stopped: what it has committed is still beside the file."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0

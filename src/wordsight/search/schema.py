"""Schema of the catalogue: its tables and migrations, how SQLite opens it, and what SQLite's errors mean."""

import os
import shutil
import sqlite3
from pathlib import Path

from wordsight.errors import InputError
from wordsight.files import reason
from wordsight.locks import NO_LOCKS, has_locks
from wordsight.search.records import checksum

FILE = "catalog.sqlite"
SPARE = 2**16  # bytes that SQLite needs on the disk to open a catalogue for writing
MIGRATIONS = (  # item i leads from version i to version i + 1; none is ever changed
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
    """
    ALTER TABLE facts ADD COLUMN row_checksum INTEGER NOT NULL DEFAULT 0;
    UPDATE facts SET row_checksum = checksum(name, value);
    ALTER TABLE segments ADD COLUMN row_checksum INTEGER NOT NULL DEFAULT 0;
    UPDATE segments SET row_checksum = checksum(number, rows);
    ALTER TABLE batches ADD COLUMN row_checksum INTEGER NOT NULL DEFAULT 0;
    UPDATE batches SET row_checksum = checksum(segment, first, rows, checksum);
    ALTER TABLE broken ADD COLUMN row_checksum INTEGER NOT NULL DEFAULT 0;
    UPDATE broken SET row_checksum = checksum(path, reason);
    ALTER TABLE pictures ADD COLUMN row_checksum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE pictures ADD COLUMN meta_checksum INTEGER NOT NULL DEFAULT 0;
    UPDATE pictures SET
        row_checksum = checksum(path, hash, bytes, mtime_ns, width, height, taken, added, segment, first, rows,
            hubness, length, blur),
        meta_checksum = checksum(path, meta);
    """,
    """
    CREATE TABLE origins (
        picture INTEGER PRIMARY KEY, hash BLOB NOT NULL, camera TEXT NOT NULL, taken_from TEXT NOT NULL,
        row_checksum INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE albums (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, made TEXT NOT NULL,
        row_checksum INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE album_pictures (
        album INTEGER NOT NULL, picture INTEGER NOT NULL, row_checksum INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (album, picture)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE videos (
        path TEXT PRIMARY KEY, hash BLOB NOT NULL, seconds REAL NOT NULL, until INTEGER NOT NULL,
        frames INTEGER NOT NULL, row_checksum INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE texts (
        picture INTEGER PRIMARY KEY, hash BLOB NOT NULL, bounds BLOB NOT NULL, lines BLOB NOT NULL,
        row_checksum INTEGER NOT NULL DEFAULT 0
    );
    """,
    "",  # vectors have 8-bit codes beside them; a build rewrites former segments, see `recoded.py`
    "",  # segments may be compact, see `compact.py`; an older wordsight cannot read these
    "",  # vectors are in float16; a build rewrites former segments, see `recoded.py`
)
READABLE = 1  # the oldest version that can be read without a migration
CHECKED = 2  # the first version whose rows carry checksums
ADDED = {"origins": 3, "albums": 3, "album_pictures": 3, "videos": 4, "texts": 5}  # the version that added each table
TABLES = {  # the columns that the checksum of a row covers
    "facts": ("name", "value"),
    "segments": ("number", "rows"),
    "batches": ("segment", "first", "rows", "checksum"),
    "broken": ("path", "reason"),
    "origins": ("picture", "hash", "camera", "taken_from"),
    "albums": ("id", "name", "made"),
    "album_pictures": ("album", "picture"),
    "videos": ("path", "hash", "seconds", "until", "frames"),
    "texts": ("picture", "hash", "bounds", "lines"),
}


def tables_of(version: int) -> list[str]:
    """The tables of a version, except `pictures`."""
    return [name for name in TABLES if ADDED.get(name, 0) <= version]


def stand_in(db: sqlite3.Connection, version: int) -> None:
    """Give a reader of an older version the later tables: empty, temporary, seen by this connection only."""
    for name in TABLES.keys() - set(tables_of(version)):
        db.execute(f"CREATE TEMP TABLE {name} ({', '.join(TABLES[name])}, row_checksum)")


def connect(path: Path, write: bool, *, patience: float = 30.0, as_it_is: bool = False) -> sqlite3.Connection:
    """Connect to a catalogue, without looking at its content.

    Args:
        path: its file.
        write: make it if there is none.
        patience: seconds to wait for its lock.
        as_it_is: take no lock and ignore the log; no other process may be writing.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    address = f"{path.absolute().as_uri()}?immutable=1" if as_it_is else _uri(path, write)
    db = sqlite3.connect(address, uri=True, timeout=patience, isolation_level=None)
    db.text_factory = _text
    return db


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """The version of a catalogue.

    Raises:
        InputError: it is newer than this wordsight.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise InputError(
            f"{path}: made by a newer wordsight (version {version} of the catalogue, this one reads up to "
            f"{len(MIGRATIONS)}); use that one, or build the index again."
        )
    return version


def migrate(db: sqlite3.Connection, path: Path) -> int:
    """Bring a catalogue up to date, in one transaction, so that it is never between two versions; returns the version.

    Raises:
        InputError: it is newer than this wordsight.
    """
    db.create_function("checksum", -1, checksum, deterministic=True)
    if version_of(db, path) < len(MIGRATIONS):
        db.execute("BEGIN IMMEDIATE")
        for migration in MIGRATIONS[version_of(db, path) :]:  # again: now no other process can change it
            for statement in filter(str.strip, migration.split(";")):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    return len(MIGRATIONS)


def sentence(path: Path, error: sqlite3.Error) -> InputError:
    """Turn an error of SQLite into one for the user."""
    text = str(error)
    if "full" in text or (_is_full(path.parent) and ("I/O" in text or "unable to open" in text)):
        return InputError(f"{path}: cannot be written (the disk is full); what was committed before is kept.")
    if "unable to open" in text and not os.access(path.parent, os.W_OK) and _unfinished(path):
        return InputError(
            f"{path}: a writer was stopped before it was done, and nothing can be finished in a folder that "
            "cannot be written; run `wordsight index info` once where it can."
        )
    if any(word in text for word in ("locked", "locking", "I/O")) and not _has_locks(path.parent):
        return InputError(f"{path}: {NO_LOCKS}.")
    if "I/O error" in text:
        return InputError(f"{path}: the drive cannot be read or written (input/output error).")
    if "readonly" in text or "unable to open" in text:
        return InputError(f"{path}: cannot be opened or written ({text}).")
    if "locked" in text:
        return InputError(f"{path}: another process has been writing for more than 30 seconds; try again.")
    return InputError(
        f"{path}: damaged, or not a catalogue of wordsight ({text}); `wordsight index build` repairs what can be."
    )


def is_readable_without_locks(path: Path) -> bool:
    """Whether a catalogue is on a drive without locks, but complete, so that it can be read as it is."""
    return not _unfinished(path) and not _has_locks(path.parent)


def _has_locks(folder: Path) -> bool:
    """Whether files can be locked in a folder; assumed if that cannot be tried."""
    try:
        return has_locks(folder)
    except InputError:
        return True


def _is_full(folder: Path) -> bool:
    """Whether a disk has no room for SQLite's files beside a catalogue."""
    try:
        return shutil.disk_usage(folder).free < SPARE
    except OSError:
        return False


def _uri(path: Path, write: bool) -> str:
    """The URI by which SQLite opens the file; where nothing can be written beside it, a whole file is read as it is."""
    address = path.absolute().as_uri()
    if write:
        return f"{address}?mode=rwc"
    if os.access(path.parent, os.W_OK) and not (_is_full(path.parent) and not _unfinished(path)):
        return f"{address}?mode=rw"
    return f"{address}?mode=ro" if _unfinished(path) else f"{address}?immutable=1"


def _unfinished(path: Path) -> bool:
    """Whether a writer is at work or was stopped: its commits are still in the log beside the file."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """Whether a file exists.

    Raises:
        InputError: the drive cannot tell.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}).") from None
    return True


def _text(raw: bytes) -> str:
    """Decode text, also where damage has made it invalid UTF-8."""
    return raw.decode("utf-8", "surrogateescape")

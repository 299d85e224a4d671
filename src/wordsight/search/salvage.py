"""Salvage: rebuild a catalogue that SQLite cannot read any more from those of its rows that are sound."""

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from wordsight.errors import InputError
from wordsight.files import reason, sync_folder
from wordsight.locks import locked
from wordsight.search.catalog import Batch, Catalog
from wordsight.search.damage import NEEDED, later_rows, restored
from wordsight.search.identity import mark, read_id
from wordsight.search.records import Entry, is_name
from wordsight.search.schema import ADDED, CHECKED, FILE, connect, tables_of, version_of
from wordsight.search.seal import Seal, seal_path

MOST = 10**7  # greatest picture number to look for
T = TypeVar("T")


def mend(folder: Path, busy: str) -> str:
    """Repair the catalogue of an index if SQLite cannot read it.

    A damaged one is kept as `catalog.sqlite.damaged`, and its legible and sound rows are copied to a new one. The names
    of pictures in lost pages are lost; a build with their files adds the pictures again.

    Args:
        folder: of the index; it may be something else.
        busy: clause of the error message if another process is writing.

    Returns:
        A sentence on what was done; empty if there was nothing to do.

    Raises:
        InputError: the catalogue is beyond repair, or cannot be written.
    """
    if is_legible(folder):
        return ""
    with locked(folder, busy):
        if is_legible(folder):  # another process has repaired it
            return ""
        try:
            mark(folder)
            work = folder / f".catalog.{read_id(folder)}.part"  # no other process uses this name
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            try:
                kept = _salvage(folder, work)
                old = _exchange(folder, work)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        except OSError as error:
            raise InputError(f"{folder / FILE}: damaged, and cannot be mended ({reason(error)}).") from None
    return (
        f"{folder / FILE}: was damaged, and is kept as {old}; {kept:,} of its pictures could be read, those "
        "missing are added when their files are given."
    )


def is_legible(folder: Path) -> bool:
    """Whether SQLite can read all of a catalogue; also if there is neither one nor a seal, or an error is no damage."""
    path, seal = folder / FILE, Seal.read(folder)
    sealed = seal is not None
    needed = max(CHECKED, *(ADDED.get(name, 0) for name in seal.rows)) if seal else 0  # the seal's version, at least
    if not os.path.exists(path):
        return not sealed
    try:
        with closing(connect(path, False)) as db:
            version = version_of(db, path)
            if version == 0 or version < needed:
                return not sealed  # a catalogue that was never finished is not damaged
            for table in (*tables_of(version), "pictures"):
                db.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
            facts = {name for sound, name, _ in Catalog.of(db, path, version).rows("facts") if sound}
            known = facts >= set(NEEDED) or not sealed
            return known and bool(db.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
    except sqlite3.Error as error:
        damaged = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
        return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in damaged


def _salvage(folder: Path, work: Path) -> int:
    """Make a new catalogue in `work` from the sound rows; returns how many pictures it has."""
    seal = Seal.read(folder)
    old = _opened(folder / FILE)
    with closing(old.db):
        facts = restored(
            {name: value for sound, name, value in _legible(old.rows("facts")) if sound}, seal, folder / FILE
        )
        batches = [Batch(*row) for sound, *row in _legible(old.rows("batches")) if sound and _whole(row)]
        sizes = {row[0]: row[1] for sound, *row in _legible(old.rows("segments")) if sound and _whole(row)}
        for one in batches:
            sizes[one.segment] = max(sizes.get(one.segment, 0), one.first + one.rows)
        broken = [(path, why) for sound, path, why in _legible(old.rows("broken")) if sound]
        later = later_rows(lambda table: _legible(old.rows(table)))
        pictures = {entry.path: (number, entry) for number, entry in _pictures(old, seal)}
    with Catalog(work, write=True) as catalog, catalog.change():
        for name, value in facts.items():
            catalog.set_fact(name, value)
        catalog.restore(batches, sizes, broken)
        catalog.set_numbered(pictures.values())
        for table, rows in later.items():
            catalog.put_rows(table, rows)
    return len(pictures)


def _whole(row: Iterable[Any]) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in row)


def _exchange(folder: Path, work: Path) -> str:
    """Replace the old catalogue, and delete its log with it; returns the name under which the old one is kept."""
    path = folder / FILE
    with open(work / FILE, "r+b") as file:
        os.fsync(file.fileno())
    name = next(one for one in _names() if not any(os.path.lexists(folder / f"{one}{end}") for end in ("", "-wal")))
    for extra in ("", "-wal"):
        if (source := folder / f"{FILE}{extra}").exists():
            shutil.copyfile(source, folder / f"{name}{extra}")
    for extra in ("-wal", "-shm"):
        (folder / f"{FILE}{extra}").unlink(missing_ok=True)
    os.replace(work / FILE, path)
    os.replace(seal_path(work), seal_path(folder))
    sync_folder(folder)
    return name


def _names() -> Iterator[str]:
    """Names for a damaged catalogue, in order of preference."""
    yield f"{FILE}.damaged"
    yield from (f"{FILE}.damaged-{number}" for number in count(2))


def _opened(path: Path) -> Catalog:
    """Open a damaged catalogue as well as SQLite can; an empty one if it cannot at all."""
    try:
        db = connect(path, False)
    except sqlite3.Error:  # no file at all
        return Catalog.of(sqlite3.connect(":memory:"), path, CHECKED)
    try:
        db.execute("SELECT row_checksum FROM pictures LIMIT 1").fetchone()
    except sqlite3.Error as error:
        if "no such column" in str(error):
            return Catalog.of(db, path, CHECKED - 1)
    return Catalog.of(db, path, CHECKED)


def _legible(rows: Iterator[T]) -> Iterator[T]:
    """Rows up to the first that cannot be read."""
    with suppress(sqlite3.Error):
        yield from rows


def _pictures(old: Catalog, seal: Seal | None) -> Iterator[tuple[int, Entry]]:
    """The pictures, looked for by every possible number: whole entries if sound, else their names and metadata."""
    last = (seal.rows["pictures"][0] if seal else 0) * 4 + 1000
    for query in ("SELECT seq FROM sqlite_sequence WHERE name = 'pictures'", "SELECT max(number) FROM pictures"):
        for (number,) in _legible(row for _ in "1" for row in old.db.execute(query)):
            last = max(last, number) if isinstance(number, int) and number <= MOST else last
    for number in range(1, last + 1):
        for _, entry, sound, told in _legible(old.pictures("number = ?", (number,))):
            if is_name(entry.path):
                yield number, entry if sound and told else entry.blank(entry.meta if told else "{}")

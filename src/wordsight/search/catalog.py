"""What an index knows of its pictures: one SQLite file, read as of one moment while another process writes.

The catalogue is what holds: vectors that it does not name were never there. It is in WAL mode, so that readers see the
state of their first look until they are done, whatever is committed meanwhile. Each row carries the checksum of what
was meant to be written; a row that does not agree with it is never shown.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wordsight.errors import InputError
from wordsight.files import to_json
from wordsight.search.records import Batch, Entry, checksum, is_meta, is_possible, whole
from wordsight.search.schema import (
    CHECKED,
    FILE,
    READABLE,
    TABLES,
    connect,
    is_readable_without_locks,
    is_there,
    migrate,
    sentence,
    stand_in,
    tables_of,
    version_of,
)
from wordsight.search.seal import Seal, leave_alone

__all__ = ["FILE", "Batch", "Catalog", "Entry"]

_COLUMNS = ", ".join(Entry._fields)
_UPDATED = [*(name for name in Entry._fields if name not in ("path", "meta")), "row_checksum"]
_UPSERT = (
    f"INSERT INTO pictures ({_COLUMNS}, row_checksum, meta_checksum) "
    f"VALUES ({', '.join('?' * (len(Entry._fields) + 2))}) "
    f"ON CONFLICT (path) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _UPDATED)}"
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
        if not write and not is_there(self.path):
            raise InputError(f"{folder}: not an index (no {FILE}); `wordsight index build` makes one.")
        with self._said():
            try:
                self._open(connect(self.path, write, patience=30 if write else 0), write)
            except sqlite3.OperationalError:  # taken by another process, or a drive that has no locks
                if write:
                    raise
                self._open(connect(self.path, write, as_it_is=is_readable_without_locks(self.path)), write)

    def _open(self, db: sqlite3.Connection, write: bool) -> None:
        self.db = db
        try:
            self.version = self._ready(write)
        except BaseException:
            self.db.close()
            raise

    @classmethod
    def of(cls, db: sqlite3.Connection, path: Path, version: int) -> Self:
        """One that is open already, whatever is in it."""
        found = cls.__new__(cls)
        found.db, found.path, found.version = db, path, version
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.db.close()
        if isinstance(error, sqlite3.Error):
            raise sentence(self.path, error) from None

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
                before = Seal.read(self.path.parent)
                generation = 1 + max(whole(self.fact("generation")), before.generation if before else 0)
                self.set_fact("generation", str(generation))
                seal = self.seal()
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
        with suppress(InputError):  # it is committed; an older seal says nothing about this
            seal.write(self.path.parent)

    def seal(self) -> Seal:
        """What it holds now."""
        sums = {name: "sum(row_checksum)" for name in tables_of(self.version)} | {
            "pictures": "sum(row_checksum + meta_checksum)"
        }
        rows = {
            name: self.db.execute(f"SELECT count(*), ifnull({sum_}, 0) FROM {name}").fetchone()
            for name, sum_ in sums.items()
        }
        facts = dict(self.db.execute("SELECT name, value FROM facts ORDER BY name"))
        return Seal(whole(facts.get("generation", "")), facts, {name: list(found) for name, found in rows.items()})

    def rows(self, table: str, where: str = "1", values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a table but that of the pictures, each with whether it agrees with its checksum in front."""
        names = ", ".join(TABLES[table])
        check = ", row_checksum" if self.version >= CHECKED else ""
        for row in self.db.execute(f"SELECT {names}{check} FROM {table} WHERE {where} ORDER BY 1, 2", values):
            own = row[: len(TABLES[table])]
            yield (not check or row[-1] == checksum(*own), *own)

    def fact(self, name: str, default: str = "") -> str:
        """Something about the whole index.

        Raises:
            InputError: it is damaged.
        """
        for _, value in self._sound("facts", "name = ?", (name,)):
            return str(value)
        return default

    def set_fact(self, name: str, value: str) -> None:
        """Write something about the whole index."""
        self.put_rows("facts", [(name, value)])

    def segments(self) -> dict[int, int]:
        """The number of each segment, and how many rows of it hold.

        Raises:
            InputError: that is damaged.
        """
        return dict(self._sound("segments"))

    def batches(self) -> list[Batch]:
        """Every batch, in the order of the files.

        Raises:
            InputError: one of their rows is damaged.
        """
        return [Batch(*row) for row in self._sound("batches")]

    def put(self, batch: Batch, entries: Iterable[Entry]) -> None:
        """Pictures with the batch that their rows are in; those already there keep their number and metadata."""
        self.put_rows("batches", [tuple(map(int, batch))])
        self.put_rows("segments", [(int(batch.segment), int(batch.first + batch.rows))])
        self.set_entries(entries)

    def set_entries(self, entries: Iterable[Entry]) -> None:
        """Pictures whose rows are there already; those known keep their number and metadata."""
        entries = [entry.typed() for entry in entries]
        self.db.executemany(_UPSERT, [(*entry, *entry.checksums()) for entry in entries])
        self.db.executemany("DELETE FROM broken WHERE path = ?", [(entry.path,) for entry in entries])

    def change_entry(self, key: str, /, **values: Any) -> None:
        """Other values for some columns of a picture; it can be read then.

        Raises:
            InputError: its row is damaged.
        """
        found = list(self._entries("path = ?", (key,)))
        self.set_numbered((number, entry._replace(**values).typed()) for number, entry in found)
        self.db.executemany("DELETE FROM broken WHERE path = ?", [(key,), (values.get("path", key),)])

    def replace(self, pictures: Mapping[str, Entry]) -> None:
        """Other rows for some pictures at once, by the names they had; they can be read then.

        Raises:
            InputError: the row of one is damaged.
        """
        found = [(number, one) for key, one in pictures.items() for number, _ in self._entries("path = ?", (key,))]
        self.set_numbered((number, entry.typed()) for number, entry in found)
        names = {*pictures, *(entry.path for entry in pictures.values())}
        self.db.executemany("DELETE FROM broken WHERE path = ?", [(name,) for name in names])

    def forget(self, paths: Iterable[str]) -> int:
        """Leave pictures out; gives how many there were. Their rows stay behind, and nobody looks at them."""
        gone = [(path,) for path in paths]
        self.db.executemany("DELETE FROM broken WHERE path = ?", gone)
        for table in ("origins", "album_pictures", "texts"):
            query = f"DELETE FROM {table} WHERE picture = (SELECT number FROM pictures WHERE path = ?)"
            self.db.executemany(query, gone)
        videos = {(path.rpartition("#t=")[0],) for (path,) in gone}  # a video lacks a frame: it is not complete
        self.db.executemany("DELETE FROM videos WHERE path = ?", videos)
        return self.db.executemany("DELETE FROM pictures WHERE path = ?", gone).rowcount if gone else 0

    def break_(self, reasons: Iterable[tuple[str, str]]) -> None:
        """Pictures that cannot be read, and why; what is known of them stays."""
        self.put_rows("broken", list(reasons))

    def annotate(self, meta: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """What the user knows of pictures, in place of what was there."""
        rows = [(path, to_json(values)) for path, values in meta]
        query = "UPDATE pictures SET meta = ?, meta_checksum = ? WHERE path = ?"
        self.db.executemany(query, [(text, checksum(path, text), path) for path, text in rows])

    def broken(self) -> dict[str, str]:
        """Pictures that could not be read, and why.

        Raises:
            InputError: one of these rows is damaged.
        """
        return dict(self._sound("broken"))

    def entries(self) -> Iterator[Entry]:
        """Every picture, in the order of the catalogue.

        Raises:
            InputError: the row of one is damaged.
        """
        return (entry for _, entry in self._entries())

    def paths(self, where: str = "1") -> list[str]:
        """The names of the pictures that can be found, and no more of them: at once, as to read rows takes longer."""
        query = (
            f"SELECT group_concat(path, char(0)) FROM pictures WHERE rows != 0 AND {where}"  # no name has a zero byte
        )
        (joined,) = self.db.execute(query).fetchone()
        return joined.split("\0") if joined else []

    def numbered(self, numbers: Sequence[int], *, known: bool = False) -> list[Entry]:
        """The pictures of some numbers, in their order, without those that there are not.

        Raises:
            InputError: the row of one is damaged, or not there though it is `known` to be.
        """
        found = [entry for number in numbers for _, entry in self._entries("number = ?", (number,))]
        if known and len(found) < len(numbers):
            raise self.damage("the row of a picture")
        return found

    def pictures(self, where: str = "1", values: Sequence[object] = ()) -> Iterator[tuple[int, Entry, bool, bool]]:
        """The number and row of each picture, and whether the row and its metadata are as they were written."""
        check = ", row_checksum, meta_checksum" if self.version >= CHECKED else ""
        query = f"SELECT number, {_COLUMNS}{check} FROM pictures WHERE {where} ORDER BY number"
        for number, *row in self.db.execute(query, values):
            entry, sums = Entry(*row[: len(Entry._fields)]), tuple(row[len(Entry._fields) :])
            own, meta = entry.checksums()
            same, told = (own == sums[0], meta == sums[1]) if sums else (True, True)
            possible = is_possible(entry) or bool(sums and entry.rows == 0)
            yield number, entry, same and possible, told and is_meta(entry.meta)

    def _entries(self, where: str = "1", values: Sequence[object] = ()) -> Iterator[tuple[int, Entry]]:
        for number, entry, sound, told in self.pictures(where, values):
            if not (sound and told):
                raise self.damage(f"the row of picture {number}")
            yield number, entry

    def _sound(self, table: str, where: str = "1", values: Sequence[object] = ()) -> Iterator[Any]:
        for sound, *row in self.rows(table, where, values):
            if not sound:
                raise self.damage(f"a row of the table {table}")
            yield row

    def put_rows(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Rows into a table but that of the pictures, in place of those with the same key."""
        names = (*TABLES[table], "row_checksum")
        query = f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self.db.executemany(query, [(*row, checksum(*row)) for row in rows])

    def damage(self, what: str) -> InputError:
        """What to say of something that is not as it was written."""
        return InputError(f"{self.path}: {what} is damaged; `wordsight index build` repairs what can be.")

    def restore(self, batches: Iterable[Batch], segments: Mapping[int, int], broken: Iterable[tuple[str, str]]) -> None:
        """Rows that were found to be sound, into empty tables."""
        self.put_rows("batches", batches)
        self.put_rows("segments", segments.items())
        self.put_rows("broken", broken)

    def set_numbered(self, pictures: Iterable[tuple[int, Entry]]) -> None:
        """Pictures with their numbers, in place of what is there of these."""
        names = ("number", *Entry._fields, "row_checksum", "meta_checksum")
        query = f"INSERT OR REPLACE INTO pictures ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self.db.executemany(query, [(number, *entry, *entry.checksums()) for number, entry in pictures])

    def _ready(self, write: bool) -> int:
        """Its version, when it can be used."""
        if write:
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = FULL")
            if 0 < version_of(self.db, self.path) < CHECKED:
                leave_alone(self.path.parent)
            return migrate(self.db, self.path)
        self.db.execute("BEGIN")
        version = version_of(self.db, self.path)
        if version < READABLE:
            raise InputError(f"{self.path}: empty or not finished; `wordsight index build` mends it.")
        stand_in(self.db, version)
        return version

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise sentence(self.path, error) from None

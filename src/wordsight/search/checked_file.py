"""The SQLite file of an index: each change is atomic, and each row carries a checksum.

It is in WAL mode, so that a reader sees the state of its first read until it is done, whatever is committed meanwhile.
A row that does not agree with its checksum is never shown.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wordsight.errors import InputError
from wordsight.search.records import checksum, whole
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


class CheckedFile:
    """An open SQLite file; as a context manager it closes at the end and turns SQLite's errors into `InputError`.

    Attributes:
        db: the connection; a reader's sees one state.
        path: the path of the file.
        version: the version of its tables.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        """Open the file; a reader stays in one transaction, and sees one state until it closes the file.

        Args:
            folder: the folder of the index.
            write: make the file if there is none, and migrate one of an older version.

        Raises:
            InputError: the file is missing, of a newer version or damaged, or cannot be opened.
        """
        self.path = folder / FILE
        if not write and not is_there(self.path):
            raise InputError(f"{folder}: not an index (no {FILE}); `wordsight index build` makes one.")
        with self._said():
            try:
                self._open(connect(self.path, write, patience=30 if write else 0), write)
            except sqlite3.OperationalError:  # another process holds the lock, or the drive has no locks
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
        """Wrap a connection that is open already, whatever the file holds."""
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
        """Commit everything that is written inside, or nothing; the fact `generation` tells readers of it.

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
        with suppress(InputError):  # the change is committed; an older seal says nothing about it
            seal.write(self.path.parent)

    def seal(self) -> Seal:
        """The seal of what the file holds now."""
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
        """The rows of any table except `pictures`, each preceded by whether it agrees with its checksum."""
        names = ", ".join(TABLES[table])
        check = ", row_checksum" if self.version >= CHECKED else ""
        for row in self.db.execute(f"SELECT {names}{check} FROM {table} WHERE {where} ORDER BY 1, 2", values):
            own = row[: len(TABLES[table])]
            yield (not check or row[-1] == checksum(*own), *own)

    def fact(self, name: str, default: str = "") -> str:
        """A fact about the whole index; `default` if it is missing.

        Raises:
            InputError: its row is damaged.
        """
        for _, value in self.sound_rows("facts", "name = ?", (name,)):
            return str(value)
        return default

    def set_fact(self, name: str, value: str) -> None:
        """Write a fact about the whole index."""
        self.put_rows("facts", [(name, value)])

    def put_rows(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Write rows into any table except `pictures`, in place of those with the same key."""
        names = (*TABLES[table], "row_checksum")
        query = f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self.db.executemany(query, [(*row, checksum(*row)) for row in rows])

    def sound_rows(self, table: str, where: str = "1", values: Sequence[object] = ()) -> Iterator[Any]:
        """The rows of any table except `pictures`.

        Raises:
            InputError: a row is damaged.
        """
        for sound, *row in self.rows(table, where, values):
            if not sound:
                raise self.damage(f"a row of the table {table}")
            yield row

    def damage(self, what: str) -> InputError:
        """The error for a part of the file, `what`, that is not as it was written."""
        return InputError(f"{self.path}: {what} is damaged; `wordsight index build` repairs what can be.")

    def _ready(self, write: bool) -> int:
        """Prepare the connection for use; returns the version of the tables."""
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

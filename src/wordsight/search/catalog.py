"""Catalogue of an index: what it knows of its pictures. A reader sees one state of it while another process writes.

The catalogue decides what is in the index: vectors that it does not name do not count.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from wordsight.files import to_json
from wordsight.search.checked_file import CheckedFile
from wordsight.search.records import Batch, Entry, checksum, is_meta, is_possible
from wordsight.search.schema import CHECKED, FILE

__all__ = ["FILE", "Batch", "Catalog", "Entry"]

_COLUMNS = ", ".join(Entry._fields)
_UPDATED = [*(name for name in Entry._fields if name not in ("path", "meta")), "row_checksum"]
_UPSERT = (
    f"INSERT INTO pictures ({_COLUMNS}, row_checksum, meta_checksum) "
    f"VALUES ({', '.join('?' * (len(Entry._fields) + 2))}) "
    f"ON CONFLICT (path) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _UPDATED)}"
)


class Catalog(CheckedFile):
    """An open catalogue: its pictures, their batches and segments, and the pictures that cannot be read."""

    def segments(self) -> dict[int, int]:
        """The count of committed rows in each segment, by the segment's number.

        Raises:
            InputError: one of these rows of the catalogue is damaged.
        """
        return dict(self.sound_rows("segments"))

    def batches(self) -> list[Batch]:
        """All batches, in the order of the files.

        Raises:
            InputError: the row of a batch is damaged.
        """
        return [Batch(*row) for row in self.sound_rows("batches")]

    def put(self, batch: Batch, entries: Iterable[Entry]) -> None:
        """Write a batch and the pictures whose rows are in it; known pictures keep their number and metadata."""
        self.put_rows("batches", [tuple(map(int, batch))])
        self.put_rows("segments", [(int(batch.segment), int(batch.first + batch.rows))])
        self.set_entries(entries)

    def set_entries(self, entries: Iterable[Entry]) -> None:
        """Write pictures whose rows are in a batch already; known pictures keep their number and metadata."""
        entries = [entry.typed() for entry in entries]
        self.db.executemany(_UPSERT, [(*entry, *entry.checksums()) for entry in entries])
        self.db.executemany("DELETE FROM broken WHERE path = ?", [(entry.path,) for entry in entries])

    def change_entry(self, key: str, /, **values: Any) -> None:
        """Change some columns of a picture, which then no longer counts as broken.

        Raises:
            InputError: its row is damaged.
        """
        found = list(self._entries("path = ?", (key,)))
        self.set_numbered((number, entry._replace(**values).typed()) for number, entry in found)
        self.db.executemany("DELETE FROM broken WHERE path = ?", [(key,), (values.get("path", key),)])

    def replace(self, pictures: Mapping[str, Entry]) -> None:
        """Replace the entries of several pictures at once, by their former names; they no longer count as broken.

        Raises:
            InputError: the row of a picture is damaged.
        """
        found = [(number, one) for key, one in pictures.items() for number, _ in self._entries("path = ?", (key,))]
        self.set_numbered((number, entry.typed()) for number, entry in found)
        names = {*pictures, *(entry.path for entry in pictures.values())}
        self.db.executemany("DELETE FROM broken WHERE path = ?", [(name,) for name in names])

    def forget(self, paths: Iterable[str]) -> int:
        """Remove pictures, and return how many there were. Their vectors stay in the files, unused."""
        gone = [(path,) for path in paths]
        self.db.executemany("DELETE FROM broken WHERE path = ?", gone)
        for table in ("origins", "album_pictures", "texts"):
            query = f"DELETE FROM {table} WHERE picture = (SELECT number FROM pictures WHERE path = ?)"
            self.db.executemany(query, gone)
        videos = {(path.rpartition("#t=")[0],) for (path,) in gone}  # a video that lacks a frame is not complete
        self.db.executemany("DELETE FROM videos WHERE path = ?", videos)
        return self.db.executemany("DELETE FROM pictures WHERE path = ?", gone).rowcount if gone else 0

    def break_(self, reasons: Iterable[tuple[str, str]]) -> None:
        """Record pictures that cannot be read, with the reasons; what is known of them stays."""
        self.put_rows("broken", list(reasons))

    def annotate(self, meta: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Replace the user's metadata of pictures."""
        rows = [(path, to_json(values)) for path, values in meta]
        query = "UPDATE pictures SET meta = ?, meta_checksum = ? WHERE path = ?"
        self.db.executemany(query, [(text, checksum(path, text), path) for path, text in rows])

    def broken(self) -> dict[str, str]:
        """The pictures that could not be read, with the reasons.

        Raises:
            InputError: one of these rows is damaged.
        """
        return dict(self.sound_rows("broken"))

    def entries(self) -> Iterator[Entry]:
        """All pictures, in the order of their numbers.

        Raises:
            InputError: the row of a picture is damaged.
        """
        return (entry for _, entry in self._entries())

    def paths(self, where: str = "1") -> list[str]:
        """The names of the pictures that have rows, read as one value: reading row by row takes longer."""
        query = (
            f"SELECT group_concat(path, char(0)) FROM pictures WHERE rows != 0 AND {where}"  # no name has a zero byte
        )
        (joined,) = self.db.execute(query).fetchone()
        return joined.split("\0") if joined else []

    def numbered(self, numbers: Sequence[int], *, known: bool = False) -> list[Entry]:
        """The pictures with the given numbers, in that order; numbers without a picture are skipped.

        Raises:
            InputError: the row of a picture is damaged, or missing although all are `known` to exist.
        """
        found = [entry for number in numbers for _, entry in self._entries("number = ?", (number,))]
        if known and len(found) < len(numbers):
            raise self.damage("the row of a picture")
        return found

    def pictures(self, where: str = "1", values: Sequence[object] = ()) -> Iterator[tuple[int, Entry, bool, bool]]:
        """Each picture's number and entry, and whether its row and its metadata are as they were written."""
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

    def restore(self, batches: Iterable[Batch], segments: Mapping[int, int], broken: Iterable[tuple[str, str]]) -> None:
        """Fill empty tables with rows that were found to be sound."""
        self.put_rows("batches", batches)
        self.put_rows("segments", segments.items())
        self.put_rows("broken", broken)

    def set_numbered(self, pictures: Iterable[tuple[int, Entry]]) -> None:
        """Write pictures under the given numbers, in place of the rows with these numbers."""
        names = ("number", *Entry._fields, "row_checksum", "meta_checksum")
        query = f"INSERT OR REPLACE INTO pictures ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self.db.executemany(query, [(number, *entry, *entry.checksums()) for number, entry in pictures])

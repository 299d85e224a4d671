"""The catalogue of an index: what it knows of its pictures, as of one moment while another process writes.

The catalogue is what holds: vectors that it does not name were never there.
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
    """An open catalogue: its pictures, their batches and segments, and those that are broken."""

    def segments(self) -> dict[int, int]:
        """The number of each segment, and how many rows of it hold.

        Raises:
            InputError: that is damaged.
        """
        return dict(self.sound_rows("segments"))

    def batches(self) -> list[Batch]:
        """Every batch, in the order of the files.

        Raises:
            InputError: one of their rows is damaged.
        """
        return [Batch(*row) for row in self.sound_rows("batches")]

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
        return dict(self.sound_rows("broken"))

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

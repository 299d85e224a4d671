"""Albums: pictures that the user has put together. The catalogue keeps them; no file is touched."""

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wordsight.errors import InputError
from wordsight.files import to_json
from wordsight.search import origins
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.frames import split

LONGEST = 200  # characters of the longest name


@dataclass(frozen=True)
class Album:
    """An album.

    Attributes:
        id: its number in the catalogue, which never changes.
        name: the user's name for it.
        made: when it was made; ISO, UTC.
        count: the number of its pictures.
        cover: the number of the picture taken last; None if the album is empty.
    """

    id: int
    name: str
    made: str
    count: int
    cover: int | None


def albums(catalog: Catalog) -> list[Album]:
    """All albums, sorted by name.

    Raises:
        InputError: the row of an album is damaged.
    """
    inside = "FROM album_pictures JOIN pictures ON number = picture WHERE album = ?"
    found = []
    for sound, album, name, made in list(catalog.rows("albums")):
        if not sound:
            raise catalog.damage("a row of the table albums")
        (count,) = catalog.db.execute(f"SELECT count(*) {inside}", (album,)).fetchone()
        cover = catalog.db.execute(
            f"SELECT number {inside} ORDER BY taken DESC, number DESC LIMIT 1", (album,)
        ).fetchone()
        found.append(Album(album, name, made, count, cover and cover[0]))
    return sorted(found, key=lambda album: (album.name.casefold(), album.id))


def get(catalog: Catalog, album: int) -> Album | None:
    """The album with this id; None if there is none."""
    return next((one for one in albums(catalog) if one.id == album), None)


def create(catalog: Catalog, name: str, numbers: Iterable[int]) -> int:
    """Make an album of some pictures, and return its id. Call it within `Catalog.change`.

    Raises:
        InputError: the name is invalid or taken, or a picture does not exist.
    """
    name = _free_name(catalog, name)
    made = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")[:19]
    album = int(catalog.db.execute("INSERT INTO albums (name, made) VALUES (?, ?)", (name, made)).lastrowid or 0)
    catalog.put_rows("albums", [(album, name, made)])
    change(catalog, album, add=numbers)
    return album


def change(
    catalog: Catalog, album: int, name: str | None = None, add: Iterable[int] = (), remove: Iterable[int] = ()
) -> None:
    """Rename an album, add pictures to it or remove some. Call it within `Catalog.change`.

    Raises:
        InputError: the name is invalid or taken, or a picture does not exist.
    """
    if name is not None:
        ((_, _, _, made),) = catalog.rows("albums", "id = ?", (album,))
        catalog.put_rows("albums", [(album, _free_name(catalog, name, album), made)])
    numbers = list(dict.fromkeys(add))
    for number in numbers:
        if catalog.db.execute("SELECT 1 FROM pictures WHERE number = ?", (number,)).fetchone() is None:
            raise InputError(f"There is no picture {number} in this index.")
    catalog.put_rows("album_pictures", [(album, number) for number in numbers])
    gone = [(album, number) for number in remove]
    catalog.db.executemany("DELETE FROM album_pictures WHERE album = ? AND picture = ?", gone)


def delete(catalog: Catalog, album: int) -> None:
    """Delete an album; its pictures stay. Call it within `Catalog.change`."""
    catalog.db.execute("DELETE FROM album_pictures WHERE album = ?", (album,))
    catalog.db.execute("DELETE FROM albums WHERE id = ?", (album,))


def pictures(catalog: Catalog, album: int) -> list[tuple[int, Entry]]:
    """The pictures of an album with their numbers, oldest first.

    Raises:
        InputError: the row of a picture is damaged.
    """
    query = "SELECT number FROM album_pictures JOIN pictures ON number = picture WHERE album = ? ORDER BY taken, number"
    numbers = [number for (number,) in catalog.db.execute(query, (album,))]
    return list(zip(numbers, catalog.numbered(numbers, known=True), strict=True))


def rows(catalog: Catalog, album: int, names: Sequence[str]) -> list[dict[str, Any]]:
    """The pictures of an album as plain values, each with its path from `names` (in the order of `pictures`).

    Raises:
        InputError: the row of a picture is damaged.
    """
    found = []
    for (number, entry), name in zip(pictures(catalog, album), names, strict=True):
        taken_from, camera = origins.of(catalog, number, entry.hash)
        own = {"path": name, "time": split(entry.path)[1], "number": number, "taken": entry.taken}
        own |= {"taken_from": taken_from, "camera": camera, "width": entry.width, "height": entry.height}
        found.append(own | {"meta": json.loads(entry.meta)})
    return found


def as_csv(found: Sequence[dict[str, Any]]) -> str:
    """The result of `rows` as CSV, with a column for each key of the metadata: `meta:KEY` if there is a column KEY."""
    own = ("path", "time", "number", "taken", "taken_from", "camera", "width", "height")
    more = list(dict.fromkeys(name for row in found for name in row["meta"]))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([*own, *(f"meta:{name}" if name in own else name for name in more)])
    for row in found:
        writer.writerow([*(row[name] for name in own), *(_cell(row["meta"].get(name, "")) for name in more)])
    return out.getvalue()


def _cell(value: object) -> object:
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else to_json(value)


def _free_name(catalog: Catalog, name: str, own: int = 0) -> str:
    """The name of an album as the catalogue keeps it, if it is valid and no other album has it."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST or any(unicodedata.category(one) in ("Cc", "Cs") for one in name):
        raise InputError(f"{name[:40]!r}: expected a name of 1 to {LONGEST} letters for the album.")
    if catalog.db.execute("SELECT 1 FROM albums WHERE name = ? AND id != ?", (name, own)).fetchone():
        raise InputError(f"{name!r}: there is an album of this name already.")
    return name

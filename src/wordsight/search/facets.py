"""Facets: what the pictures of an index can be filtered by, with counts; for menus beside a search."""

from dataclasses import dataclass
from typing import Literal

from wordsight.search.catalog import Catalog
from wordsight.search.filters import KIND, META, ORIENTATION, SIZE
from wordsight.search.frames import once

VALUES = 50  # maximum number of values listed for a column
ONE = once()


@dataclass(frozen=True)
class Column:
    """One column of the user's metadata.

    Attributes:
        name: its name.
        kind: "number" if all values are numbers, else "text".
        least: the smallest number; None for text.
        most: the greatest number; None for text.
        values: the most frequent values, with the number of pictures that have each.
    """

    name: str
    kind: Literal["number", "text"]
    least: float | None
    most: float | None
    values: list[tuple[str | float, int]]


@dataclass(frozen=True)
class Facets:
    """Facets of an index: what its pictures can be filtered by.

    Attributes:
        first: the earliest day on which a picture was taken; empty if none has a date.
        last: the latest such day.
        cameras: each camera with its number of pictures, most first; pictures without a camera are left out.
        orientations: the number of pictures of each orientation.
        sizes: the number of pictures of each size.
        kinds: the numbers of photos and of videos.
        columns: the columns of the user's metadata, sorted by name.
    """

    first: str
    last: str
    cameras: list[tuple[str, int]]
    orientations: dict[str, int]
    sizes: dict[str, int]
    kinds: dict[str, int]
    columns: list[Column]


def facets(catalog: Catalog) -> Facets:
    """The facets of the pictures in a catalogue."""
    dated = "SELECT ifnull(min(taken), ''), ifnull(max(taken), '') FROM pictures WHERE rows != 0 AND taken != ''"
    first, last = (str(day)[:10] for day in catalog.db.execute(dated).fetchone())
    shapes, sizes, kinds = (_counts(catalog, what) for what in (ORIENTATION, SIZE, KIND))
    return Facets(first, last, _cameras(catalog), shapes, sizes, kinds, _columns(catalog))


def _cameras(catalog: Catalog) -> list[tuple[str, int]]:
    query = (
        "SELECT camera, count(*) FROM pictures JOIN origins ON picture = number AND origins.hash = pictures.hash "
        f"WHERE rows != 0 AND camera != '' AND {ONE} GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return catalog.db.execute(query).fetchall()


def _counts(catalog: Catalog, what: str) -> dict[str, int]:
    query = f"SELECT {what}, count(*) FROM pictures WHERE rows != 0 AND {ONE} GROUP BY 1 ORDER BY 2 DESC, 1"
    return {name: count for name, count in catalog.db.execute(query) if name}


def _columns(catalog: Catalog) -> list[Column]:
    """The columns of the user's metadata, by their plain values; lists and objects are left out."""
    plain = (
        f"FROM pictures, {META} WHERE meta != '{{}}' AND {ONE} AND type IN ('integer', 'real', 'text', 'true', 'false')"
    )
    kinds = (
        f"SELECT key, sum(type NOT IN ('integer', 'real')), min(value), max(value) {plain} GROUP BY key ORDER BY key"
    )
    text = "CASE type WHEN 'true' THEN type WHEN 'false' THEN type ELSE value END"
    values = f"SELECT {text}, count(*) {plain} AND key = ? GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {VALUES}"
    found = []
    for name, others, least, most in catalog.db.execute(kinds).fetchall():
        common = [(value, count) for value, count in catalog.db.execute(values, (name,))]
        found.append(
            Column(name, "text", None, None, common) if others else Column(name, "number", least, most, common)
        )
    return found

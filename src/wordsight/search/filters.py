"""Filters of a search, compiled to SQL: by date, camera, album and so on, or by an expression.

An example of an expression is `width >= 800 and date > 2024-05 and place = "the lake"`.

Nothing that the user types becomes SQL: names of columns come from a table here, everything else is a parameter.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Literal, TypedDict, get_args

from wordsight.errors import InputError
from wordsight.runs.typed import nearest
from wordsight.search.expressions import Condition, parse
from wordsight.search.frames import FRAME
from wordsight.search.origins import OF_PICTURE
from wordsight.search.paths import Paths
from wordsight.text.tokens import without_surrogates

NUMBERS = {"width": "width", "height": "height", "bytes": "bytes"}
DATES = {"date": "taken", "added": "added"}
COLUMNS = (*NUMBERS, *DATES, "path")
Orientation = Literal["landscape", "portrait", "square"]
Size = Literal["small", "medium", "large"]
Kind = Literal["photo", "video"]
ORIENTATION = (
    "CASE WHEN width > height THEN 'landscape' WHEN width < height THEN 'portrait' "
    "WHEN width > 0 THEN 'square' ELSE '' END"
)
SMALL, LARGE = 1_000_000, 8_000_000  # pixels: pictures below SMALL are small, from LARGE on they are large
SIZE = f"CASE WHEN width * height < {SMALL} THEN 'small' WHEN width * height < {LARGE} THEN 'medium' ELSE 'large' END"
KIND = f"CASE WHEN {FRAME} THEN 'video' ELSE 'photo' END"
TEXTS = {"kind": KIND, "camera": f"ifnull((SELECT camera {OF_PICTURE}), '')", "orientation": ORIENTATION}
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~")
META = "json_each(CASE WHEN json_valid(pictures.meta) THEN pictures.meta ELSE '{}' END)"
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Filter of a search; a picture must meet all conditions that are given.

    Attributes:
        since: taken on this day or later, YYYY-MM-DD.
        until: taken on this day or earlier.
        under: in this folder or below it.
        camera: taken by this camera, or by one of these, named as in `Hit.camera`.
        orientation: "landscape" (wider than high), "portrait" (higher than wide) or "square".
        size: "small" (less than 1 megapixel), "large" (8 or more) or "medium".
        kind: "photo", or "video" for frames of videos.
        album: in this album, by its id or its name.
        columns: with these values in the user's metadata, by column.
        where: meets this expression, see `condition_of`.
    """

    since: str = ""
    until: str = ""
    under: str = ""
    camera: str | Sequence[str] = ()
    orientation: Orientation | str | None = None
    size: Size | str | None = None
    kind: Kind | str | None = None
    album: int | str | None = None
    columns: Mapping[str, str | float] = field(default_factory=dict)
    where: str = ""

    @property
    def filtered(self) -> bool:
        """Whether any condition is given."""
        return any(getattr(self, part.name) not in (None, "", (), [], {}) for part in fields(Filter))

    def checked(self) -> "Filter":
        """The same filter, if its values are valid.

        Raises:
            InputError: a date is invalid, a word is not one of those that are known, or a text is not Unicode.
        """
        for name in ("since", "until"):
            require_day(getattr(self, name), name)
        for name, kind in (("orientation", Orientation), ("size", Size), ("kind", Kind)):
            value = getattr(self, name)
            if value and value not in get_args(kind):
                raise InputError(f"{name} {value!r}: expected one of {', '.join(get_args(kind))}.")
        cameras = [self.camera] if isinstance(self.camera, str) else self.camera
        texts = {"under": [self.under], "where": [self.where], "camera": cameras, "columns": self.columns.values()}
        for name, several in texts.items():
            for text in map(str, several):
                if without_surrogates(text) != text:
                    raise InputError(f"{name} {text[:100]!r}: expected UTF-8, as everything in an index is.")
        return self


class FilterKeywords(TypedDict, total=False):
    """The attributes of `Filter`, as keywords of `Index.search`."""

    since: str
    until: str
    under: str
    camera: str | Sequence[str]
    orientation: Orientation | str | None
    size: Size | str | None
    kind: Kind | str | None
    album: int | str | None
    columns: Mapping[str, str | float]
    where: str


def require_day(text: str, name: str) -> None:
    """Require that a text is empty or a day.

    Raises:
        InputError: it is neither.
    """
    try:
        good = not text or date.fromisoformat(text).isoformat() == text
    except ValueError:
        good = False
    if not good:
        raise InputError(f"{name} {text[:40]!r}: expected a day such as 2024-05-17.")


def numbers(db: sqlite3.Connection, paths: Paths, wanted: Filter) -> list[int]:
    """The numbers of the pictures in the catalogue that pass a filter.

    Raises:
        InputError: see `condition_of`.
    """
    where, values = condition_of(db, paths, wanted)
    return [row[0] for row in db.execute(f"SELECT number FROM pictures WHERE {where}", values)]


def condition_of(db: sqlite3.Connection, paths: Paths, wanted: Filter) -> tuple[str, list[str | float]]:
    """Compile a filter to an SQL condition on the table `pictures`, and its parameters.

    In an expression, a value that is a number is compared as a number with columns and metadata that are numbers. Dates
    are compared as far as they are given: `date <= 2024-05` includes all of May, `date = 2024` the whole year. `~`
    compares text with a pattern of `*`, `?` and `[...]`.

    Args:
        db: the catalogue.
        paths: converts names of pictures to files.
        wanted: the filter.

    Raises:
        InputError: the expression or a day is invalid, an album or a name is unknown, or a value must be a number and
            is not.
    """
    db.create_function("place", 1, paths.place(), deterministic=True)
    wheres, values = ["1"], list[str | float]()

    def both(where: str, *some: str | float) -> None:
        wheres.append(where)
        values.extend(some)

    wanted.checked()
    if wanted.under:
        db.create_function("under", 1, paths.within(wanted.under), deterministic=True)
        both("under(path)")
    if wanted.since:
        both("substr(taken, 1, 10) >= ?", wanted.since)
    if wanted.until:
        both("taken != '' AND substr(taken, 1, 10) <= ?", wanted.until)
    if wanted.camera:
        cameras = [wanted.camera] if isinstance(wanted.camera, str) else list(wanted.camera)
        both(f"{TEXTS['camera']} IN ({', '.join('?' * len(cameras))})", *cameras)
    if wanted.orientation:
        both(f"{ORIENTATION} = ?", wanted.orientation)
    if wanted.size:
        both(f"{SIZE} = ?", wanted.size)
    if wanted.kind:
        both(f"{KIND} = ?", wanted.kind)
    if wanted.album is not None and wanted.album != "":
        both("number IN (SELECT picture FROM album_pictures WHERE album = ?)", album_id(db, wanted.album))
    for name, value in wanted.columns.items():
        where, some = _of_meta(known_name(name, meta_names(db)), "=", str(value))
        both(where, *some)
    for condition in parse(wanted.where) if wanted.where else []:
        where, some = _sql(db, condition)
        both(where, *some)
    return " AND ".join(f"({one})" for one in wheres), values


def album_id(db: sqlite3.Connection, album: int | str) -> int:
    """The id of an album that is given by its id or its name.

    Raises:
        InputError: there is no such album.
    """
    named = dict(db.execute("SELECT name, id FROM albums ORDER BY id DESC"))  # of several with one name, the oldest
    if isinstance(album, str) and album in named:
        return int(named[album])
    if str(album) in map(str, named.values()):
        return int(album)
    there = f"there are {', '.join(sorted(named)[:20])}" if named else "there is none yet"
    raise InputError(f"{str(album)[:100]!r}: no album of this index; {there}.")


def known_name(name: str, there: Sequence[str]) -> str:
    """The name itself, if it is one of `there`.

    Raises:
        InputError: it is not.
    """
    if name not in there:
        raise InputError(f"{name[:100]!r} is no name that a filter knows; {nearest(name, there)}")
    return name


def _sql(db: sqlite3.Connection, condition: Condition) -> tuple[str, list[str | float]]:
    name, operator, value = condition
    operator_sql = "GLOB" if operator == "~" else operator
    if name in NUMBERS:
        if operator == "~":
            raise InputError(f"{name} ~ {value}: a pattern is for text; {name} is a number.")
        return f"{NUMBERS[name]} {operator_sql} ?", [_number(value, name)]
    if name in DATES:
        if operator == "~":
            return f"{DATES[name]} GLOB ?", [value]
        return f"substr({DATES[name]}, 1, length(?)) {operator_sql} ?", [value, value]
    if name == "path":
        return f"place(path) {operator_sql} ?", [value]
    own = meta_names(db)
    if name in TEXTS and name not in own:  # the user's own column of this name takes precedence
        return f"{TEXTS[name]} {operator_sql} ?", [value]
    return _of_meta(known_name(name, [*COLUMNS, *TEXTS, *own]), operator, value)


def _of_meta(name: str, operator: str, value: str) -> tuple[str, list[str | float]]:
    """An SQL condition on the user's metadata; a number is compared with numbers, and by = and != with its text too."""
    number = _as_number(value)
    values: list[str | float] = [value]
    if number is None or operator == "~":
        text = "CASE type WHEN 'true' THEN type WHEN 'false' THEN type ELSE CAST(value AS TEXT) END"
        compared = f"{text} {'GLOB' if operator == '~' else operator} ?"
    else:
        compared, values = f"(type IN ('integer', 'real') AND value {operator} ?)", [number]
        if operator in ("=", "!="):
            compared, values = f"({compared} OR (type = 'text' AND value {operator} ?))", [number, value]
    return f"EXISTS (SELECT 1 FROM {META} WHERE key = ? AND {compared})", [name, *values]


def columns(db: sqlite3.Connection) -> list[str]:
    """The names that a filter knows: those that all pictures have, and the columns of the user's metadata."""
    return list(dict.fromkeys([*COLUMNS, *TEXTS, *meta_names(db)]))


def meta_names(db: sqlite3.Connection) -> list[str]:
    """The names of the columns of the user's metadata."""
    return [row[0] for row in db.execute(f"SELECT DISTINCT key FROM pictures, {META} WHERE meta != '{{}}'")]


def _number(value: str, name: str) -> float:
    number = _as_number(value)
    if number is None:
        raise InputError(f"{name}: expected a number, found {value!r}.")
    return number


def _as_number(value: str) -> float | None:
    """The number that a text is, whole numbers of at most 64 bits exactly; None if it is no finite number."""
    if not _NUMBER.fullmatch(value):
        return None
    if value.lstrip("+-").isdecimal() and len(value) <= 20 and abs(int(value)) < 2**63:
        return int(value)
    number = float(value)
    return number if abs(number) < float("inf") else None

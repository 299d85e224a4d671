"""Which pictures a search may find: `width >= 800 and date > 2024-05 and place = "the lake"`, compiled to SQL.

Nothing that is typed becomes SQL: names of columns come from a table here, everything else is a parameter.
"""

import os
import re
import sqlite3
from typing import NamedTuple

from wordsight.errors import InputError
from wordsight.runs.typed import nearest
from wordsight.search.paths import Paths

NUMBERS = {"width": "width", "height": "height", "bytes": "bytes"}
DATES = {"date": "taken", "added": "added"}
COLUMNS = (*NUMBERS, *DATES, "path")
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~")
_META = "json_each(CASE WHEN json_valid(pictures.meta) THEN pictures.meta ELSE '{}' END)"
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_TOKEN = re.compile(r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<operator><=|>=|!=|=|<|>|~)|(?P<word>[^\s"'<>=!~]+))""")
_HELP = 'expected conditions such as width >= 800 and path ~ "*/lake/*"'


class Condition(NamedTuple):
    """`name operator value`, as typed."""

    name: str
    operator: str
    value: str


def parse(text: str) -> list[Condition]:
    """The conditions of an expression, which all must hold.

    Raises:
        InputError: it is none; the message says where it went wrong.
    """
    tokens = _tokens(text)
    found = []
    for start in range(0, max(len(tokens), 1), 4):
        part = tokens[start : start + 4]
        kinds = [kind for kind, _ in part[:3]]
        if len(kinds) < 3 or kinds[0] == "operator" or kinds[1] != "operator" or kinds[2] == "operator":
            raise InputError(f"{text!r}, condition {start // 4 + 1}: {_HELP}.")
        if len(part) == 4 and ((part[3] != ("word", "and") and part[3] != ("word", "AND")) or start + 4 == len(tokens)):
            raise InputError(f"{text!r}, after condition {start // 4 + 1}: expected 'and' and another condition.")
        found.append(Condition(*(value for _, value in part[:3])))
    return found


def numbers(db: sqlite3.Connection, paths: Paths, text: str = "", under: str = "") -> list[int]:
    """The numbers of the pictures in the catalogue for which an expression holds.

    Args:
        db: the catalogue.
        paths: where its pictures are.
        text: the expression; empty for all pictures.
        under: only those in this folder and below; empty for anywhere.

    A value that is a number is compared as one with columns and metadata that are numbers. Dates compare as far as
    they are given: `date <= 2024-05` takes all of May, `date = 2024` the whole year. `~` compares text with a pattern
    of `*`, `?` and `[...]`.

    Raises:
        InputError: no such expression, an unknown name, or a value that is no number where one is needed.
    """
    db.create_function("place", 1, paths.full, deterministic=True)
    wheres, values = ["1"], list[str | float]()
    if under:
        below = os.path.join(os.path.abspath(under), "")
        wheres, values = ["substr(place(path), 1, length(?)) = ?"], [below, below]
    for condition in parse(text) if text else []:
        where, some = _sql(db, condition)
        wheres.append(where)
        values += some
    return [row[0] for row in db.execute(f"SELECT number FROM pictures WHERE {' AND '.join(wheres)}", values)]


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
    there = columns(db)
    if name not in there:
        raise InputError(f"{name!r} is nothing to choose pictures by; {nearest(name, there)}")
    return _of_meta(name, operator, value)


def _of_meta(name: str, operator: str, value: str) -> tuple[str, list[str | float]]:
    """A condition on what the user knows; a number that is typed is compared with numbers, and is equal to its text."""
    number = _as_number(value)
    values: list[str | float] = [value]
    if number is None or operator == "~":
        text = "CASE type WHEN 'true' THEN type WHEN 'false' THEN type ELSE CAST(value AS TEXT) END"
        compared = f"{text} {'GLOB' if operator == '~' else operator} ?"
    else:
        compared, values = f"(type IN ('integer', 'real') AND value {operator} ?)", [number]
        if operator in ("=", "!="):
            compared, values = f"({compared} OR (type = 'text' AND value {operator} ?))", [number, value]
    return f"EXISTS (SELECT 1 FROM {_META} WHERE key = ? AND {compared})", [name, *values]


def columns(db: sqlite3.Connection) -> list[str]:
    """The names that pictures can be chosen by: those that all have, and those of what the user knows of some."""
    query = f"SELECT DISTINCT key FROM pictures, {_META}"
    return [*COLUMNS, *(row[0] for row in db.execute(query))]


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise InputError(f"{text!r}, at {text[at:].strip()[:20]!r}: {_HELP}.")
        value = match[match.lastgroup]
        found.append((match.lastgroup, value[1:-1] if match.lastgroup == "quoted" else value))
        at = match.end()
    return found


def _number(value: str, name: str) -> float:
    number = _as_number(value)
    if number is None:
        raise InputError(f"{name}: expected a number, found {value!r}.")
    return number


def _as_number(value: str) -> float | None:
    """A number as typed; a whole one of at most 64 bits exactly."""
    if not _NUMBER.fullmatch(value):
        return None
    if value.lstrip("+-").isdecimal() and len(value) <= 20 and abs(int(value)) < 2**63:
        return int(value)
    number = float(value)
    return number if abs(number) < float("inf") else None

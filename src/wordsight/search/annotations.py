"""Metadata of pictures from the user's CSV or JSON file: one column names the picture, all others are free.

Every accepted value can be kept as JSON and found by a filter; any other is refused.
"""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wordsight.data.columns import PICTURE_COLUMNS
from wordsight.errors import InputError
from wordsight.files import describe, parse_json, read_json, read_text
from wordsight.search.filters import COLUMNS
from wordsight.search.paths import Paths

_DEEPEST = 20  # greatest depth of nested lists and objects
_GREATEST = 2**63  # whole numbers below it are kept exactly
_WHOLE = re.compile(r"-?[1-9][0-9]{0,18}|0")
_FRACTION = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def read_meta(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Read the user's metadata: each picture's name in the file, and its other columns.

    Args:
        path: CSV (comma, semicolon or tab) with a header; JSON, a list of objects; or `.jsonl`, one object a line. A
            column `path`, `file` or another of `PICTURE_COLUMNS` names the picture. What looks like a number in a CSV
            becomes one, but not "007" or "1_000", which are not the usual form of a number.

    Raises:
        InputError: the file cannot be read, no column names pictures, or a value could not be kept or found again.
    """
    readers = {".json": _json, ".jsonl": _json_lines}
    found = []
    for where, row in readers.get(path.suffix.lower(), _csv)(path):
        column = next((name for name in PICTURE_COLUMNS if name in row), None)
        if column is None:
            raise InputError(
                f"{where}: expected a column 'path' that names the picture, found {', '.join(row) or 'none'}."
            )
        if not isinstance(row[column], str) or not row[column]:
            raise InputError(f"{where}, column '{column}': expected a picture's name, found {describe(row[column])}.")
        values = {name: value for name, value in row.items() if name != column}
        for name, value in values.items():
            _require_name(name, where)
            _require_value(value, f"{where}, column '{name}'")
        found.append((row[column], values))
    return found


def matched(
    named: Iterable[tuple[str, dict[str, Any]]], folder: Path, keys: Iterable[str], paths: Paths
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Match metadata to the pictures of an index.

    Args:
        named: the result of `read_meta`.
        folder: names are relative to it. A name that leads to no picture stands for the only picture with that file
            name.
        keys: names of the pictures in the index.
        paths: converts files to such names.

    Returns:
        The metadata by picture, and the names that match no picture.
    """
    of_file: dict[str, list[str]] = {}
    for key in keys:
        of_file.setdefault(key.rpartition("/")[2], []).append(key)
    known = {key for several in of_file.values() for key in several}
    found, lost = {}, []
    for name, values in named:
        key = paths.key(folder / name)
        same = of_file.get(name, [])
        if key in known or len(same) == 1:
            found[key if key in known else same[0]] = values
        else:
            lost.append(name)
    return found, lost


def _json(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    content = read_json(path, strict=True)
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise InputError(f"{path}: expected a list of objects, one a picture.")
    return ((f"{path}, entry {number}", row) for number, row in enumerate(content, 1))


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            row = parse_json(line, f"{path}, line {number}", strict=True)
            if not isinstance(row, dict):
                raise InputError(f"{path}, line {number}: expected an object, found {describe(row)}.")
            yield f"{path}, line {number}", row


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    text = read_text(path)
    mark = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        if twice := [name for name, count in Counter(names).items() if name and count > 1]:
            raise InputError(f"{path}, line 1: the column '{twice[0]}' is there twice.")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if len(row) > len(names) and any(row[len(names) :]):
                raise InputError(f"{where}: expected {len(names)} columns, as in the header, found {len(row)}.")
            if row:
                cells = [*row, *[""] * (len(names) - len(row))]
                yield where, {name: _value(cell) for name, cell in zip(names, cells, strict=False) if name}
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not a table ({error}).") from None


def _value(text: str) -> str | int | float:
    """The number, if the text is the usual form of one, else the text; NaN stays text."""
    if _WHOLE.fullmatch(text):
        return int(text) if abs(int(text)) < _GREATEST else text
    if _FRACTION.fullmatch(text) and not text.lstrip("-").isdecimal():
        return float(text) if abs(float(text)) < _GREATEST else text
    return text


def _require_name(name: str, where: str) -> None:
    """Require that a filter can name a column."""
    if not name.strip():
        raise InputError(f"{where}: a column has no name; give it one.")
    if name in COLUMNS:
        raise InputError(f"{where}: '{name}' is a name of the index's own; rename this column.")
    if ('"' in name and "'" in name) or not _plain(name):
        raise InputError(f"{where}: the column {name!r} cannot be named in a filter; rename it.")


def _require_value(value: object, where: str, depth: int = 0) -> None:
    """Require that JSON can keep a value unchanged, so that filters compare it correctly."""
    if depth > _DEEPEST:
        raise InputError(f"{where}: nested too deep; expected at most {_DEEPEST} lists and objects within each other.")
    if isinstance(value, int) and abs(value) >= _GREATEST:
        raise InputError(f"{where}: a whole number of more than 64 bits cannot be kept as one; put it in quotes.")
    if isinstance(value, str) and not _plain(value, lines=True):
        raise InputError(f"{where}: expected text of Unicode without zero bytes, found {value[:40]!r}.")
    if isinstance(value, dict):
        for key in value:
            _require_value(key, where, depth)
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _require_value(part, where, depth + 1)


def _plain(text: str, *, lines: bool = False) -> bool:
    """Whether a text has no lone surrogate and no zero byte and, unless `lines` is set, no other control character."""
    unwanted = ("Cs",) if lines else ("Cs", "Cc")
    return "\0" not in text and not any(unicodedata.category(one) in unwanted for one in text)

"""What the user knows of pictures, from a CSV or JSON file: any columns beside one that names the picture."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wordsight.data.columns import PICTURE_COLUMNS
from wordsight.errors import InputError
from wordsight.files import describe, read_json, read_text
from wordsight.search.places import Places


def read_meta(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Each picture as it is named there, and its other columns.

    Args:
        path: CSV (comma, semicolon or tab) with a header, or JSON: a list of objects. A column `path`, `file` or
            another of the usual names says which picture a row is about. What looks like a number in a CSV is one.

    Raises:
        InputError: it cannot be read, or no column names pictures.
    """
    rows = _json(path) if path.suffix.lower() == ".json" else _csv(path)
    found = []
    for where, row in rows:
        column = next((name for name in PICTURE_COLUMNS if name in row), None)
        if column is None:
            raise InputError(
                f"{where}: expected a column 'path' that names the picture, found {', '.join(row) or 'none'}."
            )
        if not isinstance(row[column], str) or not row[column]:
            raise InputError(f"{where}, column '{column}': expected a picture's name, found {describe(row[column])}.")
        found.append((row[column], {name: value for name, value in row.items() if name != column}))
    return found


def matched(
    named: Iterable[tuple[str, dict[str, Any]]], folder: Path, keys: Iterable[str], places: Places
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The metadata of pictures in an index.

    Args:
        named: as `read_meta` gives it.
        folder: what names are relative to; a name that leads nowhere is taken for that of the only file called so.
        keys: the pictures of the index.
        places: what they are called.

    Returns:
        By picture, and the names that no picture has.
    """
    of_file: dict[str, list[str]] = {}
    for key in keys:
        of_file.setdefault(key.rpartition("/")[2], []).append(key)
    known = {key for several in of_file.values() for key in several}
    found, lost = {}, []
    for name, values in named:
        key = places.key(folder / name)
        same = of_file.get(name, [])
        if key in known or len(same) == 1:
            found[key if key in known else same[0]] = values
        else:
            lost.append(name)
    return found, lost


def _json(path: Path) -> list[tuple[str, dict[str, Any]]]:
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise InputError(f"{path}: expected a list of objects, one a picture.")
    return [(f"{path}, entry {number}", row) for number, row in enumerate(content, 1)]


def _csv(path: Path) -> list[tuple[str, dict[str, Any]]]:
    text = read_text(path)
    head = text.partition("\n")[0]
    mark = max(",;\t", key=head.count)
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=mark, restval="", restkey=None, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}: not a table ({error}).") from None
    return [
        (f"{path}, row {number}", {name: _value(value) for name, value in row.items() if isinstance(name, str)})
        for number, row in enumerate(rows, 2)
    ]


def _value(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if abs(value) < 2**63 else text  # a NaN too stays text
    return text

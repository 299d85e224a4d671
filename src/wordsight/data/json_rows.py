"""Rows of JSON: an object a line, or a list of objects."""

import re
from collections.abc import Iterator
from pathlib import Path

from wordsight.data import decode
from wordsight.data.columns import Row, lowered
from wordsight.data.faults import Faults
from wordsight.errors import InputError
from wordsight.files import describe, parse_json

_KEY = re.compile(r'"((?:[^"\\]|\\.){1,40})"\s*:')


def columns(text: str) -> list[str]:
    """The keys of the objects in a text, or in the beginning of one; none where it is not of objects."""
    return list(dict.fromkeys(map(str.lower, _KEY.findall(text)))) if text.lstrip()[:1] in ("[", "{") else []


def rows(path: Path, faults: Faults) -> Iterator[Row]:
    """The objects of a JSON file by the names of their keys, in small letters.

    Raises:
        InputError: the file cannot be read; or reading is strict, and a row is no object.
    """
    text = decode.read(path, faults)
    for where, row in _list(path, text) if text.lstrip().startswith("[") else _lines(path, text):
        try:
            content = parse_json(row, str(path), where) if isinstance(row, str) and isinstance(where, int) else row
            place = f"line {where}" if isinstance(where, int) else where
            if not isinstance(content, dict):
                raise InputError(f"{path}, {place}: expected an object, found {describe(content)}.")
        except InputError as error:
            faults.left_out(path, error)
            continue
        yield f"{path}, {place}", lowered(content)


def _list(path: Path, text: str) -> Iterator[tuple[int | str, object]]:
    try:
        content = parse_json(text, str(path))
    except InputError:
        if path.suffix.lower() != ".jsonl":
            raise
        yield from _lines(path, text)
        return
    for number, row in enumerate(content):
        yield f"entry {number}", row


def _lines(path: Path, text: str) -> Iterator[tuple[int | str, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line

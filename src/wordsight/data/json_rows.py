"""Rows of JSON files: JSON lines, a list of objects, which may be nested in an object, or captions by picture."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wordsight.data import columns as table
from wordsight.data import decode
from wordsight.data.columns import Row, lowered
from wordsight.data.faults import Faults
from wordsight.data.find import is_media
from wordsight.data.records import split_name
from wordsight.errors import InputError
from wordsight.files import describe, parse_json

_KEY = re.compile(r'"((?:[^"\\]|\\.){1,40})"\s*:')
_FIRST_KEY = re.compile(r'\s*\{\s*"((?:[^"\\]|\\.)+)"\s*:')
_LOOKED_AT = 100  # entries read to recognise an object
_DEEPEST = 2  # maximum levels of nesting


def columns(text: str) -> list[str]:
    """The keys, in lower case, in a JSON text or its beginning; empty for any other text."""
    return list(dict.fromkeys(map(str.lower, _KEY.findall(text)))) if text.lstrip()[:1] in ("[", "{") else []


def rows(path: Path, faults: Faults) -> Iterator[Row]:
    """The objects of a JSON file, with lower-case keys.

    Raises:
        InputError: the file cannot be read; or reading is strict, and a row is not an object.
    """
    text = decode.read(path, faults)
    whole = text.lstrip().startswith("[") or path.suffix.lower() == ".json"
    for where, row in _whole(path, text, faults) if whole else _lines(path, text):
        try:
            content = parse_json(row, str(path), where) if isinstance(row, str) and isinstance(where, int) else row
            place = f"line {where}" if isinstance(where, int) else where
            if not isinstance(content, dict):
                raise InputError(f"{path}, {place}: expected an object, found {describe(content)}.")
        except InputError as error:
            faults.left_out(path, error)
            continue
        yield f"{path}, {place}", lowered(content)


def unwrapped(content: object, deepest: int = _DEEPEST) -> list[Any]:
    """The rows in a JSON value: a list, a nested list, an object of columns, or captions by picture; else empty."""
    if isinstance(content, list):
        there = (one for one in content[:_LOOKED_AT] if isinstance(one, dict))
        return content if any(table.suitable(lowered(one)) for one in there) else []
    if not isinstance(content, dict):
        return []
    if found := _of_columns(content) or _by_picture(content):
        return found
    inside = {key: unwrapped(value, deepest - 1) for key, value in content.items()} if deepest else {}
    return [row for key, some in inside.items() for row in _in_split(key, some)]


def begins_by_picture(text: str) -> bool:
    """Whether a text begins like a JSON object with pictures as keys."""
    first = _FIRST_KEY.match(text)
    return bool(first and is_media(first[1]))


def _of_columns(content: dict[str, Any]) -> list[Any]:
    """The rows of `{"image": [...], "caption": [...]}`."""
    columns = {key: value for key, value in content.items() if isinstance(value, list)}
    count = len({len(value) for value in columns.values()})
    if count != 1 or not table.suitable(lowered(columns)):
        return []
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _by_picture(content: dict[str, Any]) -> list[Any]:
    """The rows of `{"1.jpg": VALUE}`: a caption, a list of them, or an object (then keys may lack the suffix)."""
    first = list(content.items())[:_LOOKED_AT]
    fitting = [is_media(key) or (isinstance(value, dict) and "caption" in value) for key, value in first]
    if 2 * sum(fitting) <= len(fitting):
        return []
    return [
        {**lowered(value), "filepath": key} if isinstance(value, dict) else {"filepath": key, "caption": value}
        for key, value in content.items()
    ]


def _in_split(key: str, some: list[Any]) -> list[Any]:
    """The rows under a key, with the split that the key names, if any."""
    split = split_name(key)
    if split not in ("train", "val", "test"):
        return some
    return [{"split": split, **row} if isinstance(row, dict) else row for row in some]


def _whole(path: Path, text: str, faults: Faults) -> Iterator[tuple[int | str, object]]:
    try:
        content = parse_json(text, str(path))
    except InputError:
        if path.suffix.lower() != ".jsonl" and not text.lstrip().startswith("{"):
            raise
        yield from _lines(path, text)
        return
    if isinstance(content, dict):
        try:
            parse_json(text, str(path), strict=True)
        except InputError as error:
            faults.mended(path, "an object", str(error).removeprefix(f"{path}: ").rstrip("."))
        content = unwrapped(content) or [content]
    for number, row in enumerate(content):
        yield f"entry {number}", row


def _lines(path: Path, text: str) -> Iterator[tuple[int | str, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line

"""Whole text and JSON files, in and out: errors name the file and the line or key, and no file is left half-written."""

import contextlib
import difflib
import json
import os
from pathlib import Path
from typing import Any, TypeVar

from wordsight.errors import InputError

T = TypeVar("T")

_KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Raises:
        InputError: the file cannot be read, or a line of it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: expected UTF-8 text.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: the file cannot be read or is not JSON; the message names the line.
    """
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str, first_line: int = 1) -> Any:
    """The content of a JSON text that starts on line `first_line` of the file `where`.

    Raises:
        InputError: the text is not JSON; the message names the line.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(f"{where}, line {line}, column {error.colno}: not valid JSON ({error.msg}).") from error
    except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        why = "a number is too long" if isinstance(error, ValueError) else "nested too deep"
        raise InputError(f"{where}, line {first_line}: not usable JSON ({why}).") from error


def field(record: object, key: str, kind: type[T], where: str) -> T:
    """One value of a JSON object, checked for its type.

    Args:
        record: what should be an object with the key.
        key: the key to read.
        kind: the type its value must have.
        where: the file and place of the record, for the message.

    Raises:
        InputError: the record is no object, lacks the key, or holds another type there.
    """
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected an object with the key '{key}', found {describe(record)}.")
    if key not in record:
        near = difflib.get_close_matches(key, record, 1)
        raise InputError(f"{where}: the key '{key}' is missing" + (f" ('{near[0]}' is there)." if near else "."))
    value = record[key]
    if not isinstance(value, kind):
        raise InputError(f"{where}, key '{key}': expected {_KINDS.get(kind, kind.__name__)}, found {describe(value)}.")
    return value


def describe(value: object) -> str:
    """What a JSON value is, in a few words, for messages."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, str | int | float):
        return repr(value if not isinstance(value, str) or len(value) <= 40 else value[:37] + "...")
    return _KINDS.get(type(value), type(value).__name__)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file as `write_bytes` does; what is not Unicode (bytes in a file's name) stands as an escape."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside its place, then move it there: the old file or the new one, never a part.

    Its folder is made if need be.

    Raises:
        InputError: it cannot be written (no permission, disk full); what was there before still is.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):  # no such folder, or one that cannot be written
            part.unlink(missing_ok=True)


def write_at(path: Path, start: int, content: bytes) -> None:
    """Write behind `start`, dropping anything there; on failure the file ends at `start` again."""
    with open(path, "r+b" if path.exists() else "w+b", buffering=0) as file:
        try:
            file.truncate(start)
            file.seek(start)
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(start)
            raise

"""File input and output: only regular files are read, and writes are atomic.

Errors name the file and the line or key.

A write flushes the content before it renames the file into place, and the name before it returns, if the drive can.
"""

import contextlib
import difflib
import errno
import json
import math
import os
import stat
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from wordsight.errors import InputError

T = TypeVar("T")

# Without these flags, opening a pipe would block, and Windows would translate line ends.
_NONBLOCK = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_REASONS = {
    errno.ENOSPC: "the disk is full",
    getattr(errno, "EDQUOT", -1): "the disk quota is used up",
    errno.EROFS: "the drive is read-only",
    errno.ENOLCK: "this drive does not support locks",
    errno.EIO: "the drive cannot be read or written (input/output error)",
    errno.ENODEV: "the drive is gone",
    errno.ENXIO: "the drive is gone",
    getattr(errno, "ESTALE", -2): "the drive is gone (stale file handle)",
    getattr(errno, "ENOTCONN", -3): "the drive is gone (not connected)",
    getattr(errno, "EHOSTDOWN", -4): "the drive is gone (its host does not answer)",
    getattr(errno, "ETIMEDOUT", -5): "the drive does not answer",
}

_OTHER = "not a regular file"
_PART = 16 * 2**20  # bytes read at once
_SEEKING = threading.Lock()

_KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def open_regular(path: str | Path) -> BinaryIO:
    """Open a regular file for reading bytes; pipes, devices and sockets are refused before they can block.

    Raises:
        OSError: it cannot be opened, is not a regular file, or no file can have its name; `strerror` says which.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _NONBLOCK)
    except ValueError:  # a zero byte, or text that no file name can hold
        raise FileNotFoundError(errno.ENOENT, "no file can have this name") from None
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise OSError(errno.EINVAL, _OTHER, str(path)) from None  # a socket
    try:
        kind = os.fstat(handle).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, _OTHER, str(path))
        return open(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: str | Path, most: int = sys.maxsize) -> bytes:
    """The bytes of a regular file; raises `OSError` as `open_regular` does, or if there are more than `most`."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"expected at most {most:,} bytes", str(path))
        return file.read()


def reason(error: OSError) -> str:
    """The reason for a system error, in plain words: the state of the disk, the drive or the file."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def read_text(path: Path, most: int = 1 << 30) -> str:
    """The text of a UTF-8 file, without a byte order mark; every kind of line end becomes a line feed.

    Raises:
        InputError: it cannot be read, is not a regular file, has more than `most` bytes, or a line is not UTF-8.
    """
    try:
        text = read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: expected UTF-8 text.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, *, strict: bool = False) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: the file cannot be read, or is not JSON (see `parse_json`); the message names the line.
    """
    return parse_json(read_text(path), str(path), strict=strict)


def parse_json(text: str, where: str, first_line: int = 1, *, strict: bool = False) -> Any:
    """The content of a JSON text that starts on line `first_line` of the file `where`.

    Args:
        text: the JSON.
        where: its file, for the message.
        first_line: the number of its first line there.
        strict: refuse what only Python accepts: NaN, Infinity, numbers too great for a float, repeated keys.

    Raises:
        InputError: the text is not JSON; the message names the line.
    """
    strictly = {"parse_constant": _refuse, "parse_float": _finite, "object_pairs_hook": _once}
    hooks: dict[str, Any] = strictly if strict else {}
    try:
        return json.loads(text, **hooks)
    except _NotJson as error:
        raise InputError(f"{where}: not valid JSON ({error}).") from None
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(f"{where}, line {line}, column {error.colno}: not valid JSON ({error.msg}).") from error
    except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        why = "a number is too long" if isinstance(error, ValueError) else "nested too deep"
        raise InputError(f"{where}, line {first_line}: not usable JSON ({why}).") from error


def field(record: object, key: str, kind: type[T], where: str) -> T:
    """One value of a JSON object, checked for its type.

    Args:
        record: expected to be an object with the key.
        key: the key to read.
        kind: the expected type of its value.
        where: the file and place of the record, for the message.

    Raises:
        InputError: the record is not an object, lacks the key, or has another type there.
    """
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected an object with the key '{key}', found {describe(record)}.")
    if key not in record:
        near = difflib.get_close_matches(key, record, 1)
        raise InputError(f"{where}: the key '{key}' is missing" + (f" ('{near[0]}' is there)." if near else "."))
    value = record[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{where}, key '{key}': expected {_KINDS.get(kind, kind.__name__)}, found {describe(value)}.")
    return value


def describe(value: object) -> str:
    """A JSON value in a few words, for messages."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, str | int | float):
        return repr(value if not isinstance(value, str) or len(value) <= 40 else value[:37] + "...")
    return _KINDS.get(type(value), type(value).__name__)


def to_json(value: object, indent: int | None = None, *, ascii_only: bool = False) -> str:
    """A value as JSON that every parser reads: no NaN or Infinity (they become null), no half of a surrogate pair.

    Args:
        value: a plain value, or nested plain values.
        indent: spaces per level; None for one line.
        ascii_only: escape other characters, for a terminal of any encoding.
    """
    return json.dumps(_plain(value), indent=indent, ensure_ascii=ascii_only, allow_nan=False)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file as `write_bytes` does; invalid Unicode (bytes in a file's name) is escaped."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Atomic write: to a temporary file beside it, flushed, then renamed.

    Its folder is created if missing.

    Raises:
        InputError: it cannot be written (no permission, disk full); the old file is kept.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {reason(error)}.") from error
    finally:
        with contextlib.suppress(OSError):  # a missing or read-only folder
            part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the drive, where the system can (Windows and some network drives cannot)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_at(path: Path, start: int, content: bytes) -> None:
    """Write from `start`, truncating the rest, and flush; on failure the file ends at `start` again."""
    new = not path.exists()
    with open(path, "w+b" if new else "r+b", buffering=0) as file:
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
    if new:
        sync_folder(path.parent)


def read_at(file: BinaryIO, start: int, into: memoryview) -> int:
    """Fill a buffer with the bytes from `start` on; returns how many: fewer at the end of the file.

    Unlike a memory map, it survives truncation by another process (no SIGBUS).

    Raises:
        OSError: they cannot be read.
    """
    done = 0
    while done < len(into):
        part = into[done : done + _PART]
        if hasattr(os, "preadv"):
            got = os.preadv(file.fileno(), [part], start + done)
        else:  # Windows
            with _SEEKING:
                file.seek(start + done)
                got = file.readinto(part)  # type: ignore[attr-defined]
        if not got:
            break
        done += got
    return done


class _NotJson(ValueError):
    """A value that Python accepts but JSON forbids; the message says why."""


def _refuse(text: str) -> float:
    raise _NotJson(f"{text} is not a number that can be kept")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _NotJson(f"the key {describe(twice)} is there twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        return _refuse(text)
    return value


def _plain(value: object) -> object:
    """The same value with null for numbers that are not finite, and no lone surrogates in text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value

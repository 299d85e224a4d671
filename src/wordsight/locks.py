"""Inter-process locks: one process at a time may write; its lock ends with the process, however that ends."""

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from wordsight.errors import InputError
from wordsight.files import reason

NO_LOCKS = "this drive does not support locks; use a folder on another drive"


@contextmanager
def locked(
    folder: Path, busy: str, *, wait: float = 0.0, waiting: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Hold the lock of a folder: SQLite's lock on the file `lock` in it, which works on every system.

    Args:
        folder: an existing folder.
        busy: clause of the message if another process has the lock, such as "another process is training here".
        wait: seconds to wait for it.
        waiting: called once before waiting.

    Raises:
        InputError: another process has the lock, the folder cannot be written, or its drive has no locks.
    """
    path = folder / "lock"
    if not os.access(path if path.exists() else folder, os.W_OK):  # SQLite would open it read-only, without a lock
        raise InputError(f"{path}: cannot be written{_why_not(path)}.")
    try:
        connected = sqlite3.connect(path, timeout=0, isolation_level=None)
    except sqlite3.Error as error:
        raise InputError(_sentence(folder, error, busy)) from None
    with closing(connected) as lock:
        until, said = time.monotonic() + wait, False
        while True:
            try:
                _take(lock)
                break
            except sqlite3.Error as error:
                is_busy = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() >= until or not (said or has_locks(folder)):
                    raise InputError(_sentence(folder, error, busy)) from None
            if not said:
                waiting()
            said = True
            time.sleep(min(0.1, wait))  # not in SQLite, which ignores Ctrl-C
        yield


def _why_not(path: Path) -> str:
    try:
        os.close(os.open(path, os.O_RDWR if path.exists() else os.O_RDWR | os.O_CREAT))
    except OSError as error:
        return f" ({reason(error)})"
    return ""


def _take(lock: sqlite3.Connection) -> None:
    lock.execute("PRAGMA journal_mode = OFF")  # nothing is ever written
    lock.execute("BEGIN EXCLUSIVE")


def _sentence(folder: Path, error: sqlite3.Error, busy: str) -> str:
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_FULL:
        return f"{folder}: cannot be locked (the disk is full)."
    if code == sqlite3.SQLITE_BUSY:  # some network drives report every lock as taken
        return f"{folder}: {busy}; wait until it is done." if has_locks(folder) else f"{folder}: {NO_LOCKS}."
    if code & 0xFF == sqlite3.SQLITE_IOERR and not has_locks(folder):
        return f"{folder}: {NO_LOCKS}."
    return f"{folder / 'lock'}: cannot be locked ({error})."


def has_locks(folder: Path) -> bool:
    """Whether a folder's drive supports locks, tested on a new file."""
    try:
        with (
            tempfile.NamedTemporaryFile(dir=folder, prefix=".lock-") as file,
            closing(sqlite3.connect(file.name, timeout=0, isolation_level=None)) as lock,
        ):
            _take(lock)
    except sqlite3.Error:
        return False
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({reason(error)}).") from None
    return True

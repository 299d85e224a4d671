"""Cache of text lines on disk: the text in a picture is read once per content of its file.

Each reader has one SQLite file, as records differ in length, unlike those of `cache.py`. A damaged one is read again.
"""

import hashlib
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from wordsight.errors import InputError
from wordsight.vision.stored import ELSEWHERE
from wordsight.vision.text_lines import TextLines

_TABLE = "CREATE TABLE IF NOT EXISTS lines (key BLOB PRIMARY KEY, content BLOB, checksum INTEGER) WITHOUT ROWID"


class TextCache:
    """Cache of text lines by the content of files.

    Attributes:
        path: the SQLite file.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Name the file of one reader.

        Args:
            folder: of all caches.
            fingerprint: of the reader.
        """
        self.path = folder / f"text-{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.sqlite"

    def lines(self, content: bytes, read: Callable[[], TextLines]) -> TextLines:
        """The text lines of a file's content, read by `read` if not cached.

        Raises:
            InputError: the cache cannot be written, or what `read` raises.
        """
        key = hashlib.sha256(content).digest()
        found = self._get(key)
        if found is None:
            found = read()
            self._put(key, found.to_bytes())
        return found

    def _get(self, key: bytes) -> TextLines | None:
        try:
            with closing(self._open()) as db:
                row = db.execute("SELECT content, checksum FROM lines WHERE key = ?", (key,)).fetchone()
            if row and zlib.crc32(row[0]) == row[1]:
                return TextLines.from_bytes(row[0])
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise self._sentence(error) from None
            self.path.unlink(missing_ok=True)  # it is no longer a database
        except (ValueError, TypeError):
            pass
        return None

    def _put(self, key: bytes, content: bytes) -> None:
        try:
            with closing(self._open()) as db:
                db.execute("INSERT OR REPLACE INTO lines VALUES (?, ?, ?)", (key, content, zlib.crc32(content)))
        except sqlite3.Error as error:
            raise self._sentence(error) from None

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._sentence(error) from None
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            db.execute(_TABLE)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _sentence(self, error: Exception) -> InputError:
        return InputError(f"{self.path}: text that was read cannot be kept ({error}); {ELSEWHERE}.")

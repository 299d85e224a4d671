"""Text decoding of a dataset's files: an encoding other than UTF-8 is detected and reported."""

import codecs
from pathlib import Path

from wordsight.data.faults import Faults
from wordsight.errors import InputError
from wordsight.files import open_regular, reason

LARGEST = 1 << 32  # maximum bytes of a text
SNIFFED = 1 << 16  # bytes read to recognise a file
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is a prefix of this one's
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def sniff(path: Path) -> str:
    """The beginning of a text file, for format detection; invalid bytes are replaced.

    Raises:
        InputError: it cannot be read, or is not a regular file.
    """
    raw = _bytes(path, SNIFFED)
    encoding, mark = _encoding(raw)
    return _lines(raw[mark:].decode(encoding, errors="replace")).replace("\0", "")


def read(path: Path, faults: Faults, limit: int = LARGEST) -> str:
    """The text of a file, with line feeds as line ends, without byte order mark and zero bytes.

    A line that is not UTF-8 is read as Windows-1252.

    Args:
        path: a regular file.
        faults: collects lines that are not plain UTF-8.
        limit: maximum bytes of the file.

    Raises:
        InputError: it cannot be read, or has more bytes; or reading is strict, and a line is not plain UTF-8.
    """
    raw = _bytes(path, limit + 1)
    if limit < len(raw):
        raise InputError(f"{path}: expected a text of at most {limit:,} bytes.")
    try:
        return _text(path, raw, faults)
    except MemoryError:
        raise InputError(f"{path} cannot be read: it is larger than the memory.") from None


def _text(path: Path, raw: bytes, faults: Faults) -> str:
    encoding, mark = _encoding(raw)
    if encoding != "utf-8":
        if faults.strict:
            raise InputError(f"{path}, line 1: expected UTF-8 text, found {encoding.upper()}.")
        faults.note(f"{path} is {encoding.upper()}, not UTF-8; it was read as that.")
        text = _lines(raw[mark:].decode(encoding, errors="replace"))
    else:
        try:
            text = _lines(raw[mark:].decode())
        except UnicodeDecodeError:
            text = "\n".join(_decoded(path, raw[mark:], faults))
    if "\0" in text:
        for number, line in enumerate(text.split("\n"), 1):
            if "\0" in line:
                faults.mended(path, f"line {number}", "a zero byte was taken out")
        text = text.replace("\0", "")
    return text


def _decoded(path: Path, raw: bytes, faults: Faults) -> list[str]:
    lines = []
    for number, line in enumerate(raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), 1):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            if faults.strict:
                raise InputError(f"{path}, line {number}: expected UTF-8 text.") from None
            faults.mended(path, f"line {number}", "not UTF-8, read as Windows-1252")
            lines.append(line.decode("cp1252", errors="replace"))
    return lines


def _bytes(path: Path, most: int) -> bytes:
    try:
        with open_regular(path) as file:
            first = file.read(min(most, SNIFFED))
            if len(first) == SNIFFED and not first.strip(b"\0"):
                raise InputError(f"{path}: expected text, found {SNIFFED:,} zero bytes.")
            return first + file.read(most - len(first))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error
    except MemoryError:
        raise InputError(f"{path} cannot be read: it is larger than the memory.") from None


def _encoding(raw: bytes) -> tuple[str, int]:
    """Detect the encoding of bytes, and the length of their byte order mark."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding, len(mark)
    first = raw[: min(len(raw), 1000) & ~1]
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):  # UTF-16 without a mark: every other byte is zero
        if len(first) > 8 and first[place::2].count(0) > 0.4 * len(first) > first[1 - place :: 2].count(0) * 8:
            return encoding, 0
    return "utf-8", 0


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")

"""Zip file of pictures, sent while it is written: about one block of it is in memory."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from wordsight.errors import InputError
from wordsight.search.catalog import Entry
from wordsight.search.frames import split
from wordsight.web.pictures import Gone, Pictures, blocks

LEFT_OUT = "left_out.txt"


class _Sink:
    """Buffer of what is written, until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Does nothing."""

    def taken(self) -> Iterator[bytes]:
        parts, self._parts = self._parts, []
        return iter(parts)


def archive(pictures: Pictures, numbers: Sequence[int], private: Callable[[str], str]) -> Iterator[bytes]:
    """The parts of a zip file of pictures, uncompressed; its `LEFT_OUT` lists those that are gone.

    Args:
        pictures: the pictures of the index.
        numbers: the numbers of those to send.
        private: removes this machine's folders from a message.
    """
    sink, left, names, videos = _Sink(), list[str](), {LEFT_OUT}, set[str]()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as out:  # type: ignore[call-overload]
        for number in numbers:
            try:
                entry, file = pictures.open(number)
            except (Gone, InputError) as error:
                left.append(private(str(error)))
                continue
            path, time = split(entry.path)
            if time is not None and path in videos:  # another frame of the same video
                file.close()
                continue
            videos.add(path)
            info = zipfile.ZipInfo(_unique(path, names), _changed(entry))
            info.file_size, info.external_attr = entry.bytes, 0o644 << 16
            with file, out.open(info, "w") as into:
                for block in blocks(file):
                    into.write(block)
                    yield from sink.taken()
        if left:
            out.writestr(LEFT_OUT, "\n".join(left) + "\n")
    yield from sink.taken()


def _unique(path: str, names: set[str]) -> str:
    """The name of a file without folders, with a number added if it is taken."""
    name = path.replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    found, again = name, 2
    while found.lower() in names:
        found, again = f"{stem or suffix} ({again}){dot if stem else ''}{suffix if stem else ''}", again + 1
    names.add(found.lower())
    return found


def _changed(entry: Entry) -> tuple[int, int, int, int, int, int]:
    """When a file was changed; 1980 if a zip file cannot hold the year, which is from 1980 to 2107."""
    try:
        when = datetime.fromtimestamp(entry.mtime_ns / 1e9)
    except (OverflowError, OSError, ValueError):
        when = datetime(1980, 1, 1)
    when = when if 1980 <= when.year <= 2107 else datetime(1980, 1, 1)
    return when.year, when.month, when.day, when.hour, when.minute, when.second

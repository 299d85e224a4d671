"""What a vector database knows of a picture beside its vectors and boxes: plain values to show and to filter by."""

import json
from typing import Any, NamedTuple

from wordsight.errors import InputError
from wordsight.files import to_json
from wordsight.search import origins
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.frames import split, videos
from wordsight.search.records import checksum, is_possible


class Known(NamedTuple):
    """What the catalogue has of videos and albums.

    Attributes:
        seconds: how long each video is, by name.
        albums: the names of the albums that a picture is in, by its number.
    """

    seconds: dict[str, float]
    albums: dict[int, list[str]]

    @classmethod
    def read(cls, catalog: Catalog) -> "Known":
        """What a reading catalogue sees; rows of albums that are damaged are left out."""
        names = {album: name for sound, album, name, _ in catalog.rows("albums") if sound}
        inside: dict[int, list[str]] = {}
        for sound, album, picture in catalog.rows("album_pictures"):
            if sound and album in names:
                inside.setdefault(picture, []).append(names[album])
        return cls({name: video.seconds for name, video in videos(catalog).items()}, inside)


def record_of(catalog: Catalog, known: Known, number: int, entry: Entry) -> dict[str, Any]:
    """What is known of a picture.

    Returns:
        `path` as the index has it: from the folder that holds the index, with `/`, or from the root; of a frame with
        its time, `clips/lake.mp4#t=7`. `hash` of the file's content, `bytes`, `mtime_ns`, `width`, `height`, `taken`,
        `taken_from`, `camera`, `added`, `albums`, `hubness` and `meta`; of a frame `time` and `duration`, seconds, else
        None.
    """
    file, time = split(entry.path)
    taken_from, camera = origins.of(catalog, number, entry.hash)
    return {
        "path": entry.path,
        "hash": entry.hash.hex(),
        "bytes": entry.bytes,
        "mtime_ns": entry.mtime_ns,
        "width": entry.width,
        "height": entry.height,
        "taken": entry.taken,
        "taken_from": taken_from,
        "camera": camera,
        "added": entry.added,
        "albums": sorted(known.albums.get(number, [])),
        "hubness": entry.hubness,
        "meta": json.loads(entry.meta),
        "time": time,
        "duration": None if time is None else known.seconds.get(file),
    }


def stamp_of(record: dict[str, Any]) -> int:
    """A number that changes when what is known of a picture does, and so when the file does that its vectors are of."""
    return checksum(to_json(record))


def entry_of(record: dict[str, Any], first: int, rows: int, where: str) -> Entry:
    """The row of a catalogue that a record is of.

    Args:
        record: of `record_of`.
        first: its first row of vectors.
        rows: how many it has.
        where: which database, for messages.

    Raises:
        InputError: it is no such record.
    """
    try:
        names = ("bytes", "mtime_ns", "width", "height", "taken", "added")
        values = {name: record[name] for name in names}
        found = Entry(
            path=record["path"],
            hash=bytes.fromhex(record["hash"]),
            **values,
            segment=0,
            first=first,
            rows=rows,
            hubness=float(record["hubness"]),
            length=0.0,
            blur=0.0,
            meta=to_json(dict(record["meta"])),
        ).typed()
    except (KeyError, ValueError, TypeError):
        found = None
    if found is None or not is_possible(found):
        raise InputError(f"{where}: the record of a picture is damaged; delete the collection and export again.")
    return found

"""Records: plain values that a vector database stores with a picture's vectors and boxes, to show and to filter by."""

import json
from typing import Any, NamedTuple

from wordsight.errors import InputError
from wordsight.files import to_json
from wordsight.search import origins
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.frames import split, videos
from wordsight.search.records import checksum, is_possible


class Known(NamedTuple):
    """Videos and albums of a catalogue.

    Attributes:
        seconds: length of each video, by name.
        albums: the names of the albums that a picture is in, by the picture's number.
    """

    seconds: dict[str, float]
    albums: dict[int, list[str]]

    @classmethod
    def read(cls, catalog: Catalog) -> "Known":
        """Read what a catalogue open for reading sees; damaged rows of albums are left out."""
        names = {album: name for sound, album, name, _ in catalog.rows("albums") if sound}
        inside: dict[int, list[str]] = {}
        for sound, album, picture in catalog.rows("album_pictures"):
            if sound and album in names:
                inside.setdefault(picture, []).append(names[album])
        return cls({name: video.seconds for name, video in videos(catalog).items()}, inside)


def record_of(catalog: Catalog, known: Known, number: int, entry: Entry) -> dict[str, Any]:
    """The record of a picture.

    Returns:
        `path` as in the index: relative to the folder that holds the index, with `/`, or absolute; of a frame with its
        time, `clips/lake.mp4#t=7`. `hash` as in the catalogue, `bytes`, `mtime_ns`, `width`, `height`, `taken`,
        `taken_from`, `camera`, `added`, `albums`, `hubness` and `meta`; `time` and `duration` of a frame in seconds,
        else None.
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
    """Checksum of a record; it changes with any value, the file's hash included, and so when vectors may change."""
    return checksum(to_json(record))


def entry_of(record: dict[str, Any], first: int, rows: int, where: str) -> Entry:
    """The entry of a catalogue for a record.

    Args:
        record: of `record_of`.
        first: its first row of vectors.
        rows: how many rows it has.
        where: the database, for messages.

    Raises:
        InputError: the record is damaged.
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

"""Frames of videos in an index: each is an entry of its own, named by its video and its time, `clips/lake.mp4#t=7`.

The name is a media fragment (W3C). Facts about the video as a whole, above all how far it is indexed, are a row of the
table `videos`.
"""

from collections.abc import Collection
from hashlib import blake2b
from typing import NamedTuple

from wordsight.search.catalog import Catalog, Entry
from wordsight.vision.fragments import times_in

_FILE = "rtrim(pictures.path, '0123456789')"
FRAME = f"({_FILE} GLOB '*#t=' AND pictures.path NOT GLOB '*#t=')"  # SQL on a row of `pictures`: whether it is a frame
VIDEO = f"substr({_FILE}, 1, length({_FILE}) - 3)"  # the name of its video
TIME = f"CAST(substr(pictures.path, length({_FILE}) + 1) AS INTEGER)"  # its time in seconds


class Video(NamedTuple):
    """A video of an index.

    Attributes:
        path: its name in the index.
        hash: BLAKE2b of its file's content, 16 bytes.
        seconds: its duration.
        until: whole seconds; the frames before this time are in the index, and all of them once it reaches `seconds`.
        frames: the number of these frames.
    """

    path: str
    hash: bytes
    seconds: float
    until: int
    frames: int

    @property
    def is_complete(self) -> bool:
        """Whether all its frames are in the index."""
        return self.until >= self.seconds


def once(where: str = "1") -> str:
    """An SQL condition on the table `pictures` that passes photos, and of each video only the middle frame.

    Args:
        where: a condition on frames; the middle frame is that of the frames that meet it.
    """
    place = f"row_number() OVER (PARTITION BY {VIDEO} ORDER BY {TIME})"
    middle = f"(count(*) OVER (PARTITION BY {VIDEO}) + 1) / 2"
    frames = f"SELECT number, {place} = {middle} AS wanted FROM pictures WHERE rows != 0 AND {FRAME} AND {where}"
    return f"(NOT {FRAME} OR number IN (SELECT number FROM ({frames}) WHERE wanted))"


def frame_key(video: str, time: int) -> str:
    """The name of a frame.

    Args:
        video: the name of its video.
        time: whole seconds from the video's beginning.
    """
    return f"{video}#t={time}"


def split(key: str) -> tuple[str, int | None]:
    """Split a name into the name of the file and the time of the frame, which is None for a picture."""
    file, start, _ = times_in(key)
    frame = start is not None and key == frame_key(file, int(start))
    return (file, int(start)) if frame and start is not None else (key, None)


def file_of(key: str) -> str:
    """The name of an entry's file; for a frame, its video."""
    return split(key)[0]


def frame_hash(video: bytes, time: int) -> bytes:
    """The hash of a frame, from the hash of its video's content and its time."""
    return blake2b(b"%b#t=%d" % (video, time), digest_size=16).digest()


def clock(seconds: float) -> str:
    """Format a time for people: 0:07, 1:02:30."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def videos(catalog: Catalog) -> dict[str, Video]:
    """All videos, by name.

    Raises:
        InputError: the row of a video is damaged.
    """
    found = {}
    for sound, *row in catalog.rows("videos"):
        if not sound:
            raise catalog.damage("a row of the table videos")
        found[row[0]] = Video(*row)
    return found


def frames(catalog: Catalog, video: str) -> dict[int, Entry]:
    """The frames of a video in the index, by time, including those that wait to be encoded again.

    Raises:
        InputError: the row of a frame is damaged.
    """
    found = {}
    for _, entry, sound, told in catalog.pictures("path > ? AND path < ?", (f"{video}#t=", f"{video}#t>")):
        file, time = split(entry.path)
        if file == video and time is not None:
            if not (sound and told):
                raise catalog.damage("the row of a frame")
            found[time] = entry
    return found


def put(catalog: Catalog, video: Video, times: Collection[int]) -> None:
    """Write how far a video is indexed. If it is complete, only these frames stay, and it no longer counts as broken.

    Args:
        catalog: open for writing, within `Catalog.change`.
        video: its row.
        times: the times of its frames.
    """
    if video.is_complete:
        there = frames(catalog, video.path)
        right = {time for time in times if time in there and there[time].hash == frame_hash(video.hash, time)}
        catalog.forget([*(one.path for time, one in there.items() if time not in right), video.path])
    catalog.put_rows("videos", [tuple(video)])


def rename(catalog: Catalog, video: Video, new: Entry) -> None:
    """Rename a video and its frames; or note the new modification time of a file that was touched."""
    there = frames(catalog, video.path)
    for time, entry in there.items():
        changed = {"path": frame_key(new.path, time), "bytes": new.bytes, "mtime_ns": new.mtime_ns}
        catalog.change_entry(entry.path, **changed)
    catalog.db.execute("DELETE FROM videos WHERE path = ?", (video.path,))
    put(catalog, video._replace(path=new.path), there)

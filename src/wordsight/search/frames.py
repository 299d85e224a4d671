"""Frames of videos in an index: each is an entry of its own, called by its video and its time: `clips/lake.mp4#t=7`.

The name is a media fragment (W3C). What belongs to the video as a whole, above all how far it is indexed, is a row of
the table `videos`.
"""

from collections.abc import Collection
from hashlib import blake2b
from typing import NamedTuple

from wordsight.search.catalog import Catalog, Entry
from wordsight.vision.fragments import times_in

_FILE = "rtrim(pictures.path, '0123456789')"
FRAME = f"({_FILE} GLOB '*#t=' AND pictures.path NOT GLOB '*#t=')"  # SQL, of a row of pictures: whether it is a frame
VIDEO = f"substr({_FILE}, 1, length({_FILE}) - 3)"  # and the name of its video
TIME = f"CAST(substr(pictures.path, length({_FILE}) + 1) AS INTEGER)"  # and its time, seconds


class Video(NamedTuple):
    """A video of an index.

    Attributes:
        path: what it is called in the index.
        hash: of its file's content, BLAKE2b of 16 bytes.
        seconds: how long it is.
        until: its frames before this time are in the index, whole seconds; all are once it is not before the end.
        frames: how many these are.
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
    """A condition of SQL on the table of the pictures that lets of each video one frame through: the middle one.

    Args:
        where: of the frames that pass this condition.
    """
    place = f"row_number() OVER (PARTITION BY {VIDEO} ORDER BY {TIME})"
    middle = f"(count(*) OVER (PARTITION BY {VIDEO}) + 1) / 2"
    frames = f"SELECT number, {place} = {middle} AS wanted FROM pictures WHERE rows != 0 AND {FRAME} AND {where}"
    return f"(NOT {FRAME} OR number IN (SELECT number FROM ({frames}) WHERE wanted))"


def frame_key(video: str, time: int) -> str:
    """What a frame is called.

    Args:
        video: the name of its video.
        time: whole seconds from the video's beginning.
    """
    return f"{video}#t={time}"


def split(key: str) -> tuple[str, int | None]:
    """The name of the file, and the time of a frame; None of what is no frame."""
    file, start, _ = times_in(key)
    frame = start is not None and key == frame_key(file, int(start))
    return (file, int(start)) if frame and start is not None else (key, None)


def file_of(key: str) -> str:
    """The name of the file that an entry is of: of a frame, its video."""
    return split(key)[0]


def frame_hash(video: bytes, time: int) -> bytes:
    """The hash of a frame, from that of its video's content and its time."""
    return blake2b(b"%b#t=%d" % (video, time), digest_size=16).digest()


def clock(seconds: float) -> str:
    """A time for people: 0:07, 1:02:30."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def videos(catalog: Catalog) -> dict[str, Video]:
    """Every video, by name.

    Raises:
        InputError: one of their rows is damaged.
    """
    found = {}
    for sound, *row in catalog.rows("videos"):
        if not sound:
            raise catalog.damage("a row of the table videos")
        found[row[0]] = Video(*row)
    return found


def frames(catalog: Catalog, video: str) -> dict[int, Entry]:
    """The frames of a video that are there, by time; those too that wait to be encoded again.

    Raises:
        InputError: the row of one is damaged.
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
    """Write how far a video is. Of one that is complete all other frames go, and it can be read.

    Args:
        catalog: open for writing, within `Catalog.change`.
        video: how far it is.
        times: of its frames.
    """
    if video.is_complete:
        there = frames(catalog, video.path)
        right = {time for time in times if time in there and there[time].hash == frame_hash(video.hash, time)}
        catalog.forget([*(one.path for time, one in there.items() if time not in right), video.path])
    catalog.put_rows("videos", [tuple(video)])


def rename(catalog: Catalog, video: Video, new: Entry) -> None:
    """Call a video and its frames otherwise; or the same, of a file that was touched."""
    there = frames(catalog, video.path)
    for time, entry in there.items():
        changed = {"path": frame_key(new.path, time), "bytes": new.bytes, "mtime_ns": new.mtime_ns}
        catalog.change_entry(entry.path, **changed)
    catalog.db.execute("DELETE FROM videos WHERE path = ?", (video.path,))
    put(catalog, video._replace(path=new.path), there)

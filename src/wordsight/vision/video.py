"""Video decoding by PyAV (extra `video`): the frames shown at given times, decoded from the keyframe before each.

Time is counted from the first frame, by time stamps, so variable frame rates come out right. Frames between two wanted
ones are skipped if a keyframe allows it. Apart from frames already returned, one frame at a time is in memory. Damaged
packets are skipped. No other file is opened, even if a video refers to one.
"""

import math
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from PIL import Image

from wordsight.errors import InputError, install
from wordsight.files import open_regular, reason

LONGEST = 24 * 3600.0  # seconds of a video
MOST_PIXELS = 8192 * 8192  # of a frame
_SKIP = 0.5  # seconds; shorter gaps are decoded instead of skipped
_LARGE = 2560 * 1440  # pixels; larger frames are decoded one at a time, to save memory
# FFmpeg's names of the formats that may be opened: self-contained ones, none that name other files or addresses.
_FORMATS = "mov,matroska,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg,m4v,h264,hevc,ivf,mxf,dv,rm,nut,wtv,av1,obu"


class Track(NamedTuple):
    """Times at which the frames of a video are shown.

    Attributes:
        begin: time stamp of the first frame, seconds.
        length: of the video, seconds.
        keys: time of each keyframe, ascending, seconds after the first frame; empty if time stamps are incomplete.
    """

    begin: float
    length: float
    keys: "array[float]"


class Video(NamedTuple):
    """An open video.

    Attributes:
        path: its name.
        file: its content.
        container: PyAV's container.
        stream: the container's first video stream.
        track: when the stream's frames are shown.
    """

    path: Path
    file: BinaryIO
    container: Any
    stream: Any
    track: Track


def length(path: Path) -> float:
    """Length of a video, in seconds.

    Raises:
        InputError: as in `opened`.
    """
    with opened(path) as video:
        return video.track.length


def at(path: Path, times: Sequence[float], at_least: int = 0) -> list[Image.Image]:
    """The frames shown at given times.

    Args:
        path: the video.
        times: ascending, seconds after the first frame; times behind the end give the last frame.
        at_least: large frames may be reduced, as long as both sides keep this many pixels; 0 for never.

    Returns:
        Upright RGB pictures, one per time; the same `Image` object if the same frame is shown.

    Raises:
        InputError: as in `opened` and `shown`.
    """
    with opened(path) as video:
        return list(_pictures(video, times, at_least))


def every(path: Path, step: float, at_least: int = 0) -> Iterator[tuple[float, Image.Image]]:
    """Yield the time and frame at every `step` seconds, in order; one frame is in memory at a time.

    Raises:
        InputError: as in `at`.
    """
    with opened(path) as video:
        count = max(1, math.ceil(video.track.length / step - 1e-9))
        for number, image in enumerate(_pictures(video, (number * step for number in range(count)), at_least)):
            yield number * step, image


@contextmanager
def opened(path: Path, file: BinaryIO | None = None) -> Iterator[Video]:
    """Open a video at its beginning.

    Args:
        path: its file.
        file: the same file, if it is open already; it stays open.

    Raises:
        InputError: PyAV is missing; or the file is missing or not a video, has no pictures, or is too long or large.
    """
    try:
        with open_regular(path) if file is None else nullcontext(file) as content:
            found = os.fstat(content.fileno())
            same = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            track = _track(_Version(same, path, content))
            with _container(path, content) as (container, stream):
                yield Video(path, content, container, stream, track)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, expected a video.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}).") from None


def shown(video: Video, times: Iterable[float]) -> Iterator[Any]:
    """Yield the PyAV frame that is shown at each time; the same object if the same frame is shown.

    Args:
        video: from `opened`.
        times: ascending, seconds after the first frame; times behind the end give the last frame.

    Raises:
        InputError: no frame can be decoded.
    """
    keys, reading, last = video.track.keys, _decoded(video), None
    ahead = next(reading, None)
    for time in times:
        place = bisect_right(keys, time) - 1
        if place >= 0 and keys[place] > (ahead[0] if ahead else math.inf) + _SKIP:
            reading, last = _sought(video, keys[place]), None
            ahead = next(reading, None)
            if ahead is None or ahead[0] > time + 1e-6:  # behind the wanted frame, as some files' indexes are wrong
                keys, reading = array("d"), _afresh(video)
                ahead = next(reading, None)
        while ahead and (last is None or ahead[0] <= time):
            last, ahead = ahead[1], next(reading, None)
        if last is None:
            raise InputError(f"{video.path}: has no frame that can be read; expected a video.")
        yield last


def picture(frame: Any, at_least: int = 0) -> Image.Image:
    """Convert a decoded frame to upright RGB, reduced if both sides keep `at_least` pixels."""
    factor = min(frame.width, frame.height) // at_least if at_least else 1
    if factor > 1:
        size = {"width": frame.width // factor, "height": frame.height // factor}
        image: Image.Image = frame.to_image(**size, interpolation="AREA")
    else:
        image = frame.to_image()
    turn = turned(frame)
    return image.rotate(turn, expand=True) if turn else image


def turned(frame: Any) -> int:
    """Degrees, counter-clockwise, by which a decoded frame must be rotated to be upright."""
    return int(getattr(frame, "rotation", 0) or 0)


def _pictures(video: Video, times: Iterable[float], at_least: int) -> Iterator[Image.Image]:
    last = image = None
    for frame in shown(video, times):
        if image is None or frame is not last:
            last, image = frame, picture(frame, at_least)
        yield image


@dataclass(frozen=True)
class _Version:
    """Version of a file; equal versions have the same device, inode, size and modification time."""

    same: tuple[int, int, int, int]
    path: Path = field(compare=False)
    file: BinaryIO = field(compare=False)


@lru_cache(maxsize=8)
def _track(version: _Version) -> Track:
    """The track of a video, from its packets' time stamps, without decoding; cached while the file is unchanged.

    Raises:
        InputError: as in `opened`.
    """
    keys, begin, end, stamped = array("d"), math.inf, -math.inf, True
    with _container(version.path, version.file) as (container, stream), suppress(_library(version.path).FFmpegError):
        unit = float(stream.time_base or 0)  # seconds
        for packet in container.demux(stream):  # of a file cut short, the packets that are left
            stamp = packet.pts
            if stamp is None:
                if packet.dts is None:
                    continue
                stamp, stamped = packet.dts, False
            time = stamp * unit
            begin, end = min(begin, time), max(end, time + (packet.duration or 0) * unit)
            if packet.is_keyframe:
                keys.append(time)
            if end - begin > LONGEST:
                raise InputError(f"{version.path}: longer than {LONGEST / 3600:g} hours.")
    if end < begin:
        return Track(0.0, 0.0, array("d"))
    return Track(begin, end - begin, array("d", sorted(time - begin for time in keys if stamped)))


def _library(path: Path) -> Any:
    """PyAV.

    Raises:
        InputError: it is not installed.
    """
    try:
        import av
    except ImportError:
        raise InputError(f"{path}: reading videos needs PyAV: {install('video')}") from None
    return av


@contextmanager
def _container(path: Path, file: BinaryIO) -> Iterator[tuple[Any, Any]]:
    """Open the container in a file; yields it and its first video stream.

    Raises:
        InputError: as in `opened`.
    """
    av = _library(path)
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    file.seek(0)
    try:
        with av.open(file, options=options, metadata_errors="replace") as container:
            if not container.streams.video:
                only = ", only sound" if container.streams.audio else ""
                raise InputError(f"{path}: has no pictures{only}; expected a video.")
            stream = container.streams.video[0]
            pixels = (stream.width or 0) * (stream.height or 0)
            if pixels > MOST_PIXELS:
                raise InputError(f"{path}: frames of {stream.width} x {stream.height}, more than can be read.")
            stream.thread_type = "SLICE" if pixels > _LARGE else "AUTO"
            yield container, stream
    except (av.FFmpegError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read as a video ({why}).") from None


def _sought(video: Video, time: float) -> Iterator[tuple[float, Any]]:
    """Like `_decoded`, from the keyframe shown at `time` on; nothing if the file cannot be sought in."""
    import av

    with suppress(av.FFmpegError):
        video.container.seek(round((video.track.begin + time) / video.stream.time_base), stream=video.stream)
        yield from _decoded(video)


def _afresh(video: Video) -> Iterator[tuple[float, Any]]:
    """Like `_decoded`, from the beginning on, in a new container."""
    with _container(video.path, video.file) as (container, stream):
        yield from _decoded(video._replace(container=container, stream=stream))


def _decoded(video: Video) -> Iterator[tuple[float, Any]]:
    """Yield time and frame from the container's position on, in the order in which frames are shown."""
    import av

    rate = float(video.stream.average_rate or 25)
    time = -1 / rate
    with suppress(av.FFmpegError):  # a damaged end
        for packet in video.container.demux(video.stream):
            frames: list[Any] = []
            with suppress(av.FFmpegError):  # a damaged packet
                frames = packet.decode()
            for frame in frames:
                time = time + 1 / rate if frame.time is None else frame.time - video.track.begin
                if frame.width * frame.height <= MOST_PIXELS:
                    yield time, frame

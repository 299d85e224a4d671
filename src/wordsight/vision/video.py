"""Videos by PyAV (extra `video`): the frames shown at given times, decoded from the keyframe before each.

Time is counted from a video's first frame. What lies between two wanted frames is skipped where a keyframe allows it;
one frame at a time is in memory, beside those given away. Damaged packets are passed over.
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from wordsight.errors import InputError, install
from wordsight.files import open_regular, reason

LONGEST = 24 * 3600.0  # seconds
MOST_PIXELS = 8192 * 8192  # of a frame
_SKIP = 0.5  # seconds; less is decoded through
_LARGE = 2560 * 1440  # pixels; frames above are decoded one at a time, for the sake of memory
# FFmpeg's names of the formats that may be opened: files of their own, none that name other files or addresses.
_FORMATS = "mov,matroska,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg,m4v,h264,hevc,ivf,mxf,dv,rm,nut,wtv,av1,obu"


class Track(NamedTuple):
    """When the pictures of a video are shown.

    Attributes:
        begin: time stamp of the first, seconds.
        length: of the video, seconds.
        keys: when each keyframe is shown, ascending, seconds after the first; none where the file does not say.
    """

    begin: float
    length: float
    keys: "array[float]"


def length(path: Path) -> float:
    """How long a video is, in seconds.

    Raises:
        InputError: it is missing or no video, has no pictures, or too large or too many.
    """
    return _track(path).length


def at(path: Path, times: Sequence[float], at_least: int = 0) -> list[Image.Image]:
    """The frames shown at some times.

    Args:
        path: the video.
        times: ascending, seconds after the first frame; behind the end the last frame is shown.
        at_least: a large frame may be made smaller, as long as both sides keep this many pixels; 0 for never.

    Returns:
        Upright RGB, a picture for each time; the same one where the same frame is shown.

    Raises:
        InputError: as of `length`, or no frame can be decoded.
    """
    track = _track(path)
    found = _sought(path, track, times, at_least, track.keys)
    if found is None:  # seeking led behind the wanted frame, as some files' indexes do
        found = _sought(path, track, times, at_least, array("d"))
    if not found:
        raise InputError(f"{path}: has no frame that can be read; expected a video.")
    return found + found[-1:] * (len(times) - len(found))


def every(path: Path, step: float, at_least: int = 0) -> Iterator[tuple[float, Image.Image]]:
    """The frame shown every `step` seconds and its time, in order, decoded through.

    Raises:
        InputError: as of `at`.
    """
    track, number, last, image = _track(path), 0, None, None
    with _opened(path) as (container, stream):
        for time, frame in _decoded(container, stream, track.begin):
            while last is not None and number * step < time:
                image = image or _picture(last, at_least)
                yield number * step, image
                number += 1
            last, image = frame, None
        if last is None:
            raise InputError(f"{path}: has no frame that can be read; expected a video.")
        while number == 0 or number * step < track.length - 1e-9:
            image = image or _picture(last, at_least)
            yield number * step, image
            number += 1


def _sought(
    path: Path, track: Track, times: Sequence[float], at_least: int, keys: "array[float]"
) -> list[Image.Image] | None:
    """The frames shown at some times, as far as there are any; None where a keyframe is not found by its time."""
    import av

    found: list[Image.Image] = []
    with _opened(path) as (container, stream):
        reading = _decoded(container, stream, track.begin)
        last, ahead, image, sought = None, next(reading, None), None, False
        for time in times:
            place = bisect_right(keys, time) - 1
            if place >= 0 and keys[place] > (ahead[0] if ahead else math.inf) + _SKIP:
                try:
                    container.seek(int((track.begin + keys[place]) / stream.time_base), stream=stream)
                except av.FFmpegError:
                    return None
                reading, last, image, sought = _decoded(container, stream, track.begin), None, None, True
                ahead = next(reading, None)
            if sought and last is None and (ahead is None or ahead[0] > time + 1e-6):
                return None
            while ahead and (last is None or ahead[0] <= time):
                last, image, ahead = ahead[1], None, next(reading, None)
            if last is None:
                break
            image = image or _picture(last, at_least)
            found.append(image)
    return found


def _track(path: Path) -> Track:
    """Of a video, remembered as long as the file is the same.

    Raises:
        InputError: as of `length`.
    """
    try:
        with open_regular(path):
            found = path.stat()
    except OSError as error:
        what = "no such file, expected a video" if isinstance(error, FileNotFoundError) else reason(error)
        raise InputError(f"{path}: {what}.") from None
    return _read_track(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=8)
def _read_track(path: Path, size: int, changed: int) -> Track:
    """By the times of its packets: nothing is decoded."""
    av = _library(path)
    keys, begin, end, stamped = array("d"), math.inf, -math.inf, True
    with _opened(path) as (container, stream):
        if (stream.width or 0) * (stream.height or 0) > MOST_PIXELS:
            raise InputError(f"{path}: frames of {stream.width} x {stream.height}, more than can be read.")
        unit = float(stream.time_base or 0)  # seconds
        with suppress(av.FFmpegError):  # cut short: what there is
            for packet in container.demux(stream):
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
                    raise InputError(f"{path}: longer than {LONGEST / 3600:g} hours.")
    if end < begin:
        return Track(0.0, 0.0, keys)
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
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container of a video and its first stream of pictures, to be decoded.

    Raises:
        InputError: PyAV is missing, or this is no video.
    """
    av = _library(path)
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    try:
        with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
            if not container.streams.video:
                raise InputError(f"{path}: has no pictures, only sound; expected a video.")
            stream = container.streams.video[0]
            large = (stream.width or 0) * (stream.height or 0) > _LARGE
            stream.thread_type = "SLICE" if large else "AUTO"
            yield container, stream
    except (av.FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read as a video ({why}).") from None


def _decoded(container: Any, stream: Any, begin: float) -> Iterator[tuple[float, Any]]:
    """The frames from where a container stands, in the order they are shown, each with its time."""
    import av

    rate = float(stream.average_rate or 25)
    time = -1 / rate
    with suppress(av.FFmpegError):  # a damaged end
        for packet in container.demux(stream):
            frames: list[Any] = []
            with suppress(av.FFmpegError):  # a damaged packet
                frames = packet.decode()
            for frame in frames:
                time = time + 1 / rate if frame.time is None else frame.time - begin
                if frame.width * frame.height <= MOST_PIXELS:
                    yield time, frame


def _picture(frame: Any, at_least: int) -> Image.Image:
    """A decoded frame as upright RGB, at a fraction of its size if both sides keep `at_least` pixels."""
    factor = min(frame.width, frame.height) // at_least if at_least else 1
    if factor > 1:
        size = {"width": frame.width // factor, "height": frame.height // factor}
        image: Image.Image = frame.to_image(**size, interpolation="AREA")
    else:
        image = frame.to_image()
    turn = getattr(frame, "rotation", 0) or 0
    return image.rotate(turn, expand=True) if turn else image

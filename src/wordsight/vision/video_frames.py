"""Frames of a video file at one per second, one after the other, or at a time; and what its header says.

Videos are decoded by PyAV (extra `video`). The frame of second t is the one that is shown t seconds after the first, by
its time stamps, so variable frame rates come out right; one that is shown for longer is given once. Of all frames a few
are in memory at a time. A video of more than `MOST` seconds is sampled in longer steps of whole seconds.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from PIL import Image

from wordsight.errors import InputError, install
from wordsight.files import open_regular, reason
from wordsight.vision.video import LONGEST, MOST_PIXELS

MOST = 7200  # frames of a video that are looked at: of the first two hours each second, of longer ones fewer
LIKE_PICTURES = 1024  # pixels that both sides of a frame keep at least, when it is made smaller
FORMATS = "mov,mp4,matroska,webm,avi,mpeg,mpegvideo,mpegts,flv,asf,ogg"  # none that leads to other files
_MADE = ("com.apple.quicktime.creationdate", "creation_time", "date")
_UNSET = 1971  # years before it are those from which containers count


class Sample(NamedTuple):
    """A frame of a video.

    Attributes:
        time: whole seconds from the video's beginning.
        image: upright RGB, maybe smaller than the video.
        size: width and height of the video, upright, pixels.
    """

    time: int
    image: Image.Image
    size: tuple[int, int]


class VideoHeader(NamedTuple):
    """What a video file says of itself.

    Attributes:
        seconds: how long it is.
        taken: when, local time; None where it does not say.
        make: of the camera; empty where it does not say.
        model: likewise.
    """

    seconds: float
    taken: datetime | None
    make: str
    model: str


def reads_videos() -> bool:
    """Whether videos can be read: the extra `video` is installed."""
    return find_spec("av") is not None


def read_video_header(path: Path) -> VideoHeader:
    """What a video file says of itself; of its pictures nothing is decoded.

    Raises:
        InputError: it is missing, damaged, has no pictures, or is too long or large.
    """
    with _opened(path) as (container, _):
        told = {name.lower(): str(value) for name, value in container.metadata.items()}
        taken = next((when for name in _MADE if (when := _moment(told.get(name, "")))), None)
        seconds = _span(path, container)[1]
    make, model = (told.get(f"com.apple.quicktime.{name}") or told.get(name, "") for name in ("make", "model"))
    return VideoHeader(seconds, taken, make, model)


def step_of(seconds: float) -> int:
    """The whole seconds between frames that are looked at."""
    return max(1, math.ceil(seconds / MOST))


def sampled(path: Path, start: int = 0, file: BinaryIO | None = None) -> Iterator[Sample]:
    """Frames of a video, one per second, or at longer steps of a very long one.

    A frame that is shown for several of these times is given for the first alone.

    Args:
        path: its file.
        start: the first time; the frames are those that a start at 0 gives from there on.
        file: it, if it is open already; it stays open.

    Raises:
        InputError: it is missing, damaged, no video, or has no frame that can be read.
    """
    with _opened(path, file) as (container, stream):
        begin, seconds = _span(path, container)
        step = step_of(seconds)
        container.seek(0, backward=True, any_frame=False)
        wanted, shown, last = start, None, None
        for frame, time in _decoded(container, stream, begin, start):
            while last is not None and time > wanted and wanted < seconds:
                if last is not shown:
                    yield _sample(wanted, last)
                shown = last
                wanted += step
            last = frame
        if last is None:
            raise InputError(f"{path}: has no frame that can be read; expected a video.")
        if last is not shown and (wanted < seconds or wanted == start):
            yield _sample(wanted, last)


def frame_at(path: Path, time: int, file: BinaryIO | None = None) -> Image.Image:
    """The frame that is shown at a time, upright RGB; see `sampled`.

    Raises:
        InputError: as of `sampled`.
    """
    return next(sampled(path, time, file)).image


@contextmanager
def _opened(path: Path, given: BinaryIO | None = None) -> Iterator[tuple[Any, Any]]:
    """A video file's container and stream of pictures; no other file is read, whatever the file says.

    Raises:
        InputError: it cannot be opened, or has none.
    """
    try:
        import av
    except ImportError:
        raise InputError(f"{path}: reading videos needs PyAV: {install('video')}") from None
    try:
        with (
            open_regular(path) if given is None else nullcontext(given) as file,
            av.open(file, options={"format_whitelist": FORMATS, "protocol_whitelist": "file"}) as container,
        ):
            if not container.streams.video:
                raise InputError(f"{path}: has no pictures, only sound; expected a video.")
            stream = container.streams.video[0]
            if (stream.width or 0) * (stream.height or 0) > MOST_PIXELS:
                raise InputError(f"{path}: frames of {stream.width} x {stream.height}, more than can be read.")
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.FFmpegError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read as a video ({why}).") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}).") from None


def _span(path: Path, container: Any) -> tuple[float, float]:
    """When a video begins and how long it is, in seconds, by the times of its packets: nothing is decoded.

    Raises:
        InputError: it is too long.
    """
    import av

    begin, end = math.inf, -math.inf
    with suppress(av.FFmpegError):  # cut short: what there is
        for packet in container.demux(container.streams.video[0]):
            time = packet.dts if packet.pts is None else packet.pts
            if time is not None and packet.time_base is not None:
                begin = min(begin, float(time * packet.time_base))
                end = max(end, float((time + (packet.duration or 0)) * packet.time_base))
    if end - begin > LONGEST:
        raise InputError(f"{path}: longer than {LONGEST / 3600:g} hours.")
    return (begin, end - begin) if end >= begin else (0.0, 0.0)


def _decoded(container: Any, stream: Any, begin: float, start: int) -> Iterator[tuple[Any, float]]:
    """The frames of a video from the one that is shown at a time on, or from before it; each with its time.

    What is damaged is left out.
    """
    import av

    if start > 0 and stream.time_base:
        with suppress(av.FFmpegError):
            container.seek(int((begin + start) / stream.time_base), stream=stream)
            found = _frames(container, stream, begin)
            first = next(found, None)
            if first is not None and 0 <= first[1] <= start:
                yield first
                yield from found
                return
        container.seek(0, backward=True, any_frame=False)
        stream.codec_context.flush_buffers()
    yield from _frames(container, stream, begin)


def _frames(container: Any, stream: Any, begin: float) -> Iterator[tuple[Any, float]]:
    import av

    with suppress(av.FFmpegError):  # a damaged end
        for packet in container.demux(stream):
            with suppress(av.FFmpegError):  # a damaged packet
                for frame in packet.decode():
                    yield frame, 0.0 if frame.time is None else frame.time - begin


def _sample(time: int, frame: Any) -> Sample:
    """A decoded frame, turned as the video says."""
    image: Image.Image = frame.to_image()
    turn = getattr(frame, "rotation", 0) or 0
    image = image.rotate(turn, expand=True) if turn else image
    factor = min(image.size) // LIKE_PICTURES
    return Sample(time, image.reduce(factor) if factor > 1 else image, image.size)


def _moment(text: str) -> datetime | None:
    """A time as a container has it, local; where it gives the camera's own clock, by that."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if found.year < _UNSET or len(text.strip()) < 10:
        return None
    if found.tzinfo is not None and found.utcoffset():
        return found.replace(tzinfo=None, microsecond=0)
    return found.astimezone().replace(tzinfo=None, microsecond=0) if found.tzinfo else found.replace(microsecond=0)

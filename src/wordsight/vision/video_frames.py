"""Frames of a video file at one per second, one after the other, or at a time; and what its header says.

The frame of second t is the one that is shown t seconds after the first (`video.py`); one that is shown for longer is
given once. A video of more than `MOST` seconds is sampled in longer steps of whole seconds.
"""

import math
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from wordsight.vision.video import opened, picture, shown, turned

MOST = 7200  # frames of a video that are looked at: of the first two hours each second, of longer ones fewer
LIKE_PICTURES = 1024  # pixels that both sides of a frame keep at least, when it is made smaller
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
    with opened(path) as video:
        told = {name.lower(): str(value) for name, value in video.container.metadata.items()}
    make, model = (told.get(f"com.apple.quicktime.{name}") or told.get(name, "") for name in ("make", "model"))
    taken = next((when for name in _MADE if (when := _moment(told.get(name, "")))), None)
    return VideoHeader(video.track.length, taken, make, model)


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
    with opened(path, file) as video:
        step, last = step_of(video.track.length), None
        times = range(start, max(start + 1, math.ceil(video.track.length)), step)
        for time, frame in zip(times, shown(video, times), strict=True):
            if frame is not last:
                size = (frame.width, frame.height) if turned(frame) % 180 == 0 else (frame.height, frame.width)
                yield Sample(time, picture(frame, LIKE_PICTURES), size)
            last = frame


def frame_at(path: Path, time: int, file: BinaryIO | None = None) -> Image.Image:
    """The frame that is shown at a time, upright RGB; see `sampled`.

    Raises:
        InputError: as of `sampled`.
    """
    return next(sampled(path, time, file)).image


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

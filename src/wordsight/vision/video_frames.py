"""Frames of a video file, one per second or at a given time; and its header.

The frame of second t is the one shown t seconds after the first (`video.py`); a frame that is shown for longer is given
once. A video of more than `MOST` seconds is sampled in longer steps of whole seconds.
"""

import math
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from wordsight.vision.video import opened, picture, shown, turned

MOST = 7200  # most frames sampled of a video: one per second up to two hours, fewer of longer videos
LIKE_PICTURES = 1024  # pixels that both sides of a frame keep at least, if it is reduced
_MADE = ("com.apple.quicktime.creationdate", "creation_time", "date")
_UNSET = 1971  # earlier years are a container's epoch: the date is unset


class Sample(NamedTuple):
    """A sampled frame of a video.

    Attributes:
        time: whole seconds from the video's beginning.
        image: upright RGB, possibly smaller than the video.
        size: width and height of the video, upright, pixels.
    """

    time: int
    image: Image.Image
    size: tuple[int, int]


class VideoHeader(NamedTuple):
    """Header of a video file.

    Attributes:
        seconds: length of the video.
        taken: date and local time; None if missing.
        make: of the camera; empty if missing.
        model: of the camera, likewise.
    """

    seconds: float
    taken: datetime | None
    make: str
    model: str


def reads_videos() -> bool:
    """Whether videos can be read, that is, the extra `video` is installed."""
    return find_spec("av") is not None


def read_video_header(path: Path) -> VideoHeader:
    """Read the header of a video file, without decoding frames.

    Raises:
        InputError: it is missing, damaged, has no pictures, or is too long or large.
    """
    with opened(path) as video:
        told = {name.lower(): str(value) for name, value in video.container.metadata.items()}
    make, model = (told.get(f"com.apple.quicktime.{name}") or told.get(name, "") for name in ("make", "model"))
    taken = next((when for name in _MADE if (when := _moment(told.get(name, "")))), None)
    return VideoHeader(video.track.length, taken, make, model)


def step_of(seconds: float) -> int:
    """Whole seconds between sampled frames of a video of this length."""
    return max(1, math.ceil(seconds / MOST))


def sampled(path: Path, start: int = 0, file: BinaryIO | None = None) -> Iterator[Sample]:
    """Sample the frames of a video: one per second, or at longer steps for a very long one.

    A frame that is shown at several of these times is given only for the first.

    Args:
        path: its file.
        start: the first time; from the time of an earlier sample on, the same samples follow as from 0.
        file: the same file, if it is open already; it stays open.

    Raises:
        InputError: it is missing, damaged, not a video, or has no frame that can be read.
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
    """The frame shown at a time, in whole seconds, as upright RGB; see `sampled`.

    Raises:
        InputError: as in `sampled`.
    """
    return next(sampled(path, time, file)).image


def _moment(text: str) -> datetime | None:
    """Parse a container's date to local time, the camera's if it has a UTC offset; None if invalid or unset."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if found.year < _UNSET or len(text.strip()) < 10:
        return None
    if found.tzinfo is not None and found.utcoffset():
        return found.replace(tzinfo=None, microsecond=0)
    return found.astimezone().replace(tzinfo=None, microsecond=0) if found.tzinfo else found.replace(microsecond=0)

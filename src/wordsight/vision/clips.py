"""Clips: a video file, an animated picture or a still one -> frames sampled evenly over its time.

Videos are decoded by PyAV (extra `video`), animated GIF, WebP, APNG and AVIF by Pillow. Frames are those shown at the
middle of `count` equal spans of time, by their time stamps, so variable frame rates come out right; one that is shown
for long is taken several times. A few times `count` frames are kept while a video is decoded.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from wordsight.errors import InputError, install
from wordsight.vision.images import open_image

VIDEO_SUFFIXES = frozenset(
    f".{ending}"
    for ending in ("mp4", "m4v", "mov", "avi", "mkv", "webm", "mpg", "mpeg", "wmv", "flv", "3gp", "ogv", "ts")
)
LONGEST = 24 * 3600.0  # seconds
MOST_PIXELS = 8192 * 8192  # of a frame


class Frame(NamedTuple):
    """A frame of a clip.

    Attributes:
        image: upright RGB.
        start: where the span of time that it stands for begins, seconds.
        end: and where it ends.
    """

    image: Image.Image
    start: float
    end: float


def is_video(name: str | Path) -> bool:
    """Whether a file's name ends like a video's, in capitals or not."""
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def frames(path: str | Path, count: int, at_least: int = 0) -> list[Frame]:
    """Frames of a clip, evenly over its time.

    Args:
        path: a video, an animated picture, or a still one, which is a clip of one frame.
        count: how many, at least 1; a still picture gives one.
        at_least: a large frame may be made smaller, as long as both sides keep this many pixels; 0 for never.

    Raises:
        InputError: the file is missing, damaged or no clip; the message names it.
    """
    if count < 1:
        raise InputError(f"frames = {count}: expected at least 1.")
    path = Path(path)
    return _video(path, count, at_least) if is_video(path) else _animation(path, count, at_least)


def _animation(path: Path, count: int, at_least: int) -> list[Frame]:
    """Of a picture with one frame or more, each shown for its own time."""
    first = open_image(path)  # what is no picture, or too large, is refused here
    try:
        with Image.open(path) as image:
            total = getattr(image, "n_frames", 1)
            if total == 1:
                return [Frame(_smaller(first, at_least), 0.0, 0.0)]
            ends, at = [], 0.0
            for number in range(total):
                image.seek(number)
                image.load()  # only now it is known how long a WebP frame is shown
                at += max(float(image.info.get("duration", 100) or 100), 10.0) / 1000
                ends.append(at)
            wanted = _wanted([0.0, *ends[:-1]], ends[-1], count)
            shown = {}
            for number in dict.fromkeys(number for number, _, _ in wanted):
                image.seek(number)
                shown[number] = _smaller(image.convert("RGB"), at_least)
            return [Frame(shown[number], start, end) for number, start, end in wanted]
    except InputError:
        raise
    except Exception:  # decoders of damaged files raise nearly anything
        raise InputError(f"{path}: damaged; expected an animated picture that can be read to its end.") from None


def _video(path: Path, count: int, at_least: int) -> list[Frame]:
    """Of a video file; it is decoded once, from its beginning to its end."""
    try:
        import av
    except ImportError:
        raise InputError(f"{path}: reading videos needs PyAV: {install('video')}") from None
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a video.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(f"{path}: has no pictures, only sound; expected a video.")
            stream = container.streams.video[0]
            if (stream.width or 0) * (stream.height or 0) > MOST_PIXELS:
                raise InputError(f"{path}: frames of {stream.width} x {stream.height}, more than can be read.")
            stream.thread_type = "AUTO"
            length = _length(container, stream)
            return _sampled(_decoded(container, stream), length, count, at_least, path)
    except InputError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read as a video ({why}).") from None


def _length(container: Any, stream: Any) -> float:
    """Seconds, as the file says; 0 where it does not."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else 0.0


def _decoded(container: Any, stream: Any) -> Iterator[tuple[float, Any]]:
    """Each frame with its time in seconds from the first; a damaged end is left out."""
    import av

    first, last = None, -1.0
    step = float(1 / stream.average_rate) if stream.average_rate else 0.04
    try:
        for frame in container.decode(stream):
            time = frame.time if frame.time is not None else last + step
            first = time if first is None else first
            last = max(time - first, last + 1e-6)
            yield last, frame
    except av.FFmpegError:
        if first is None:
            raise


def _sampled(decoded: Iterator[tuple[float, Any]], length: float, count: int, at_least: int, path: Path) -> list[Frame]:
    """The frames shown at the middle of `count` spans, while the video is decoded.

    The file's own length may be wrong or missing: frames are kept four times as densely as needed, thinned out when
    there are too many, and chosen at the end by the true length.
    """
    kept: list[tuple[float, Image.Image]] = []
    spacing = min(length, LONGEST) / (4 * count) if length > 0 else 0.0
    last, end = -math.inf, 0.0
    for time, frame in decoded:
        if time > LONGEST:
            raise InputError(f"{path}: longer than {LONGEST / 3600:g} hours.")
        end = time
        if time - last < spacing:
            continue
        last = time
        kept.append((time, _smaller(_upright(frame), at_least)))
        if len(kept) > 8 * count:
            kept, spacing = kept[::2], max(2 * spacing, 2 * (kept[1][0] - kept[0][0]))
    if not kept:
        raise InputError(f"{path}: has no frame that can be read; expected a video.")
    span = max(length, end) if length < 2 * end + 1 else end
    wanted = _wanted([time for time, _ in kept], span, count)
    return [Frame(kept[number][1], start, stop) for number, start, stop in wanted]


def _wanted(starts: list[float], length: float, count: int) -> list[tuple[int, float, float]]:
    """Which of some frames, by when each begins, are shown at the middle of `count` equal spans, and these spans."""
    edges = [length * place / count for place in range(count + 1)]
    middles = ((begin + end) / 2 for begin, end in pairwise(edges))
    shown = (max(bisect_right(starts, middle) - 1, 0) for middle in middles)
    return [(number, begin, end) for number, (begin, end) in zip(shown, pairwise(edges), strict=True)]


def _upright(frame: Any) -> Image.Image:
    """A decoded frame, turned as the video says."""
    image: Image.Image = frame.to_image()
    turn = getattr(frame, "rotation", 0) or 0
    return image.rotate(turn, expand=True) if turn else image


def _smaller(image: Image.Image, at_least: int) -> Image.Image:
    """A frame at a fraction of its size, if both sides keep `at_least` pixels."""
    factor = min(image.size) // at_least if at_least else 1
    return image.reduce(factor) if factor > 1 else image

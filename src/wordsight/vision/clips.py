"""Clips: a video file, an animated picture or a still one -> frames sampled evenly over its time.

Videos are decoded by PyAV (extra `video`), animated GIF, WebP, APNG and AVIF by Pillow. Frames are those shown at the
middle of `count` equal spans of time, by their time stamps, so variable frame rates come out right; one that is shown
for long is taken several times. Only the frames that are taken are kept while a video is decoded.
"""

from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
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
        begin, length = _span(path)
        middles = [length * (place + 0.5) / count for place in range(count)]
        with av.open(str(path)) as container:
            shown = _shown(container, begin, middles)
    except (av.FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read as a video ({why}).") from None
    if not shown:
        raise InputError(f"{path}: has no frame that can be read; expected a video.")
    images = {id(frame): _smaller(_upright(frame), at_least) for frame in shown}
    edges = pairwise(length * place / count for place in range(count + 1))
    return [Frame(images[id(frame)], start, end) for frame, (start, end) in zip(shown, edges, strict=True)]


def _span(path: Path) -> tuple[float, float]:
    """When a video begins and how long it is, in seconds, by the times of its packets: nothing is decoded.

    Raises:
        InputError: it has no pictures, or too large or too many of them.
    """
    import av

    times, ends = [], []
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise InputError(f"{path}: has no pictures, only sound; expected a video.")
        stream = container.streams.video[0]
        if (stream.width or 0) * (stream.height or 0) > MOST_PIXELS:
            raise InputError(f"{path}: frames of {stream.width} x {stream.height}, more than can be read.")
        with suppress(av.FFmpegError):  # cut short: what there is
            for packet in container.demux(stream):
                if packet.pts is not None and packet.time_base is not None:
                    times.append(float(packet.pts * packet.time_base))
                    ends.append(times[-1] + float((packet.duration or 0) * packet.time_base))
    begin, end = min(times, default=0.0), max(ends, default=0.0)
    if end - begin > LONGEST:
        raise InputError(f"{path}: longer than {LONGEST / 3600:g} hours.")
    return begin, end - begin


def _shown(container: Any, begin: float, middles: Sequence[float]) -> list[Any]:
    """The frame that is shown at each of some times, the last one at those behind the end; decoded once, in order."""
    import av

    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    shown: list[Any] = []
    last = None
    with suppress(av.FFmpegError):  # a damaged end
        for frame in container.decode(stream):
            time = begin if frame.time is None else frame.time
            while last is not None and len(shown) < len(middles) and time - begin > middles[len(shown)]:
                shown.append(last)
            last = frame
            if len(shown) == len(middles):
                break
    return shown if last is None else shown + [last] * (len(middles) - len(shown))


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

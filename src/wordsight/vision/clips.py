"""Clips: a video file, an animated picture or a still one -> frames sampled evenly over its time.

Videos are decoded by PyAV (`video.py`), animated GIF, WebP, APNG and AVIF by Pillow. Frames are those shown at the
middle of `count` equal spans of time, by their time stamps, so variable frame rates come out right; one that is shown
for long is taken several times.

Parts of clips are named as in `fragments.py`.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from wordsight.errors import InputError
from wordsight.vision import video
from wordsight.vision.fragments import Fragment, fragment, is_video
from wordsight.vision.images import Source, open_image

MOST_FRAMES = 20_000  # of an animated picture


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


def frames(path: str | Path, count: int, at_least: int = 0) -> list[Frame]:
    """Frames of a clip or of a part of one, evenly over its time.

    Args:
        path: a video, an animated picture, or a still one, which is a clip of one frame; or a part, `clip.mp4#t=10,12`.
        count: how many, at least 1; a still picture gives one.
        at_least: a large frame may be made smaller, as long as both sides keep this many pixels; 0 for never.

    Returns:
        The frames in order, with their times in the whole clip. One that is taken several times is the same picture.

    Raises:
        InputError: the file is missing, damaged or no clip, or has no such part; the message names it.
    """
    if count < 1:
        raise InputError(f"frames = {count}: expected at least 1.")
    part = fragment(path)
    if not is_video(part.file):
        return _animation(part, count, at_least)
    spans = _spans(part, video.length(part.file), count)
    shown = video.at(part.file, [(start + end) / 2 for start, end in spans], at_least)
    return [Frame(image, start, end) for image, (start, end) in zip(shown, spans, strict=True)]


def sampled(path: str | Path, step: float, at_least: int = 0) -> Iterator[tuple[float, Image.Image]]:
    """The frame shown every `step` seconds and its time, from 0 on; one at a time, whatever the length.

    Args:
        path: a video, an animated picture or a still one.
        step: seconds from one to the next, above 0.
        at_least: as of `frames`.

    Raises:
        InputError: as of `frames`.
    """
    file = Path(path)
    if is_video(file):
        yield from video.every(file, step, at_least)
        return
    starts, length = _shown(file)
    times = [place * step for place in range(max(1, math.ceil(length / step - 1e-9)))]
    yield from zip(times, _taken(file, [_number(starts, time) for time in times], at_least), strict=True)


def length(path: str | Path) -> float:
    """How long a clip or a part of one is, in seconds; 0 for a still picture.

    Raises:
        InputError: as of `frames`.
    """
    part = fragment(path)
    total = video.length(part.file) if is_video(part.file) else _shown(part.file)[1]
    ((start, end),) = _spans(part, total, 1)
    return end - start


def still(source: Source, at_least: int = 0) -> Image.Image:
    """A picture as `open_image` does; of a video or of a part of a clip, the frame in the middle of its time.

    Raises:
        InputError: as of `open_image` and `frames`.
    """
    if isinstance(source, str | Path) and (is_video(source) or not fragment(source).whole):
        return frames(source, 1, at_least)[0].image
    return open_image(source, at_least=at_least)


def _spans(part: Fragment, length: float, count: int) -> list[tuple[float, float]]:
    """A part of a clip in `count` equal spans of time.

    Raises:
        InputError: the clip has no such part.
    """
    if part.end <= part.start:
        raise InputError(f"{part.path}: ends at {part.end:g} s, before it begins; expected a later end.")
    if part.start and part.start >= length:
        raise InputError(f"{part.path}: begins after the end of the clip, which is {length:.1f} s long.")
    end = min(part.end, length)
    return list(pairwise(part.start + (end - part.start) * place / count for place in range(count + 1)))


def _animation(part: Fragment, count: int, at_least: int) -> list[Frame]:
    """Of a picture with one frame or more, each shown for its own time."""
    starts, length = _shown(part.file)
    if len(starts) == 1:
        return [Frame(open_image(part.file, at_least=at_least), 0.0, 0.0)]
    spans = _spans(part, length, count)
    shown = _taken(part.file, [_number(starts, (start + end) / 2) for start, end in spans], at_least)
    return [Frame(image, start, end) for image, (start, end) in zip(shown, spans, strict=True)]


def _number(starts: Sequence[float], time: float) -> int:
    """Which frame is shown at a time."""
    return max(bisect_right(starts, time) - 1, 0)


def _shown(path: Path) -> tuple[list[float], float]:
    """When each frame of an animated picture begins, and how long it is, in seconds; (0,) and 0 of a still one.

    Raises:
        InputError: it is no picture, too large, damaged, or has too many frames.
    """
    open_image(path)  # what is no picture, or too large, is refused here
    try:
        with Image.open(path) as image:
            total = getattr(image, "n_frames", 1)
            if total == 1:
                return [0.0], 0.0
            if total > MOST_FRAMES:
                raise InputError(f"{path}: has {total:,} frames; expected at most {MOST_FRAMES:,} of a picture.")
            starts, at = [], 0.0
            for number in range(total):
                image.seek(number)
                image.load()  # only now it is known how long a WebP frame is shown
                starts.append(at)
                at += max(float(image.info.get("duration", 100) or 100), 10.0) / 1000
            return starts, at
    except InputError:
        raise
    except Exception:  # decoders of damaged files raise nearly anything
        raise _damaged(path) from None


def _taken(path: Path, numbers: Sequence[int], at_least: int) -> Iterator[Image.Image]:
    """Some frames of an animated picture, by ascending numbers; one that repeats is opened once."""
    try:
        with Image.open(path) as image:
            last, shown = -1, open_image(path, at_least=at_least) if numbers == [0] else image
            for number in numbers:
                if number != last:
                    image.seek(number)
                    last, shown = number, _smaller(image.convert("RGB"), at_least)
                yield shown
    except InputError:
        raise
    except Exception:
        raise _damaged(path) from None


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: damaged; expected an animated picture that can be read to its end.")


def _smaller(image: Image.Image, at_least: int) -> Image.Image:
    """A frame at a fraction of its size, if both sides keep `at_least` pixels."""
    factor = min(image.size) // at_least if at_least else 1
    return image.reduce(factor) if factor > 1 else image

"""Clips: a video file, an animated or a still picture -> frames sampled evenly over its time.

Videos are decoded by PyAV (`video.py`), animated GIF, WebP, APNG and AVIF by Pillow. The frames are those shown at the
middles of `count` equal spans of time, by their time stamps, so variable frame rates come out right. A frame that is
shown for long is taken several times.

`fragments.py` defines the names of parts of clips.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from wordsight.errors import InputError
from wordsight.vision import video
from wordsight.vision.colour import to_rgb
from wordsight.vision.fragments import Fragment, fragment, is_video
from wordsight.vision.images import Source, open_image

MOST_FRAMES = 20_000  # most frames of an animated picture


class Frame(NamedTuple):
    """A frame of a clip.

    Attributes:
        image: upright RGB.
        start: beginning of the span of time that it stands for, in seconds.
        end: end of this span.
    """

    image: Image.Image
    start: float
    end: float


def frames(path: str | Path, count: int, at_least: int = 0) -> list[Frame]:
    """Sample frames of a clip or of a part of one, evenly over its time.

    Args:
        path: a video, an animated picture, or a still one, which is a clip of one frame; or a part, `clip.mp4#t=10,12`.
        count: number of frames, at least 1; a still picture gives one.
        at_least: large frames may be reduced, as long as both sides keep this many pixels; 0 for never.

    Returns:
        The frames in order, with their times in the whole clip. A frame taken several times is the same `Image` object.

    Raises:
        InputError: the file is missing, damaged or not a clip, or has no such part; the message names it.
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
    """Yield the time and frame at every `step` seconds, from 0 on; one frame is in memory at a time.

    Args:
        path: a video, an animated picture or a still one.
        step: seconds between frames, above 0.
        at_least: as in `frames`.

    Raises:
        InputError: as in `frames`.
    """
    file = Path(path)
    if is_video(file):
        yield from video.every(file, step, at_least)
        return
    starts, length = _shown(file)
    times = [place * step for place in range(max(1, math.ceil(length / step - 1e-9)))]
    yield from zip(times, _taken(file, [_number(starts, time) for time in times], at_least), strict=True)


def length(path: str | Path) -> float:
    """Length of a clip or of a part of one, in seconds; 0 for a still picture.

    Raises:
        InputError: as in `frames`.
    """
    part = fragment(path)
    total = video.length(part.file) if is_video(part.file) else _shown(part.file)[1]
    ((start, end),) = _spans(part, total, 1)
    return end - start


def still(source: Source, at_least: int = 0) -> Image.Image:
    """Open a picture like `open_image`; of a video or a part of a clip, the frame in the middle of its time.

    Raises:
        InputError: as in `open_image` and `frames`.
    """
    if isinstance(source, str | Path) and (is_video(source) or not fragment(source).whole):
        return frames(source, 1, at_least)[0].image
    return open_image(source, at_least=at_least)


def _spans(part: Fragment, length: float, count: int) -> list[tuple[float, float]]:
    """Split a part of a clip into `count` equal spans of time.

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
    """Sample frames of a picture with one or more frames, each shown for its own time."""
    starts, length = _shown(part.file)
    if len(starts) == 1 and not part.start:
        return [Frame(open_image(part.file, at_least=at_least), 0.0, 0.0)]
    spans = _spans(part, length, count)
    shown = _taken(part.file, [_number(starts, (start + end) / 2) for start, end in spans], at_least)
    return [Frame(image, start, end) for image, (start, end) in zip(shown, spans, strict=True)]


def _number(starts: Sequence[float], time: float) -> int:
    """Number of the frame shown at a time."""
    return max(bisect_right(starts, time) - 1, 0)


def _shown(path: Path) -> tuple[list[float], float]:
    """Start of each frame of an animated picture, and its total length, in seconds; [0] and 0 for a still one.

    Raises:
        InputError: it is not a picture, too large, damaged, or has too many frames.
    """
    open_image(path)  # raises if it is not a picture, or too large
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
                image.load()  # the duration of a WebP frame is known only now
                starts.append(at)
                at += max(float(image.info.get("duration", 100) or 100), 10.0) / 1000
            return starts, at
    except InputError:
        raise
    except Exception:  # decoders of damaged files raise almost any error
        raise _damaged(path) from None


def _taken(path: Path, numbers: Sequence[int], at_least: int) -> Iterator[Image.Image]:
    """Yield frames of an animated picture, by ascending numbers; a repeated one is decoded once."""
    try:
        with Image.open(path) as image:
            for number, times in groupby(numbers):
                image.seek(number)
                shown = _smaller(to_rgb(image.copy()), at_least)
                yield from (shown for _ in times)
    except InputError:
        raise
    except Exception:
        raise _damaged(path) from None


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: damaged; expected an animated picture that can be read to its end.")


def _smaller(image: Image.Image, at_least: int) -> Image.Image:
    """Reduce a frame, if both sides keep `at_least` pixels."""
    factor = min(image.size) // at_least if at_least else 1
    return image.reduce(factor) if factor > 1 else image

"""Shot detection in clips, by a simple rule: a shot ends where the colours of the picture change suddenly.

Ten frames per second are compared. Two consecutive frames are of different shots if their colour histograms differ by
more than `CHANGE`, and their pixels by more than `LEAST`. A shot, except the last, lasts at least `SHORTEST` seconds.
Slow fades are not found.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.vision.clips import length, sampled
from wordsight.vision.fragments import Fragment, fragment

STEP = 0.1  # seconds between frames
CHANGE = 0.35  # half the sum of differences, 0 for equal histograms and 1 for those that share no colour
LEAST = 8.0  # least mean change of pixels, in levels of 256: a plain picture that fades changes all its colours slowly
SHORTEST = 0.4  # seconds, least length of a shot
_SIDE, _LEVELS = 64, 8  # side of compared frames in pixels; levels of red, green and blue


def shots(path: Path, progress: Callable[[int, int], None] | None = None) -> list[Fragment]:
    """The shots of a clip, in order; together they cover the whole clip.

    Args:
        path: a video, an animated picture, a part of one, or a still picture, which is one shot.
        progress: receives the number of seconds done, and the total.

    Raises:
        InputError: the clip cannot be read; the message names it.
    """
    part = fragment(path)
    end = part.start + length(path)
    cuts, before = [part.start], None
    for time, image in sampled(part.file, STEP, _SIDE):
        if not part.start <= time < end:
            continue
        frame = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX))
        if before is not None and time - cuts[-1] >= SHORTEST and _differ(before, frame):
            cuts.append(time)
        before = frame
        if progress:
            progress(math.ceil(time - part.start), math.ceil(end - part.start))
    return [Fragment(part.file, *times) for times in pairwise([*cuts, end])]


def _differ(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two frames (S, S, 3) are of different shots."""
    change = float(np.abs(histogram(one) - histogram(other)).sum()) / 2
    return change > CHANGE and float(np.abs(one.astype(np.int16) - other).mean()) > LEAST


def histogram(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Colour histogram (512,): shares of pixels, in eight levels each of red, green and blue."""
    levels = frame.astype(np.int64) * _LEVELS // 256
    cells = (levels * np.array([_LEVELS**2, _LEVELS, 1])).sum(axis=2)
    return np.bincount(cells.reshape(-1), minlength=_LEVELS**3) / cells.size

"""Shots of a clip, by a simple rule: one ends where the colours of the picture change at once.

Ten frames a second are looked at. Two that follow one another are of different shots where their colour histograms
differ by more than `CHANGE`; a shot lasts at least `SHORTEST` seconds. Fades, which change slowly, are not found.
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

STEP = 0.1  # seconds between two frames
CHANGE = 0.35  # half the sum of differences, 0 for equal histograms and 1 for those that share no colour
LEAST = 8.0  # levels of 256 by which pixels change too; a plain picture that fades changes all its colours slowly
SHORTEST = 0.4  # seconds
_SIDE, _LEVELS = 64, 8  # pixels of a frame that is looked at; levels of red, green and blue


def shots(path: Path, progress: Callable[[int, int], None] | None = None) -> list[Fragment]:
    """The shots of a clip, in order; together they are the whole of it.

    Args:
        path: a video, an animated picture, a part of one, or a still picture, which is one shot.
        progress: receives how many seconds are done, and of how many.

    Raises:
        InputError: it cannot be read; the message names it.
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
    """(512,), the share of the pixels that have each colour, by eight levels of red, green and blue each."""
    levels = frame.astype(np.int64) * _LEVELS // 256
    cells = (levels * np.array([_LEVELS**2, _LEVELS, 1])).sum(axis=2)
    return np.bincount(cells.reshape(-1), minlength=_LEVELS**3) / cells.size

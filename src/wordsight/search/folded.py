"""Hits by file: a video is one hit, with the score of its best frame."""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from wordsight.search.scan import Ints


class Files(NamedTuple):
    """Hits by file.

    Attributes:
        best: the best picture of each file, as ascending indices among the chosen.
        frames: for each such index whose file has several pictures, the indices of all of them, best first.
    """

    best: Ints
    frames: dict[int, Ints]


def by_file(files: Ints, left: Ints, scores: Tensor) -> Files:
    """Put the best frame of each video in place of all its frames.

    Args:
        files: (I,) a number for the file of each picture, which frames of a video share.
        left: the indices of the pictures that are good enough, ascending.
        scores: (I,).
    """
    if not len(left):
        return Files(left, {})
    of = files[left]
    order = np.lexsort((left, -scores.numpy()[left], of))  # by file, best first
    ends = np.flatnonzero(np.diff(of[order], append=-1)) + 1
    parts = np.split(left[order], ends[:-1])
    return Files(
        np.sort([part[0] for part in parts]).astype(np.int64),
        {int(part[0]): part for part in parts if len(part) > 1},
    )

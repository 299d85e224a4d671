"""Clips to `Regions`: frames are regions with time.

The first region is the whole clip, the mean of its frames, as of a picture it is the whole picture; the frames follow
in order. A frame's features are those of the whole frame or, with `cells`, of its cells side by side, so that a model
can tell where something is and which way it moves.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from wordsight.batch import Regions
from wordsight.errors import InputError
from wordsight.vision.boxes import WHOLE, grid
from wordsight.vision.cache import Row
from wordsight.vision.clips import frames
from wordsight.vision.images import Source
from wordsight.vision.regions import RegionEncoder

GROUP = 64  # frames described at a time


class ClipEncoder(RegionEncoder):
    """Turns clips into regions, one for the whole clip and one a frame.

    Attributes:
        rows: R, one more than `settings.frames`.
        size: F, features a frame: those of `RegionEncoder`, `settings.cells` squared times.
    """

    def __init__(self, *args: object, **keywords: object) -> None:
        super().__init__(*args, **keywords)  # type: ignore[arg-type]
        cells = self.settings.cells
        self._cells = grid(1 / cells, 1 / cells, cells, cells)  # (cells x cells, 4)
        self._one, self.size = self.size, self.size * len(self._cells)
        self.rows = 1 + self.settings.frames
        self.blocks = {"frame": slice(0, self.size)}

    def encode(self, images: Sequence[Source], boxes: Sequence[ArrayLike] | None = None) -> Regions:
        """The frames of some clips; boxes are for pictures.

        Raises:
            InputError: boxes are given, or a clip cannot be read; the message names it.
        """
        if boxes is not None:
            raise InputError("boxes: this run describes clips; expected none.")
        return super().encode(images)

    def stream(self, images: Iterable[Source], boxes: Sequence[ArrayLike] | None = None) -> Iterator[Row | InputError]:
        """The rows of clips, in order; for a broken clip, the error as a value."""
        side = self.settings.size
        for source in images:
            try:
                shown = [one.image for one in frames(_path(source), self.settings.frames, side)]
                once = {id(image): image for image in shown}
                rows = dict(zip(once, super().stream(list(once.values()), [self._cells] * len(once)), strict=True))
            except InputError as error:
                yield error
                continue
            broken = next((row for row in rows.values() if isinstance(row, InputError)), None)
            yield broken or self._row([row for image in shown if isinstance(row := rows[id(image)], Row)])

    def _row(self, rows: Sequence[Row]) -> Row:
        """Frames one after the other, behind their mean."""
        described = np.stack([row.features.reshape(-1) for row in rows])  # (n, cells x F)
        features = np.concatenate([described.mean(0, keepdims=True), described])
        boxes = np.tile(np.array([WHOLE], np.float32), (len(features), 1))
        return Row(features.astype(np.float16).astype(np.float32), boxes, np.zeros(len(features), np.int8))


def _path(source: Source) -> Path:
    if not isinstance(source, str | Path):
        raise InputError("A clip is named by its file: expected a path.")
    return Path(source)

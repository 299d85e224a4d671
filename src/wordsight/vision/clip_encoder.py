"""Clip encoder: clips to `Regions`, whose regions are frames.

The first region is the whole clip, the mean of its frames (of a picture it is the whole picture); the frames follow in
order. A frame's features are those of the whole frame or, with `cells`, those of its cells, concatenated, so that a
model can see where something is and which way it moves.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from wordsight.batch import Regions
from wordsight.errors import InputError
from wordsight.vision.boxes import WHOLE, grid
from wordsight.vision.cache import Row
from wordsight.vision.clips import Frame, frames
from wordsight.vision.images import Source
from wordsight.vision.pooling import Features
from wordsight.vision.proposals import Proposals
from wordsight.vision.regions import RegionEncoder


class ClipEncoder(RegionEncoder):
    """Encodes clips as regions: one for the whole clip, and one per frame.

    Attributes:
        rows: R, one more than `settings.frames`.
        size: F, features per frame: `settings.cells` squared times those of `RegionEncoder`.
    """

    def __init__(self, *args: object, **keywords: object) -> None:
        super().__init__(*args, **keywords)  # type: ignore[arg-type]
        cells = self.settings.cells
        self._cells = grid(1 / cells, 1 / cells, cells, cells)  # (cells x cells, 4)
        self._one, self.size = self.size, self.size * len(self._cells)
        self.rows = 1 + self.settings.frames
        self.blocks = {"frame": slice(0, self.size)}

    def encode(self, images: Sequence[Source], boxes: Sequence[ArrayLike] | None = None) -> Regions:
        """Encode clips; `boxes`, which are for pictures, must be None.

        Raises:
            InputError: boxes are given, or a clip cannot be read; the message names the clip.
        """
        if boxes is not None:
            raise InputError("boxes: this run describes clips; expected none.")
        return super().encode(images)

    def stream(self, images: Iterable[Source], boxes: Sequence[ArrayLike] | None = None) -> Iterator[Row | InputError]:
        """Yield a row for each clip, in order; for a broken clip, the error as a value.

        Frames are encoded while the next clip is decoded. A frame that is shown several times is encoded once.
        """
        clips: deque[list[int] | InputError] = deque()  # the numbers of the distinct frames shown, or an error

        def different() -> Iterator[Source]:
            for found in self._decoded(images):
                if isinstance(found, InputError):
                    clips.append(found)
                    continue
                once = {id(one.image): one.image for one in found}
                place = {key: number for number, key in enumerate(once)}
                clips.append([place[id(one.image)] for one in found])
                yield from once.values()

        rows: list[Row] = []
        for row in super().stream(different()):
            if isinstance(row, InputError):
                raise row
            rows.append(row)
            while clips and (isinstance(first := clips[0], InputError) or len(rows) > max(first)):
                yield self._described(clips.popleft(), rows)
        yield from (self._described(clip, rows) for clip in clips)  # broken clips at the end

    def _decoded(self, sources: Iterable[Source]) -> Iterator[list[Frame] | InputError]:
        """Yield the frames of each clip, or its error; the next clip is decoded while one is used."""

        def decode(source: Source) -> list[Frame] | InputError:
            try:
                return frames(_path(source), self.settings.frames, self.settings.size)
            except InputError as error:
                return error

        with ThreadPoolExecutor(1) as pool:
            ahead: Future[list[Frame] | InputError] | None = None
            for source in sources:
                now, ahead = ahead, pool.submit(decode, source)
                if now:
                    yield now.result()
            if ahead:
                yield ahead.result()

    def _look(self, source: Source, boxes: ArrayLike | None) -> tuple[Image.Image, Proposals, Features | None]:
        """A frame and its cells."""
        return super()._look(source, self._cells)

    def _described(self, clip: list[int] | InputError, rows: list[Row]) -> Row | InputError:
        """Build the row of a clip from the first of `rows`, those of its frames, and remove them from `rows`."""
        if isinstance(clip, InputError):
            return clip
        row = self._row([rows[place] for place in clip])
        del rows[: max(clip) + 1]
        return row

    def _row(self, rows: Sequence[Row]) -> Row:
        """The mean of the frames, then the frames in order."""
        described = np.stack([row.features.reshape(-1) for row in rows])  # (n, cells x F)
        features = np.concatenate([described.mean(0, keepdims=True), described])
        boxes = np.tile(np.array([WHOLE], np.float32), (len(features), 1))
        return Row(features.astype(np.float16).astype(np.float32), boxes, np.zeros(len(features), np.int8))


def _path(source: Source) -> Path:
    if not isinstance(source, str | Path):
        raise InputError("A clip is named by its file: expected a path.")
    return Path(source)

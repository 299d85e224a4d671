"""What larger nets saw in the pictures that a small one learns from, kept on disk: it is looked at many times."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.files import read_json, write_text
from wordsight.training.progress import Count, Progress
from wordsight.vision.images import open_image, pixels
from wordsight.vision.proposals import COCO_NAMES
from wordsight.vision.regions import RegionEncoder, Row

FORMAT = 1
SIDE = 320  # pixels of the pictures that are kept
KEPT = 384  # directions of the teachers' features that are kept
MOST = 20  # things a picture that are kept
ASKED = 300  # pictures that choose the directions
FLUSH = 50


@dataclass(frozen=True)
class Lessons:
    """N pictures and what was seen in them, on disk until they are gathered.

    Attributes:
        pixels: (N, SIDE, SIDE, 3) uint8.
        maps: (N, cells, cells, KEPT) float16, the teachers' features in the directions where they vary most.
        boxes: (N, MOST, 4) float16, `xyxy` fractions of what their detector found; 0 where it found less.
        classes: (N, MOST, C) float16, its scores for COCO's C classes; 0 where it found less.
    """

    pixels: NDArray[np.uint8]
    maps: NDArray[np.float16]
    boxes: NDArray[np.float16]
    classes: NDArray[np.float16]

    def __len__(self) -> int:
        """N."""
        return len(self.pixels)

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows (B,) -> pictures (B, 3, SIDE, SIDE), 0 to 255, maps (B, KEPT, cells, cells), boxes, classes; float32."""
        at = rows.numpy()
        seen = (torch.from_numpy(part[at]).float() for part in (self.pixels, self.maps, self.boxes, self.classes))
        pictures, maps, boxes, classes = seen
        return pictures.permute(0, 3, 1, 2), maps.permute(0, 3, 1, 2), boxes, classes


def lessons(pictures: Sequence[Picture], teachers: RegionEncoder, folder: Path, progress: Progress) -> Lessons:
    """What teachers see in pictures, computed where it is not yet known.

    Args:
        pictures: any; the first that these teachers are asked about choose the directions, so begin with the train
            split.
        teachers: an encoder whose regions are the whole picture and a grid; a detector that knows classes may be there.
        folder: where lessons are kept; interrupted, the same call goes on.
        progress: who is told how far it is.

    Raises:
        InputError: a picture cannot be read.
    """
    cells, detector = teachers.settings.grid, teachers.detector
    paths = [picture.path for picture in pictures]
    teaching = folder / _short([FORMAT, SIDE, KEPT, MOST, teachers.fingerprint])
    place = teaching / _short([path.name for path in paths])
    place.mkdir(parents=True, exist_ok=True)
    shapes = {
        "pixels": ("u1", (SIDE, SIDE, 3)),
        "maps": ("<f2", (cells, cells, KEPT)),
        "boxes": ("<f2", (MOST, 4)),
        "classes": ("<f2", (MOST, len(COCO_NAMES))),
    }
    done = int(read_json(place / "done.json")) if (place / "done.json").exists() else 0
    files = {name: place / f"{name}.bin" for name in shapes}
    parts = {
        name: np.memmap(files[name], kind, "r+" if files[name].exists() else "w+", shape=(len(paths), *shape))
        for name, (kind, shape) in shapes.items()
    }
    if done < len(paths):
        with progress.task("directions of the teachers' features") as count:
            middle, directions = _directions(teaching, teachers, paths, count)
        with progress.task("lessons") as count:
            for number, row in enumerate(_rows(teachers, paths[done:]), done):
                image = open_image(paths[number])
                parts["pixels"][number] = pixels(image, (SIDE, SIDE)).transpose(1, 2, 0)
                seen = (row.features[1:] - middle) @ directions  # (cells, KEPT)
                parts["maps"][number] = seen.reshape(cells, cells, KEPT)
                if detector:
                    things = detector.detect(image).first(MOST)
                    parts["boxes"][number, : len(things)] = things.boxes
                    parts["classes"][number, : len(things)] = things.classes
                if (number + 1) % FLUSH == 0 or number + 1 == len(paths):
                    write_text(place / "done.json", str(number + 1))
                count(number + 1, len(paths))
    return Lessons(**parts)


def _short(what: object) -> str:
    """A name for it, for a folder."""
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def _rows(teachers: RegionEncoder, paths: Sequence[Path]) -> Iterator[Row]:
    """What the teachers see in each picture; cells in the order of rows and columns."""
    for row in teachers.stream(paths):
        if isinstance(row, InputError):
            raise row
        order = [0, *(1 + np.lexsort((row.boxes[1:, 0], row.boxes[1:, 1])))]
        yield Row(row.features[order], row.boxes[order], row.kinds[order])


def _directions(
    place: Path, teachers: RegionEncoder, paths: Sequence[Path], count: Count
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean (F,) of the teachers' features and their directions (F, KEPT), from some pictures spread over all.

    Directions are those of greatest variance, each scaled by its standard deviation to the power of -1/2: the weak ones
    count for more than by their variance, and noise for less than after whitening. The mean squared length is 1.
    """
    path = place / "directions.npy"
    if not path.exists():
        some = paths[:: max(1, len(paths) // ASKED)][:ASKED]
        total = np.zeros(teachers.size)
        square = np.zeros((teachers.size, teachers.size), np.float32)
        cells = 0
        for number, row in enumerate(_rows(teachers, some)):
            seen = row.features[1:]
            total, square, cells = total + seen.sum(0), square + seen.T @ seen, cells + len(seen)
            count(number + 1, len(some))
        middle = total / cells
        values, vectors = np.linalg.eigh(square / cells - np.outer(middle, middle))
        values, vectors = values[::-1][:KEPT].clip(1e-9), vectors[:, ::-1][:, :KEPT]
        scaled = np.zeros((teachers.size, KEPT))  # those that features of less than KEPT numbers lack stay 0
        scaled[:, : len(values)] = vectors * values**-0.25 / np.sqrt((values**0.5).sum())
        np.save(path, np.concatenate([middle[:, None], scaled], 1).astype(np.float32))
    kept = np.load(path)
    return kept[:, 0], kept[:, 1:]

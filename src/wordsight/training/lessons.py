"""What larger nets saw in the pictures that a small one learns from, kept on disk: it is looked at many times."""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.files import write_bytes
from wordsight.training.progress import Progress
from wordsight.vision.cache import hashes
from wordsight.vision.images import open_image, pixels
from wordsight.vision.proposals import COCO_NAMES, Detector
from wordsight.vision.regions import RegionEncoder

FORMAT = 1
SIDE = 320  # pixels of the pictures that are kept
KEPT = 384  # directions of the teachers' features that are kept
MOST = 20  # things a picture that are kept
ASKED = 300  # pictures that choose the directions


@dataclass(frozen=True)
class Lessons:
    """N pictures and what was seen in them, on disk until they are gathered.

    Attributes:
        key: equal for the same pictures and teachers.
        records: (N,), each of `pixels` (SIDE, SIDE, 3) uint8; `maps` (cells, cells, KEPT) float16, the teachers'
            features in the directions where they vary most, (1, 1, 0) without teachers; `boxes` (MOST, 4) float16,
            `xyxy` fractions of what the detector found, and `classes` (MOST, C) float16, its scores for COCO's C
            classes, both 0 where it found less.
    """

    key: str
    records: NDArray[Any]

    def __len__(self) -> int:
        """N."""
        return len(self.records)

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows (B,) -> pictures (B, 3, SIDE, SIDE), 0 to 255, maps (B, KEPT, cells, cells), boxes, classes; float32."""
        some = self.records[rows.numpy()]
        parts = (torch.from_numpy(some[part]).float() for part in ("pixels", "maps", "boxes", "classes"))
        pictures, maps, boxes, classes = parts
        return pictures.permute(0, 3, 1, 2), maps.permute(0, 3, 1, 2), boxes, classes


def lessons(
    pictures: Sequence[Picture],
    teachers: RegionEncoder | None,
    detector: Detector | None,
    folder: Path,
    progress: Progress,
) -> Lessons:
    """What teachers see in pictures, computed where it is not yet known.

    Args:
        pictures: any.
        teachers: an encoder whose regions are the whole picture and a grid; None where nobody teaches.
        detector: one that knows COCO's classes; None where no things are learned.
        folder: where lessons are kept; interrupted, the same call goes on.
        progress: who is told how far it is.

    Raises:
        InputError: a picture cannot be read, or the folder cannot be written.
    """
    paths = [picture.path for picture in pictures]
    key, record = _key(paths, teachers, detector), _record(teachers)
    place = folder / key[:16]
    path = place / "lessons.bin"
    try:
        place.mkdir(parents=True, exist_ok=True)
        path.touch()
        done = path.stat().st_size // record.itemsize  # one that is cut short is written again
        seen = _seen(teachers, paths, done, place, progress)
        with open(path, "r+b") as file, progress.task("lessons") as count:
            file.seek(done * record.itemsize)
            for number, (image, cells) in enumerate(seen, done + 1):
                lesson = np.zeros((), record)
                lesson["pixels"] = pixels(image, (SIDE, SIDE)).transpose(1, 2, 0)
                lesson["maps"] = cells.reshape(record["maps"].shape)
                if detector:
                    things = detector.detect(image).first(MOST)
                    lesson["boxes"][: len(things)], lesson["classes"][: len(things)] = things.boxes, things.classes
                file.write(lesson.tobytes())
                count(number, len(paths))
        return Lessons(key, np.memmap(path, record, "r", shape=len(paths)))
    except OSError as error:
        raise InputError(
            f"{place}: lessons cannot be kept here ({error.strerror}); those made before are, and the same command "
            "continues; $WORDSIGHT_CACHE chooses another folder."
        ) from None


def _key(paths: Sequence[Path], teachers: RegionEncoder | None, detector: Detector | None) -> str:
    """A hash of all that decides the lessons: where pictures lie and what they are called does not matter."""
    contents, broken = hashes(paths)
    if broken:
        raise InputError(next(iter(broken.values())))
    nets = [teachers.fingerprint if teachers else "", detector.content if detector else ""]
    what = [FORMAT, SIDE, KEPT, MOST, *nets, *(content.hex() for content in contents)]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def _record(teachers: RegionEncoder | None) -> np.dtype[Any]:
    """What is kept of a picture."""
    cells, width = (teachers.settings.grid, KEPT) if teachers else (1, 0)
    return np.dtype(
        [
            ("pixels", "u1", (SIDE, SIDE, 3)),
            ("maps", "<f2", (cells, cells, width)),
            ("boxes", "<f2", (MOST, 4)),
            ("classes", "<f2", (MOST, len(COCO_NAMES))),
        ]
    )


def _seen(
    teachers: RegionEncoder | None, paths: Sequence[Path], done: int, place: Path, progress: Progress
) -> Iterator[tuple[Image.Image, NDArray[np.floating]]]:
    """Each picture that is not done, and what is kept of its cells: (cells^2, KEPT), or (1, 0) where nobody teaches."""
    if not teachers:
        return ((open_image(path, at_least=SIDE), np.zeros((1, 0), np.float32)) for path in paths[done:])
    middle, directions = _directions(place, teachers, paths, progress)
    return ((image, (cells - middle) @ directions) for image, cells in _cells(teachers, paths[done:]))


def _cells(teachers: RegionEncoder, paths: Sequence[Path]) -> Iterator[tuple[Image.Image, NDArray[np.float32]]]:
    """Each picture, and what the teachers see in its cells, row by row: (cells^2, F)."""
    images, again = tee(open_image(path, at_least=teachers.settings.size) for path in paths)
    for image, row in zip(images, teachers.stream(again), strict=True):
        if isinstance(row, InputError):
            raise row
        order = np.lexsort((row.boxes[1:, 0], row.boxes[1:, 1]))
        yield image, row.features[1:][order]


def _directions(
    place: Path, teachers: RegionEncoder, paths: Sequence[Path], progress: Progress
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
        count = 0
        with progress.task("directions of the teachers' features") as tell:
            for number, (_, cells) in enumerate(_cells(teachers, some), 1):
                total, square, count = total + cells.sum(0), square + cells.T @ cells, count + len(cells)
                tell(number, len(some))
        middle = total / count
        values, vectors = np.linalg.eigh(square / count - np.outer(middle, middle))
        values, vectors = values[::-1][:KEPT].clip(1e-9), vectors[:, ::-1][:, :KEPT]
        scaled = np.zeros((teachers.size, KEPT))  # those that features of less than KEPT numbers lack stay 0
        scaled[:, : len(values)] = vectors * values**-0.25 / np.sqrt((values**0.5).sum())
        content = io.BytesIO()
        np.save(content, np.concatenate([middle[:, None], scaled], 1).astype(np.float32))
        write_bytes(path, content.getvalue())
    kept = np.load(path)
    return kept[:, 0], kept[:, 1:]

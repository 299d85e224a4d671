"""Sketch-based image retrieval: photos ranked by a drawing, each with the parts that match groups of its strokes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.runs.aligner import Box
from wordsight.search.evidence import HitEvidence
from wordsight.search.find import Search, looked
from wordsight.search.opened import Opened
from wordsight.search.options import SearchOptions
from wordsight.search.results import Phrase, SearchResults
from wordsight.search.sketch_view import GRID, SketchView
from wordsight.vision.drawings import Floats
from wordsight.vision.images import Source
from wordsight.vision.sketch_views import orientations

GROUPS = 4  # groups of strokes, by position
SHIFT = 2  # most cells by which a group of strokes may be shifted in the photo, in each direction
FAR = 0.02  # subtracted from the similarity for each cell of shift
STROKES = "strokes"
SHIFTS = np.array([(down, right) for down in range(-SHIFT, SHIFT + 1) for right in range(-SHIFT, SHIFT + 1)])


def search_sketch(
    open_now: Callable[[], Opened], view: SketchView, sketch: Source, wanted: SearchOptions
) -> SearchResults:
    """Find the photos that fit a drawing best.

    Args:
        open_now: gives the current index.
        view: its sketch view.
        sketch: a drawing of lines on plain paper.
        wanted: which hits.

    Raises:
        InputError: the drawing cannot be used, an option is for sentences only, or the index is damaged.
    """
    if wanted.min_confidence is not None:
        raise InputError("min_confidence: expected a single sentence; hits of a drawing have no confidence.")
    query, ink = view.sketcher.encode_sketch(sketch)
    strokes = stroke_groups(ink)

    def look(search: Search) -> SearchResults:
        rows = view.rows(search.catalog, search.snapshot)
        places = search.chosen[rows[search.chosen] >= 0]
        scores = torch.from_numpy(view.vectors[rows[places]] @ query.numpy())
        numbers = search.snapshot.numbers

        def adds(shown: HitEvidence, number: int) -> HitEvidence:
            row = rows[np.searchsorted(numbers, number)]
            return shown[0], (*shown[1], *answers(strokes, view.records["cells"][row]))

        return search.narrowed(places, scores, adds)

    return looked(open_now, wanted, look)


class Strokes(NamedTuple):
    """The strokes of a drawing in G groups of neighbours, by the cells that they cover.

    Attributes:
        edges: (G, BINS * GRID * GRID) by orientation, of length 1.
        used: (G, GRID * GRID) 1 where the group covers a cell.
        boxes: left, top, right and bottom of each group, in cells.
    """

    edges: Floats
    used: Floats
    boxes: tuple[tuple[int, int, int, int], ...]


def stroke_groups(ink: Floats) -> Strokes:
    """Group the strokes of a drawing, an ink map, by position.

    Groups are the clusters of k-means on the pixels of ink, started from pixels far from each other.
    """
    edges, used, boxes = [], [], []
    for ys, xs in _clusters(np.argwhere(ink > 0)):
        part = np.zeros_like(ink)
        part[ys, xs] = 1
        group = np.sqrt(orientations(part, GRID))
        cells = group.sum(0) > 0.15 * group.sum(0).max()
        own = (group * cells).ravel()
        edges.append(own / max(float(np.linalg.norm(own)), 1e-9))
        used.append(cells.ravel().astype(np.float32))
        down, across = np.nonzero(cells)
        boxes.append((int(across.min()), int(down.min()), int(across.max()) + 1, int(down.max()) + 1))
    return Strokes(np.stack(edges), np.stack(used), tuple(boxes))


def _clusters(ink: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Cluster the pixels of ink (N, 2) into at most `GROUPS` clusters: (2, n) each."""
    places = ink.astype(np.float32)
    middles = places[np.abs(places - places.mean(0)).sum(1).argmax()][None]

    def away() -> Floats:
        return np.stack([((places - middle) ** 2).sum(1) for middle in middles])

    while len(middles) < GROUPS:
        middles = np.concatenate([middles, places[away().min(0).argmax()][None]])
    for _ in range(5):
        nearest = away().argmin(0)
        own = [places[nearest == one] for one in range(GROUPS)]
        middles = np.stack([some.mean(0) if len(some) else old for some, old in zip(own, middles, strict=True)])
    return [ink[nearest == one].T for one in range(GROUPS) if (nearest == one).any()]


def answers(strokes: Strokes, photo: NDArray[np.uint8]) -> tuple[Phrase, ...]:
    """Where each group of strokes matches a photo: its box of cells, shifted to where the photo's edges are most alike.

    Args:
        strokes: of `stroke_groups`.
        photo: `sketch_view.cells` of its edges.
    """
    wide = np.zeros((len(photo), GRID + 2 * SHIFT, GRID + 2 * SHIFT), np.float32)
    wide[:, SHIFT:-SHIFT, SHIFT:-SHIFT] = photo
    moved = sliding_window_view(wide, (GRID, GRID), axis=(1, 2)).transpose(1, 2, 0, 3, 4)  # (down, right, BINS, cells)
    rows = moved.reshape(len(SHIFTS), -1)
    energy = (rows**2).reshape(len(SHIFTS), -1, GRID * GRID).sum(1)
    alike = rows @ strokes.edges.T / np.maximum(np.sqrt(energy @ strokes.used.T), 1e-9)  # (shifts, G)
    alike -= FAR * np.abs(SHIFTS).sum(1)[:, None]
    best = alike.argmax(0)
    found = [
        Phrase(STROKES, 0, 0, _box(box, *SHIFTS[at].tolist()), max(float(strength), 0.0), 1.0)
        for box, at, strength in zip(strokes.boxes, best, alike.max(0), strict=True)
    ]
    return tuple(sorted(found, key=lambda phrase: -phrase.strength))


def _box(cells: Sequence[int], down: int, right: int) -> Box:
    """Shift a box of cells, and clip it to the picture: `xyxy` fractions."""
    left, top, end, bottom = (
        min(max(edge + by, 0), GRID) / GRID for edge, by in zip(cells, (right, down, right, down), strict=True)
    )
    return left, top, end, bottom

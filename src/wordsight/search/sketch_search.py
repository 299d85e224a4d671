"""Search by drawing: photos ranked by a drawing, with the part of each photo that answers each group of its strokes."""

from collections.abc import Callable, Sequence

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

GROUPS = 4  # of strokes, by where they are
SHIFT = 2  # cells, that a group of strokes may be off in the photo
FAR = 0.02  # of the likeness, taken for each cell of shift
STROKES = "strokes"
SHIFTS = np.array([(down, right) for down in range(-SHIFT, SHIFT + 1) for right in range(-SHIFT, SHIFT + 1)])


def search_sketch(
    open_now: Callable[[], Opened], view: SketchView, sketch: Source, wanted: SearchOptions
) -> SearchResults:
    """The photos that fit a drawing best.

    Args:
        open_now: the index as it stands now.
        view: its sketch view.
        sketch: a drawing of lines on plain paper.
        wanted: which hits.

    Raises:
        InputError: the drawing cannot be used, an option is for sentences alone, or the index is damaged.
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


def stroke_groups(ink: Floats) -> list[Floats]:
    """The strokes of a drawing in groups of near ones, each as edges by orientation and cell (BINS, GRID, GRID).

    Groups are the clusters of k-means on the places of ink, begun at the places that are farthest from each other.
    """
    places = np.argwhere(ink > 0).astype(np.float32)
    middles = places[np.abs(places - places.mean(0)).sum(1).argmax()][None]
    while len(middles) < GROUPS:
        away = ((places[:, None] - middles) ** 2).sum(2).min(1)
        middles = np.concatenate([middles, places[away.argmax()][None]])
    for _ in range(5):
        nearest = ((places[:, None] - middles) ** 2).sum(2).argmin(1)
        own = [places[nearest == one] for one in range(GROUPS)]
        middles = np.stack([some.mean(0) if len(some) else old for some, old in zip(own, middles, strict=True)])
    found = []
    for one in range(GROUPS):
        part = np.zeros_like(ink)
        ys, xs = places[nearest == one].astype(int).T
        part[ys, xs] = 1
        if part.any():
            found.append(np.sqrt(orientations(part, GRID)))
    return found


def answers(groups: Sequence[Floats], photo: NDArray[np.uint8]) -> tuple[Phrase, ...]:
    """Where in a photo each group of strokes is answered: its cells, moved to where the photo's edges are most like it.

    Args:
        groups: of `stroke_groups`.
        photo: `sketch_view.cells` of its edges.
    """
    wide = np.pad(photo.astype(np.float32), ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    moved = sliding_window_view(wide, (GRID, GRID), axis=(1, 2)).transpose(1, 2, 0, 3, 4)  # (down, right, BINS, cells)
    rows, energy = moved.reshape(len(SHIFTS), -1), (moved**2).sum(2).reshape(len(SHIFTS), -1)
    found = []
    for group in groups:
        used = group.sum(0) > 0.15 * group.sum(0).max()
        mine = (group * used).ravel()
        norms = np.linalg.norm(mine) * np.sqrt(energy @ used.ravel())
        alike = rows @ mine / np.maximum(norms, 1e-9) - FAR * np.abs(SHIFTS).sum(1)
        best = int(alike.argmax())
        found.append(Phrase(STROKES, 0, 0, _box(used, *SHIFTS[best].tolist()), max(float(alike[best]), 0.0), 1.0))
    return tuple(sorted(found, key=lambda phrase: -phrase.strength))


def _box(used: NDArray[np.bool_], down: int, right: int) -> Box:
    """The cells as a box, moved, within the picture."""
    ys, xs = np.nonzero(used)
    edges = (xs.min() + right, ys.min() + down, xs.max() + 1 + right, ys.max() + 1 + down)
    return tuple(float(min(max(edge, 0), GRID)) / GRID for edge in edges)

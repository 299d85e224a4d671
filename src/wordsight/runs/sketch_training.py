"""Training for sketch search: from pairs of photos and sketches to a run, in closed form."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from wordsight.data.sketches import SketchData, load_sketches
from wordsight.errors import InputError
from wordsight.matching.coupled_subspaces import CoupledSubspaces
from wordsight.outputs import require_free
from wordsight.progress import Progress
from wordsight.runs.sketcher import CONFIG, FILES, Sketcher, save
from wordsight.vision.cache import FeatureCache, default_cache
from wordsight.vision.sketch_views import Kind, SketchViews

LEAST = 10  # least number of photos with sketches


class Features(NamedTuple):
    """The views of a dataset.

    Attributes:
        photos: (P, F).
        gallery: (G, F).
        sketches: (N, F).
        views: the columns of each view.
    """

    photos: Tensor
    gallery: Tensor
    sketches: Tensor
    views: Mapping[str, slice]


def features(data: SketchData, progress: Progress, *, gallery: bool = True) -> Features:
    """The views of all pictures of a dataset, from the feature cache or computed now.

    Raises:
        InputError: a picture cannot be read, or a sketch is empty or a photograph; the message names the file.
    """
    photos, sketches = SketchViews("photo"), SketchViews("sketch")
    found = [
        _views(photos, data.photos, "photo", progress),
        _views(photos, data.gallery if gallery else (), "photo", progress),
        _views(sketches, [one.path for one in data.sketches], "sketch", progress),
    ]
    return Features(found[0], found[1], found[2], photos.blocks)


def _views(source: SketchViews, paths: Sequence[Path], kind: Kind, progress: Progress) -> Tensor:
    if not paths:
        return torch.zeros(0, source.size)
    with progress.task(f"views of {kind}s") as count:
        table = FeatureCache(default_cache(), source).regions(paths, progress=count, on_broken="raise")
    return table.gather(torch.arange(len(paths))).features[:, 0]


def train(source: str | Path, out: Path, progress: Progress | None = None) -> Sketcher:
    """Learn sketch search from a dataset of pairs, and save it as a run.

    Args:
        source: a dataset that `load_sketches` reads.
        out: the folder of the run.
        progress: receives updates; None prints to stderr.

    Raises:
        InputError: the dataset cannot be used, or the folder cannot be written, holds a run or files that would be
            replaced.
    """
    progress = progress or Progress()
    if out.is_file() or (out / CONFIG).exists():
        raise InputError(f"{out}: expected a new folder for the run; this is a file, or holds a run already.")
    require_free(out, FILES)
    data = load_sketches(source)
    drawn = sorted({one.photo for one in data.sketches})
    if len(drawn) < LEAST:
        raise InputError(f"{data.root}: has sketches of {len(drawn)} photos; expected at least {LEAST} to learn from.")
    seen = features(data, progress, gallery=False)
    place = {photo: number for number, photo in enumerate(drawn)}
    photo = torch.tensor([place[one.photo] for one in data.sketches])
    model = CoupledSubspaces(seen.photos.shape[1], rank=min(128, len(drawn) - 1))
    fit = model.fit(seen.photos[drawn], seen.sketches, photo, seen.views)
    save(out, model, seen.views, fit, {"data": str(data.root), "photos": len(drawn), "sketches": len(photo)})
    return Sketcher(out)

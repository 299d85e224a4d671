"""Further views and peers for the benchmark of sketches: shape contexts, attributes, and a triplet network.

Shape contexts (Belongie et al. 2002): at each of 150 points of ink a histogram of the other points by 12 directions and
5 distances; each is assigned to the nearest of 100 visual words, which are counted in 2 x 2 parts of the content. The
words are k-means centres of the histograms of photos, without pairs. Attributes come with the shoes: 13 for each photo
and each sketch, annotated by people.

The triplet network is "Sketch Me That Shoe" (Yu et al. 2016) on frozen features: one net for both sides, of the edge
maps of photos and of sketches, with the loss max(0, margin + d(sketch, own photo) - d(sketch, other photo)).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from wordsight.data.sketches import SketchData
from wordsight.vision.drawings import Floats, cropped, edges, square, strokes

POINTS, WORDS, PARTS = 150, 100, 2
DIRECTIONS, DISTANCES = 12, np.geomspace(0.125, 2, 5)  # in units of the mean distance
SHOWN = ("map_edges", "late_edges", "middle_edges")  # what the triplet network sees
EPOCHS, BATCH, MARGIN = 30, 128, 0.3
FOLDS = 5


def shape_contexts(data: SketchData) -> tuple[Tensor, Tensor, Tensor]:
    """Shape contexts as a view of photos, of the gallery and of sketches."""
    chance = np.random.default_rng(0)
    photos = [_contexts(edges(square(path)), chance) for path in data.photos]
    gallery = [_contexts(edges(square(path)), chance) for path in data.gallery]
    sketches = [_contexts(strokes(one.path), chance) for one in data.sketches]
    words = _words(np.concatenate([found for found, _ in photos]), chance)
    photos_, gallery_, sketches_ = (_counted(some, words) for some in (photos, gallery, sketches))
    return photos_, gallery_, sketches_


def _contexts(ink: Floats, chance: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """The shape contexts of sampled points of ink (n, 60), and the part that each point is in (n,)."""
    places = np.argwhere(cropped(ink) > 0.5)
    some = places[chance.choice(len(places), min(POINTS, len(places)), replace=False)].astype(np.float32)
    away = some[None] - some[:, None]
    far = np.hypot(away[..., 0], away[..., 1])
    ring = np.searchsorted(DISTANCES, far / max(float(far.mean()), 1e-6))
    turn = (np.arctan2(away[..., 0], away[..., 1]) % (2 * np.pi) / (2 * np.pi) * DIRECTIONS).astype(np.int64)
    found = np.zeros((len(some), len(DISTANCES) * DIRECTIONS), np.float32)
    one, other = np.nonzero((ring < len(DISTANCES)) & (far > 0))
    np.add.at(found, (one, ring[one, other] * DIRECTIONS + turn[one, other] % DIRECTIONS), 1)
    part = (some * PARTS // len(ink)).astype(np.int64)
    return np.sqrt(found / np.maximum(found.sum(1, keepdims=True), 1)), part[:, 0] * PARTS + part[:, 1]


def _words(rows: Floats, chance: np.random.Generator) -> Floats:
    """Visual words: the centres of k-means."""
    some = rows[chance.choice(len(rows), min(len(rows), 20_000), replace=False)]
    means = some[:WORDS]
    for _ in range(15):
        own = _nearest(some, means)
        sums = np.stack([np.bincount(own, column, WORDS) for column in some.T], axis=1)
        counts = np.bincount(own, minlength=WORDS)[:, None]
        means = np.where(counts, sums / np.maximum(counts, 1), means).astype(np.float32)
    return means


def _nearest(rows: Floats, means: Floats) -> NDArray[np.int64]:
    found: NDArray[np.int64] = ((means**2).sum(1) - 2 * rows @ means.T).argmin(1)
    return found


def _counted(pictures: list[tuple[Floats, NDArray[np.int64]]], words: Floats) -> Tensor:
    rows = [np.bincount(part * WORDS + _nearest(found, words), minlength=PARTS**2 * WORDS) for found, part in pictures]
    counts = np.array(rows, np.float32).reshape(len(pictures), PARTS**2 * WORDS)
    return normalize(torch.from_numpy(np.sqrt(counts)), dim=1)


def attributes(data: SketchData) -> tuple[Tensor, Tensor] | None:
    """Attributes of photos and of sketches, 13 each; None if the dataset has none."""
    files = [Path(data.root, f"13_A_{kind}_label.mat") for kind in ("image", "sketch")]
    if not all(path.is_file() for path in files):
        return None
    from scipy.io import loadmat

    photo, sketch = (loadmat(path)[f"{kind}_label"] for path, kind in zip(files, ("image", "sketch"), strict=True))
    numbers = [int(path.stem) - 1 for path in data.photos]
    order = [int(one.path.stem.rpartition("-")[2]) - 1 for one in data.sketches]  # the first of each photo come first
    rows = [len(photo) * at + numbers[one.photo] for at, one in zip(order, data.sketches, strict=True)]
    return torch.from_numpy(photo[numbers]).float(), torch.from_numpy(sketch[rows]).float()


def predicted(seen: Tensor, told: Tensor, photo: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """Attributes by ridge regression: of the training sketches, cross-fitted, and of the queries.

    Args:
        seen: (N, F) views of the training sketches.
        told: (N, A) their attributes.
        photo: (N,) the photo of each; sketches of one photo are in one fold.
        asked: (M, F) views of the queries.
    """
    mean, middle = seen.mean(0), told.mean(0)
    x, y = seen - mean, told - middle
    kernel, penalty = x @ x.T, 0.1 * float(x.square().sum(1).mean())
    own = torch.zeros_like(told)
    for fold in range(FOLDS):
        out = photo % FOLDS == fold
        dual = torch.linalg.solve(kernel[~out][:, ~out] + penalty * torch.eye(int((~out).sum())), y[~out])
        own[out] = kernel[out][:, ~out] @ dual + middle
    dual = torch.linalg.solve(kernel + penalty * torch.eye(len(x)), y)
    return own, (asked - mean) @ (x.T @ dual) + middle


def triplet(
    photos: Tensor, sketches: Tensor, photo: Tensor, gallery: Tensor, queries: Tensor, views: Mapping[str, slice]
) -> Tensor:
    """Scores of the triplet network, (queries, gallery)."""
    torch.manual_seed(0)
    columns = torch.cat([torch.arange(views[name].start, views[name].stop) for name in SHOWN])
    net = nn.Sequential(nn.Dropout(0.3), nn.Linear(len(columns), 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 128))
    photos, sketches, gallery, queries = (x[:, columns] for x in (photos, sketches, gallery, queries))
    steps = torch.optim.Adam(net.parameters(), 3e-4, weight_decay=1e-5)
    for _ in range(EPOCHS):
        for some in torch.randperm(len(sketches)).split(BATCH):
            own = photo[some].unique()
            right = torch.searchsorted(own, photo[some])
            drawn, seen = normalize(net(sketches[some]), dim=1), normalize(net(photos[own]), dim=1)
            far = 2 - 2 * drawn @ seen.T  # squared distances to every photo of the batch
            loss = (MARGIN + far.gather(1, right[:, None]) - far).clamp(min=0)
            wrong = torch.ones_like(loss).scatter_(1, right[:, None], 0)
            steps.zero_grad()
            ((loss * wrong).sum() / ((loss > 0) * wrong).sum().clamp(min=1)).backward()
            steps.step()
    with torch.no_grad():
        net.eval()
        return normalize(net(queries), dim=1) @ normalize(net(gallery), dim=1).T

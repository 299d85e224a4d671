"""Sketch-based retrieval: coupled subspaces beside single views, concatenation, CCA and PLS, on splits by photo.

    python benchmarks/sketches.py DATA [--seeds 5] [--contexts] [--out FILE.json]

DATA is a folder that `wordsight.data.sketches` reads; its `gallery`, if it has one, is searched together with the test
photos. For each seed, a random fifth of the photos, with all their sketches, is the test set; everything is learned,
and every choice is made, on the others. Ties count against us. `--contexts` adds shape contexts as a view, which takes
some minutes; attributes are a view if the dataset has them (see `sketch_peers.py`). `--out` saves the ranks of each
split in a file as soon as it is done; the same command continues after the splits that the file has.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sketch_peers import attributes, predicted, shape_contexts, triplet
from torch import Tensor
from torch.nn.functional import normalize

from wordsight.data.sketches import SketchData, load_sketches
from wordsight.errors import InputError
from wordsight.files import field, read_json, to_json, write_text
from wordsight.matching.cca import canonical
from wordsight.matching.coupled_subspaces import CoupledSubspaces, Gram, agreement, sampled
from wordsight.progress import Progress
from wordsight.runs.sketch_training import features

FIRST = (1, 5, 10)
COMPONENTS = 300  # of the concatenated views, for CCA and PLS
ROUNDS = 1000  # of the bootstrap
OURS = "coupled subspaces"
CONTEXTS, ATTRIBUTES = "contexts", "attributes"
Ranks = dict[str, Tensor]  # of the queries of a split, by method


class Split(NamedTuple):
    """Training photos and sketches, gallery and queries; columns of the views, then those of further views."""

    photos: Tensor
    sketches: Tensor
    photo: Tensor
    gallery: Tensor
    queries: Tensor
    wanted: Tensor


def split(data: SketchData, photos: Tensor, gallery: Tensor, sketches: Tensor, seed: int) -> Split:
    """A split by photo."""
    drawn = np.random.default_rng(seed).permutation(len(data.photos))
    count = round(0.2 * len(drawn))
    test, train = drawn[:count], drawn[count:]
    of = np.array([one.photo for one in data.sketches])
    place = np.zeros(len(drawn), np.int64)
    place[train], place[test] = np.arange(len(train)), np.arange(count)
    mine, asked = np.flatnonzero(np.isin(of, train)), np.flatnonzero(np.isin(of, test))
    return Split(
        photos[train],
        sketches[mine],
        torch.from_numpy(place[of[mine]]),
        torch.cat((photos[test], gallery)),
        sketches[asked],
        torch.from_numpy(place[of[asked]]),
    )


def coupled(one: Split, views: Mapping[str, slice], **keywords: bool) -> Tensor:
    """Scores by coupled subspaces, or by a plainer form of them."""
    model = CoupledSubspaces(one.photos.shape[1], **keywords)
    found = model.fit(one.photos, one.sketches, one.photo, views)
    if model.select:
        kept = {name: round(found.shared[name], 2) for name in views if found.shared[name]}
        own = {name: round(found.own[name], 2) for name in views if found.own[name]}
        print(f"kept, shared: {kept}; own: {own}; {found.rounds} rounds, penalty {found.penalty:g}", flush=True)
    return model.encode_sketches(one.queries) @ model.encode_photos(one.gallery).T


def best_single(one: Split, views: Mapping[str, slice]) -> Tensor:
    """Scores by the single view that is best on photos left out of the training."""
    few, scores = sampled(one.photo), dict[str, float]()
    for name, block in views.items():
        rows = [x[:, block] - x[:, block].mean(0) for x in (one.photos, one.sketches[few])]
        scaled = [x * x.square().sum(1).mean().rsqrt() for x in rows]
        scores[name] = agreement(Gram.of(torch.cat(scaled), len(rows[0])).whole, one.photo[few], 2.0)
    best = max(scores, key=lambda name: scores[name])
    print(f"best single view: {best}", flush=True)
    return coupled(one, {best: views[best]}, select=False)


def components(rows: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Principal components of rows, and other rows on the same axes."""
    mean = rows.mean(0)
    values, axes = torch.linalg.eigh((rows - mean) @ (rows - mean).T)
    best = values.argsort(descending=True)[: min(COMPONENTS, len(rows) - 1)]
    basis = (rows - mean).T @ (axes[:, best] / values[best].clamp(min=1e-9).sqrt())
    return (rows - mean) @ basis, (others - mean) @ basis


def linear(one: Split, views: Mapping[str, slice], pls: bool) -> Tensor:
    """Scores by regularised CCA, or by PLS (the leading singular vectors of the cross-covariance), of all views."""
    photos, gallery = components(one.photos, one.gallery)
    sketches, queries = components(one.sketches, one.queries)
    if not pls:
        found = canonical([(photos, sketches, one.photo)], 128, 1.0)
        a, b = (found.a * found.correlations).float(), (found.b * found.correlations).float()
        gallery, queries = (gallery - found.seen.float()) @ a, (queries - found.said.float()) @ b
    else:
        u, _, v = torch.linalg.svd(photos[one.photo].T @ sketches, full_matrices=False)
        gallery, queries = gallery @ u[:, :128], queries @ v[:128].T
    return normalize(queries, dim=1) @ normalize(gallery, dim=1).T


def unlearned(one: Split, views: Mapping[str, slice]) -> Tensor:
    """Scores by the mean cosine over views."""
    return one.queries @ one.gallery.T


def network(one: Split, views: Mapping[str, slice]) -> Tensor:
    """Scores by the triplet network."""
    return triplet(one.photos, one.sketches, one.photo, one.gallery, one.queries, views)


def with_attributes(one: Split, views: Mapping[str, slice], given: bool) -> Tensor:
    """Scores by coupled subspaces with the attributes of photos, and those of sketches as given or as predicted."""
    block = views[ATTRIBUTES]
    if not given:
        seen, queries = one.sketches.clone(), one.queries.clone()
        told = one.sketches[:, block]
        found = predicted(seen[:, : block.start], told, one.photo, queries[:, : block.start])
        seen[:, block], queries[:, block] = found
        one = one._replace(sketches=seen, queries=queries)
    return coupled(one, views)


def columns(one: Split, views: Mapping[str, slice]) -> Split:
    """A split with the columns of `views` alone, which come first."""
    size = max(block.stop for block in views.values())
    cut = {name: getattr(one, name)[:, :size] for name in ("photos", "sketches", "gallery", "queries")}
    return one._replace(**cut)


METHODS: dict[str, Callable[[Split, Mapping[str, slice]], Tensor]] = {
    OURS: coupled,
    "all views, coupled, no selection": lambda one, views: coupled(one, views, select=False),
    "concatenation, no coupling": lambda one, views: coupled(one, views, select=False, shared=False),
    "best single view": best_single,
    "CCA": lambda one, views: linear(one, views, False),
    "PLS": lambda one, views: linear(one, views, True),
    "triplet network": network,
    "unlearned": unlearned,
}
FURTHER: dict[str, dict[str, Callable[[Split, Mapping[str, slice]], Tensor]]] = {  # with one more view
    CONTEXTS: {"with shape contexts": coupled},
    ATTRIBUTES: {
        "with attributes, of sketches predicted": lambda one, views: with_attributes(one, views, False),
        "with attributes, of sketches given": lambda one, views: with_attributes(one, views, True),
    },
}


def further(data: SketchData, contexts: bool) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Further views of photos, of the gallery and of sketches."""
    found = {CONTEXTS: shape_contexts(data)} if contexts else {}
    if told := attributes(data):
        found[ATTRIBUTES] = told[0], told[0][:0], told[1]
    return found


def scored(one: Split, views: Mapping[str, slice], more: Mapping[str, slice]) -> Iterator[tuple[str, Tensor]]:
    """Each method and the ranks that it gives.

    Args:
        one: the split, with the columns of all views.
        views: the views that every method uses.
        more: further views, each for methods of its own.
    """
    plain = columns(one, views)
    for name, method in METHODS.items():
        yield name, ranks(method(plain, views), one.wanted)
    for view, block in more.items():
        size = plain.photos.shape[1]
        names = ("photos", "sketches", "gallery", "queries")
        cut = {name: torch.cat((getattr(plain, name), getattr(one, name)[:, block]), 1) for name in names}
        wide = {**views, view: slice(size, size + block.stop - block.start)}
        for name, method in FURTHER[view].items():
            yield name, ranks(method(one._replace(**cut), wide), one.wanted)


def ranks(scores: Tensor, wanted: Tensor) -> Tensor:
    """The rank of each query's own photo, from 0; ties count against us."""
    return (scores >= scores.gather(1, wanted[:, None])).sum(1) - 1


def report(found: Sequence[Ranks]) -> dict[str, object]:
    """Means and deviations over splits, and by how much ours is better than the others on the same queries."""
    rows: dict[str, object] = {}
    mine, random = torch.cat([one[OURS] for one in found]), np.random.default_rng(0)
    for name in found[0]:
        splits = [one[name] for one in found]
        each = np.array([[100 * float((one < first).float().mean()) for first in FIRST] for one in splits])
        means, deviations = each.mean(0).round(1).tolist(), each.std(0).round(1).tolist()
        row: dict[str, object] = {f"acc@{first}": [means[i], deviations[i]] for i, first in enumerate(FIRST)}
        gain = np.stack([((mine < first).float() - (torch.cat(splits) < first).float()).numpy() for first in FIRST])
        drawn = random.integers(gain.shape[1], size=(ROUNDS, gain.shape[1]))
        low = [np.quantile(100 * one[drawn].mean(1), 0.025) for one in gain]
        row["ours is better by"] = [round(100 * float(one.mean()), 1) for one in gain]
        row["and with 97.5 % certainty by"] = [round(float(one), 1) for one in low]
        rows[name] = row
        print(f"{name:34} {row}", flush=True)
    return rows


def kept(path: Path, of: Mapping[str, object]) -> list[Ranks]:
    """The splits that a file has, from the first on; none if there is no file.

    Raises:
        InputError: the file is invalid, or its splits are of other data or options.
    """
    if not path.exists():
        return []
    told = read_json(path)
    if (found := field(told, "of", dict, str(path))) != of:
        raise InputError(f"{path}: has splits of {to_json(found)}; expected {to_json(of)}, or another file.")
    splits = field(told, "splits", list, str(path))
    return [{name: torch.tensor(own) for name, own in one.items()} for one in splits]


def keep(path: Path, of: Mapping[str, object], splits: Sequence[Ranks]) -> None:
    """Write the file that `kept` reads, whole or not at all."""
    told = [{name: own.tolist() for name, own in one.items()} for one in splits]
    write_text(path, to_json({"of": of, "splits": told}))


def ranked(data: SketchData, contexts: bool, seeds: Iterable[int]) -> Iterator[Ranks]:
    """The ranks of each method, for each split."""
    seen, more, ends = features(data, Progress()), dict[str, slice](), list[tuple[Tensor, Tensor, Tensor]]()
    size = seen.photos.shape[1]
    for name, parts in further(data, contexts).items():
        more[name] = slice(size, size := size + parts[0].shape[1])
        ends.append(parts)
    photos, gallery, sketches = (
        torch.cat((first, *(parts[at] for parts in ends)), 1)
        for at, first in enumerate((seen.photos, seen.gallery, seen.sketches))
    )
    for seed in seeds:
        one, found = split(data, photos, gallery, sketches, seed), Ranks()
        for name, own in scored(one, seen.views, more):
            found[name] = own
            accuracy = [round(100 * float((own < first).float().mean()), 1) for first in FIRST]
            print(f"seed {seed}, {len(one.gallery)} photos, {len(one.queries)} sketches: {name} {accuracy}", flush=True)
        yield found


def main() -> None:
    """Print the table of one dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--contexts", action="store_true", help="shape contexts as one more view")
    parser.add_argument("--out", type=Path, help="keep each split in this file, and go on behind those it has")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds: expected at least 1")
    torch.set_num_threads(1)
    try:
        data = load_sketches(options.data)
        sizes = {"photos": len(data.photos), "gallery": len(data.gallery), "sketches": len(data.sketches)}
        of = {"data": str(options.data.resolve()), "contexts": options.contexts, **sizes}
        splits = kept(options.out, of) if options.out else []
        if options.out:
            keep(options.out, of, splits)  # fails before the work if it cannot be written
    except InputError as error:
        parser.error(str(error))
    if len(splits) < options.seeds:
        for found in ranked(data, options.contexts, range(len(splits), options.seeds)):
            splits.append(found)
            if options.out:
                keep(options.out, of, splits)
    print(json.dumps(report(splits[: options.seeds]), indent=1))


if __name__ == "__main__":
    main()

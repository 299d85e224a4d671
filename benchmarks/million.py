"""A million pictures on two cores: which share of the true ten best a compact index finds, and what a query costs.

    python benchmarks/million.py [--pictures 1000000] [--data flickr8k coco] [--folder DIR] [--region-bytes 112]

Real pictures are encoded once by the bundled model, and their vectors are repeated with noise. The noise is real as
well: for each region, a share of the difference of two random regions. It changes scores as much as saving the photo at
half its size does: by 0.32 standard deviations. (Saving again as JPEG 85 changes them by 0.09, cropping by 3 % by 0.17,
by 10 % by 0.23; measured once on 120 photos, not kept.) The vectors go into an index as pictures do, the first exactly
until the codebook is fitted. After an interruption, the same command continues. Queries are sentences of the val split;
the truth is every picture scored in float32, block by block, and is kept as well. Queries run in a process of their
own, which reports its peak memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wordsight.batch import Vectors
from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.files import to_json, write_text
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner, load
from wordsight.search import compact
from wordsight.search.append import append
from wordsight.search.build import as_regions
from wordsight.search.catalog import Entry
from wordsight.search.index import Index
from wordsight.search.query import encoded_query, terms
from wordsight.search.scan import Spans, scan
from wordsight.vision.regions import default_cache

BLOCK = 1024  # pictures made, scored and committed together
NOISE = 0.32  # standard deviations by which scores change
TOGETHER = 32  # pictures encoded at once
ROUNDS = 2


def real(run: Aligner, data: Sequence[str], count: int, cache: Path) -> tuple[Tensor, Tensor]:
    """Vectors of real pictures, equally many per dataset, and their boxes: (I, R, D) and (I, R, 4); kept in a file."""
    if cache.exists():
        with np.load(cache) as file:
            return torch.from_numpy(file["values"]), torch.from_numpy(file["boxes"])
    parts = [[one.path for one in load_dataset(find(name, "dataset")).split("train")] for name in data]
    paths = [path for some in parts for path in some[:: max(1, len(some) * len(data) // count)][: count // len(data)]]
    rows, found = iter(run.encoder.stream(paths)), []
    with Progress().task("encode") as told, torch.inference_mode():
        while block := [row for row, _ in zip(rows, range(TOGETHER), strict=False)]:
            good = [row for row in block if not isinstance(row, Exception)]
            found.append(run.model.encode_images(as_regions(good, run.encoder.size)))
            told(len(found) * TOGETHER, len(paths))
    values, boxes = (torch.cat([getattr(one, kind) for one in found]) for kind in ("values", "places"))
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, values=values.numpy(), boxes=boxes.numpy())
    return values, boxes


class World:
    """Pictures made from real ones, block by block; the same block is the same each time."""

    def __init__(self, values: Tensor, boxes: Tensor, hubness: Tensor) -> None:
        self.values, self.boxes, self.hubness, self.share = values, boxes, hubness, 0.0

    def block(self, first: int, count: int) -> Vectors:
        """`count` pictures from `first` on; those of the first round over the real ones have no noise."""
        random = np.random.default_rng(first)
        of = torch.arange(first, first + count) % len(self.values)
        flat = self.values.flatten(0, 1)
        one, other = (torch.from_numpy(random.integers(0, len(flat), (count, self.values.shape[1]))) for _ in "ab")
        share = self.share * (torch.arange(first, first + count) >= len(self.values))
        noise = (flat[one] - flat[other]) * (share / 2**0.5)[:, None, None]
        mask = torch.ones(count, self.values.shape[1], dtype=torch.bool)
        return Vectors(self.values[of] + noise, mask, self.boxes[of], self.hubness[of])

    def fit_noise(self, ask: Any, rule: Any, wanted: float) -> float:
        """Fit the noise so that scores change by `wanted` standard deviations; returns the change that it reaches."""
        plain, low, high, changed = scores(self.block(0, 512), ask, rule), 0.0, 2.0, 0.0
        for _ in range(10):
            self.share = (low + high) / 2
            noisy = scores(self.block(512 * len(self.values), 512), ask, rule)  # the same pictures
            changed = float(((noisy - plain) / plain.std(dim=0)).std())
            low, high = (self.share, high) if changed < wanted else (low, self.share)
        return changed


def scores(images: Vectors, ask: Any, rule: Any) -> Tensor:
    """Exact scores of every picture: (I, Q)."""
    count, regions = images.mask.shape
    nothing = np.zeros(count, np.float32)
    hubness = np.zeros(count, np.float32) if images.hubness is None else images.hubness.numpy()
    first = np.arange(count) * regions
    spans = Spans(np.ones(count, np.int64), first, np.full(count, regions), hubness, nothing, nothing)
    return scan({1: images.values.flatten(0, 1).numpy()}, spans, ask, rule)


def entry(number: int) -> Entry:
    """The entry of a picture without a file, with a realistic name."""
    path = f"photos/{2005 + number % 20}/trip {number % 400:03}/IMG_{number:07}.jpg"
    random = np.random.default_rng(number).bytes(16)
    when = "2021-07-14T10:20:30"
    return Entry(
        path, random, 3_000_000 + number, 1_600_000_000_000_000_000 + number, 4000, 3000, when, when, 0, 0, 0, 0, 0, 0
    )


def true_best(world: World, pictures: int, ask: Any, rule: Any, cache: Path) -> list[list[int]]:
    """The numbers, from 1, of the ten best pictures of each query, by their exact scores; kept in a file."""
    if cache.exists():
        found: list[list[int]] = json.loads(cache.read_text())
        return found
    best, numbers = torch.empty(0, ask.shares.shape[1]), torch.empty(0, ask.shares.shape[1], dtype=torch.long)
    with Progress().task("exact scores") as told:
        for first in range(0, pictures, BLOCK):
            now = scores(world.block(first, min(BLOCK, pictures - first)), ask, rule)
            new = torch.arange(first + 1, first + len(now) + 1)[:, None].expand(-1, now.shape[1])
            best, numbers = torch.cat([best, now]), torch.cat([numbers, new])
            best, places = best.topk(min(10, len(best)), dim=0)
            numbers = numbers.gather(0, places)
            told(first + len(now), pictures)
    write_text(cache, to_json(numbers.T.tolist()))
    return numbers.T.tolist()


def build(index: Index, world: World, pictures: int, region_bytes: int) -> float:
    """Fill the index up to `pictures`; returns milliseconds of one core per picture added, 0 if none was."""
    seconds = 0.0
    index.compact(region_bytes, Progress(quiet=True))
    with index.writing() as catalog, Progress().task("index") as told:
        (there,) = catalog.db.execute("SELECT count(*) FROM pictures").fetchone()
        for first in range(there, pictures, BLOCK):
            images = world.block(first, min(BLOCK, pictures - first))
            began = time.process_time()
            batch, entries = append(index.opened, catalog, [entry(first + k) for k in range(len(images.mask))], images)
            assert batch is not None
            with catalog.change():
                catalog.put(batch, entries)
            if index.segments.codebook is None and first + BLOCK >= compact.MOST_PICTURES:
                compact.bring_up(catalog, index.opened, Progress(quiet=True))
            seconds += time.process_time() - began
            told(first + len(images.mask), pictures)
        compact.bring_up(catalog, index.opened, Progress(quiet=True))
    return 1000 * seconds / max(1, pictures - there)


def ask_all(folder: Path, sentences: Sequence[str], threads: int) -> dict[str, Any]:
    """Answers of an index, in a process of its own: the pictures' numbers, milliseconds, and peak memory in MB."""
    torch.set_num_threads(threads)
    index = Index(folder, "cpu")
    times, found = [], []
    for _ in range(ROUNDS):
        found = []
        for sentence in sentences:
            start = time.perf_counter()
            hits = index.search(sentence, top=10).hits
            times.append(1000 * (time.perf_counter() - start))
            found.append([hit.number for hit in hits])
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    later = times[2:]  # the second query reads what is scanned into memory
    return {
        "found": found,
        "first ms": times[0],
        "second ms": times[1],
        "median ms": statistics.median(later),
        "slowest ms": max(later),
        "fastest ms": min(later),
        "peak MB": int(peak.split()[1]) / 1000,
    }


def run_apart(folder: Path, sentences: Path, threads: int) -> dict[str, Any]:
    """`ask_all` in another process, whose threads wait passively, as those of the command line do."""
    command = [sys.executable, __file__, "--ask", str(folder), "--sentences", str(sentences), "--threads", str(threads)]
    how = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=how)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def recall(true: Sequence[Sequence[int]], found: Sequence[Sequence[int]]) -> float:
    """The share of the ten best of each query that are among the ten found."""
    return statistics.mean(len({*best} & {*some}) / len(best) for best, some in zip(true, found, strict=True))


def queries(run: Aligner, data: str, count: int) -> list[str]:
    """Sentences of the val split, each of another picture."""
    val = load_dataset(find(data, "dataset")).split("val")
    return [picture.sentences[0] for picture in val[:: max(1, len(val) // count)][:count]]


def disk(folder: Path) -> dict[str, int]:
    """Bytes of an index by kind of file."""
    found: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            found[path.suffix] = found.get(path.suffix, 0) + path.stat().st_size
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--real", type=int, default=2800, help="pictures that are encoded")
    parser.add_argument("--data", nargs="+", default=["flickr8k", "coco"])
    parser.add_argument("--folder", type=Path, default=default_cache() / "million")
    parser.add_argument("--region-bytes", type=int, default=compact.REGION_BYTES)
    parser.add_argument("--noise", type=float, default=NOISE)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sentences", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        print(json.dumps(ask_all(given.ask, json.loads(given.sentences.read_text()), given.threads)))
        return
    torch.set_num_threads(given.threads)
    run = load(None, "cpu")
    source = "-".join([str(given.real), *(Path(name).name for name in given.data)])
    values, boxes = real(run, given.data, given.real, given.folder / f"real-{source}.npz")
    sentences = queries(run, given.data[0], given.queries)
    ask = encoded_query(terms(run, sentences), run.model.rule)
    with torch.inference_mode():
        plain = Vectors(values, torch.ones(values.shape[:2], dtype=torch.bool), boxes)
        hubness = run.model.query_bank.of_images(plain, run.model.score, run.model.encode_texts).hubness
    world = World(values, boxes, hubness)
    changed = world.fit_noise(ask, run.model.rule, given.noise)
    index = Index.create(given.folder / f"{given.pictures}-{source}-{given.region_bytes}", None, "cpu")
    spent = build(index, world, given.pictures, given.region_bytes)
    truth = given.folder / f"best-{given.pictures}-{source}-{given.queries}-{given.noise}.json"
    true = true_best(world, given.pictures, ask, index.rule, truth)
    write_text(given.folder / "sentences.json", to_json(sentences))
    told = run_apart(index.folder, given.folder / "sentences.json", given.threads)
    kinds = disk(index.folder)
    row = {
        "pictures": given.pictures,
        "real pictures": len(values),
        "noise, sd of scores": changed,
        "region bytes": given.region_bytes,
        "recall@10": recall(true, told.pop("found")),
        "bytes a picture": sum(kinds.values()) / given.pictures,
        "build, ms of one core a picture": spent,
        **told,
    }
    for key, value in row.items():
        print(f"{key:34}{value:,.4g}" if isinstance(value, float) else f"{key:34}{value:,}")
    print("bytes by file   " + ", ".join(f"{kind} {size:,}" for kind, size in sorted(kinds.items())))
    if given.json:
        write_text(given.json, to_json([row | {"kind": "ours", "name": "million"}], indent=1))


if __name__ == "__main__":
    main()

"""Cost of a search before its scan: opening an index, its memory, and `wordsight search` from a cold start.

    python benchmarks/start.py [--pictures 100000] [--regions 20] [--size 256]
    python benchmarks/start.py --run RUN --pictures 10000

The first needs no weights: random vectors, and an untrained model of that size with a query bank. The second repeats a
run's vectors of the val split (from the feature cache) with a little noise. The catalogue has one row per picture, as
`wordsight index build` would write it; the files of the pictures are missing, which costs nothing.

Each figure is the best of several processes, in wall-clock time and in processor time (user and system):

- opening: `Index(folder)` and its snapshot, which knows every picture and file of vectors; and then the model, which
  every sentence needs.
- memory: growth of the process's own memory (anonymous pages) by opening, plus its greatest growth while it first
  searches all vectors; and growth by the model. Pages of mapped files come and go as the system decides.
- `wordsight search`: the command, from the start of the process to its end; and as much of it as Python and torch take.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import torch
from real import encoded, more, split_of
from rows import Row, write
from torch import Tensor

from wordsight.batch import Vectors, Words
from wordsight.matching.align import Align
from wordsight.runs import checkpoint
from wordsight.runs.aligner import load
from wordsight.runs.encoder import region_encoder
from wordsight.runs.recipe import parse
from wordsight.search.catalog import Entry
from wordsight.search.codes import quantise
from wordsight.search.halves import Halved
from wordsight.search.index import Index
from wordsight.text.vocabulary import SPECIAL, Vocabulary
from wordsight.vision.regions import RegionSettings

BLOCK, QUERY_BANK = 1000, 600
SENTENCE = "a dog on the beach"
OPENING = """
import json, re, sys, threading, time
from pathlib import Path
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index

def own():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6

def now():
    return time.perf_counter(), time.process_time(), own()

laps = [now()]
index = Index(sys.argv[1], "cpu")
with Catalog(index.folder) as catalog:
    index.snapshot(catalog)
laps.append(now())
index.run
laps.append(now())
search = threading.Thread(target=index.search, args=(sys.argv[2],))
search.start()
highest = laps[-1][2]
while search.is_alive():
    highest = max(highest, own())
    time.sleep(0.001)
print(json.dumps([*laps, [*now()[:2], highest]]))
"""


def untrained(folder: Path, size: int) -> None:
    """Save an untrained model with vectors of this size, whose vocabulary has the words of `SENTENCE`."""
    features = RegionSettings(("filters",))
    encoder = region_encoder(features)
    vocabulary = Vocabulary((*SPECIAL, *dict.fromkeys(SENTENCE.split()), *(f"word{n}" for n in range(2500))))
    recipe = parse('data.path = "none"\nregions.backbones = ["filters"]\nmodel.loss = "contrastive"')
    told = {"embedding": size, "loss": "contrastive", "normalise": True, "query_bank": QUERY_BANK}
    model = Align(len(vocabulary), encoder.size, **told)  # type: ignore[arg-type]
    values = torch.nn.functional.normalize(torch.randn(QUERY_BANK, 20, size), dim=2)
    ids = torch.randint(len(SPECIAL), len(vocabulary), (2 * QUERY_BANK, 16))
    seen, said = Vectors(values, torch.ones(values.shape[:2], dtype=torch.bool), torch.zeros(0)), Words(ids, ids != 0)
    assert model.query_bank is not None
    model.query_bank.fill([seen], [said])
    seen_by = encoder.blocks, encoder.fingerprint
    made = checkpoint.Checkpoint(model, vocabulary, features, *seen_by, recipe, {"best": {}})
    checkpoint.save(folder, made)


def fill(index: Index, blocks: Iterator[Vectors]) -> None:
    """Put encoded pictures into an index, one block per commit, as `build` does."""
    with index.writing() as catalog:
        number = 0
        for images in blocks:
            vectors, counts = images.values[images.mask].numpy(), images.mask.sum(dim=1)
            halved = Halved.of(vectors)
            codes = quantise(halved.vectors, counts.numpy())
            batch = index.segments.append(catalog.segments(), halved, images.places[images.mask].numpy(), codes)
            hubness = torch.zeros(len(counts)) if images.hubness is None else images.hubness
            entries, first = [], batch.first
            extents = (part.tolist() for part in (counts, hubness, codes.length, codes.blur))
            for count, *known in zip(*extents, strict=True):
                name = f"pictures/{number // 1000:04}/{number:08}.jpg"
                when = "2024-05-01 12:00:00"
                digest = number.to_bytes(16, "big")
                entries.append(
                    Entry(name, digest, 200_000, number, 640, 480, when, when, batch.segment, first, count, *known)
                )
                number, first = number + 1, first + count
            with catalog.change():
                catalog.put(batch, entries)


def drawn(pictures: int, regions: int, size: int) -> Iterator[Vectors]:
    """Random vectors."""
    random = torch.Generator().manual_seed(0)
    for first in range(0, pictures, BLOCK):
        shape = min(BLOCK, pictures - first), regions
        values = torch.randn(*shape, size, generator=random)
        yield Vectors(values, torch.ones(shape, dtype=torch.bool), torch.rand(*shape, 4, generator=random))


def repeated(images: Vectors, pictures: int) -> Iterator[Vectors]:
    """A run's own vectors, repeated with a little noise."""
    for values in more(images.values, pictures):
        some = images[: len(values)]
        yield Vectors(values, some.mask, some.places, some.hubness)


def padded(blocks: list[Vectors]) -> Vectors:
    """Blocks of pictures as one, padded to the same number of regions."""
    most = max(block.mask.shape[1] for block in blocks)

    def whole(parts: list[Tensor]) -> Tensor:
        return torch.cat(
            [torch.cat([one, one.new_zeros(len(one), most - one.shape[1], *one.shape[2:])], 1) for one in parts]
        )

    parts = ([getattr(block, name) for block in blocks] for name in ("values", "mask", "places"))
    hubness = None if blocks[0].hubness is None else torch.cat([block.hubness for block in blocks])
    return Vectors(*(whole(part) for part in parts), hubness)


def seconds(*command: str) -> tuple[float, float]:
    """Wall-clock and processor seconds of a process, from its start to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(folder: Path, rounds: int) -> dict[str, float]:
    python = sys.executable
    commands = {
        "wordsight search": (python, "-m", "wordsight.cli.main", "search", str(folder), SENTENCE),
        "of that, import torch": (python, "-c", "import torch"),
    }
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    opened = []
    for _ in range(rounds):
        for name, command in commands.items():
            spent[name].append(seconds(*command))
        told = subprocess.run((python, "-c", OPENING, str(folder), SENTENCE), check=True, stdout=subprocess.PIPE)
        laps = pairwise(json.loads(told.stdout))
        steps = [[now - then for then, now in zip(*pair, strict=True)] for pair in laps]
        opened.append([*steps[0][:2], *steps[1][:2], steps[0][2] + steps[2][2], steps[1][2]])
    names = ["opening, s", "opening, processor s", "the model, s", "the model, processor s"]
    names += ["memory of the index, MB", "memory of the model, MB"]
    told = {name: min(column) for name, column in zip(names, zip(*opened, strict=True), strict=True)}
    for name, several in spent.items():
        clock, computing = (min(column) for column in zip(*several, strict=True))
        told |= {f"{name}, s": clock, f"{name}, processor s": computing}
    return {name: round(value, 3) for name, value in told.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="vectors of this run; else random ones")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--regions", type=int, default=20, help="of random pictures")
    parser.add_argument("--size", type=int, default=256, help="of random vectors")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, metavar="INDEX", help="make the index here, or take the one that is here")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = chosen.keep or Path(folder, "index")
        if not where.exists():
            make(where, chosen, Path(folder))
        told = Index(where, "cpu").info()
        shape = {name: told[name] for name in ("pictures", "regions", "size", "bytes")}
        measured = measure(where, chosen.rounds)
        print(json.dumps({**shape, **measured}, indent=1))
        cold, opening = (f"{what}, {told['pictures']:,} pictures" for what in ("a cold search", "opening an index"))
        rows = [
            Row(cold, "wordsight search", "ours", measured["wordsight search, s"], "s"),
            Row(cold, "import torch", "floor", measured["of that, import torch, s"], "s"),
            Row(opening, "wordsight", "ours", measured["opening, s"], "s"),
        ]
        write(chosen.json, rows)


def make(where: Path, chosen: argparse.Namespace, folder: Path) -> None:
    run = chosen.run
    if run is None:
        run = folder / "run"
        untrained(run, chosen.size)
        blocks = drawn(chosen.pictures, chosen.regions, chosen.size)
    else:
        loaded = load(run, "cpu")
        with torch.inference_mode():
            images, _ = encoded(loaded, split_of(loaded, chosen.data, chosen.split))
        blocks = repeated(padded(images), chosen.pictures)
    fill(Index.create(where, run, "cpu"), blocks)


if __name__ == "__main__":
    main()

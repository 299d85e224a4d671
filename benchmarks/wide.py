"""Scaling with the number of machines: building, searching and training, divided among simulated nodes.

    python benchmarks/wide.py [--pictures 96] [--vectors 40000] [--batch 100 400] [--only build|search|train|billion]

A node is a process, or its share of the work done in turn, and its cost is processor seconds, so that nodes need not
run at the same time. `own` is the work of one node; `outside` is the work in one place, whatever the number of nodes:
merging shards, encoding a query and joining the nodes' results; training has none. The speed-up is the work of one node
/ (own + outside), without what Ray and a network add.

Building takes the bundled model and photos (flickr8k/images), searching an index of random vectors of its size,
training a DVSA model of 512 units with random features, batches of 100 and 400, in processes that gather by gloo.
`billion` computes what a billion pictures take, from these figures and an assumed machine, and prints the formulas.
"""

import argparse
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from billion import billion
from start import SENTENCE, fill, untrained

from wordsight.batch import Regions, Vectors, Words
from wordsight.data.find import find
from wordsight.matching.align import Align
from wordsight.progress import Progress
from wordsight.runs.pairs import Pairs
from wordsight.scale.build import build_shard
from wordsight.scale.search import Shards
from wordsight.search.index import Index
from wordsight.search.options import SearchOptions
from wordsight.training.parallel import Team

QUIET = Progress(quiet=True)
REGIONS, SIZE, BLOCK = 32, 256, 1000
FEATURES, HIDDEN, VOCABULARY, TERMS = 1280, 512, 2500, 11
WARM = 3  # rounds that are not counted
Spent = dict[str, float]


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def build(pictures: Sequence[Path], nodes: Sequence[int]) -> list[Spent]:
    """Build a shard per node, in turn, then merge the shards."""
    relay = SimpleNamespace(count=SimpleNamespace(remote=lambda *told: None))
    found = []
    for count in nodes:
        with tempfile.TemporaryDirectory() as folder:
            index, own = Index.create(Path(folder) / "index"), []
            parts = [pictures[node::count] for node in range(count)]
            for node, part in enumerate(parts):
                shard = f"{folder}/shard-{node}"
                own.append(seconds(lambda s=shard, p=part: build_shard(s, p, None, "cpu", False, relay, 0)))
            began = time.process_time()
            for node in range(count):
                index.merge(Path(f"{folder}/shard-{node}"))
            outside, size = time.process_time() - began, held(index.folder, "*")
            found.append(
                {
                    "nodes": count,
                    "own": max(own),
                    "outside": outside,
                    "bytes": size,
                    "codes": held(index.folder, "*.codes"),
                }
            )
    return found


def held(folder: Path, pattern: str) -> int:
    """Bytes of an index's files that match a pattern, except the model's."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file() and "model" not in path.parts)


def fitted(rows: Sequence[Spent], pictures: int) -> tuple[float, float]:
    """Seconds that a node takes once, and for each of its pictures."""
    each, once = np.polyfit([pictures / row["nodes"] for row in rows], [row["own"] for row in rows], 1)
    return max(0.0, float(once)), float(each)


def of_build(rows: Sequence[Spent], pictures: int) -> str:
    """The cost of a shard, in words."""
    once, each = fitted(rows, pictures)
    merged = median(row["outside"] for row in rows) / pictures
    share = each * 10_000 / (each * 10_000 + once)
    return (
        f"A shard takes {once:.2f} s once, as to load the model, and {1000 * each:.1f} ms a picture: of one of 10,000 "
        f"pictures {100 * share:.1f} % is for pictures. Merging takes {1000 * merged:.2f} ms a picture in one place, "
        f"so that more than {each / merged:.0f} nodes wait for it; --keep-shards merges nothing."
    )


def of_search(rows: Sequence[Spent], pictures: int) -> str:
    """The cost of a query on a shard, in words."""
    (once, each), outside = fitted(rows, pictures), rows[-1]["outside"]
    many = 1e6
    share = each * many / (each * many + once + outside)
    return (
        f"A shard takes {1000 * once:.1f} ms once a query, as for the evidence of its hits, and {1e6 * each:.2f} us a "
        f"picture; {1000 * outside:.1f} ms are outside. Of {many:,.0f} pictures {100 * share:.0f} % is the scan."
    )


class Inline:
    """The part of Ray that `Shards` needs: actors of this process, whose processor seconds are recorded."""

    exceptions = SimpleNamespace(RayError=OSError)

    def __init__(self, nodes: int) -> None:
        self._nodes, self.spent = nodes, list[float]()

    def cluster_resources(self) -> dict[str, float]:
        """One core per node."""
        return {"CPU": float(self._nodes)}

    def remote(self, **_: object) -> Callable[[type], Any]:
        """A decorator whose result makes actors of a class."""
        return lambda kind: SimpleNamespace(remote=lambda *told: self._actor(kind(*told)))

    def get(self, answer: Any, timeout: float = 0) -> Any:
        """The answer, which is ready at once."""
        return answer

    def _actor(self, one: Any) -> Any:
        def method(name: str) -> Any:
            def run(*told: Any) -> Any:
                began = time.process_time()
                answer = getattr(one, name)(*told)
                self.spent.append(time.process_time() - began)
                return answer

            return SimpleNamespace(remote=run)

        return SimpleNamespace(facts=method("facts"), search=method("search"))


def search(vectors: int, rounds: int, nodes: Sequence[int]) -> list[Spent]:
    """Search by one sentence; each node scans its shard."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        untrained(Path(folder) / "run", SIZE)
        for count in nodes:
            home, each = Path(folder) / str(count), vectors // count
            for node in range(count):
                index = Index.create(home / f"shard-{node:05}", Path(folder) / "run")
                fill(index, (drawn(min(BLOCK, each - first)) for first in range(0, each, BLOCK)))
            ray = Inline(count)
            shards = Shards(ray, home, "cpu")  # type: ignore[arg-type]
            own, outside = [], []
            for _ in range(rounds + WARM):
                ray.spent.clear()
                whole = seconds(lambda shards=shards: shards.search(SENTENCE, SearchOptions()))
                own.append(median(ray.spent))
                outside.append(whole - sum(ray.spent))
            found.append({"nodes": count, "own": median(own[WARM:]), "outside": median(outside[WARM:])})
    return found


def drawn(count: int) -> Vectors:
    """Encoded pictures of random unit vectors."""
    values = torch.nn.functional.normalize(torch.randn(count, REGIONS, SIZE), dim=2)
    return Vectors(values, torch.ones(count, REGIONS, dtype=torch.bool), torch.rand(count, REGIONS, 4))


def train(batch: int, rounds: int, nodes: Sequence[int], folder: Path) -> list[Spent]:
    """A training step by concurrent processes; work that each repeats, such as the optimiser, is in `own`."""
    found = []
    for count in nodes:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        mp.start_processes(_trains, (count, port, batch, rounds, str(folder)), count, start_method="spawn")
        own = max(json.loads((folder / f"{rank}.json").read_text()) for rank in range(count))
        found.append({"nodes": count, "own": own, "outside": 0.0})
    return found


@dataclass
class Drawn:
    """Random features of pictures; the same indices give the same features in every process."""

    count: int

    def __len__(self) -> int:
        return self.count

    def gather(self, indices: torch.Tensor, places: torch.Tensor | None = None) -> Regions:
        """As `gather` of a feature cache."""
        shape = len(indices), REGIONS
        values = torch.randn(*shape, FEATURES, generator=torch.Generator().manual_seed(int(indices.sum())))
        return Regions(values, torch.ones(shape, dtype=torch.bool), torch.zeros(*shape, 4))


def _trains(rank: int, count: int, port: int, batch: int, rounds: int, folder: str) -> None:
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=count)
    torch.manual_seed(0)
    model = Align(VOCABULARY, FEATURES, hidden=HIDDEN, embedding=HIDDEN).train()
    optimiser = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad])
    ids = torch.randint(2, VOCABULARY, (batch * (rounds + 1), TERMS))
    pairs = Pairs(Drawn(len(ids)), Words(ids, ids > 0), torch.arange(len(ids)))
    team, spent = Team(), []
    for chosen in torch.arange(len(ids)).split(batch):
        began = time.process_time()
        loss = team.loss(model, pairs, chosen, torch.device("cpu"))
        optimiser.zero_grad()
        loss.backward()
        team.add_up(model, loss)
        optimiser.step()
        spent.append(time.process_time() - began)
    (Path(folder) / f"{rank}.json").write_text(json.dumps(median(spent[1:])))
    dist.destroy_process_group()


def grown(name: str, rows: Sequence[Spent], unit: str) -> str:
    """The rows as a table, with the speed-up of each and its share of the number of nodes."""
    alone = rows[0]["own"]
    lines = [f"| {name}, nodes | own, {unit} | outside, {unit} | speed-up | of the nodes |", "|---|---|---|---|---|"]
    scale = 1000 if unit == "ms" else 1
    for row in rows:
        gain = alone / (row["own"] + (row["outside"] if row is not rows[0] else 0))
        own, outside = scale * row["own"], scale * row["outside"]
        lines.append(
            f"| {row['nodes']} | {own:,.2f} | {outside:,.2f} | {gain:.2f} | {100 * gain / row['nodes']:.0f} % |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=96, help="photos that are built")
    parser.add_argument("--folder", default="flickr8k/images", help="of these")
    parser.add_argument("--vectors", type=int, default=40_000, help="pictures that are searched")
    parser.add_argument("--batch", type=int, nargs="+", default=[100, 400], help="sentences of a step of training")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["build", "search", "train", "billion"])
    told = parser.parse_args()
    torch.set_num_threads(1)
    wanted = {told.only} if told.only else {"build", "search", "train", "billion"}
    built, searched = None, None
    if wanted & {"build", "billion"}:
        photos = sorted(find(told.folder, "folder of photos").iterdir())[: told.pictures]
        build(photos[:8], [1])  # what happens once in a process
        built = build(photos, [1, 2, 4])
        print(
            grown(f"build, {len(photos)} photos", built, "s"),
            of_build(built, len(photos)),
            sep="\n\n",
            end="\n\n",
            flush=True,
        )
    if wanted & {"search", "billion"}:
        searched = search(told.vectors, told.rounds, [1, 2, 4, 8])
        table = grown(f"search, {told.vectors:,} pictures", searched, "ms")
        print(table, of_search(searched, told.vectors), sep="\n\n", end="\n\n", flush=True)
    if "train" in wanted:
        for batch in told.batch:
            with tempfile.TemporaryDirectory() as folder:
                rows = train(batch, told.rounds, [1, 2, 4], Path(folder))
            print(grown(f"train, batch {batch}", rows, "ms"), end="\n\n", flush=True)
    if built and searched and "billion" in wanted:
        today = built[0]["bytes"] / told.pictures, built[0]["codes"] / told.pictures
        formats = {"as it is, scanning 8 bits": today, "compact, 4 KB": (4096, 4096)}
        scanned = fitted(searched, told.vectors)[1] / (REGIONS * SIZE)  # 8 bits a number
        print(billion(1e9, fitted(built, told.pictures)[1], scanned, formats))


if __name__ == "__main__":
    main()

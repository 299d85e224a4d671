"""Speed of the exact scan, against what one writes first, libraries that do the same, and reading memory.

    python benchmarks/scan.py [--pictures 10000] [--regions 20] [--cores 1]
    python benchmarks/scan.py --run RUN --pictures 100000

Queries have 8 words, and are measured alone and 100 together, on pictures of 20 (--regions) regions of 256 numbers. The
first command uses random vectors of unequal lengths with a common bias, and words that are never below 0 (equation 6).
The second takes a run's own regions and words of the val split (from the feature cache): the first regions, and the
first 8 words of sentences that have at least 8, both along the 256 directions in which regions are longest. Regions are
repeated with noise of a tenth of their length.

All ways take turns in one process, round after round; a ratio is the median of the rounds' ratios, a time the best
round: processor time on one core, wall-clock time on several. maxsim-cpu, LanceDB and Qdrant take part if they are
installed (the extra `bench`). They answer one query at a time, so 100 cost them 100 times as much. LanceDB scans its
own file without an index, by "dot": an index of several vectors per row supports only "cosine", which is another score.
Qdrant in its local mode scans memory; filling it takes minutes, and it is left out above 20,000 pictures, where it
prints a warning itself.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from bench import processor
from real import encoded, more, split_of
from rows import Row, write
from torch import Tensor

from wordsight.matching.score import Rule
from wordsight.runs.aligner import load
from wordsight.search.codes import quantise, quantise_words
from wordsight.search.instructions import chosen as instruction
from wordsight.search.prefilter import Rough, best_scores, is_quick
from wordsight.search.rows import empty
from wordsight.search.scan import PRODUCTS, EncodedQuery, Floats, Spans, scan, top
from wordsight.vision.onnx_session import integer_products

SIZE, WORDS, QUERIES, FIRST = 256, 8, 100, 10
BLOCK = 1000  # pictures
Answer = Callable[[], object]
FIRST_ONE, TOGETHER = "one query", "of 100"
READING = "reading all of it, "
PRODUCT = "the product alone, "
Spent = dict[tuple[str, str], list[float]]  # milliseconds of each round, by way and number of queries


class Vectors(NamedTuple):
    """I pictures on disk and in 8 bits, and 100 queries: (100, 8, D)."""

    rows: Floats
    rough: Rough
    spans: Spans
    words: Tensor

    @property
    def regions(self) -> int:
        """R, the number of regions per picture."""
        return int(self.spans.count[0])

    @property
    def pictures(self) -> Floats:
        """(I, R, D)."""
        return self.rows.reshape(-1, self.regions, self.rows.shape[1])


def drawn(pictures: int, regions: int) -> tuple[Iterator[Tensor], Tensor]:
    """Random regions, block by block, and words."""
    random = torch.Generator().manual_seed(0)
    lean = 0.5 * torch.randn(SIZE, generator=random)

    def uneven(*shape: int) -> Tensor:
        lengths = (0.5 * torch.randn(*shape, 1, generator=random)).exp()
        return lengths * (torch.randn(*shape, SIZE, generator=random) + lean)

    words = uneven(QUERIES, WORDS).relu()
    return (uneven(min(BLOCK, pictures - first), regions) for first in range(0, pictures, BLOCK)), words


@torch.inference_mode()
def seen(run_folder: Path, data: Path | None, split: str, pictures: int, count: int) -> tuple[Iterator[Tensor], Tensor]:
    """A run's own regions, repeated with noise, and its words."""
    run = load(run_folder, "cpu")
    run.model.clear_query_bank()
    images, texts = encoded(run, split_of(run, data, split))
    regions = torch.cat([some.values[:, :count] for some in images if some.mask[:, :count].all()])
    words = torch.cat([some.values[some.mask.sum(dim=1) >= WORDS, :WORDS] for some in texts])
    rows = regions.flatten(0, 1)
    directions = torch.linalg.eigh(rows.T @ rows).eigenvectors[:, -SIZE:]  # (D, at most 256)
    chosen = torch.randperm(len(words), generator=torch.Generator().manual_seed(0))[:QUERIES]
    return more(regions @ directions, pictures), words[chosen] @ directions


def stored(path: Path, pictures: int, regions: int, blocks: Iterator[Tensor], words: Tensor) -> Vectors:
    """Vectors as an index keeps them."""
    rows = np.memmap(path, "<f4", "w+", shape=(pictures * regions, words.shape[2]))
    codes, steps = empty(rows.shape, np.uint8), empty((len(rows), 1), np.float32)
    extents, at = [], 0
    for block in blocks:
        some = slice(at, at := at + len(block) * regions)
        rows[some] = block.flatten(0, 1).numpy()
        coded = quantise(rows[some], np.full(len(block), regions))
        codes[some], steps[some, 0] = coded.values, coded.steps
        extents.append((coded.length, coded.blur))
    rows.flush()
    every = np.arange(pictures)
    where = np.ones_like(every), every * regions, np.full_like(every, regions), np.zeros(pictures, np.float32)
    lengths = (np.concatenate(parts) for parts in zip(*extents, strict=True))
    rough = Rough({1: (codes, steps)})
    return Vectors(np.memmap(path, "<f4", "c", shape=rows.shape), rough, Spans(*where, *lengths), words)


def asked(words: Tensor) -> EncodedQuery:
    """Queries (Q, 8, D)."""
    shares = torch.eye(len(words)).repeat_interleave(WORDS, dim=0)
    return EncodedQuery(words.flatten(0, 1), shares, torch.zeros(len(words)), torch.zeros(len(words)))


def plain(vectors: Vectors, words: Tensor) -> np.ndarray:
    """The scores (Q, I) in plain numpy: Q queries at once, in blocks of pictures that fit into memory."""
    flat, found = words.flatten(0, 1).numpy().T, []
    step = max(1, len(vectors.pictures) // len(words))
    for first in range(0, len(vectors.pictures), step):
        some = vectors.pictures[first : first + step]
        best = (some.reshape(-1, len(flat)) @ flat).reshape(len(some), -1, flat.shape[1]).max(axis=1)
        found.append(best.reshape(len(best), -1, WORDS).sum(axis=2))
    return np.concatenate(found).T


def ours(vectors: Vectors, words: Tensor, quick: bool) -> list[list[int]]:
    """The first ten of each query, as `Index.search` finds them."""
    ask, one = asked(words), {1: vectors.rows}
    if quick:
        found = best_scores(one, vectors.rough, vectors.spans, ask, Rule(), FIRST)
    else:
        found = scan(one, vectors.spans, ask, Rule())
    return [top(column, FIRST).tolist() for column in found.T.contiguous()]


Peer = Callable[[np.ndarray], list[int]]  # the words of a query (8, D) -> its first ten pictures


def maxsim(vectors: Vectors) -> Peer:
    import maxsim_cpu

    return lambda words: np.argsort(-maxsim_cpu.maxsim_scores(words, vectors.pictures), kind="stable")[:FIRST].tolist()


def lance(vectors: Vectors, folder: Path) -> Peer:
    import lancedb
    import pyarrow as pa

    def tables() -> Iterator[pa.RecordBatch]:
        for first in range(0, len(vectors.pictures), BLOCK):
            some = vectors.pictures[first : first + BLOCK]
            each = pa.FixedSizeListArray.from_arrays(pa.array(some.reshape(-1)), some.shape[2])
            lists = pa.ListArray.from_arrays(pa.array(np.arange(len(some) + 1, dtype=np.int32) * vectors.regions), each)
            ids = pa.array(np.arange(first, first + len(some)))
            yield pa.record_batch([ids, lists], names=["id", "vector"])

    batches = tables()
    begin = next(batches)
    table = lancedb.connect(folder).create_table("regions", chain([begin], batches), schema=begin.schema)

    def answer(words: np.ndarray) -> list[int]:
        found = table.search(words, vector_column_name="vector").distance_type("dot").limit(FIRST)
        return found.select(["id", "_distance"]).to_arrow()["id"].to_pylist()

    return answer


def qdrant(vectors: Vectors) -> Peer:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    how = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    shape = models.VectorParams(size=vectors.rows.shape[1], distance=models.Distance.DOT, multivector_config=how)
    client.create_collection("regions", vectors_config=shape)
    for first in range(0, len(vectors.pictures), BLOCK):
        some = vectors.pictures[first : first + BLOCK]
        client.upsert("regions", models.Batch(ids=list(range(first, first + len(some))), vectors=some.tolist()))

    def answer(words: np.ndarray) -> list[int]:
        found = client.query_points("regions", query=words.tolist(), limit=FIRST, with_payload=False)
        return [int(point.id) for point in found.points]

    return answer


def peers(vectors: Vectors, folder: Path, wanted: list[str]) -> tuple[dict[str, Peer], dict[str, str]]:
    """The libraries that are wanted and work here, filled; and the reasons why the others take no part."""
    makers: dict[str, Callable[[], Peer]] = {
        "maxsim-cpu": lambda: maxsim(vectors),
        "LanceDB": lambda: lance(vectors, folder / "lance"),
        "Qdrant": lambda: qdrant(vectors),
    }
    found: dict[str, Peer] = {}
    missing: dict[str, str] = {}
    for name in wanted:
        try:
            found[name] = makers[name]()
        except Exception as error:  # whatever a peer's library raises, the rest is measured
            absent = isinstance(error, ImportError)
            missing[name] = "not installed (the extra bench)" if absent else f"{type(error).__name__}: {error}"
            print(f"{name}: {missing[name]}", file=sys.stderr)
    return found, missing


def right(found: list[int], scores: np.ndarray) -> float:
    """The share of the first ten that are right: their exact scores reach the tenth best, except for rounding."""
    least = np.sort(scores)[-FIRST]
    return float(np.mean(scores[found] >= least - 1e-5 * np.abs(scores).max()))


def measure(
    vectors: Vectors, others: dict[str, Peer], rounds: int, judged: int, clock: Callable[[], float]
) -> tuple[Spent, dict[str, float]]:
    """The milliseconds of a query by each way in each round, and the share of the first ten that each library finds."""
    one, words, exact = vectors.words[:1], vectors.words, plain(vectors, vectors.words)
    quick = is_quick(vectors.rough, vectors.spans, Rule())
    for several in (ours(vectors, words, quick), ours(vectors, words, False)):
        assert all(right(found, scores) == 1 for found, scores in zip(several, exact, strict=True)), "not exact"
    bytes_of = {"float32": vectors.rows, "8-bit": vectors.rough[1][0]}
    reading = {READING + name: np.asarray(some).view(np.int64) for name, some in bytes_of.items()}
    ways: dict[tuple[str, str], Answer] = {
        ("wordsight", FIRST_ONE): lambda: ours(vectors, one, quick),
        ("wordsight, float32 alone", FIRST_ONE): lambda: ours(vectors, one, False),
        ("numpy", FIRST_ONE): lambda: np.argsort(-plain(vectors, one)[0], kind="stable")[:FIRST],
        ("wordsight", TOGETHER): lambda: ours(vectors, words, quick),
        ("wordsight, float32 alone", TOGETHER): lambda: ours(vectors, words, False),
        ("numpy", TOGETHER): lambda: plain(vectors, words),
        **{(name, FIRST_ONE): lambda peer=peer: peer(one[0].numpy()) for name, peer in others.items()},
        **{(name, FIRST_ONE): lambda some=some: torch.from_numpy(some).sum() for name, some in reading.items()},
        **{(PRODUCT + name, TOGETHER): work for name, work in products(vectors).items()},
    }
    spent: Spent = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            began = clock()
            work()
            spent[way].append(1000 * (clock() - began) / (QUERIES if way[1] == TOGETHER else 1))
    return spent, {name: right_share(peer, words[:judged], exact[:judged]) for name, peer in others.items()}


def products(vectors: Vectors) -> dict[str, Answer]:
    """The products of all queries with all rows, block by block, and nothing else: the floor of a batch."""
    codes, words = np.asarray(vectors.rough[1][0]), vectors.words.flatten(0, 1)
    starts, step = range(0, len(codes), PRODUCTS // len(words)), PRODUCTS // len(words)
    multiply = integer_products(quantise_words(words).values.T, torch.get_num_threads())
    found: dict[str, Answer] = {"8-bit": lambda: [multiply(codes[at : at + step]) for at in starts]}
    if "amx_bf16" in processor()["features"]:  # elsewhere bfloat16 is far slower than integers
        rows, right = torch.from_numpy(codes).bfloat16(), words.bfloat16().T.contiguous()
        out = torch.empty(step, len(words), dtype=torch.bfloat16)
        found["bfloat16"] = lambda: [
            torch.mm(some := rows[at : at + step], right, out=out[: len(some)]) for at in starts
        ]
    return found


def lines(spent: Spent, share: dict[str, float]) -> list[str]:
    """The table's rows."""
    base = spent.get(("maxsim-cpu", FIRST_ONE), spent["numpy", FIRST_ONE])
    rows = []
    for name in dict.fromkeys(name for name, _ in spent):
        row = f"{name:32}"
        for way in (FIRST_ONE, TOGETHER):
            times = spent.get((name, way))
            row += (
                f"{min(times):12.1f}{median(b / t for b, t in zip(base, times, strict=True)):8.2f}"
                if times
                else " " * 20
            )
        told = 1.0 if name.startswith(("wordsight", "numpy")) else share.get(name)
        rows.append(row + (f"{told:10.2f}" if told is not None else ""))
    return rows


def rows(spent: Spent, shape: str, missing: dict[str, str]) -> list[Row]:
    """The best milliseconds of a query, for one alone and for 100 together, as rows."""
    found = []
    for several in (FIRST_ONE, TOGETHER):
        work = f"the first {FIRST} of {shape}, {several}"
        for name, way in spent:
            if way == several:
                kind = (
                    "ours"
                    if name.startswith("wordsight")
                    else "floor"
                    if name.startswith((READING, PRODUCT))
                    else "peer"
                )
                found.append(Row(work, name, kind, min(spent[name, way]), "ms"))
        if several == FIRST_ONE:
            found += [Row(work, name, "peer", None, "ms", why) for name, why in missing.items()]
    return found


def right_share(peer: Peer, words: Tensor, exact: np.ndarray, most: float = 30.0) -> float:
    """The mean of `right` over the queries that a library answers in `most` seconds."""
    shares, began = [], time.monotonic()
    for query, scores in zip(words.numpy(), exact, strict=True):
        shares.append(right(peer(query), scores))
        if time.monotonic() - began > most:
            break
    return float(np.mean(shares))


def with_cores(count: int) -> None:
    """Restart this process on `count` cores, with as many threads in all libraries; returns in the restarted one."""
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    wanted = dict.fromkeys(threads, str(count)) | {"LANCE_LOG": "error", "RUST_LOG": "error"}
    if not wanted.items() <= os.environ.items():
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run that aligns; else vectors are drawn")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--regions", type=int, default=20, help="of a picture")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    parser.add_argument("--judged", type=int, default=QUERIES, help="queries of which a library's answers are compared")
    parser.add_argument("--peers", nargs="*", default=["maxsim-cpu", "LanceDB", "Qdrant"])
    chosen = parser.parse_args()
    with_cores(chosen.cores)
    torch.set_num_threads(chosen.cores)
    wanted = [name for name in chosen.peers if name != "Qdrant" or chosen.pictures <= 20_000]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        size = chosen.pictures, chosen.regions
        made = seen(chosen.run, chosen.data, chosen.split, *size) if chosen.run else drawn(*size)
        vectors = stored(folder / "vectors", *size, *made)
        clock = time.process_time if chosen.cores == 1 else time.perf_counter
        kind, unit = chosen.run or "drawn", "of processor" if chosen.cores == 1 else "on the clock"
        shape = f"{chosen.pictures:,} pictures x {vectors.regions} x {vectors.rows.shape[1]}, {kind}"
        print(f"{shape}; {chosen.cores} core(s), ms {unit}; x: times as fast as")
        how, has = instruction(WORDS) or "ONNX Runtime", ", ".join(processor()["features"])
        print(f"one query of maxsim-cpu, or of numpy where there is none; whole numbers by {how}; {has}")
        print(f"{'':32}{FIRST_ONE:>12}{'x':>8}{TOGETHER:>12}{'x':>8}{'right':>10}")
        others, missing = peers(vectors, folder, wanted)
        spent, share = measure(vectors, others, chosen.rounds, chosen.judged, clock)
        print("\n".join(lines(spent, share)))
        missing |= {name: "its local mode is for fewer pictures" for name in chosen.peers if name not in wanted}
        write(chosen.json, rows(spent, shape, missing))


if __name__ == "__main__":
    main()

"""Corrupts random pieces of an index's files; `verify` must notice each, or no answer may change; `build` repairs it.

    .venv/bin/python benchmarks/torn.py RUN PICTURES [--pieces 100]

Pages, half pages and blocks of the catalogue (closed, or with the log that a killed writer leaves), of its log, its
seal, the vectors, boxes and codes are overwritten with noise, zeros, other parts of the same file or their content two
commits before, or the file is cut there. `missed` counts pieces that `verify` calls sound although an answer changed,
`crashed` those that end in another error than an `InputError`, and `left` those that `build` does not repair without
saying why; all three must be 0.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from wordsight.data.pictures import picture_files
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner
from wordsight.search import build
from wordsight.search.catalog import FILE, Catalog
from wordsight.search.index import Index
from wordsight.search.seal import FILE as SEAL

QUIET = Progress(quiet=True)
CLOSED = f"{FILE}, closed"
KINDS = (CLOSED, FILE, f"{FILE}-wal", f"{FILE}-shm", SEAL, "halves", "scales", "boxes", "codes", "steps")
WAYS = ("noise", "zeros", "other", "old", "cut")
COLUMNS = ("noticed", "harmless", "repaired", "said", "missed", "crashed", "left")


def make(folder: Path, run: Path, paths: list[Path]) -> tuple[Index, dict[str, bytes]]:
    """Make an index as a killed writer leaves it; returns it and its files as they were two commits before."""
    build.BATCH = max(2, len(paths) // 6)
    index = Index.create(folder, run, "cpu")
    index.build(paths[: len(paths) // 2], progress=QUIET)
    table = folder.parent / "meta.csv"
    table.write_text("path,who,note\n" + "".join(f"{path},Ann,{path.name * 9}\n" for path in paths))
    index.annotate(table)
    killed = folder.parent / "killed"
    with index.writing() as holding:  # keeps the log from being checkpointed
        holding.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        old = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files(folder)}
        builder = build.Builder(holding, index.opened)
        builder.add(paths)
        shutil.copytree(folder, killed)
    shutil.rmtree(folder)
    killed.rename(folder)
    return index, old


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "model" not in path.parts]


def spoil(path: Path, old: bytes, chance: random.Random) -> str:
    """Overwrite or cut a piece of a file; returns how."""
    content = bytearray(path.read_bytes())
    size = chance.choice((512, 2048, 4096, 8192))
    start = chance.randrange(max(1, len(content))) // size * size
    stop, way = min(start + size, len(content)), chance.choice(WAYS)
    other = chance.randrange(max(1, len(content) - size))
    piece = {
        "noise": chance.randbytes(stop - start),
        "zeros": bytes(stop - start),
        "other": bytes(content[other : other + stop - start]),
        "old": old[start:stop] if len(old) >= stop else bytes(stop - start),
        "cut": b"",
    }[way]
    content[start : stop if way != "cut" else len(content)] = piece
    path.write_bytes(content)
    return way


def answers(folder: Path, run: Aligner) -> Any:
    """All answers of an index to three sentences, exact to the last bit, without what does not matter."""
    index = Index(folder, "cpu")
    index.opened.run = run
    words = run.vocabulary.words
    asks = [" ".join(words[start : start + 4]) for start in (2, 6, 10)]
    found = index.search_many(asks, top=10**6)
    return [
        [(hit.path, hit.number, hit.score, hit.words, hit.meta, hit.width, hit.taken) for hit in one.hits]
        for one in found
    ]


def verdict(folder: Path, run: Aligner) -> str:
    """`sound`, or the damage that `verify` reports."""
    try:
        damaged = Index(folder, "cpu").verify()
    except InputError as error:
        return str(error)
    return f"{len(damaged)} pictures" if damaged else "sound"


def same(found: Any, expected: Any) -> bool:
    """Whether pictures score as before; metadata may be lost with a row, and numbers may be new."""
    return [sorted((one[0], round(one[2], 4)) for one in hits) for hits in found] == [
        sorted((one[0], round(one[2], 4)) for one in hits) for hits in expected
    ]


def trial(folder: Path, run: Aligner, paths: list[Path], expected: Any, told: Counter[str]) -> None:
    """Check a corrupted index, then repair it."""
    said = verdict(folder, run)
    try:
        now: Any = answers(folder, run)
    except InputError as error:
        now = str(error)
    if said != "sound":
        told["noticed"] += 1
    else:
        told["harmless" if now == expected else "missed"] += 1
    try:
        index = Index.create(folder, None, "cpu")
        index.opened.run = run
        index.build(paths, progress=QUIET)
    except InputError:
        told["said"] += 1
        return
    repaired = verdict(folder, run) == "sound" and same(answers(folder, run), expected)
    told["repaired" if repaired else "left"] += said != "sound" or not repaired


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("-n", "--pieces", type=int, default=100)
    parser.add_argument("--most", type=int, default=24, help="pictures that are used")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chance, paths = (
        random.Random(chosen.seed),
        [path.absolute() for path in picture_files(chosen.pictures)[: chosen.most]],
    )
    table: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    with tempfile.TemporaryDirectory() as work:
        index, old = make(Path(work, "home", "index"), chosen.run, paths)
        home, copy = index.folder.parent, Path(work, "copy")
        shutil.copytree(home, copy)  # before it is opened: the last connection to close checkpoints the log
        run = index.run
        expected = [[(one[0], *one[1:]) for one in hits] for hits in answers(index.folder, run)]
        for number in range(chosen.pieces):
            kind = KINDS[number % len(KINDS)]
            shutil.rmtree(home)
            shutil.copytree(copy, home)
            if kind == CLOSED:  # checkpoints the log
                Catalog(index.folder, write=True).db.close()
            (path,) = [one for one in files(index.folder) if one.name.endswith(kind.split(",")[0])][:1]
            way = spoil(path, old.get(path.relative_to(index.folder).as_posix(), b""), chance)
            before = Counter(table[kind])
            try:
                trial(index.folder, run, paths, expected, table[kind])
            except Exception as error:  # what must never happen
                table[kind]["crashed"] += 1
                print(f"{number}, {kind}, {way}: {type(error).__name__}: {error}", file=sys.stderr)
            if any((table[kind] - before)[bad] for bad in ("missed", "left")):
                print(f"{number}, {kind}, {way}: {dict(table[kind] - before)}", file=sys.stderr)
    print(f"{'':20}" + "".join(f"{name:>10}" for name in COLUMNS))
    for kind, told in [*table.items(), ("all", sum(table.values(), Counter()))]:
        print(f"{kind:20}" + "".join(f"{told[name]:>10}" for name in COLUMNS))
    sys.exit(any(told[bad] for told in table.values() for bad in ("missed", "crashed", "left")))


if __name__ == "__main__":
    main()

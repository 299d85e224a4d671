"""Kills an index's writer again and again, and looks whether anything is lost, doubled or wrong; all must be 0.

    .venv/bin/python benchmarks/kills.py RUN PICTURES [--kills 200]

The writer adds and removes pictures in a process of its own. Half of the times it kills itself (SIGKILL) at a random
call inside of the search code, half of the times it is killed after a random time. Meanwhile another process reads:
what it finds must score as that picture does, and what it has once seen must stay until it is removed. Pictures are
encoded once before, so that most of the time goes where the danger is.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from wordsight.data.pictures import picture_files
from wordsight.run import load
from wordsight.search import build
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index
from wordsight.training.progress import Progress
from wordsight.vision.regions import Row

CODE = str(Path(build.__file__).parent)


class Replay:
    """A region encoder that has seen everything already."""

    def __init__(self, encoder: Any, paths: Sequence[Path]) -> None:
        self.size = encoder.size
        self.rows = dict(zip(paths, encoder.stream(paths), strict=True))

    def stream(self, paths: Iterator[Path]) -> Iterator[Row]:
        """The rows of pictures, in order."""
        return (self.rows[path] for path in paths)


def child(work: Callable[[], object], kill_at: int | None) -> int:
    """Work in a process of its own, which kills itself at its n-th call inside of the search code."""
    pid = os.fork()
    if pid:
        return pid
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        if frame.f_code.co_filename.startswith(CODE) or event == "c_call":
            calls += 1
            if calls == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    if kill_at is not None:
        sys.setprofile(count)
    try:
        work()
    except BaseException as error:
        print(error, file=sys.stderr)
        os._exit(1)
    os._exit(0)


def trial(folder: Path, run: Path, paths: Sequence[Path], kills: int, seed: int = 0) -> dict[str, int]:
    """Kill a writer so many times.

    Args:
        folder: where to make the index.
        run: a run that aligns.
        paths: pictures.
        kills: how often.
        seed: of everything that is random.
    """
    chance = random.Random(seed)
    build.BATCH = 3
    index = Index.create(folder, run, "cpu")
    index.run.__dict__["encoder"] = replay = Replay(load(run, "cpu").encoder, paths)
    sentence = " ".join(index.run.vocabulary.words[2:6])
    scores = _scores(index, replay, paths, sentence)
    told = {"kills": 0, "writers": 0, "failed": 0, "reads": 0, "lost": 0, "doubled": 0, "wrong": 0}
    calls = 6000  # about as many as a whole build has
    there: set[Path] = set()
    while told["kills"] < kills:
        there = _present(folder)
        removing = len(there) == len(paths) or (len(there) > 10 and chance.random() < 0.1)
        gone = set(chance.sample(sorted(there), len(there) * 3 // 4)) if removing else set()
        inside = chance.random() < 0.5
        work = _remove(folder, sorted(gone)) if removing else _build(index, paths)
        pid = child(work, chance.randrange(1, calls) if inside else None)
        ends = time.monotonic() + (60 if inside else chance.random() * 0.6)
        seen = set(there) - gone
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            if time.monotonic() > ends:
                os.kill(pid, signal.SIGKILL)
            seen |= _read(folder, index, sentence, scores, told, seen) - gone
        told["kills"] += int(os.WIFSIGNALED(ended[1]))
        told["failed"] += int(os.WIFEXITED(ended[1]) and os.WEXITSTATUS(ended[1]) != 0)
        told["writers"] += 1
        seen |= _read(folder, index, sentence, scores, told, seen) - gone
    index.build(paths, progress=Progress(quiet=True))
    told["lost"] += len(set(paths) - _present(folder))
    told["wrong"] += len(index.verify())
    return told


def _build(index: Index, paths: Sequence[Path]) -> Callable[[], object]:
    return lambda: index.build(paths, progress=Progress(quiet=True))


def _remove(folder: Path, paths: Sequence[Path]) -> Callable[[], object]:
    return lambda: Index(folder, "cpu").remove(paths)


def _present(folder: Path) -> set[Path]:
    index = Index(folder, "cpu")
    with Catalog(folder) as catalog:
        return {index.places.path(entry.path) for entry in catalog.entries()}


def _read(
    folder: Path, writer: Index, sentence: str, scores: dict[Path, float], told: dict[str, int], seen: set[Path]
) -> set[Path]:
    """Look at the whole index as a reader does; gives the pictures that are there."""
    reader = Index(folder, "cpu")
    reader.opened.run = writer.run
    hits = reader.search(sentence, top=10**6).hits
    found = [hit.path for hit in hits]
    told["reads"] += 1
    told["doubled"] += len(found) - len(set(found))
    told["wrong"] += sum(abs(hit.score - scores[hit.path]) > 1e-4 for hit in hits)
    told["lost"] += len(seen - set(found))
    return set(found)


@torch.inference_mode()
def _scores(index: Index, replay: Replay, paths: Sequence[Path], sentence: str) -> dict[Path, float]:
    images = index.run.model.encode_images(build.as_regions([replay.rows[path] for path in paths], replay.size))
    return dict(zip(paths, index.run.score(images, [sentence])[:, 0].tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--most", type=int, default=40, help="pictures that are used")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    paths = [path.absolute() for path in picture_files(chosen.pictures)[: chosen.most]]
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(trial(Path(folder, "index"), chosen.run, paths, chosen.kills)))


if __name__ == "__main__":
    main()

"""Kills an index's writer again and again, and counts what is lost, doubled or wrong; all counts must be 0.

    .venv/bin/python benchmarks/kills.py RUN PICTURES [--kills 200] [--compact]

The writer builds, adds, removes, merges, annotates and refreshes pictures whose content changed, in a process of its
own. Half of the time it kills itself (SIGKILL) at a random call inside the search code, half of the time it is killed
after a random delay. Meanwhile another process reads: each picture that it finds must score as that picture does, with
its old content or its new, and once seen it must stay until it is removed; after each kill `verify` must call the index
sound. Pictures are encoded once beforehand, so that most of the time is spent where kills are dangerous. With --compact
writers make the index compact as well, with enough bytes that scores hardly change, and a new index is begun now and
then.

Then the same is done with writers that are wrong on purpose; each of these controls must be noticed.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from wrong_writers import CONTROLS

from wordsight.data.pictures import picture_files
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs.aligner import load
from wordsight.search import build, compact, merge
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index
from wordsight.search.results import Hit
from wordsight.vision.regions import Row

CODE = str(Path(build.__file__).parent)
QUIET = Progress(quiet=True)
NEAR, NEAR_COMPACT = 1e-4, 0.02  # maximum difference of a picture's score from its score alone
FIGURES, BAD = ("kills", "writers", "reads"), ("failed", "lost", "doubled", "wrong", "damaged")


class Replay:
    """A region encoder that replays rows encoded beforehand, by content."""

    def __init__(self, encoder: Any, paths: Sequence[Path]) -> None:
        self.size = encoder.size
        contents = [path.read_bytes() for path in paths]
        self.rows = dict(zip(contents, encoder.stream(paths), strict=True))

    def stream(self, paths: Iterator[Path]) -> Iterator[Row]:
        """The rows of pictures, in order."""
        return (self.rows[path.read_bytes()] for path in paths)


def child(work: Callable[[], object], kill_at: int | None) -> int:
    """Fork a process that works and kills itself at call `kill_at` inside the search code; returns its id."""
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


class Trial:
    """An index, the pictures that go in and out of it, and counts of what went wrong.

    Attributes:
        told: number of writers, of those killed and those failed, of reads; and of errors that a reader has seen.
    """

    def __init__(
        self, home: Path, run: Path, paths: Sequence[Path], seed: int = 0, *, is_compact: bool = False
    ) -> None:
        build.BATCH = merge.PICTURES = 3
        compact.LEAST = 6
        self.is_compact, self.near, self.home = is_compact, NEAR_COMPACT if is_compact else NEAR, run
        self.chance = random.Random(seed)
        self.paths = [home / "photos" / path.name for path in paths]
        (home / "photos").mkdir(parents=True)
        for old, new in zip(paths, self.paths, strict=True):
            shutil.copy(old, new)
        self.contents = [path.read_bytes() for path in self.paths]
        self.index = Index.create(home / "index", run, "cpu")
        self.replay = Replay(load(run, "cpu").encoder, self.paths)
        self.index.run.__dict__["encoder"] = self.replay
        self.sentence = " ".join(self.index.run.vocabulary.words[2:6])
        self.scores = self._scores()
        self.other = Index.create(home / "other", run, "cpu")
        self.other.opened.run = self.index.run
        self.other.build(self.paths, progress=QUIET)
        self.told = Counter(dict.fromkeys((*FIGURES, *BAD), 0))

    def go(self, kills: int) -> Counter[str]:
        """Run writers until `kills` were killed, then finish the work."""
        while self.told["kills"] < kills:
            self.once()
        self.index.build(self.paths, progress=QUIET)
        self.told["lost"] += len(set(self.paths) - set(self._read()))
        self._verify()
        return self.told

    def begin_anew(self) -> None:
        """Replace the compact index by a new one that is not compact."""
        run = self.index.run
        shutil.rmtree(self.index.folder)
        self.index = Index.create(self.index.folder, self.home, "cpu")
        self.index.opened.run = run

    def once(self) -> None:
        """Run one writer, killed or not, and check the index meanwhile and afterwards."""
        if self.index.info()["compact"] and self.chance.random() < 0.2:
            self.begin_anew()
        work, gone = self._work()
        calls = self.chance.randrange(1, 3000) if self.chance.random() < 0.5 else None
        seen = set(self._read()) - gone
        pid = child(work, calls)
        ends = time.monotonic() + (60 if calls else self.chance.random() * 0.3)
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            if time.monotonic() > ends:
                os.kill(pid, signal.SIGKILL)
            seen = self._look(seen, gone)
        self._look(seen, gone)
        self.told["kills"] += int(os.WIFSIGNALED(ended[1]))
        self.told["failed"] += int(os.WIFEXITED(ended[1]) and os.WEXITSTATUS(ended[1]) != 0)
        self.told["writers"] += 1
        self._verify()

    def _work(self) -> tuple[Callable[[], object], set[Path]]:
        """The work of the next writer, and the pictures that it may remove."""
        there, index, chance = self._read(), self.index, self.chance
        present = sorted(there)
        if len(present) == len(self.paths) or (len(present) > 10 and chance.random() < 0.1):
            gone = chance.sample(present, len(present) * 3 // 4)
            return lambda: index.remove(gone), set(gone)
        kind = chance.choice(("build", "add", "merge", "annotate", "refresh", *["compact"] * self.is_compact))
        if kind == "refresh":
            for path in chance.sample(self.paths, len(self.paths) // 3):
                path.write_bytes(chance.choice(self.contents))
                os.utime(path, ns=(0, chance.randrange(10**18)))
        if kind == "compact":
            return lambda: index.compact(compact.MOST_BYTES, QUIET), set()
        if kind == "merge":
            return lambda: index.merge(self.other), set()
        if kind == "annotate":
            table = index.folder.parent / "meta.csv"
            rows = "".join(f"{path},{number},{number}\n" for path in self.paths for number in [chance.randrange(99)])
            table.write_text(f"path,one,two\n{rows}")
            return lambda: index.annotate(table), set()
        return lambda: index.build(self.paths, repair=kind == "build", progress=QUIET), set()

    def _look(self, seen: set[Path], gone: set[Path]) -> set[Path]:
        now = set(self._read())
        self.told["lost"] += len(seen - now)
        return (seen | now) - gone

    def _read(self) -> dict[Path, float]:
        """Search the whole index as a reader does; returns the pictures in it with their scores."""
        reader = Index(self.index.folder, "cpu")
        reader.opened.run = self.index.run
        try:
            hits = reader.search(self.sentence, top=10**6).hits
        except InputError as error:
            print(error, file=sys.stderr)
            self.told["wrong"] += 1
            return {}
        found = {hit.path: hit.score for hit in hits}
        self.told["reads"] += 1
        self.told["doubled"] += len(hits) - len(found)
        for hit in hits:
            self.told["wrong"] += min(abs(hit.score - score) for score in self.scores) > self.near
            self.told["wrong"] += hit.meta.get("one") != hit.meta.get("two")
        return found

    def _verify(self) -> None:
        """Check that a killed writer has damaged nothing, and that its index holds what the files hold or held."""
        try:
            self.told["damaged"] += len(Index(self.index.folder, "cpu").verify())
        except InputError as error:
            print(error, file=sys.stderr)
            self.told["damaged"] += 1
        if self.told["damaged"]:
            return
        with Catalog(self.index.folder) as catalog:
            hashes = {entry.path: entry.hash for entry in catalog.entries()}
            snapshot = self.index.snapshot(catalog)
            scored = {hit.path: hit.score for hit in self._hits()}
            self.told["wrong"] += len(hashes) != len(snapshot.numbers)
            for key, digest in hashes.items():
                expected = self.by_hash.get(digest)
                if expected is None or abs(scored.get(self.index.paths.path(key), 9e9) - expected) > self.near:
                    self.told["wrong"] += 1

    def _hits(self) -> Sequence[Hit]:
        reader = Index(self.index.folder, "cpu")
        reader.opened.run = self.index.run
        return reader.search(self.sentence, top=10**6).hits

    @torch.inference_mode()
    def _scores(self) -> list[float]:
        """Scores of each picture alone; `by_hash` has them by the hash of the content."""
        rows = [self.replay.rows[content] for content in self.contents]
        images = self.index.run.model.image_vectors(build.as_regions(rows, self.replay.size))
        scores: list[float] = self.index.run.score(images, [self.sentence])[:, 0].tolist()
        digests = (hashlib.blake2b(content, digest_size=16).digest() for content in self.contents)
        self.by_hash = dict(zip(digests, scores, strict=True))
        return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--compact", action="store_true", help="writers make the index compact, too")
    parser.add_argument("--control-kills", type=int, default=100, help="after which a control must have been noticed")
    parser.add_argument("--controls", nargs="*", choices=[*CONTROLS], default=[*CONTROLS])
    parser.add_argument("--most", type=int, default=40, help="pictures that are used")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    paths = [path.absolute() for path in picture_files(chosen.pictures)[: chosen.most]]
    print(f"{'':20}" + "".join(f"{name:>9}" for name in (*FIGURES, *BAD)))
    with tempfile.TemporaryDirectory() as folder:
        told = Trial(Path(folder, "as it is"), chosen.run, paths, is_compact=chosen.compact).go(chosen.kills)
        print(f"{'as it is':20}" + "".join(f"{told[name]:>9}" for name in (*FIGURES, *BAD)), flush=True)
        bad = any(told[name] for name in BAD)
        for name in chosen.controls:
            trial = Trial(Path(folder, name), chosen.run, paths)
            with CONTROLS[name]():
                fired = _fires(trial, chosen.control_kills)
            print(
                f"{'control: ' + name:20}" + "".join(f"{trial.told[name]:>9}" for name in (*FIGURES, *BAD)), flush=True
            )
            bad = bad or not fired
    sys.exit(bad)


def _fires(trial: Trial, kills: int) -> bool:
    """Whether a wrong writer is noticed within `kills` kills."""
    while not any(trial.told[name] for name in BAD[1:]) and trial.told["kills"] < kills:
        trial.once()
    return any(trial.told[name] for name in BAD[1:])


if __name__ == "__main__":
    main()

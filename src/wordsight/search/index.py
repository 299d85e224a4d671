"""A folder of pictures, ready to be asked: `Index.create`, `build`, `search`.

INDEX/catalog.sqlite    what is known of each picture (`catalog.py`)
INDEX/seal.json         what the catalogue must hold (`seal.py`)
INDEX/vectors/          its regions as vectors, and their boxes (`vectors.py`)
INDEX/model/            the model that made them, and encodes what is asked; none where it is the one in the box
INDEX/lock              held by the one process that writes
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from wordsight.boxed import CALIBRATION, NET, in_the_box
from wordsight.errors import InputError
from wordsight.files import read_text
from wordsight.locks import locked
from wordsight.matching.score import Rule
from wordsight.run import Run, load
from wordsight.search import damage
from wordsight.search.build import Builder, Built
from wordsight.search.calibrate import Calibration, calibrate
from wordsight.search.catalog import Catalog
from wordsight.search.find import Wanted, find
from wordsight.search.folder import check_free, copy_model, fingerprint, is_index, size_of
from wordsight.search.meta import matched, read_meta
from wordsight.search.places import Places
from wordsight.search.query import Ask
from wordsight.search.rerank import AMONG, rerank
from wordsight.search.results import Found
from wordsight.search.salvage import mend
from wordsight.search.seal import Seal
from wordsight.search.snapshot import Snapshot
from wordsight.search.split_scores import split_scores
from wordsight.search.vectors import Segments
from wordsight.training.progress import Progress

BUSY = "another process is writing to this index"


class Index:
    """An index in a folder.

    Attributes:
        folder: where it is.
        device: where pictures and sentences are encoded.
        places: what its pictures are called.
        segments: their vectors.
    """

    def __init__(self, folder: str | Path, device: str = "auto") -> None:
        """Open an index.

        Raises:
            InputError: there is none, or it is damaged or of a newer version.
        """
        self.folder, self.device = Path(folder), device
        with Catalog(self.folder) as catalog:
            self.facts = {name: catalog.fact(name) for name in damage.NEEDED}
            if not self.facts["size"].isdecimal() or not int(self.facts["size"]):
                raise catalog.damage("the size of its vectors")
        self.places = Places(self.folder, self.facts["made"])
        self.segments = Segments(self.folder / "vectors", int(self.facts["size"]))
        self._last: Snapshot | None = None

    @classmethod
    def create(cls, folder: str | Path, run: str | Path | None = None, device: str = "auto") -> "Index":
        """An index without pictures, or the one that is there, if it is of the same model.

        Args:
            folder: where to make it.
            run: the folder of a model that aligns; a copy of it goes into the index. None for the small model in the
                box, which stays there, or for the model of the index that is there.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            InputError: the model cannot be indexed, the folder holds something else, an index of another model, or
                cannot be written.
        """
        folder = Path(folder)
        if said := mend(folder, BUSY):
            Progress().say(said)
        if is_index(folder):
            index = cls(folder, device)
            if run is not None and fingerprint(Path(run)) != index.facts["model"]:
                raise InputError(f"{run}: not the model of {folder}; leave --model out, or build another index.")
            return index
        check_free(folder)
        home = in_the_box("align") if run is None else folder / "model"
        if run is None:
            in_the_box(NET)  # whole too, before anything is made
        size = size_of(load(run, device))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder, BUSY):
                if run is not None:
                    copy_model(Path(run), home)
                with Catalog(folder, write=True) as catalog, catalog.change():
                    catalog.set_fact("size", str(size))
                    catalog.set_fact("model", fingerprint(home))
                    catalog.set_fact("home", "model" if run is not None else "box")
                    if run is None:
                        catalog.set_fact("calibration", read_text(home / CALIBRATION).strip())
                    catalog.set_fact("made", os.path.dirname(os.path.abspath(folder)))
        except OSError as error:
            raise InputError(f"{folder}: cannot make an index here ({error.strerror}).") from None
        return cls(folder, device)

    @property
    def boxed(self) -> bool:
        """Whether its model is the small one in the box."""
        return self.facts["home"] == "box"

    @cached_property
    def run(self) -> Run:
        """The model of the index.

        Raises:
            InputError: it is missing, damaged or another than the vectors are of.
        """
        home = in_the_box("align") if self.boxed else self.folder / "model"
        found = load(home, self.device)
        if fingerprint(home) != self.facts["model"]:
            if self.boxed:
                raise InputError(
                    f"{self.folder}: was built with the small model of another version of wordsight; delete it and "
                    "build it anew, or build one with --model RUN, which keeps its model."
                )
            raise InputError(f"{home}: not the model that this index was built with.")
        return found

    @property
    def rule(self) -> Rule:
        """How words make a score."""
        return self.run.model.rule or Rule()

    def build(
        self, pictures: Sequence[Path], *, prune: bool = False, repair: bool = True, progress: Progress | None = None
    ) -> Built:
        """Bring the index up to date with picture files.

        Args:
            pictures: those that are new are added, those whose content has changed are refreshed.
            prune: forget pictures whose files are gone.
            repair: look for damaged rows, and make them anew.
            progress: who is told how far it is.

        Raises:
            InputError: another process is writing, or the index cannot be written.
        """
        progress = progress or Progress()
        if repair and (said := mend(self.folder, BUSY)):
            progress.say(said)
        with self.writing() as catalog, progress.task("index") as count:
            damaged = damage.repair(catalog, self.segments) if repair else []
            builder = Builder(catalog, self.segments, self.places, self.run)
            builder.add(pictures, damaged, count)
            if prune:
                builder.prune()
            return builder.built

    def search(self, ask: Ask, *, reranker: Run | None = None, rerank_top: int = AMONG, **wanted: Any) -> Found:
        """The pictures that fit a query best.

        Args:
            ask: a sentence, a `Sentence` or `Like`, or several of these, whose weighted scores are added up.
            reranker: looks again at the first pictures, see `rerank.py`; then `ask` is a single sentence.
            rerank_top: how many of the first.
            **wanted: which hits, and how many, see `find.Wanted`.

        Raises:
            InputError: the query cannot be used, or the index is damaged.
        """
        if reranker is not None:
            return rerank(self, ask, reranker, rerank_top, Wanted(**wanted))
        return find(self, [ask], Wanted(**wanted))[0]

    def search_many(self, asks: Sequence[Ask], **wanted: Any) -> list[Found]:
        """The same for many queries, which is faster for each of them."""
        return find(self, asks, Wanted(**wanted)) if asks else []

    def annotate(self, table: Path) -> list[str]:
        """Take what the user knows of pictures from a CSV or JSON file, in place of what was known of them.

        Returns:
            The names in it that no picture of the index has.

        Raises:
            InputError: the file cannot be used, or the index cannot be written.
        """
        named = read_meta(table)
        with self.writing() as catalog:
            keys = [entry.path for entry in catalog.entries()]
            found, lost = matched(named, table.parent, keys, self.places)
            with catalog.change():
                catalog.annotate(found.items())
        return lost

    def calibrate(self, data: str | Path | None = None, progress: Progress | None = None) -> Calibration:
        """Learn how sure hits are, see `calibrate.py`, and keep it.

        Args:
            data: a dataset with a split `val`; None for the data that the model was trained on.
            progress: who is told how far it is.

        Raises:
            InputError: the dataset cannot be used, or the index cannot be written.
        """
        found = calibrate(*split_scores(self.run, data, progress or Progress()))
        with self.writing() as catalog, catalog.change():
            catalog.set_fact("calibration", found.to_json())
        return found

    def remove(self, pictures: Sequence[str | Path]) -> int:
        """Leave pictures out, by file or folder, whether these still exist or not; gives how many there were.

        Raises:
            InputError: one of the names stands for no picture in the index, or the index cannot be written.
        """
        with self.writing() as catalog:
            keys = [entry.path for entry in catalog.entries()]
            every = [*keys, *catalog.broken()]
            gone: list[str] = []
            for name in pictures:
                found = list(self.places.below(every, name))
                if not found:
                    raise InputError(f"{name}: no picture of {self.folder} is called so, or is in such a folder.")
                gone += found
            with catalog.change():
                catalog.forget(dict.fromkeys(gone))
            return len(set(gone) & set(keys))

    def info(self) -> dict[str, Any]:
        """What is in it, as plain values: counts, sizes, the model, and the pictures that cannot be read."""
        with Catalog(self.folder) as catalog:
            pictures, used = catalog.db.execute("SELECT count(*), coalesce(sum(rows), 0) FROM pictures").fetchone()
            kept = sum(catalog.segments().values())
            broken = {str(self.places.path(key)): why for key, why in catalog.broken().items()}
            calibration = Calibration.parse(catalog.fact("calibration"))
        return {
            "index": str(self.folder),
            "pictures": pictures,
            "regions": used,
            "unused_regions": kept - used,
            "size": self.segments.size,
            "bytes": sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()),
            "model": self.facts["model"],
            "boxed": self.boxed,
            "calibration": calibration and asdict(calibration),
            "broken": broken,
        }

    def verify(self) -> list[Path]:
        """The pictures of which something is not as it was written; `build` makes them anew.

        Raises:
            InputError: something else in the catalogue is damaged; `build` repairs what can be.
        """
        seal = Seal.read(self.folder)  # before the catalogue: it may not be of a later commit
        with Catalog(self.folder) as catalog:
            found = damage.find(catalog, self.segments, seal)
            if found.others:
                raise catalog.damage(found.others[0])
            return [self.places.path(key) for key in found.pictures]

    def snapshot(self, catalog: Catalog) -> Snapshot:
        """The index as a reading catalogue sees it; kept until it changes.

        Raises:
            InputError: a file of vectors is cut short.
        """
        generation, last = catalog.fact("generation"), self._last
        if last is not None and last.generation == generation:
            return last
        self._last = Snapshot.read(catalog, self.segments)
        return self._last

    @contextmanager
    def writing(self) -> Iterator[Catalog]:
        """The catalogue, for the only process that writes.

        Raises:
            InputError: another process is writing, or the folder cannot be written.
        """
        with locked(self.folder, BUSY), Catalog(self.folder, write=True) as catalog:
            yield catalog

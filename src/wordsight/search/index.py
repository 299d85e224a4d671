"""Index: a folder that makes a collection of pictures searchable: `Index.create`, `build`, `search`.

INDEX/index.id          the mark: says that it is an index, and which (`identity.py`)
INDEX/catalog.sqlite    what is known of each picture (`catalog.py`)
INDEX/seal.json         what the catalogue must hold (`seal.py`)
INDEX/vectors/          its regions as vectors, and their boxes (`vectors.py`)
INDEX/model/            the model that made them, and encodes queries; absent if it is the bundled model, or a dual
                        encoder, which stays where it is
INDEX/lock              held by the one process that writes
INDEX/thumbs/           small pictures for a browser, made when they are first viewed (`thumbnails.py`)
INDEX/broken.txt        the pictures that cannot be read, if there are any
INDEX/sketch/           the sketch view, for comparing photos with drawings, if it was made (`sketch_view.py`)
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

from wordsight.data.pictures import Names, named
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner
from wordsight.search import compact, damage, origins, sketch_view, texts, thumbnails
from wordsight.search.annotations import matched, read_meta
from wordsight.search.build import Builder
from wordsight.search.built import Built
from wordsight.search.calibrate import Calibration, calibrate
from wordsight.search.catalog import Catalog
from wordsight.search.create import create, mend_damage
from wordsight.search.find import find
from wordsight.search.former import FormerNames, keywords
from wordsight.search.frames import file_of
from wordsight.search.gone import Gone
from wordsight.search.identity import is_index
from wordsight.search.index_folder import IndexFolder
from wordsight.search.info import info, write_broken
from wordsight.search.listing import listed_files
from wordsight.search.merge import check_match, merge
from wordsight.search.opened import Opened
from wordsight.search.options import SearchKeywords, SearchOptions
from wordsight.search.query import Ask, with_texts
from wordsight.search.recoded import recode
from wordsight.search.rerank import AMONG, rerank
from wordsight.search.results import SearchResults
from wordsight.search.seal import Seal
from wordsight.search.sketch_search import search_sketch
from wordsight.search.sketch_view import SketchView
from wordsight.search.trials import trials
from wordsight.vision.images import Source
from wordsight.vision.ocr import is_installed, text_reader


class Index(IndexFolder, FormerNames):
    """An index in a folder: add pictures, remove them, and search."""

    _sketch: SketchView | None = None

    @classmethod
    def create(cls, folder: str | Path, run: str | Path | None = None, device: str = "auto") -> "Index":
        """Make an index without pictures, or open the one that is there, if it is of the same model.

        Args:
            folder: a new or empty folder, or that of an index.
            run: the folder of an alignment model, which is copied into the index; or a dual encoder, which stays where
                it is (a folder, or `hub:ID`); None for the bundled model, or for that of the index there.
            device: `auto`, `cpu`, `cuda` or `mps`.

        Raises:
            InputError: the index cannot use the model or has another, or the folder is unusable or cannot be written.
        """
        folder = Path(folder)
        mend_damage(folder, Progress())
        if not is_index(folder):
            create(folder, None if run is None else Path(run), device)
        index = cls(folder, device)
        index.require_model(run)
        return index

    def build(
        self,
        pictures: Names,
        *,
        prune: bool = False,
        force: bool | Callable[[str], bool] = False,
        repair: bool = True,
        text: bool = False,
        progress: Progress | None = None,
    ) -> Built:
        """Bring the index up to date with files of pictures and videos.

        Args:
            pictures: files, folders or patterns, or one of them. New pictures are added, those with changed content are
                refreshed, and those that were moved keep their number.
            prune: remove pictures whose files are gone from the index, unless no name in `pictures` can be used.
            force: remove them even if a drive may be missing; or a function that asks the user, see `Gone`.
            repair: find damaged rows, and make them anew.
            text: read the text in pictures (extra `ocr`); later builds then read that of new pictures as well.
            progress: receives the progress.

        Raises:
            InputError: no file is found, another process is writing, the index cannot be written, or `prune` is
                refused; what was added before is kept.
        """
        listing, progress = listed_files(pictures, empty=prune), progress or Progress()
        if repair:
            mend_damage(self.folder, progress)
        if text:
            text_reader()  # fails here, before anything is begun, if it is not installed
        with self.writing() as catalog, progress.task("index") as count:
            damaged = damage.repair(catalog, self.segments, self.paths.is_gone) if repair else []
            if repair:  # recoding copies only what is known to be sound
                recode(catalog, self.segments, progress)
            first = compact.begin(catalog, self.opened, listing, progress)
            builder = Builder(catalog, self.opened)
            builder.built.broken |= {str(name): why for name, why in listing.left_out.items()}
            builder.add(listing, damaged, count)
            builder.built.take_over(first)
            compact.bring_up(catalog, self.opened, progress)
            origins.fill(catalog, self.paths)
            if text or catalog.fact(texts.FACT):
                builder.built.unread += self._read_text(catalog, progress, text)
            if prune and (builder.built.done or not builder.built.broken):
                builder.built.forgotten += Gone(catalog, self.paths).forget(force)
                thumbnails.prune(self.folder, {entry.hash for entry in catalog.entries()})
            write_broken(self.opened, catalog, builder.built)
        if self.sketched:
            sketch_view.make(self.opened, None, progress)
        return builder.built

    @property
    def sketched(self) -> bool:
        """Whether the index can be searched by drawing."""
        return any(sketch_view.stamp(self.folder))

    def sketch(self, run: str | Path | None = None, progress: Progress | None = None) -> dict[str, int]:
        """Make the index searchable by drawing; `build` keeps it so.

        Args:
            run: a run of `wordsight sketch train`; None for the one that the index has, or for a view without learning.
            progress: receives updates.

        Returns:
            The numbers of pictures `added`, of `pictures` that have a sketch view now, and of those that are `broken`.

        Raises:
            InputError: the run cannot be used, or the index cannot be written.
        """
        return sketch_view.make(self.opened, None if run is None else Path(run), progress or Progress())

    def search_sketch(self, sketch: Source, **wanted: Unpack[SearchKeywords]) -> SearchResults:
        """Search by drawing: the photos that fit a drawing best.

        Args:
            sketch: a drawing of lines on plain paper: a file, its bytes, a picture or its pixels.
            **wanted: which hits to return, and how many, see `options.SearchOptions`.

        Raises:
            InputError: the index has no sketch view, or the drawing is empty, or a photograph.
        """
        self._sketch = SketchView.of(self.folder, self._sketch)
        return search_sketch(lambda: self.opened, self._sketch, sketch, SearchOptions(**keywords(wanted)))

    def _read_text(self, catalog: Catalog, progress: Progress, must: bool) -> list[str]:
        """Read the text of the pictures whose text is not known; returns why that of some could not be read."""
        try:
            with progress.task("text") as count:
                return texts.fill(catalog, self.paths, count)
        except InputError as error:
            if must or is_installed():
                raise
            return [f"The text of new pictures was not read. {error}"]

    def search(
        self,
        ask: Ask | None = None,
        *,
        text: str | Sequence[str] | None = None,
        reranker: Aligner | None = None,
        rerank_top: int = AMONG,
        **wanted: Unpack[SearchKeywords],
    ) -> SearchResults:
        """Search: the pictures that fit a query best.

        Args:
            ask: a sentence, a picture (a `Path`, not text), a `Sentence` or `Like`, or a list of these, whose weighted
                scores are added up. Words in double quotes are text in the pictures, if the index has read it.
            text: text that is written in the pictures, or several such texts, all of which must be there; words are
                found in their order and in any spelling, and `lond*` is the beginning of a word.
            reranker: scores the first pictures again, see `rerank.py`; `ask` must then be a single sentence.
            rerank_top: the number of first pictures to score again.
            **wanted: which hits to return, and how many, see `options.SearchOptions`.

        Raises:
            InputError: the query cannot be used, or the index is damaged.
        """
        ask = with_texts(ask, text)
        if reranker is not None:
            return rerank(lambda: self.opened, ask, reranker, rerank_top, SearchOptions(**keywords(wanted)))
        return find(lambda: self.opened, [ask], SearchOptions(**keywords(wanted)))[0]

    def search_many(self, asks: Sequence[Ask], **wanted: Unpack[SearchKeywords]) -> list[SearchResults]:
        """Search with many queries at once, which is faster for each of them; see `search`."""
        return find(lambda: self.opened, asks, SearchOptions(**keywords(wanted))) if asks else []

    def annotate(self, table: str | Path) -> list[str]:
        """Read the user's metadata of pictures and videos from a CSV or JSON file, in place of what they had.

        Returns:
            The names in the file that no picture of the index has.

        Raises:
            InputError: the file cannot be used, or the index cannot be written.
        """
        table = Path(table)
        rows = read_meta(table)
        with self.writing() as catalog:
            keys = [entry.path for entry in catalog.entries()]
            found, lost = matched(rows, table.parent, dict.fromkeys(map(file_of, keys)), self.paths)
            with catalog.change():
                catalog.annotate((key, found[file_of(key)]) for key in keys if file_of(key) in found)
        return lost

    def calibrate(self, data: str | Path | None = None, progress: Progress | None = None) -> Calibration:
        """Learn the calibration of scores, see `calibrate.py`, and keep it in the index.

        Args:
            data: a dataset with a split `val`; None for the data that the model was trained on.
            progress: receives the progress.

        Raises:
            InputError: the dataset cannot be used, or the index cannot be written.
        """
        found = calibrate(trials(self.run, data, progress or Progress()))
        with self.writing() as catalog, catalog.change():
            catalog.set_fact("calibration", found.to_json())
        return found

    def merge(self, other: "Index | str | Path") -> tuple[int, int]:
        """Add the pictures of another index of the same model, see `merge.py`.

        Returns:
            The number of pictures added, and of those that were there already.

        Raises:
            InputError: the indexes cannot be merged, or this one cannot be written.
        """
        source = Opened(Path(other), self.device) if isinstance(other, str | Path) else other.opened
        check_match(self.opened, source)
        with self.writing() as catalog:
            counts = merge(self.opened, catalog, source)
            compact.bring_up(catalog, self.opened, Progress())
        sketch_view.take_over(self.opened, source.folder)
        return counts

    def remove(self, pictures: Names) -> int:
        """Remove pictures, by file or folder, whether these still exist or not; returns how many there were.

        Raises:
            InputError: one of the names stands for no picture in the index, or the index cannot be written.
        """
        with self.writing() as catalog:
            paths, keys = self.paths, [entry.path for entry in catalog.entries()]
            every = [*keys, *catalog.broken()]
            gone: list[str] = []
            for name in named(pictures):
                found = list(paths.below(every, name))
                if not found:
                    raise InputError(f"{name}: no picture of {self.folder} is called so, or is in such a folder.")
                gone += found
            with catalog.change():
                catalog.forget(dict.fromkeys(gone))
            return len(set(map(file_of, gone)) & set(map(file_of, keys)))

    def info(self) -> dict[str, Any]:
        """Summary of the index, as plain values: counts, sizes, the model, and the pictures that cannot be read."""
        return info(self.opened)

    def verify(self) -> list[Path]:
        """Check the index: the pictures whose data are not as they were written; `build` makes them anew.

        Raises:
            InputError: something else in the catalogue is damaged; `build` repairs what can be.
        """
        seal = Seal.read(self.folder)  # read before the catalogue, lest it be of a later commit
        with Catalog(self.folder) as catalog:
            found = damage.find(catalog, self.segments, seal)
            if found.others:
                raise catalog.damage(found.others[0])
            sketch_view.check(self.folder)
            return list(dict.fromkeys(map(self.paths.path, found.pictures)))

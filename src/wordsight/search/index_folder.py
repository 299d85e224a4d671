"""Folder of an index: gives access to the index in it, and lets one process write."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wordsight.errors import InputError
from wordsight.files import reason
from wordsight.locks import locked
from wordsight.matching.score import Rule
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner
from wordsight.search import compact
from wordsight.search.catalog import Catalog
from wordsight.search.create import BUSY
from wordsight.search.identity import fingerprint, mark
from wordsight.search.opened import TRIES, Opened
from wordsight.search.paths import Paths
from wordsight.search.snapshot import Snapshot
from wordsight.search.vectors import Segments
from wordsight.vision.dual_source import find_dual, is_dual


class IndexFolder:
    """Folder of an index; if the index in it is replaced, this follows.

    Attributes:
        folder: its path.
        device: the device on which pictures and sentences are encoded.
    """

    def __init__(self, folder: str | Path, device: str = "auto") -> None:
        """Open an index.

        Raises:
            InputError: there is none, or it is damaged or of a newer version.
        """
        self.folder, self.device = Path(folder), device
        self._opened: Opened | None = None
        _ = self.opened

    @property
    def opened(self) -> Opened:
        """The index that stands in the folder now.

        Raises:
            InputError: there is none, it is damaged or of a newer version, or it keeps being replaced.
        """
        last = self._opened
        for _ in range(TRIES):
            if last is not None and last.is_current():
                return last
            self._opened = last = Opened(self.folder, self.device, last)
        raise InputError(f"{self.folder}: another process keeps replacing this index; try again once it is done.")

    @property
    def facts(self) -> dict[str, str]:
        """The facts about the whole index."""
        return self.opened.facts

    @property
    def paths(self) -> Paths:
        """Converts between files and the names of pictures."""
        return self.opened.paths

    @property
    def segments(self) -> Segments:
        """The vectors of its pictures."""
        return self.opened.segments

    @property
    def bundled(self) -> bool:
        """Whether its model is the bundled one."""
        return self.opened.bundled

    @property
    def run(self) -> Aligner:
        """The model of the index.

        Raises:
            InputError: it is missing or damaged, or did not make the vectors.
        """
        return self.opened.run

    @property
    def rule(self) -> Rule:
        """The rule by which the words of a query make a score."""
        return self.opened.rule

    def snapshot(self, catalog: Catalog) -> Snapshot:
        """The snapshot of the index that an open catalogue sees; kept until the index changes.

        Raises:
            InputError: a file of vectors is cut short.
        """
        return self.opened.snapshot(catalog)

    @contextmanager
    def writing(self, wait: float = 0.0) -> Iterator[Catalog]:
        """Hold the lock of the index, and open its catalogue for writing.

        Args:
            wait: seconds to wait for another process that holds the lock.

        Raises:
            InputError: another process is writing, or the folder cannot be written.
        """
        _ = self.opened  # else a lock would be put into a folder that is no index
        with locked(self.folder, BUSY, wait=wait):
            try:
                mark(self.folder)
            except OSError as error:
                raise InputError(f"{self.folder}: cannot be written ({reason(error)}).") from None
            with Catalog(self.folder, write=True) as catalog:
                yield catalog

    def require_model(self, run: str | Path | None) -> None:
        """Require that this is the model of the index; a dual encoder that was moved is found there from now on.

        Args:
            run: as of `Index.create`; None for any model.

        Raises:
            InputError: the index has another, or cannot be written.
        """
        if run is None:
            return
        if fingerprint(Path(run)) != self.facts["model"]:
            raise InputError(f"{run}: not the model of {self.folder}; leave --model out, or build another index.")
        if is_dual(run) and (home := find_dual(run).home) != self.facts["home"]:
            with self.writing() as catalog, catalog.change():
                catalog.set_fact("home", home)
            self._opened = None

    def compact(self, region_bytes: int | None = None, progress: Progress | None = None) -> int:
        """Make the index compact: codes of a few bytes a region replace its exact vectors; see `compact.py`.

        The only way back is to build the index anew. An index of few pictures stays exact until it has more.

        Args:
            region_bytes: bytes of a region's codes; larger codes find more of the true best pictures. None for the
                number that the index has already, or else 112.
            progress: receives the progress.

        Returns:
            The number of pictures rewritten.

        Raises:
            InputError: the number is out of range or not that of the compact index, or the index cannot be written.
        """
        with self.writing() as catalog:
            compact.ask_for(catalog, self.opened, region_bytes)
            return compact.bring_up(catalog, self.opened, progress or Progress())

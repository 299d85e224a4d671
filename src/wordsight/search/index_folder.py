"""The folder of an index: what stands in it now, and who may write to it."""

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
from wordsight.search.identity import mark
from wordsight.search.opened import TRIES, Opened
from wordsight.search.paths import Paths
from wordsight.search.snapshot import Snapshot
from wordsight.search.vectors import Segments


class IndexFolder:
    """The folder of an index, and whatever index stands there, if it is replaced.

    Attributes:
        folder: where it is.
        device: where pictures and sentences are encoded.
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
            InputError: there is none, or it is damaged or of a newer version.
        """
        last = self._opened
        for _ in range(TRIES):
            if last is not None and last.is_current():
                return last
            self._opened = last = Opened(self.folder, self.device, last)
        raise InputError(f"{self.folder}: another process keeps replacing this index; try again once it is done.")

    @property
    def facts(self) -> dict[str, str]:
        """What is written about the whole index."""
        return self.opened.facts

    @property
    def paths(self) -> Paths:
        """What its pictures are called."""
        return self.opened.paths

    @property
    def segments(self) -> Segments:
        """Their vectors."""
        return self.opened.segments

    @property
    def bundled(self) -> bool:
        """Whether its model is the bundled one."""
        return self.opened.bundled

    @property
    def run(self) -> Aligner:
        """The model of the index.

        Raises:
            InputError: it is missing, damaged or another than the vectors are of.
        """
        return self.opened.run

    @property
    def rule(self) -> Rule:
        """How words make a score."""
        return self.opened.rule

    def snapshot(self, catalog: Catalog) -> Snapshot:
        """The index as a reading catalogue sees it; kept until it changes.

        Raises:
            InputError: a file of vectors is cut short.
        """
        return self.opened.snapshot(catalog)

    @contextmanager
    def writing(self, wait: float = 0.0) -> Iterator[Catalog]:
        """The catalogue, for the only process that writes.

        Args:
            wait: seconds that are waited for another one to end.

        Raises:
            InputError: another process is writing, or the folder cannot be written.
        """
        _ = self.opened  # or a lock would be put into what is no index
        with locked(self.folder, BUSY, wait=wait):
            try:
                mark(self.folder)
            except OSError as error:
                raise InputError(f"{self.folder}: cannot be written ({reason(error)}).") from None
            with Catalog(self.folder, write=True) as catalog:
                yield catalog

    def compact(self, region_bytes: int | None = None, progress: Progress | None = None) -> int:
        """Keep codes of a few bytes a region in place of exact vectors, from now on; see `compact.py`.

        There is no way back but building the index anew. An index of few pictures stays exact until it has more.

        Args:
            region_bytes: of the codes of a region; more of them find more of the true best pictures. None for those
                that it has already, or else 112.
            progress: who is told how far it is.

        Returns:
            How many pictures were written anew.

        Raises:
            InputError: it is compact already with another number of bytes, or cannot be written.
        """
        with self.writing() as catalog:
            compact.ask_for(catalog, self.opened, region_bytes)
            return compact.bring_up(catalog, self.opened, progress or Progress())

"""What is done with the files of an index: sent together, shown in their folder, and more of them added."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from wordsight.search.catalog import Catalog
from wordsight.web.album_schemas import Broken, IndexState
from wordsight.web.archive import archive
from wordsight.web.engine import Engine
from wordsight.web.indexing import Forbidden
from wordsight.web.pictures import Gone
from wordsight.web.reveal import reveal

BROKEN = 1000  # pictures that cannot be read, of which so many are told


class Desk:
    """What is done with the files of an index.

    Args:
        engine: the index, and what it says of itself.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def archive(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """The parts of a zip file of some pictures.

        Raises:
            Damaged: the index cannot be read.
        """
        self._engine.read(self._broken)
        return archive(self._engine.pictures, numbers, self._engine.private)

    def reveal(self, number: int) -> None:
        """Show a picture in the file manager of this machine.

        Raises:
            Forbidden: others can reach the server.
            Gone: there is none of this number, or its file is gone.
            InputError: there is no file manager.
        """
        if not self._engine.reveals:
            raise Forbidden("Files are shown only by a server that is for this machine alone, without a token.")
        path = self._engine.index.paths.path(self._engine.entry(number).path)
        if not os.path.lexists(path):
            raise Gone(f"{path.name}: its file is gone.")
        reveal(path)

    def index_state(self) -> IndexState:
        """How far the indexing is."""
        at = self._engine.indexing
        broken = self._engine.read(self._broken)
        return IndexState(
            state=at.state,
            done=at.done,
            total=at.total,
            seconds_left=at.seconds_left,
            message=self._engine.private(at.message),
            broken=[self._told(self._engine.index.paths.path(key), why) for key, why in broken],
            folders=list(at.folders),
        )

    def _told(self, path: Path, why: str) -> Broken:
        """What a picture is called, and what is wrong with it: what stands behind its path in the reason."""
        _, _, what = why.rpartition(f"{path.name}: ")
        return Broken(path=self._engine.photos.called(path), why=self._engine.private(what))

    def _broken(self) -> list[tuple[str, str]]:
        with Catalog(self._engine.index.folder) as catalog:
            return list(catalog.broken().items())[:BROKEN]

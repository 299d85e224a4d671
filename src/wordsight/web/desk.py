"""File operations of an index: send several together, show one in its folder, report the indexing."""

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

BROKEN = 1000  # maximum number of unreadable pictures reported


class Desk:
    """File operations of an index.

    Args:
        engine: answers requests on the index.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def archive(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """The parts of a zip file of pictures.

        Raises:
            Damaged: the index cannot be read.
        """
        self._engine.read(self._broken)
        return archive(self._engine.pictures, numbers, self._engine.private)

    def reveal(self, number: int) -> None:
        """Show a picture in the file manager of this machine.

        Raises:
            Forbidden: the server is not for this machine alone, or has a token.
            Gone: no picture has this number, or its file is gone.
            InputError: there is no file manager.
        """
        if not self._engine.reveals:
            raise Forbidden("Files are shown only by a server that is for this machine alone, without a token.")
        path = self._engine.index.paths.path(self._engine.entry(number).path)
        if not os.path.lexists(path):
            raise Gone(f"{path.name}: its file is gone.")
        reveal(path)

    def index_state(self) -> IndexState:
        """Progress of the indexing."""
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
        """A picture's name, and why it cannot be read: the reason without the path in front."""
        _, _, what = why.rpartition(f"{path.name}: ")
        return Broken(path=self._engine.photos.called(path), why=self._engine.private(what))

    def _broken(self) -> list[tuple[str, str]]:
        with Catalog(self._engine.index.folder) as catalog:
            return list(catalog.broken().items())[:BROKEN]

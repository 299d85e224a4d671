"""The albums of an index, for a browser: read as they are, written under the index's lock with a short wait."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

from wordsight.errors import InputError
from wordsight.search import albums
from wordsight.search.catalog import Catalog
from wordsight.web import album_schemas as schemas
from wordsight.web.indexing import Conflict, Indexing
from wordsight.web.photos import Library
from wordsight.web.pictures import Gone

WAIT = 2.0  # seconds for another process that writes


class Shelf:
    """The albums of an index.

    Args:
        library: its photos.
        indexing: what else in this process writes to the index.
    """

    def __init__(self, library: Library, indexing: Indexing) -> None:
        self._library, self._index, self._indexing = library, library.index, indexing

    def all(self) -> schemas.Albums:
        """Every album, by name."""
        with Catalog(self._index.folder) as catalog:
            return schemas.Albums([_told(one) for one in albums.albums(catalog)])

    def create(self, asked: schemas.NewAlbum) -> schemas.Album:
        """Make one.

        Raises:
            InputError: the name is taken, or there is no such picture.
            Conflict: another process is writing.
        """
        with self._changing() as catalog:
            album = albums.create(catalog, asked.name, asked.numbers)
            return self._there(catalog, album)

    def change(self, album: int, asked: schemas.AlbumChange) -> schemas.Album:
        """Rename one, put pictures into it or take some out.

        Raises:
            Gone: there is none of this id.
            InputError: the name is taken, or there is no such picture.
            Conflict: another process is writing.
        """
        with self._changing() as catalog:
            self._there(catalog, album)
            albums.change(catalog, album, asked.name, asked.add, asked.remove)
            return self._there(catalog, album)

    def delete(self, album: int) -> None:
        """Forget one; its pictures stay.

        Raises:
            Gone: there is none of this id.
            Conflict: another process is writing.
        """
        with self._changing() as catalog:
            self._there(catalog, album)
            albums.delete(catalog, album)

    def export(self, album: int, format_: Literal["json", "csv"]) -> tuple[str, bytes]:
        """The name of an album, and what is known of its pictures as a file.

        Raises:
            Gone: there is none of this id.
        """
        with Catalog(self._index.folder) as catalog:
            found = self._there(catalog, album)
            entries = [entry for _, entry in albums.pictures(catalog, album)]
            names = [self._library.called(self._index.paths.path(entry.path)) for entry in entries]
            rows = albums.rows(catalog, album, names)
        if format_ == "csv":
            return found.name, albums.as_csv(rows).encode()
        return found.name, json.dumps({"name": found.name, "pictures": rows}, indent=1, ensure_ascii=False).encode()

    def _there(self, catalog: Catalog, album: int) -> schemas.Album:
        found = albums.get(catalog, album)
        if found is None:
            raise Gone(f"There is no album {album} in this index.")
        return _told(found)

    @contextmanager
    def _changing(self) -> Iterator[Catalog]:
        """The catalogue, to be changed as a whole or not at all; a build of this process already has the lock."""
        if self._indexing.running:
            with Catalog(self._index.folder, write=True) as catalog, catalog.change():
                yield catalog
            return
        with ExitStack() as stack:
            try:
                catalog = stack.enter_context(self._index.writing(wait=WAIT))
            except InputError as error:
                raise Conflict(str(error)) from None
            stack.enter_context(catalog.change())
            yield catalog


def _told(album: albums.Album) -> schemas.Album:
    return schemas.Album(id=album.id, name=album.name, count=album.count, cover=album.cover)

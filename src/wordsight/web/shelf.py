"""Albums of an index, for a browser: read without a lock, written under the index's lock, with a short wait for it."""

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

WAIT = 2.0  # seconds to wait for another process that writes


class Shelf:
    """The albums of an index.

    Args:
        library: the photos of the index.
        indexing: the builds of this process, which write to the index too.
    """

    def __init__(self, library: Library, indexing: Indexing) -> None:
        self._library, self._index, self._indexing = library, library.index, indexing

    def all(self) -> schemas.Albums:
        """Every album, by name."""
        with Catalog(self._index.folder) as catalog:
            return schemas.Albums([_told(one) for one in albums.albums(catalog)])

    def create(self, asked: schemas.NewAlbum) -> schemas.Album:
        """Create an album.

        Raises:
            InputError: the name is taken, or there is no such picture.
            Conflict: another process is writing.
        """
        with self._changing() as catalog:
            album = albums.create(catalog, asked.name, asked.numbers)
            return self._there(catalog, album)

    def change(self, album: int, asked: schemas.AlbumChange) -> schemas.Album:
        """Rename an album, or add or remove pictures.

        Raises:
            Gone: no album has this id.
            InputError: the name is taken, or there is no such picture.
            Conflict: another process is writing.
        """
        with self._changing() as catalog:
            self._there(catalog, album)
            albums.change(catalog, album, asked.name, asked.add, asked.remove)
            return self._there(catalog, album)

    def delete(self, album: int) -> None:
        """Delete an album; its pictures stay.

        Raises:
            Gone: no album has this id.
            Conflict: another process is writing.
        """
        with self._changing() as catalog:
            self._there(catalog, album)
            albums.delete(catalog, album)

    def export(self, album: int, format_: Literal["json", "csv"]) -> tuple[str, bytes]:
        """The name of an album, and the metadata of its pictures as a file's content.

        Raises:
            Gone: no album has this id.
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
        """The catalogue, to change in one transaction; a build of this process already holds the lock."""
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

"""The photos of an index without a query: by date, by folder and camera, one by one; no model is needed."""

import json
import os
import sqlite3
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import TypeVar

from wordsight.errors import InputError
from wordsight.search import origins
from wordsight.search.catalog import Catalog
from wordsight.search.facets import facets
from wordsight.search.filters import Filter
from wordsight.search.folders import Folder, Folders
from wordsight.search.frames import split
from wordsight.search.index import Index
from wordsight.search.look import state
from wordsight.search.suggest import Suggest, counted, of_vocabulary
from wordsight.search.timeline import timeline
from wordsight.web import photo_schemas as schemas
from wordsight.web.filter_fields import Chosen, ChosenQuery
from wordsight.web.pictures import Gone
from wordsight.web.ranges import video_type

T = TypeVar("T")
ANSWERS = 16  # maximum number of cached answers, each for one state of the index


class Library:
    """The photos of an index.

    Attributes:
        index: the index.
        show_paths: whether to name pictures by their whole paths, not by their names in the index.
    """

    def __init__(self, index: Index, show_paths: bool) -> None:
        self.index, self.show_paths = index, show_paths
        self._kept: OrderedDict[tuple[str, ...], object] = OrderedDict()
        self._lock, self._turns = Lock(), defaultdict[str, Lock](Lock)

    def warm(self) -> None:
        """Prepare the page's first answers; errors are left to the request that meets them."""
        with suppress(InputError, OSError, sqlite3.Error):
            self.photos(ChosenQuery())
            self.facets()
            self.suggest("")

    def tag(self, *what: object) -> str:
        """A hash that identifies an answer for the current state of the index."""
        with Catalog(self.index.folder) as catalog:
            return blake2b(repr((self._state(catalog), what)).encode(), digest_size=16).hexdigest()

    def photos(self, asked: Chosen) -> bytes:
        """The pictures that pass a filter, newest first, as JSON.

        Raises:
            InputError: the filter is invalid.
        """
        wanted = self.filter(asked)

        def made(catalog: Catalog) -> bytes:
            return timeline(catalog, self.index.paths, wanted).encode()

        return self._once(("photos", asked.model_dump_json()), made)

    def facets(self) -> bytes:
        """Facets: the values to filter pictures by, as JSON."""

        def made(catalog: Catalog) -> bytes:
            found = facets(catalog)
            return (
                schemas.Facets(
                    first=found.first,
                    last=found.last,
                    folders=[_tree(folder) for folder in self._folders(catalog).tree()],
                    cameras=[schemas.Camera(name=name, count=count) for name, count in found.cameras],
                    orientations=found.orientations,
                    sizes=found.sizes,
                    kinds=found.kinds,
                    columns=[
                        schemas.Column(
                            name=one.name,
                            kind=one.kind,
                            least=one.least,
                            most=one.most,
                            values=[schemas.ColumnValue(value=value, count=count) for value, count in one.values],
                        )
                        for one in found.columns
                    ],
                )
                .model_dump_json()
                .encode()
            )

        return self._once(("facets",), made)

    def picture(self, number: int) -> schemas.PictureInfo:
        """Metadata of a picture.

        Raises:
            Gone: no picture has this number.
        """
        with Catalog(self.index.folder) as catalog:
            entries = catalog.numbered([number])
            if not entries:
                raise Gone(f"There is no picture {number} in this index.")
            entry = entries[0]
            taken_from, camera = origins.of(catalog, number, entry.hash)
            query = "SELECT id, name FROM albums JOIN album_pictures ON album = id WHERE picture = ? ORDER BY name, id"
            albums = [schemas.AlbumName(id=id_, name=name) for id_, name in catalog.db.execute(query, (number,))]
            file, time = split(entry.path)
            before, folder = catalog.broken().get(file, ""), self._folders(catalog).of(file)
            long = [row[3] for row in catalog.rows("videos", "path = ?", (file,)) if row[0] and time is not None]
        path = self.index.paths.path(entry.path)
        missing, unreadable = state(path)
        return schemas.PictureInfo(
            number=number,
            name=path.name,
            path=self.called(path),
            folder=folder,
            taken=entry.taken,
            taken_from=taken_from,
            camera=camera,
            width=entry.width,
            height=entry.height,
            bytes=max(0, entry.bytes),
            meta=json.loads(entry.meta),
            missing=missing,
            unreadable="" if missing else unreadable or before.rpartition(f"{path.name}: ")[2],
            albums=albums,
            time=time,
            duration=long[0] if long else None,
            media_type="" if time is None else video_type(path.name),
        )

    def paths(self, numbers: Sequence[int]) -> schemas.Paths:
        """Names of pictures, in the order of `numbers`; unknown numbers are left out."""
        with Catalog(self.index.folder) as catalog:
            found = catalog.numbered(numbers)
        return schemas.Paths(paths=[self.called(self.index.paths.path(entry.path)) for entry in found])

    def suggest(self, text: str) -> schemas.Suggestions:
        """Completions of a query, and corrections of unknown words."""
        vocabulary = self.index.run.vocabulary

        def made(catalog: Catalog) -> Suggest:
            return of_vocabulary(vocabulary, counted(catalog))

        found = self._once(("suggest",), made)
        words = [schemas.SuggestedWord(text=word, count=count) for word, count in found.words(text)]
        return schemas.Suggestions(words=words, spelling=found.spelling(text))

    def filter(self, asked: Chosen) -> Filter:
        """The filter of a request."""
        return Filter(**asked.filter(self.folder(asked.under)))

    def folder(self, name: str) -> str:
        """The whole path of a folder that is named as in the folder tree; empty for an empty name."""
        if not name or os.path.isabs(name):
            return name
        with Catalog(self.index.folder) as catalog:
            return self._folders(catalog).path(name)

    def called(self, path: Path) -> str:
        """A picture's name in answers: its path if `show_paths`, its name in the index or, elsewhere, its file name."""
        if self.show_paths:
            return str(path)
        name = self.index.paths.key(path)
        return path.name if os.path.isabs(name) else name

    def _folders(self, catalog: Catalog) -> Folders:
        def made(catalog: Catalog) -> Folders:
            return Folders.read(catalog, self.index.paths.roots[0])

        return self._kept_or_made(catalog, ("folders",), made)

    def _once(self, what: tuple[str, ...], made: Callable[[Catalog], T]) -> T:
        with Catalog(self.index.folder) as catalog:
            return self._kept_or_made(catalog, what, made)

    def _kept_or_made(self, catalog: Catalog, what: tuple[str, ...], made: Callable[[Catalog], T]) -> T:
        """An answer, computed once for each state of the index."""
        key = (self._state(catalog), *what)
        with self._lock:
            turn = self._turns[what[0]]
        with turn:  # a request that comes meanwhile waits, rather than computing it again
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]  # type: ignore[return-value]
            found = made(catalog)
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > ANSWERS:
                    self._kept.popitem(last=False)
            return found

    def _state(self, catalog: Catalog) -> str:
        """A text that changes whenever the index does."""
        return f"{self.index.opened.identity} {catalog.fact('generation')}"


def _tree(folder: Folder) -> schemas.FolderTree:
    inside = [_tree(one) for one in folder.folders.values()]
    return schemas.FolderTree(name=folder.name, path=folder.path, count=folder.count, folders=inside)

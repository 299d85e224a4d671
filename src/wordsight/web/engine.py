"""Request handling: from a checked request to its answer, without HTTP."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from PIL import Image

import wordsight
from wordsight.errors import InputError
from wordsight.files import reason
from wordsight.runs.aligner import UNKNOWN
from wordsight.runs.captioner import Captioner
from wordsight.search import filters, query, texts
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.frames import split
from wordsight.search.index import Index
from wordsight.text.tokens import FUNCTION_WORDS
from wordsight.vision.images import MAX_PIXELS, BadPicture, open_image
from wordsight.web import describing, schemas, wire
from wordsight.web.guard import MAX_BYTES
from wordsight.web.indexing import Indexing
from wordsight.web.photos import Library
from wordsight.web.pictures import Gone, Pictures, jpeg, named
from wordsight.web.schemas import CaptionRequest, CaptionResponse, Info, SearchRequest, SearchResponse, UploadSearch
from wordsight.web.searching import Scan, searched
from wordsight.web.shelf import Shelf
from wordsight.web.situation_schemas import SituationResponse

P = ParamSpec("P")
R = TypeVar("R")
EXAMPLES = 12  # number of example words
LARGE, SIDE = 2**26, 1024  # bytes of a file above which it is decoded at once, smaller; least sides then, in pixels


class Damaged(InputError):
    """The index on the disk cannot be read."""


class Engine:
    """An index with its captioners.

    Attributes:
        index: the index that is searched.
        pictures: its files.
        photos: its photos without a query.
        shelf: its albums.
        indexing: adds pictures to it.
        reveals: whether files can be shown in the file manager of this machine.
        captioner: describes whole pictures, or None.
        region_captioner: describes regions, or None.
        situations: recognises situations, or None.
    """

    def __init__(
        self,
        index: Index,
        captioner: Captioner | None,
        region_captioner: Captioner | None,
        show_paths: bool = False,
        reveals: bool = False,
        photos: Sequence[Path] = (),
        situations: describing.Situations | None = None,
        scan: Scan | None = None,
    ) -> None:
        self.index, self.pictures = index, Pictures(index)
        self.captioner, self.region_captioner, self.situations = captioner, region_captioner, situations
        self.photos, self.reveals = Library(index, show_paths), reveals
        self.indexing = Indexing(index, photos, show_paths)
        self.shelf = Shelf(self.photos, self.indexing)
        self._show_paths, self._roots, self._scan = show_paths, index.paths.roots, scan

    def info(self) -> Info:
        """The server's functions, limits and index.

        Raises:
            Damaged: the index cannot be read.
        """
        with self._readable():
            found, vocabulary = self.index.info(), self.index.run.vocabulary
            with Catalog(self.index.folder) as catalog:
                names = filters.columns(catalog.db)
                text = bool(catalog.fact(texts.FACT))
                (albums,) = catalog.db.execute("SELECT count(*) FROM albums").fetchone()
        naming = [word for word in vocabulary.closed().words[UNKNOWN + 1 :] if word not in FUNCTION_WORDS]
        return Info(
            name=self.index.folder.resolve().name,
            version=wordsight.__version__,
            pictures=found["pictures"],
            videos=found["videos"],
            albums=albums,
            reveal=self.reveals,
            folders=list(self.indexing.folders),
            regions=found["regions"],
            broken=len(found["broken"]),
            calibrated=found["calibration"] is not None,
            captions=self.captioner is not None,
            snippets=self.region_captioner is not None,
            situations=self.situations is not None,
            text=text,
            sketches=self.index.sketched,
            words=0 if vocabulary.open else len(vocabulary) - 2,
            examples=naming[:EXAMPLES],
            names=names,
            max_bytes=MAX_BYTES,
            max_pixels=MAX_PIXELS,
        )

    def search(self, asked: SearchRequest) -> SearchResponse:
        """Search by sentences, texts and a picture of the index.

        Raises:
            Gone: the picture is gone.
            Damaged: the index cannot be read.
            InputError: the query is invalid.
        """
        parts = wire.sentences(asked)
        if asked.like:
            parts.append(query.Like(self._indexed(asked.like.picture), wire.box(asked.like.box), asked.like.weight))
        return self._found(parts, asked)

    def search_upload(self, asked: UploadSearch) -> SearchResponse:
        """Search by an uploaded picture, sentences and texts.

        Raises:
            NotAPicture, TooManyPixels: the picture cannot be opened.
            InputError: the query is invalid.
        """
        with named(asked.picture.filename):
            like = query.Like(asked.picture.file.read(), wire.box(asked.box), asked.weight)
            return self._found([*wire.sentences(asked), like], asked)

    def warm(self) -> None:
        """Prepare the page's first answers and a search by drawing; errors are left to the request that meets them."""
        self.photos.warm()
        with suppress(InputError, OSError, sqlite3.Error):
            if self.index.sketched:
                drawing = Image.new("L", (256, 256), "white")
                drawing.paste("black", (40, 120, 216, 128))
                self.index.search_sketch(drawing, top=1)

    def search_sketch(self, asked: schemas.SketchSearch) -> SearchResponse:
        """Search by a drawing.

        Raises:
            NotAPicture, TooManyPixels: the drawing cannot be opened.
            InputError: it is empty or not a drawing, or the index has no sketch view.
        """
        with named(asked.sketch.filename):
            return self._found([], asked, asked.sketch.file.read())

    def caption(self, asked: CaptionRequest) -> CaptionResponse:
        """Captions of a picture, or of a region of it.

        Raises:
            Gone: the picture is gone, or there is no captioner.
            NotAPicture, TooManyPixels: the picture cannot be opened.
            InputError: the region is invalid.
        """
        describer = self.region_captioner or self.captioner
        if describer is None:
            raise Gone("This server cannot describe pictures: it was started without --captioner and --regions.")
        with self._asked(asked) as picture:
            if asked.box is not None:
                return describing.region(describer, picture, asked.box)
            return describing.whole(self.captioner, self.region_captioner, picture)

    def situation(self, asked: schemas.PictureRequest) -> SituationResponse:
        """The situation in a picture; raises the errors of `caption`."""
        if self.situations is None:
            raise Gone("This server cannot say what is done in pictures: it was started without --situations.")
        with self._asked(asked) as picture:
            return self.situations.of(picture)

    @contextmanager
    def _asked(self, asked: schemas.PictureRequest) -> Iterator[bytes | Image.Image]:
        """The picture of a request; errors name it."""
        picture = self._indexed(asked.number or 0) if asked.picture is None else asked.picture.file.read()
        with named(asked.picture.filename if asked.picture else "the picture"):
            yield picture

    def entry(self, number: int) -> Entry:
        """The catalogue entry of a picture.

        Raises:
            Gone: no picture has this number.
            Damaged: the index cannot be read.
        """
        with self._readable():
            return self.pictures.entry(number)

    def thumbnail(self, number: int) -> bytes:
        """A picture of the index as a small JPEG.

        Raises:
            Gone: the picture is gone.
            NotAPicture, TooManyPixels: it cannot be opened.
        """
        with named("the picture"):
            return self.pictures.thumbnail(number)

    def frame(self, number: int) -> bytes | None:
        """A frame of a video as a JPEG; None for a picture.

        Raises:
            Gone: the video is gone.
            NotAPicture: it cannot be read.
        """
        with named("the video"):
            image = self.pictures.frame(number)
        return None if image is None else jpeg(image)

    def video(self, number: int) -> tuple[Entry, BinaryIO]:
        """The entry of a frame, and the open file of its video; the caller closes it.

        Raises:
            Gone: the video is gone, or this is a picture.
        """
        if split(self.entry(number).path)[1] is None:
            raise Gone(f"Picture {number} is no video.")
        return self.pictures.open(number)

    def private(self, sentence: str) -> str:
        """A sentence without the folders of this machine, unless paths are shown."""
        if self._show_paths:
            return sentence
        folder = self.index.folder
        with suppress(InputError):  # if the index is gone or damaged, keep the roots known before
            self._roots = self.index.paths.roots
        photos = (os.path.dirname(path) for path in self.indexing.folders.values())
        for root in (*self._roots, str(folder.parent), str(folder.absolute().parent), *photos):
            if root not in (os.sep, "."):
                sentence = sentence.replace(root + os.sep, "")
        return sentence

    def _indexed(self, number: int) -> bytes | Image.Image:
        """A picture of the index: its bytes; an image of a frame, or at reduced size of a file above `LARGE`."""
        with self._readable():
            if image := self.pictures.frame(number):
                return image
            entry, file = self.pictures.open(number)
        with file, named(entry.path):
            return file.read() if entry.bytes <= LARGE else open_image(file, at_least=SIDE)

    def _found(
        self, parts: list[query.Part], wanted: schemas.SearchOptions, sketch: bytes | None = None
    ) -> SearchResponse:
        """The response to a query, in which sentences come before pictures."""
        with self._readable():
            self._check_whole()
            chosen = wanted.filter(self.photos.folder(wanted.under))
        try:
            found = searched(self.index, self._scan, parts, sketch, wanted, chosen)
        except BadPicture:
            raise
        except InputError:
            with self._readable():  # the query is at fault, unless the index was damaged meanwhile
                self._check_whole()
            raise
        return wire.response(found, self.photos, self.index.run.vocabulary)

    def read(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call that only reads the index, and return its result.

        Raises:
            Damaged: the index cannot be read.
        """
        with self._readable():
            return work(*args, **kwargs)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Raise InputError and OSError as `Damaged`."""
        try:
            yield
        except InputError as error:
            raise Damaged(str(error)) from None
        except OSError as error:
            raise Damaged(f"The index cannot be read ({reason(error)}).") from None

    def _check_whole(self) -> None:
        """Check that no file of vectors is cut short: reading past the end of one would crash the server."""
        with Catalog(self.index.folder) as catalog:
            kept = catalog.segments()
        for number, rows in kept.items():
            if self.index.segments.rows(number) < rows:
                raise InputError(
                    f"{self.index.folder.name}: a file of its vectors is cut short; `wordsight index build` repairs it."
                )

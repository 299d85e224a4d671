"""What the routes do: from a request that was checked to its answer, without a word of HTTP."""

import os
from collections.abc import Sequence
from threading import Lock

from wordsight.captioning.said import Snippet
from wordsight.describe import Describer
from wordsight.errors import InputError
from wordsight.run import UNKNOWN
from wordsight.search import filters, query, results
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index
from wordsight.text.tokens import FUNCTION_WORDS
from wordsight.vision.images import MAX_PIXELS, TooManyPixels, open_image
from wordsight.web import schemas
from wordsight.web.guard import MAX_BYTES
from wordsight.web.pictures import Gone, Pictures
from wordsight.web.schemas import CaptionRequest, CaptionResponse, Info, SearchRequest, SearchResponse, UploadSearch

CAPTIONS, EXAMPLES = 3, 12  # how many are given


class NotAPicture(InputError):
    """What was sent cannot be read as a picture."""


class Engine:
    """An index with its captioners; one computes at a time, as each of them takes all there is.

    Attributes:
        index: what is searched.
        pictures: its files.
        captioner: describes whole pictures.
        region_captioner: describes regions.
    """

    def __init__(self, index: Index, captioner: Describer | None, region_captioner: Describer | None) -> None:
        self.index, self.pictures = index, Pictures(index)
        self.captioner, self.region_captioner = captioner, region_captioner
        self._turn = Lock()

    def info(self) -> Info:
        """What there is."""
        found, vocabulary = self.index.info(), self.index.run.vocabulary
        with Catalog(self.index.folder) as catalog:
            names = filters.columns(catalog.db)
        naming = [word for word in vocabulary.words[UNKNOWN + 1 :] if word not in FUNCTION_WORDS]
        return Info(
            name=self.index.folder.resolve().name,
            pictures=found["pictures"],
            regions=found["regions"],
            broken=len(found["broken"]),
            calibrated=found["calibration"] is not None,
            captions=self.captioner is not None,
            snippets=self.region_captioner is not None,
            words=len(vocabulary) - 2,
            examples=naming[:EXAMPLES],
            names=names,
            max_bytes=MAX_BYTES,
            max_pixels=MAX_PIXELS,
        )

    def search(self, asked: SearchRequest) -> SearchResponse:
        """Sentences, and a picture of the index.

        Raises:
            Gone: the picture is.
            InputError: the query cannot be used.
        """
        parts = _sentences(asked)
        if asked.like:
            parts.append(query.Like(self._indexed(asked.like.picture), _box(asked.like.box), asked.like.weight))
        return self._found(parts, asked)

    def search_upload(self, asked: UploadSearch) -> SearchResponse:
        """A picture that was sent, and sentences.

        Raises:
            NotAPicture, TooManyPixels: it cannot be opened.
            InputError: the query cannot be used.
        """
        picture = _checked(asked.picture.filename, asked.picture.file.read())
        return self._found([*_sentences(asked), query.Like(picture, _box(asked.box), asked.weight)], asked)

    def caption(self, asked: CaptionRequest) -> CaptionResponse:
        """A picture in words.

        Raises:
            Gone: it is, or there is no captioner.
            NotAPicture, TooManyPixels: it cannot be opened.
            InputError: the region cannot be used.
        """
        if self.captioner is None and self.region_captioner is None:
            raise Gone("This server cannot describe pictures: it was started without --captioner and --regions.")
        if asked.picture is not None:
            picture = _checked(asked.picture.filename, asked.picture.file.read())
        else:
            picture = self._indexed(asked.number or 0)
        with self._turn:
            if asked.box is not None:
                return CaptionResponse(captions=[], snippets=self._region(picture, asked.box))
            return CaptionResponse(captions=self._captions(picture), snippets=self._snippets(picture))

    def _captions(self, picture: bytes) -> list[schemas.Said]:
        if self.captioner is None:
            return []
        said = self.captioner.caption([picture], beam=CAPTIONS, n_best=CAPTIONS)[0]
        return [schemas.Said(text=one.text, confidence=one.confidence) for one in said]

    def _snippets(self, picture: bytes) -> list[schemas.Snippet]:
        if self.region_captioner is None:
            return []
        return _snippets(self.region_captioner.caption_regions(picture))

    def _region(self, picture: bytes, box: list[float]) -> list[schemas.Snippet]:
        describer = self.region_captioner or self.captioner
        assert describer is not None  # checked above
        return _snippets(describer.caption_regions(picture, [box]))

    def _indexed(self, number: int) -> bytes:
        entry, content = self.pictures.read(number)
        return _checked(entry.path, content)

    def _found(self, parts: list[query.Part], wanted: schemas.Wanted) -> SearchResponse:
        """The answer of the index, as it goes over the wire; sentences come before pictures in a query."""
        under = os.path.join(self.index.places.roots[0], wanted.under) if wanted.under else ""
        with self._turn:
            found = self.index.search(
                parts,
                top=wanted.top,
                page=wanted.page,
                min_score=wanted.min_score,
                min_sure=wanted.min_sure,
                where=wanted.where,
                under=under,
                group=wanted.group,
            )
        return SearchResponse(
            total=found.total,
            words=self._words(parts),
            unknown=list(found.unknown),
            doubtful=found.doubtful,
            hits=[_hit(rank, hit) for rank, hit in enumerate(found.hits, found.first)],
        )

    def _words(self, parts: list[query.Part]) -> list[schemas.QueryWord]:
        known = self.index.run.vocabulary
        return [
            schemas.QueryWord(text=word, known=word in known, naming=word not in FUNCTION_WORDS, weight=part.weight)
            for part in parts
            if isinstance(part, query.Sentence)
            for word in known.tokens(part.text)
        ]


def _hit(rank: int, hit: results.Hit) -> schemas.Hit:
    plain = hit.to_json()
    words = [{"box": word.box, "strength": word.strength} for word in hit.words]
    return schemas.Hit.model_validate(plain | {"rank": rank, "name": hit.path.name, "words": words})


def _snippets(said: Sequence[Snippet]) -> list[schemas.Snippet]:
    return [schemas.Snippet(text=one.text, confidence=one.confidence, box=list(one.box)) for one in said]


def _sentences(asked: SearchRequest | UploadSearch) -> list[query.Part]:
    return [query.Sentence(one.text, one.weight) for one in asked.sentences]


def _box(box: list[float] | None) -> tuple[float, ...] | None:
    return None if box is None else tuple(box)


def _checked(name: str | None, content: bytes) -> bytes:
    """A picture's bytes, once it is known that it can be opened; errors call it by its name.

    Raises:
        NotAPicture: it cannot be read.
        TooManyPixels: or not by us.
    """
    try:
        open_image(content, at_least=1)
    except InputError as error:
        called = (name or "").replace("\\", "/").rpartition("/")[2][:80] or "the picture"
        kind = TooManyPixels if isinstance(error, TooManyPixels) else NotAPicture
        raise kind(str(error).replace("picture given in memory", called)) from None
    return content

"""Conversion between API schemas and the arguments and results of a search."""

from collections.abc import Sequence

from wordsight.matching.written_words import written_words
from wordsight.search import query, results
from wordsight.search.former import with_former
from wordsight.text.tokens import FUNCTION_WORDS
from wordsight.text.vocabulary import Vocabulary
from wordsight.web import schemas
from wordsight.web.photos import Library
from wordsight.web.schemas import SearchRequest, UploadSearch


def sentences(asked: SearchRequest | UploadSearch) -> list[query.Part]:
    """The sentences of a query, and the texts written in pictures."""
    return [
        *(query.Sentence(one.text, one.weight) for one in asked.sentences),
        *(query.Written(text) for text in asked.texts),
    ]


def box(edges: list[float] | None) -> tuple[float, ...] | None:
    """A box of a query, as a tuple."""
    return None if edges is None else tuple(edges)


def response(found: results.SearchResults, photos: Library, known: Vocabulary) -> schemas.SearchResponse:
    """Search results as a response, which also marks the query words that the vocabulary has."""
    return schemas.SearchResponse(
        total=found.total,
        words=_words(found.parts, known),
        unknown=list(found.unknown),
        poor_match=found.poor_match,
        doubtful=found.poor_match,
        hits=[_hit(rank, hit, photos) for rank, hit in enumerate(found.hits, found.first)],
        not_searched=[
            schemas.NotSearched(part=one.name, pictures=one.pictures) for one in getattr(found, "not_searched", ())
        ],
    )


def _hit(rank: int, found: results.Hit, photos: Library) -> schemas.Hit:
    plain = found.to_json()
    words = [{"box": word.box, "strength": word.strength} for word in found.words]
    copies = [
        schemas.NearDuplicate(number=one.number, path=photos.called(one.path), time=one.time)
        for one in found.near_duplicates
    ]
    named = {"rank": rank, "name": found.path.name, "path": photos.called(found.path)}
    told = plain | named | {"words": words, "near_duplicates": copies}
    return schemas.Hit.model_validate(with_former(told))


def _words(parts: Sequence[query.Part], known: Vocabulary) -> list[schemas.QueryWord]:
    return [
        schemas.QueryWord(text=word, known=word in known, naming=word not in FUNCTION_WORDS, weight=part.weight)
        for part in parts
        if isinstance(part, query.Sentence)
        for word in known.tokens(part.text)
    ] + [
        schemas.QueryWord(text=word.text, known=True, naming=True, weight=1.0)
        for part in parts
        if isinstance(part, query.Written)
        for word in written_words(part.text)
    ]

"""Search of the app: in its own index, or by other processes that scan the parts of the index."""

from collections.abc import Sequence
from typing import Any, Protocol

from wordsight.search import query
from wordsight.search.former import keywords
from wordsight.search.index import Index
from wordsight.search.options import SearchKeywords, SearchOptions
from wordsight.search.results import SearchResults
from wordsight.web import schemas


class Scan(Protocol):
    """Other processes that search the same index."""

    def answers(self, ask: Sequence[query.Part], wanted: SearchOptions) -> bool:
        """Whether they can answer this query."""

    def search(self, ask: Sequence[query.Part], wanted: SearchOptions) -> SearchResults:
        """The pictures that fit best; see `Index.search`."""


def searched(
    index: Index,
    scan: Scan | None,
    ask: Sequence[query.Part],
    sketch: bytes | None,
    wanted: schemas.SearchOptions,
    chosen: dict[str, Any],
) -> SearchResults:
    """The results of a search request.

    Args:
        index: the index to search.
        scan: other processes, which answer the queries that they can; None for no other process.
        ask: the query, unless it is a drawing.
        sketch: a drawing, as the bytes of its file; None for another query.
        wanted: options of the request.
        chosen: its filter, as keyword arguments of a search.

    Raises:
        InputError: the query is invalid.
    """
    told = SearchKeywords(
        top=wanted.top,
        page=wanted.page,
        min_score=wanted.min_score,
        min_confidence=wanted.min_sure if wanted.min_confidence is None else wanted.min_confidence,
        group=wanted.group,
        frames=wanted.frames,
        **chosen,  # type: ignore[typeddict-item]
    )
    if sketch is not None:
        return index.search_sketch(sketch, **told)
    if scan is not None and scan.answers(ask, options := SearchOptions(**keywords(told))):
        return scan.search(ask, options)
    return index.search(list(ask), **told)

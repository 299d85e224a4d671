"""All pictures of an index by date, newest first: what a page needs to lay them out, and nothing else."""

from collections import Counter
from typing import NamedTuple

from wordsight.search.catalog import Catalog
from wordsight.search.filters import Filter, condition_of
from wordsight.search.paths import Paths

WIDEST = 10_000  # hundredths: the greatest ratio that is given


class Timeline(NamedTuple):
    """Pictures, newest first.

    Attributes:
        numbers: what the catalogue calls them.
        ratios: 100 times width through height of each, 1 to 10,000.
        days: each day with how many of them were taken on it, in their order; "" for those without a date.
    """

    numbers: list[int]
    ratios: list[int]
    days: list[tuple[str, int]]


def timeline(catalog: Catalog, paths: Paths, wanted: Filter) -> Timeline:
    """The pictures that a filter lets through, without those that wait to be encoded again.

    Raises:
        InputError: the filter cannot be used.
    """
    where, values = condition_of(catalog.db, paths, wanted)
    ratio = f"max(1, min({WIDEST}, (100 * width + height / 2) / height))"
    ratio = f"CASE WHEN width > 0 AND height > 0 THEN {ratio} ELSE 100 END"
    query = (
        f"SELECT number, {ratio}, substr(taken, 1, 10) FROM pictures WHERE rows != 0 AND {where} "
        "ORDER BY taken DESC, number DESC"
    )
    rows = catalog.db.execute(query, values).fetchall()
    numbers, ratios, days = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    return Timeline(numbers, ratios, list(Counter(days).items()))  # in the order of the rows, where equal days adjoin

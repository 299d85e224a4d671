"""Search by the text in the pictures of an index.

A search first computes lower bounds of the cost on every line, in memory (`matching/text_bounds.py`). Then it scores
the lines that may fit, with their probabilities from the catalogue, until no other picture can be among the hits.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.matching.scene_text import word_costs
from wordsight.matching.text_bounds import VERSION, WIDTH, lower_bounds
from wordsight.matching.written_words import APART, Match, Spans, WrittenWord, likelihood, match, ordered_costs
from wordsight.search.catalog import Catalog
from wordsight.search.texts import FACT, NO_TEXT
from wordsight.vision.text_lines import SCALE, TextLines

LEAST = 0.3  # likelihood below which text is not shown
MOST_SCORED = 3000  # most pictures whose lines are scored for a query: the most promising ones
FIRST = 128  # pictures in the first block that is scored; each later block is four times as large
KEPT = 20_000  # most pictures whose lines are held in memory
TOGETHER = 256  # pictures whose lines are read at once
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Found(NamedTuple):
    """A match: the number of a picture, the cost of the query's words in nats, and their likelihood, 0 to 1."""

    number: int
    cost: float
    likelihood: float


@dataclass
class Texts:
    """The lower bounds of all text lines of an index at one moment.

    Attributes:
        numbers: (P,) of the pictures that have text, ascending.
        first: (P + 1,) the first line of each picture, and the number of lines.
        columns: (80, L) as in `lower_bounds`.
    """

    numbers: Ints
    first: Ints
    columns: NDArray[np.uint8]
    _kept: dict[int, TextLines] = field(default_factory=dict, repr=False)  # a cache, by picture number

    @classmethod
    def read(cls, catalog: Catalog) -> Self:
        """Read the bounds that a catalogue open for reading sees.

        Raises:
            InputError: no text was read for this index.
        """
        if not catalog.fact(FACT).endswith(VERSION):
            raise InputError(f"{catalog.path.parent}: {NO_TEXT}.")
        query = (
            "SELECT number, bounds FROM pictures JOIN texts ON picture = number AND texts.hash = pictures.hash "
            "WHERE pictures.rows != 0 AND length(bounds) > 0 ORDER BY number"
        )
        rows = catalog.db.execute(query).fetchall()
        sizes = np.array([len(bounds) // WIDTH for _, bounds in rows], np.int64)
        joined = np.frombuffer(b"".join(bounds[: len(bounds) // WIDTH * WIDTH] for _, bounds in rows), np.uint8)
        numbers = np.array([number for number, _ in rows], np.int64)
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(numbers, first, np.ascontiguousarray(joined.reshape(-1, WIDTH).T))

    def search(
        self,
        catalog: Catalog,
        words: Sequence[WrittenWord],
        count: int = MOST_SCORED,
        allowed: NDArray[np.bool_] | None = None,
    ) -> list[Found]:
        """Find the pictures in which words are written, best first.

        Pictures are scored in the order of their bounds, at most `MOST_SCORED`, until no other can be among the first
        `count`.

        Args:
            catalog: the one that `read` had.
            words: of one text.
            count: the first `count` results are the best; behind them, some may be missing.
            allowed: (P,) which pictures may be found.

        Raises:
            InputError: the row of a picture is damaged.
        """
        limit = -np.log(LEAST) * sum(len(word.symbols) for word in words)
        if not len(self.numbers):
            return []
        of_lines = [lower_bounds(self.columns, word.symbols, prefix=word.prefix) for word in words]
        best = np.stack([np.minimum.reduceat(one, self.first[:-1]) for one in of_lines]).astype(np.int32)  # (words, P)
        bounds = best.sum(axis=0) / np.float32(SCALE)
        near = np.flatnonzero(bounds <= limit if allowed is None else (bounds <= limit) & allowed)
        places = near[np.argsort(bounds[near], kind="stable")[:MOST_SCORED]]
        costs, done, block, last = np.empty(0, np.float32), 0, FIRST, (limit, len(self.numbers))
        while done < len(places) and (bounds[places[done]], places[done]) < last:
            some = places[done : done + block]
            some = some[bounds[some] <= last[0]]
            costs = np.concatenate([costs, self._costs(catalog, words, of_lines, best, some, last[0], count)])
            done, block = done + len(some), block * 4
            if np.isfinite(costs).sum() >= count:  # then the count-th best is the new limit
                worst = np.lexsort((places[:done], costs))[count - 1]
                last = min(last, (float(costs[worst]), int(places[worst])))
        found = [
            Found(int(self.numbers[place]), float(cost), likelihood(float(cost), words))
            for place, cost in zip(places[:done], costs, strict=True)
            if cost <= limit
        ]
        return sorted(found, key=lambda one: (one.cost, one.number))

    def match(self, catalog: Catalog, number: int, words: Sequence[WrittenWord]) -> Match | None:
        """Where words are in a picture; None if it has no text.

        Raises:
            InputError: the row of the picture is damaged.
        """
        return match(self._lines(catalog, [number])[0], words)

    def _costs(
        self,
        catalog: Catalog,
        words: Sequence[WrittenWord],
        of_lines: Sequence[NDArray[np.uint16]],
        of_pictures: NDArray[np.int32],
        places: Ints,
        limit: float,
        count: int,
    ) -> Floats:
        """Cost of the words in each of some pictures: (places,).

        It is infinite if it is above the limit, or if the picture is not among the first `count` of these. A line is
        scored for a word only if its bound and those of the other words in its picture add up to the limit or less.
        """
        sizes = self.first[places + 1] - self.first[places]
        owner = np.repeat(np.arange(len(places)), sizes)
        line = np.repeat(self.first[places + 1] - np.cumsum(sizes), sizes) + np.arange(len(owner))
        others = of_pictures[:, places].sum(axis=0) - of_pictures[:, places]  # (words, places)
        fits = np.stack(
            [bound[line] + rest[owner] <= limit * SCALE for bound, rest in zip(of_lines, others, strict=True)]
        )  # (words, lines)
        some = np.flatnonzero(fits.any(axis=0))
        lines = TextLines.join(self._lines(catalog, self.numbers[places].tolist())).take(some)
        owner, each = owner[some], np.full((len(words), len(some)), np.float32(np.inf))
        for word, near, costs in zip(words, fits[:, some], each, strict=True):
            costs[near] = word_costs(lines.take(np.flatnonzero(near)), word.symbols, prefix=word.prefix)
        least = np.full((len(words), len(places)), np.float32(np.inf))
        for costs, best in zip(each, least, strict=True):
            np.minimum.at(best, owner, costs)
        total = least.sum(axis=0)
        total[total > limit] = np.inf
        return total if len(words) == 1 else _with_order(words, lines, owner, each - least[:, owner], total, count)

    def _lines(self, catalog: Catalog, numbers: Sequence[int]) -> list[TextLines]:
        """The lines of some pictures, from memory or the catalogue.

        Raises:
            InputError: the row of a picture is damaged.
        """
        missing = [number for number in numbers if number not in self._kept]
        if len(self._kept) + len(missing) > KEPT:
            self._kept, missing = {}, list(numbers)
        for first in range(0, len(missing), TOGETHER):
            some = missing[first : first + TOGETHER]
            for sound, number, _, bounds, content in catalog.rows("texts", f"picture IN ({_marks(some)})", some):
                with suppress(ValueError):
                    lines = TextLines.from_bytes(content)
                    if sound and len(lines) * WIDTH == len(bounds):
                        self._kept[number] = lines
        damaged = [number for number in missing if number not in self._kept]
        if damaged:
            raise catalog.damage(f"the text of picture {damaged[0]}")
        return [self._kept[number] for number in numbers]


def _marks(values: Sequence[int]) -> str:
    return ", ".join("?" * len(values))


def _with_order(
    words: Sequence[WrittenWord], lines: TextLines, owner: Ints, more: Floats, total: Floats, count: int
) -> Floats:
    """Costs of pictures, including that of the order of the words; at least for the best `count`, others are infinite.

    Args:
        words: W, at least two.
        lines: of all pictures.
        owner: the picture of each line, ascending.
        more: (W, L) by how much a word costs more on a line than on the best line of the picture.
        total: (P,) the least costs of the words regardless of their order, which adds at most `apart`.
        count: number of pictures whose cost is surely computed: the best.
    """
    apart = np.float32(APART) * (len(words) - 1)
    most = np.partition(total, count - 1)[count - 1] + apart if count <= len(total) else np.inf
    wanted = (np.isfinite(total) & (total <= most))[owner]
    rows = [np.flatnonzero(wanted & (one <= apart)) for one in more]  # on other lines it costs more than any order
    spans = [Spans.of(lines.take(some), word) for some, word in zip(rows, words, strict=True)]
    found = np.full(len(total), np.float32(np.inf))
    costs = ordered_costs(spans, rows, owner)
    found[: len(costs)] = costs
    return found

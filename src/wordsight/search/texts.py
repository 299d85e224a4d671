"""The text in the pictures of an index: read when it is built, kept in the catalogue, searched by its words.

The row of a picture in the table `texts` counts as long as the picture has the content that was read. A search looks at
lower bounds for all lines first (`matching/text_bounds.py`), held in memory; then at the probabilities of the lines
that may fit, from the catalogue.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import read_bytes, reason
from wordsight.matching.scene_text import word_costs
from wordsight.matching.text_bounds import VERSION, WIDTH, lower_bounds, rows_of
from wordsight.matching.written_words import Match, WrittenWord, likelihood, match
from wordsight.progress import Count
from wordsight.search.catalog import Catalog
from wordsight.search.frames import split
from wordsight.search.look import MOST
from wordsight.search.paths import Paths
from wordsight.vision.cache import default_cache
from wordsight.vision.ocr import text_reader
from wordsight.vision.text_cache import TextCache
from wordsight.vision.text_lines import SCALE, TextLines
from wordsight.vision.video_frames import frame_at

FACT = "text"  # of an index whose pictures are read: what by
LEAST = 0.3  # likelihood of text that is shown at all
MOST_SCORED = 3000  # pictures whose lines are scored for a query: the most promising
FIRST = 64  # pictures that are scored first; then always twice as many
TOGETHER, SECONDS = 64, 5.0  # pictures committed together, and after how long
KEPT = 20_000  # pictures whose lines are held in memory
OF_PICTURE = "FROM texts WHERE picture = pictures.number AND texts.hash = pictures.hash"  # within a query of pictures
NO_TEXT = "knows no text in its pictures; `wordsight index build --text` reads it"
Ints = NDArray[np.int64]


def fill(catalog: Catalog, paths: Paths, count: Count = lambda done, total: None) -> list[str]:
    """Read the text of the pictures that it is not known of; what was read is kept when this is stopped.

    Returns:
        Why some could not be read.

    Raises:
        InputError: the recogniser is not installed, or the catalogue cannot be written.
    """
    reader = text_reader(torch.get_num_threads())
    by = f"{reader.fingerprint}; {VERSION}"
    if catalog.fact(FACT) != by:  # all are read anew, from the cache where only the bounds are others
        with catalog.change():
            catalog.db.execute("DELETE FROM texts")
            catalog.set_fact(FACT, by)
    query = f"SELECT number, path, hash FROM pictures WHERE rows != 0 AND NOT EXISTS (SELECT 1 {OF_PICTURE})"
    wanted = catalog.db.execute(query).fetchall()
    cache = TextCache(default_cache(), reader.fingerprint)
    ready: list[tuple[int, bytes, bytes, bytes]] = []
    failed: list[str] = []
    since = time.monotonic()
    try:
        for done, (number, key, content) in enumerate(wanted, 1):
            path = paths.path(key)
            try:
                picture = _content(paths, key)
                lines = cache.lines(picture, partial(reader.read, picture))
                ready.append((number, content, rows_of(lines).tobytes(), lines.to_bytes()))
            except OSError as error:
                failed.append(f"{path}: {reason(error)}")
            except InputError as error:
                failed.append(str(error).replace("picture given in memory", str(path)))
            if len(ready) >= TOGETHER or time.monotonic() - since > SECONDS:
                since = time.monotonic()
                _keep(catalog, ready)
            count(done, len(wanted))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Stopped; the text read so far is kept, the same command goes on.") from None
    finally:
        _keep(catalog, ready)
    return failed


def _content(paths: Paths, key: str) -> bytes:
    """A picture as a file, or the frame of a video as one."""
    file, time = split(key)
    if time is None:
        return read_bytes(paths.path(key), MOST)
    content = BytesIO()
    frame_at(paths.path(file), time).save(content, "PNG", compress_level=1)
    return content.getvalue()


def _keep(catalog: Catalog, ready: list[tuple[int, bytes, bytes, bytes]]) -> None:
    if ready:
        with catalog.change():
            catalog.put_rows("texts", ready)
        ready.clear()


class Found(NamedTuple):
    """A picture with the words of a query in it: its number, its cost in nats, and how likely the words are."""

    number: int
    cost: float
    likelihood: float


@dataclass
class Texts:
    """The lower bounds of all text lines of an index, as of one moment.

    Attributes:
        numbers: (P,) of the pictures that have text, ascending.
        first: (P + 1,) the first line of each, and the end.
        columns: (80, L) as in `lower_bounds`.
    """

    numbers: Ints
    first: Ints
    columns: NDArray[np.uint8]
    _held: TextLines = field(default_factory=TextLines.none, repr=False)  # of pictures that were looked at before
    _begins: dict[int, int] = field(default_factory=dict, repr=False)  # the first line of each, by number

    @classmethod
    def read(cls, catalog: Catalog) -> Self:
        """What a reading catalogue sees.

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
        """The pictures in which words are written, best first.

        Lines are scored in the order of their bounds, until no other can be among the first `count`.

        Args:
            catalog: the same that was read.
            words: of one text that is asked for.
            count: so many must be the best of all; those found behind them may not be all that there are.
            allowed: (P,) which pictures may be found.

        Raises:
            InputError: the row of a picture is damaged.
        """
        limit = -np.log(LEAST) * sum(len(word.symbols) for word in words)
        if not len(self.numbers):
            return []
        of_lines = [lower_bounds(self.columns, word.symbols) for word in words]
        of_pictures = [np.minimum.reduceat(one, self.first[:-1]) for one in of_lines]
        bounds = np.stack(of_pictures).sum(axis=0, dtype=np.float32) / np.float32(SCALE)
        near = np.flatnonzero(bounds <= limit if allowed is None else (bounds <= limit) & allowed)
        places = near[np.argsort(bounds[near], kind="stable")[:MOST_SCORED]]
        costs, done, block = np.empty(0, np.float32), 0, FIRST
        enough = limit
        while done < len(places) and bounds[places[done]] <= enough:
            some = places[done : done + block]
            costs = np.concatenate([costs, self._costs(catalog, words, of_lines, some, enough)])
            done, block = done + len(some), block * 2
            if len(costs) >= count:
                enough = min(limit, float(np.partition(costs, count - 1)[count - 1]))
        found = [
            Found(int(self.numbers[place]), float(cost), likelihood(float(cost), words))
            for place, cost in zip(places[:done], costs, strict=True)
            if cost <= limit
        ]
        return sorted(found, key=lambda one: (one.cost, one.number))

    def match(self, catalog: Catalog, number: int, words: Sequence[WrittenWord]) -> Match | None:
        """Where words are in a picture.

        Raises:
            InputError: the row of the picture is damaged.
        """
        return match(self._row(catalog, number), words)

    def _costs(
        self,
        catalog: Catalog,
        words: Sequence[WrittenWord],
        of_lines: Sequence[NDArray[np.uint16]],
        places: Ints,
        limit: float,
    ) -> NDArray[np.float32]:
        """What the words cost in each of some pictures: (places,); infinite where that is above the limit."""
        begins = self._held_lines(catalog, self.numbers[places].tolist())
        sizes = self.first[places + 1] - self.first[places]
        owner, within = np.repeat(np.arange(len(places)), sizes), np.concatenate([np.arange(size) for size in sizes])
        line, total = self.first[places][owner] + within, np.zeros(len(places), np.float32)
        for word, bound in zip(words, of_lines, strict=True):
            near = np.flatnonzero(bound[line] <= limit * SCALE)
            some = self._held.take(begins[owner[near]] + within[near])
            best = np.full(len(places), np.float32(np.inf))
            np.minimum.at(best, owner[near], word_costs(some, word.symbols, prefix=word.prefix))
            total += best
        if len(words) > 1:
            for at in np.flatnonzero(total <= limit):
                placed = match(self._held.take(begins[at] + np.arange(sizes[at])), words)
                total[at] = placed.cost if placed else np.inf
        return total

    def _held_lines(self, catalog: Catalog, numbers: Sequence[int]) -> Ints:
        """Where the first lines of some pictures are among those in memory; they are fetched if they are not."""
        missing = [number for number in numbers if number not in self._begins]
        if len(self._begins) + len(missing) > KEPT:
            self._held, self._begins, missing = TextLines.none(), {}, list(numbers)
        end, fetched = len(self._held), [self._row(catalog, number) for number in missing]
        for number, lines in zip(missing, fetched, strict=True):
            self._begins[number] = end
            end += len(lines)
        if fetched:
            self._held = TextLines.join([self._held, *fetched])
        return np.array([self._begins[number] for number in numbers], np.int64)

    def _row(self, catalog: Catalog, number: int) -> TextLines:
        for sound, _, _, bounds, content in catalog.rows("texts", "picture = ?", (number,)):
            try:
                lines = TextLines.from_bytes(content)
                if sound and len(lines) * WIDTH == len(bounds):
                    return lines
            except ValueError:
                pass
        raise catalog.damage(f"the text of picture {number}")

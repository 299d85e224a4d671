"""Matches of written text: pictures in which the texts of a query are written, with their words' boxes as evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wordsight.matching.written_words import WrittenWord, likelihood
from wordsight.search.catalog import Catalog
from wordsight.search.evidence import HitEvidence
from wordsight.search.results import Phrase, Word
from wordsight.search.text_search import Texts


@dataclass(frozen=True)
class TextMatches:
    """The pictures in which all texts of a query are written.

    Attributes:
        likelihood: by a picture's number, the mean probability of a character of all texts, 0 to 1.
    """

    texts: Texts
    wanted: Sequence[Sequence[WrittenWord]]
    likelihood: dict[int, float]

    @classmethod
    def find(
        cls,
        texts: Texts,
        catalog: Catalog,
        wanted: Sequence[Sequence[WrittenWord]],
        numbers: NDArray[np.int64],
        count: int,
    ) -> Self:
        """Find the matches among the pictures of some numbers; of a single text, the best `count` are surely found.

        Raises:
            InputError: the row of a picture is damaged.
        """
        allowed, costs = np.isin(texts.numbers, numbers), dict[int, float]()
        for at, words in enumerate(wanted):
            found = {one.number: one.cost for one in texts.search(catalog, words, count, allowed)}
            costs = {
                number: costs.get(number, 0.0) + cost for number, cost in found.items() if not at or number in costs
            }
            allowed = np.isin(texts.numbers, np.array(list(costs), np.int64))
        every = [word for words in wanted for word in words]
        return cls(texts, wanted, {number: likelihood(cost, every) for number, cost in costs.items()})

    def add(self, catalog: Catalog, evidence: HitEvidence, number: int) -> HitEvidence:
        """Append the written words and phrases to the evidence of a hit.

        Raises:
            InputError: the row of the picture is damaged.
        """
        said, phrases = list(evidence[0]), list(evidence[1])
        for words in self.wanted:
            placed = self.texts.match(catalog, number, words)
            for word, one in zip(words, placed.words if placed else (), strict=False):
                corners = np.clip(one.corners, 0, 1)
                box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
                strength = likelihood(one.cost, [word])
                phrases.append(Phrase(word.text, len(said), len(said) + 1, box, strength, 1.0, written=True))
                said.append(Word(word.text, box, strength, True))
        return tuple(said), tuple(phrases)

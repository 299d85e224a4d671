"""From spans of a sentence to the names of things: "and a man in a pink" | "shirt is" -> "a man" | "a pink shirt".

Nobody tells what an adjective is. But what a word does shows in many sentences: after "red" nearly always comes a word
that names something, after "dog" as often as not the sentence ends or "is" or "on" follows. So the words that lead on
are found by counting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from wordsight.batch import Words
from wordsight.text.tokens import FUNCTION_WORDS, JOINING_WORDS
from wordsight.text.vocabulary import Vocabulary

LEADS = 0.2  # the share of a word's occurrences that end a name, below which it leads on; 0.1 to 0.4 are about the same
_BESIDES = ("and", "or")  # of what comes before them they tell nothing: "a black and white dog", "a man and a dog"


@dataclass(frozen=True)
class Roles:
    """What each word of a vocabulary does.

    Attributes:
        nothing: (V,) whether it names nothing: no name ends with it.
        joins: (V,) whether no name begins with it either, as with "and", unlike "a".
        leads: (V,) whether it leads on to a word that names something, as "red" does.
    """

    nothing: Sequence[bool]
    joins: Sequence[bool]
    leads: Sequence[bool]

    @classmethod
    def count(cls, words: Words, vocabulary: Vocabulary) -> "Roles":
        """The roles that words have in these sentences (N, T)."""
        nothing, joins, besides = (
            torch.tensor([word in some for word in vocabulary.words])
            for some in (FUNCTION_WORDS, JOINING_WORDS, _BESIDES)
        )
        after = torch.nn.functional.pad((words.ids * words.mask)[:, 1:], (0, 1))  # (N, T), 0 behind the last word
        told = words.mask & ~besides[after]
        ends = told & (nothing[after] | (after == 0))
        seen, ended = (words.ids[some].bincount(minlength=len(nothing)) for some in (told, ends))
        return cls(nothing.tolist(), joins.tolist(), (ended < LEADS * seen).tolist())

    def names(self, ids: Sequence[int], spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The name in each span of a sentence.

        Words at the end of a span that lead on to the next one belong to that; words at the ends of a name that name
        nothing are taken off, but for those that names begin with.

        Args:
            ids: the sentence's words as numbers.
            spans: (first word, one past the last), following each other without a gap.

        Returns:
            As many spans; empty where nothing is named.
        """
        found, start = [], spans[0][0]
        for _, end in spans:
            stop = end
            if end < len(ids) and not self.nothing[ids[end]]:
                while stop > start and self.leads[ids[stop - 1]]:
                    stop -= 1
            found.append(self._trimmed(ids, start, stop))
            start = stop
        return found

    def _trimmed(self, ids: Sequence[int], start: int, end: int) -> tuple[int, int]:
        while start < end and self.joins[ids[start]]:
            start += 1
        while start < end and self.nothing[ids[end - 1]]:
            end -= 1
        return start, end

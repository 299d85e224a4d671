"""Names of things from spans of a sentence: "and a man in a pink" | "shirt is" -> "a man" | "a pink shirt".

Unsupervised: counts over many sentences show which words are modifiers. After "red" nearly always comes a content word;
after "dog" often the sentence ends, or "is" or "on" follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from wordsight.batch import Words
from wordsight.text.tokens import FUNCTION_WORDS, JOINING_WORDS
from wordsight.text.vocabulary import Vocabulary

LEADS = 0.2  # a word that ends a name in a smaller share of its occurrences is a modifier; 0.1 to 0.4 work alike
_BESIDES = ("and", "or")  # no evidence about the word before: "a black and white dog", "a man and a dog"


@dataclass(frozen=True)
class Roles:
    """Syntactic roles of the words of a vocabulary.

    Attributes:
        nothing: (V,) function words: no name ends with one.
        joins: (V,) function words that begin no name either, as "and", unlike "a".
        leads: (V,) modifiers, as "red".
    """

    nothing: Sequence[bool]
    joins: Sequence[bool]
    leads: Sequence[bool]

    @classmethod
    def count(cls, words: Words, vocabulary: Vocabulary) -> "Roles":
        """Estimate roles from sentences (N, T)."""
        nothing, joins, besides = (
            torch.tensor([word in some for word in vocabulary.words])
            for some in (FUNCTION_WORDS, JOINING_WORDS, _BESIDES)
        )
        after = torch.nn.functional.pad((words.ids * words.mask)[:, 1:], (0, 1))  # (N, T), 0 after the last word
        told = words.mask & ~besides[after]
        ends = told & (nothing[after] | (after == 0))
        seen, ended = (words.ids[some].bincount(minlength=len(nothing)) for some in (told, ends))
        return cls(nothing.tolist(), joins.tolist(), (ended < LEADS * seen).tolist())

    def names(self, ids: Sequence[int], spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The name in each span of a sentence.

        Modifiers at the end of a span move to the next one; function words at the ends of a name are removed, except
        those that begin names.

        Args:
            ids: the sentence's word ids.
            spans: (first word, one past the last), contiguous.

        Returns:
            One span for each; empty where there is no name.
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

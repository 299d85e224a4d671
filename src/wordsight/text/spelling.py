"""Spelling correction by edit distance."""

from collections.abc import Sequence

import numpy as np

_BUCKETS = 32
_SHORT, _LONG = 4, 7  # minimum letters of a word to correct one mistake, and two


class Spelling:
    """Spelling corrector over a list of words.

    Args:
        words: (V,) not empty, most frequent first.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._rows = {word: row for row, word in enumerate(words)}
        self._longest = max(map(len, words))
        self._initials: dict[str, tuple[np.ndarray, np.ndarray, set[str]]] = {}

    def nearest(self, word: str) -> str | None:
        """The most likely correction of a word: one mistake, or two in a longer word.

        Insertion, deletion, substitution and transposition of neighbours are one mistake each. Of equally near words
        the more frequent one is taken. With two mistakes the first letter must be right. The first query for each
        initial is slower.

        Args:
            word: as `tokenise` gives it.

        Returns:
            The word itself if it is known; None if no word is near, or if it has fewer than four letters, over two
            letters more than the longest word, or characters that are no letters.
        """
        if word in self._rows:
            return word
        if not _SHORT <= len(word) <= self._longest + 2 or not word.isalpha():
            return None
        rows, bags, letters = self._begin_with(word[0])
        if near := self._rows.keys() & _misspellings(word, letters):
            return min(near, key=self._rows.__getitem__)
        if len(word) < _LONG:
            return None
        more = bags - _bags([word])
        close = np.maximum(np.maximum(more, 0).sum(1), np.maximum(-more, 0).sum(1)) <= 2  # a lower bound
        return next((self._words[row] for row in rows[close] if _mistakes(word, self._words[row]) <= 2), None)

    def _begin_with(self, initial: str) -> tuple[np.ndarray, np.ndarray, set[str]]:
        """Rows of the words with an initial (n,), their bags of letters (n, buckets), and their alphabet."""
        if initial not in self._initials:
            rows = [row for row, word in enumerate(self._words) if word.startswith(initial)]
            words = [self._words[row] for row in rows]
            self._initials[initial] = (np.array(rows, np.int64), _bags(words), set().union(*words))
        return self._initials[initial]


def _misspellings(word: str, letters: set[str]) -> set[str]:
    """All strings one mistake away from a word, over these letters."""
    halves = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    fewer = {left + right[1:] for left, right in halves}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in halves if len(right) > 1}
    more = {left + letter + right for left, right in halves for letter in letters}
    other = {left + letter + right[1:] for left, right in halves for letter in letters if right}
    return fewer | swapped | more | other


def _bags(words: Sequence[str]) -> np.ndarray:
    """Letter counts of each word (n, buckets)."""
    letters = np.array(words, dtype=str)[:, None].view(np.uint32) if words else np.zeros((0, 1), np.uint32)
    bags = np.zeros((len(words), _BUCKETS), np.int8)
    for place in letters.T:
        bags[np.arange(len(words)), place % _BUCKETS] += place > 0
    return bags


def _mistakes(one: str, other: str) -> int:
    """Restricted Damerau-Levenshtein (optimal string alignment) distance."""
    before, row = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                best = min(best, earlier[j - 2] + 1)
            row.append(best)
    return row[-1]

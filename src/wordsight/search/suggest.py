"""Query suggestions: completions by words that the model knows, and spelling corrections of words that it does not."""

import json
import re
import string
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from wordsight.runs.aligner import UNKNOWN
from wordsight.search.catalog import Catalog
from wordsight.text.tokens import tokenise
from wordsight.text.vocabulary import Vocabulary

MOST = 10  # most words that are suggested, and most words of a text that are corrected
_NO_DIGITS = dict.fromkeys(map(ord, string.digits), " ")
LONGEST = 30  # most letters of a word that is corrected


class Suggest:
    """Completes and corrects words.

    Args:
        words: those that the model has learned, most frequent first.
        counts: in how many pictures of the index each word is found.
        is_known: whether the model knows a word, even if it is not among `words`.
    """

    def __init__(self, words: Iterable[str], counts: Counter[str], is_known: Callable[[str], bool]) -> None:
        self._rank = {word: rank for rank, word in enumerate(words) if word.isprintable()}
        self._sorted, self._counts, self._is_known = sorted(self._rank), counts, is_known

    def words(self, text: str) -> list[tuple[str, int]]:
        """Completions of a text's last word, each with the number of pictures that have it, most pictures first."""
        last = "" if text[-1:].isspace() else (tokenise(text) or [""])[-1]
        if not last:
            return []
        first = bisect_left(self._sorted, last)
        found = []
        for word in self._sorted[first:]:
            if not word.startswith(last):
                break
            found.append(word)
        found.sort(key=lambda word: (-self._counts[word], self._rank[word]))
        return [(word, self._counts[word]) for word in found if word != last][:MOST]

    def spelling(self, text: str) -> dict[str, str]:
        """Corrections: unknown words of a text and their nearest known words; not for a last word with completions."""
        words = list(dict.fromkeys(tokenise(text)))[:MOST]
        unfinished = words[-1:] if text[-1:].isalnum() else []
        found = {}
        for word in words:
            begun = word in unfinished and self.words(text)
            if not begun and 2 < len(word) <= LONGEST and not self._is_known(word) and (near := self._nearest(word)):
                found[word] = near
        return found

    def _nearest(self, word: str) -> str:
        """The most frequent known word one edit from a word, swaps first; two edits from a long one; empty if none."""
        for slips in _slips(word):
            if known := [one for one in slips if one in self._rank]:
                return min(known, key=lambda one: (-self._counts[one], self._rank[one]))
        if len(word) < 6:
            return ""
        near = [
            one for one in self._rank if abs(len(one) - len(word)) <= 2 and one[0] == word[0] and _within_two(one, word)
        ]
        return min(near, key=lambda one: self._rank[one], default="")


def _slips(word: str) -> Iterator[set[str]]:
    """Candidate corrections: two neighbouring letters swapped; then one letter wrong, missing or too many."""
    parts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    yield {a + b[1] + b[0] + b[2:] for a, b in parts if len(b) > 1}
    letters = string.ascii_lowercase
    yield {
        *(a + b[1:] for a, b in parts if b),
        *(a + c + b[1:] for a, b in parts if b for c in letters),
        *(a + c + b for a, b in parts for c in letters),
    }


def of_vocabulary(vocabulary: Vocabulary, counts: Counter[str] | None = None) -> Suggest:
    """Suggestions from the words that a model knows.

    Args:
        vocabulary: of the model.
        counts: in how many pictures of the index each word is found; None if that does not matter.
    """
    known = vocabulary.number
    words = vocabulary.words[UNKNOWN + 1 :]
    return Suggest(words, counts or Counter(), lambda word: vocabulary.open or word in known)


def meant(vocabulary: Vocabulary, text: str) -> str:
    """A text with each unknown word replaced by the nearest known one; empty if nothing is replaced."""
    near = of_vocabulary(vocabulary).spelling(f"{text} ")  # the space marks the last word as finished
    better = re.sub(r"[^\W_]+", lambda found: near.get(found[0].lower(), found[0]), text)
    return better if better != text else ""


def _within_two(one: str, other: str) -> bool:
    """Whether the edit distance of two words is at most 2: letters changed, added or removed."""
    before = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        now = [at]
        for place, wanted in enumerate(other, 1):
            now.append(min(before[place] + 1, now[-1] + 1, before[place - 1] + (letter != wanted)))
        if min(now) > 2:
            return False
        before = now
    return before[-1] <= 2


def counted(catalog: Catalog) -> Counter[str]:
    """In how many pictures each word is found: in their names, and in texts of the user's annotations."""
    told = catalog.db.execute("SELECT path, meta FROM pictures WHERE rows != 0 AND meta != '{}'")
    alike = Counter((_letters(path), meta) for path, meta in told)
    alike.update((path, "") for path in _letters("\0".join(catalog.paths("meta = '{}'"))).split("\0"))
    counts: Counter[str] = Counter()
    for (path, meta), count in alike.items():  # most names differ in numbers alone
        words = set(re.findall(r"[a-z]{2,}", path))
        values = json.loads(meta).values() if meta else ()
        words.update(word for value in values if isinstance(value, str) for word in tokenise(value))
        counts.update(dict.fromkeys(words, count))
    return counts


def _letters(path: str) -> str:
    return path.lower().translate(_NO_DIGITS)

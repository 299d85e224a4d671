"""Noun phrases of English sentences: "a black cat | in front of | a laptop".

A rule-based chunker over word lists (`word_classes.py`), not a parser: a noun phrase begins with a determiner, an
adjective or a noun, and ends before a preposition, a conjunction, a verb or the next determiner. "Of" joins two ("a
group of people") unless it ends a compound preposition ("in front of"); "and" joins adjectives ("a black and white
dog"), not nouns. A sentence in another language has none.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from wordsight.text import word_classes as classes
from wordsight.text.tokens import FUNCTION_WORDS, tokenise

Span = tuple[int, int]  # first word, one past the last
_PAUSE = re.compile(r"(?<=[,;:.!?])\s+|\s+(?=[,;:.!?])")
_NO_OBJECT = {"by", "for", "of", "from", "before", "after", "to"}  # "for eating grass" names no "eating grass"


@dataclass(frozen=True)
class Reading:
    """A chunked sentence.

    Attributes:
        words: T words, as `tokenise` gives them.
        phrases: the noun phrases in order; they do not overlap.
        function_words: for each word, whether it is a function word: "a", and in English "behind" and "in front of".
    """

    words: tuple[str, ...]
    phrases: tuple[Span, ...]
    function_words: tuple[bool, ...]


@lru_cache(maxsize=4096)
def read(sentence: str) -> Reading:
    """The noun phrases and function words of a sentence."""
    words, pauses = [], set()
    for piece in _PAUSE.split(sentence):
        words += tokenise(piece)
        pauses.add(len(words))
    function_words = [word in FUNCTION_WORDS for word in words]
    if classes.is_english(words):
        leading = compound_prepositions(words)
        function_words = [
            a or b or word in classes.LINKING for a, b, word in zip(function_words, leading, words, strict=True)
        ]
    return Reading(tuple(words), tuple(noun_phrases(words, pauses)), tuple(function_words))


def noun_phrases(words: Sequence[str], pauses: Collection[int] = ()) -> list[Span]:
    """The noun phrases of a sentence.

    Args:
        words: as `tokenise` gives them.
        pauses: the positions of words after a comma or the like.

    Returns:
        Spans in order, each with a content word; none if the sentence is not English.
    """
    if not classes.is_english(words):
        return []
    reader, at = _Reader(words, pauses), 0
    found: list[Span] = []
    while at < len(words):
        end = reader.end(at, after_noun=bool(found) and found[-1][1] == at)
        if end > at and not all(word in FUNCTION_WORDS for word in words[at:end]):
            found.append((at, end))
        at = max(end, at + 1)
    return found


def compound_prepositions(words: Sequence[str]) -> list[bool]:
    """Which words belong to a preposition of several words: "next to", "in front of", "on the left side of"."""
    inside, at = [False] * len(words), 0
    while at < len(words):
        length = _compound(words[at:])
        inside[at : at + length] = [True] * length
        at += max(1, length)
    return inside


def _compound(words: Sequence[str]) -> int:
    """The length in words of a compound preposition at the beginning; 0 without one."""
    if words[0] in classes.PREPOSITIONS - {"with", "of", "for"}:
        at = 1 + (words[1:2] != [] and words[1] in classes.DETERMINERS)
        first = at
        while at < len(words) and words[at] in classes.SIDES:
            at += 1
        if at > first and words[at - 1] in classes.PLACES and words[at : at + 1] == ["of"] and at + 1 < len(words):
            return at + 1
    return max((len(one) for one in classes.PHRASAL if tuple(words[: len(one)]) == one), default=0)


class _Reader:
    """Finds the ends of noun phrases in one sentence."""

    def __init__(self, words: Sequence[str], pauses: Collection[int]) -> None:
        self.words, self.pauses = list(words), pauses
        self.leading = compound_prepositions(self.words)

    def end(self, start: int, *, after_noun: bool) -> int:
        """One past the last word of the noun phrase at `start`, with phrases joined by "of"; `start` without one."""
        end = self._simple(start, after_noun)
        while end > start and self._is(end, {"of"}):
            more = self._simple(end + 1, False)
            more += more == end + 1 and self._is(more, classes.PRONOUNS)  # "two of them"
            if more == end + 1:
                break
            end = more
        return end

    def _simple(self, start: int, after_noun: bool) -> int:
        at, described, headed = start, False, False
        while at < len(self.words) and not self.leading[at]:
            word = self.words[at]
            if at > start and at in self.pauses and (headed or not described):
                break
            if word in classes.DETERMINERS or word in classes.NUMBERS:
                if headed or (described and word != "one"):
                    break
                headed = described  # "the white one"
            elif word in ("and", "or", "but"):
                if headed or not described or not self._describes(at + 1):
                    break
            elif word == "up" and at > start and self.words[at - 1] in classes.UP_COMPOUNDS:
                headed = True
            elif word == "about" and not headed and self._counts(at + 1):  # "a group of about ten people"
                pass
            elif word in (classes.BARE_ADVERBS if at == start else ()) or self._is_outside(at, start, headed):
                break
            elif word in classes.ADJECTIVES or self._is_manner(at):
                described = True
            elif (verbal := self._verbal(at, start, headed, after_noun)) == "verb":
                break
            elif verbal == "modifier":
                described = True
            else:
                headed = True
            at += 1
        return at

    def _is(self, at: int, some: Collection[str]) -> bool:
        return at < len(self.words) and not self.leading[at] and self.words[at] in some

    def _counts(self, at: int) -> bool:
        return self._is(at, classes.NUMBERS) or (at < len(self.words) and self.words[at].isdecimal())

    def _nominal(self, at: int) -> bool:
        """Whether a word may continue a noun phrase."""
        return at < len(self.words) and not (
            self.leading[at] or at in self.pauses or self.words[at] in classes.CLOSED or self._is_manner(at)
        )

    def _describes(self, at: int) -> bool:
        """Whether the word after "and" is an adjective, or another modifier of a noun."""
        return self._is(at, classes.ADJECTIVES) or (
            self._nominal(at) and self._nominal(at + 1) and classes.verb_form(self.words[at + 1]) is None
        )

    def _is_manner(self, at: int) -> bool:
        word = self.words[at]
        return word in classes.ADVERBS or (
            word.endswith("ly") and len(word) > 4 and word not in classes.NO_ADVERBS and word not in classes.ADJECTIVES
        )

    def _is_outside(self, at: int, start: int, headed: bool) -> bool:
        """Whether a word is of a closed class, or an adverb, except one before an adjective ("a very large dog")."""
        if not self._is_manner(at):
            return self.words[at] in classes.CLOSED
        begins = at == 0 or self.words[at - 1] in classes.PREPOSITIONS  # "on freshly mowed grass"
        goes_on = self._is(at + 1, classes.ADJECTIVES) or ((at > start or begins) and self._nominal(at + 1))
        return headed or not goes_on

    def _verbal(self, at: int, start: int, headed: bool, after_noun: bool) -> str:
        """Classify a word as a "verb", a participle that is a "modifier" of a noun, or a "noun"."""
        form = classes.verb_form(self.words[at])
        if form is None:
            return "noun"
        if form in ("ing", "ed"):
            return "modifier" if self._modifies(at, start, headed, after_noun) else "verb"
        before = self.words[at - 1] if at else ""
        if headed and form == "s":
            return "noun" if self._takes_plural(start, before) else "verb"
        if headed:
            joined = start > 0 and self.words[start - 1] == "and"  # "a man and a woman stand"
            acts = (joined or self._is_plural(start, before)) and at + 1 < len(self.words)
        elif at > start:  # "a girl in pink runs", but "a red drink"
            acts = form == "s" and before in classes.COLOURS and self.words[max(start - 1, 0)] in ("in", "and")
        else:
            acts = after_noun or before in classes.LINKS or before == "to" or (at > 0 and self._is_manner(at - 1))
        return "verb" if acts else "noun"

    def _is_plural(self, start: int, noun: str) -> bool:
        """Whether a noun is a plural; "a girls" stands for "a girl's"."""
        ends = noun.endswith("s") and not noun.endswith(("ss", "us", "is"))
        return noun in classes.PLURALS or (ends and self.words[start] not in classes.SINGULAR_DETERMINERS)

    def _takes_plural(self, start: int, before: str) -> bool:
        """Whether a noun phrase continues with a plural, which looks like a verb in the third person."""
        if before == "s" or self.words[start] in classes.PLURAL_DETERMINERS:  # "several wine drinks"
            return True
        bare = self.words[start] not in classes.DETERMINERS | classes.NUMBERS
        lead = self.words[start - 1] if start else ""
        objective = lead in classes.PREPOSITIONS or classes.verb_form(lead) is not None
        return bare and objective and not self._is_plural(start, before)  # "making funny faces"

    def _modifies(self, at: int, start: int, headed: bool, after_noun: bool) -> bool:
        """Whether a participle modifies the next noun, as in "a smiling woman"."""
        if not self._nominal(at + 1):
            return False
        word, form, before = self.words[at], classes.verb_form(self.words[at]), self.words[at - 1] if at else ""
        if classes.is_compound(word, self.words[at + 1]) or (headed and word in classes.COMPOUND_PARTICIPLES):
            return True
        if headed or (form == "ing" and before in classes.PRONOMINAL):  # "each playing guitars"
            return False
        if at > start or at == 0:
            return True
        if form == "ed":
            return not after_noun and before not in classes.AUXILIARIES
        return before in classes.PREPOSITIONS - _NO_OBJECT

"""Recognised situation: a verb, and who or what fills each role; as plain values, text and a drawing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from wordsight.matching.alignment import Box
from wordsight.runs.arguments import Picture, path_of
from wordsight.text.agreement import is_plural, plural_verb
from wordsight.text.articles import article
from wordsight.text.tokens import FUNCTION_WORDS, tokenise
from wordsight.text.word_classes import LINKING
from wordsight.vision.clips import still
from wordsight.vision.images import name_of

NOTHING = "something"  # stands in a sentence for a role that nothing fills
LINKS = FUNCTION_WORDS | frozenset(LINKING) | {"using", "towards", "overthrough"}  # words between two roles
_ARTICLE = re.compile(r"\b(?:an?|the)\s+$", re.IGNORECASE)
_FIRST = re.compile(r"\s*(?:(?:an?|the)\s+)?", re.IGNORECASE)  # what may stand before the subject


@dataclass(frozen=True)
class Role:
    """A role of a verb, filled.

    Attributes:
        role: its name.
        noun: the id of what fills it; "" for nothing.
        word: its name.
        confidence: its probability, given the verb; 0 to 1.
        sure: whether at least 60 % of answers that are about as probable are right.
        box: where it is, `xyxy` fractions; None if it was not located.
    """

    role: str
    noun: str
    word: str
    confidence: float
    sure: bool
    box: Box | None = None


@dataclass(frozen=True)
class Recognised:
    """The situation of a picture.

    Attributes:
        verb: what is done.
        confidence: its probability, 0 to 1.
        sure: whether at least 60 % of answers that are about as probable are right.
        roles: of the verb, in order.
        template: a sentence with the roles in capitals; may be empty.
        others: the next likely verbs with their probabilities.
        picture: the picture; None if unknown.
    """

    verb: str
    confidence: float
    sure: bool
    roles: tuple[Role, ...]
    template: str
    others: tuple[tuple[str, float], ...] = ()
    picture: Picture | None = field(default=None, repr=False, compare=False)

    @property
    def sentence(self) -> str:
        """The situation as a sentence."""
        return filled(self.template, self.verb, {one.role: one.word for one in self.roles})[0]

    def spans(self) -> list[tuple[int, int]]:
        """The span of each role's words in `tokenise(sentence)`: first, one past the last; 0, 0 if nothing fills it."""
        found = filled(self.template, self.verb, {one.role: one.word for one in self.roles})[1]
        return [found.get(one.role, (0, 0)) for one in self.roles]

    def boxed(self, boxes: Sequence[Box | None]) -> "Recognised":
        """The same with a box for each role, None for those without."""
        return replace(self, roles=tuple(replace(one, box=box) for one, box in zip(self.roles, boxes, strict=True)))

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "picture": None if self.picture is None else name_of(self.picture),
            "verb": self.verb,
            "confidence": self.confidence,
            "sure": self.sure,
            "sentence": self.sentence,
            "roles": [asdict(one) for one in self.roles],
            "others": [{"verb": verb, "confidence": confidence} for verb, confidence in self.others],
        }

    def __str__(self) -> str:
        """The verb, then a line per role; if the verb is not sure, the first line says so."""
        width = max(len(one.role) for one in self.roles)
        verb = f"{self.verb} ({100 * self.confidence:.0f} %)"
        others = ", ".join(f"{name} ({100 * share:.0f} %)" for name, share in self.others)
        doubtful = f"the likeliest is {verb}, then {others}" if others else f"{verb} was asked for"
        lines = [verb if self.sure else f"I do not know what is done here; {doubtful}"]
        for one in self.roles:
            doubt = "" if one.sure else "  not sure"
            where = "" if one.box is None else f"  at {' '.join(f'{100 * edge:.0f}' for edge in one.box)}"
            lines.append(f"  {one.role:{width}}  {one.word or '-'} ({100 * one.confidence:.0f} %){where}{doubt}")
        return "\n".join(lines)

    def draw(self, out: str | Path) -> None:
        """Write the picture with a box for each noun that is sure, and the situation below.

        Raises:
            InputError: the picture can no longer be opened, or the file cannot be written.
        """
        from wordsight.reports.draw import save
        from wordsight.reports.situations import Part, draw_situation

        assert self.picture is not None  # every recogniser sets it
        parts = [Part(f"{'' if self.sure else 'not sure: '}{self.verb}", "", self.confidence, None)]
        for one in self.roles:
            if one.word:
                parts.append(Part(f"{one.word}{'' if one.sure else '?'}", one.role, one.confidence, one.box))
        save(draw_situation(still(self.picture), parts), path_of(out, "a picture to write"))


def filled(template: str, verb: str, words: Mapping[str, str]) -> tuple[str, dict[str, tuple[int, int]]]:
    """A template with words in place of its roles.

    Args:
        template: with the roles in capitals: "the AGENT jumps over an OBSTACLE."; if empty, the first role, the verb,
            then the other roles.
        verb: its name.
        words: role -> word, "" for nothing.

    Returns:
        The sentence, and for each role that something fills the span of its words (`tokenise`).
    """
    template = re.sub(r"\s*\([^)]*\)", "", template)
    if not template:
        agent, *others = [role.upper() for role in words]
        template = " ".join((agent, verb, *others))
    of_name = {role.upper(): role for role in words}
    names = "|".join(sorted(map(re.escape, of_name), key=len, reverse=True))
    said = ""
    spans: dict[str, tuple[int, int]] = {}
    plural: bool | None = None  # whether the subject is plural; None before it
    for text, name in re.findall(rf"(.*?)(?:\b({names})\b|$)", template, re.DOTALL):
        role = of_name.get(name, "")
        word = words.get(role, "")
        if plural:
            text = _verbs_of_plural(text, next_to_it=len(spans) == 1)
        if plural is None:
            plural = bool(_FIRST.fullmatch(text)) and is_plural(word)
        if role and not word:
            said += _unfilled(text)
            continue
        said += _agreeing(text, word) if role else text
        first = len(tokenise(said))
        said += word
        if role:
            spans.setdefault(role, (first, len(tokenise(said))))
    return said.strip(), spans


def _unfilled(before: str) -> str:
    """The text for a role that nothing fills: none for "over an OBSTACLE", "cleans something" for "cleans a SOURCE".

    A clause of its own, "and will end up at a DESTINATION", is left out whole.
    """
    if before.lstrip().startswith("and "):
        return ""
    words = before.split(" ")
    kept = len(words)
    while kept and set(tokenise(words[kept - 1])) <= LINKS:
        kept -= 1
    linked = set(tokenise(" ".join(words[kept:]))) - {"a", "an", "the"}
    return " ".join(words[:kept]) if linked else _ARTICLE.sub("", before) + NOTHING


def _verbs_of_plural(text: str, *, next_to_it: bool) -> str:
    """The text after a plural subject, its verb and any verb joined by "and" made plural: "people walk"."""
    verbs = r"(^\s+|\band )(\w+s)\b" if next_to_it else r"(\band )(\w+s)\b"
    return re.sub(verbs, lambda found: found[1] + plural_verb(found[2]), text)


def _agreeing(before: str, word: str) -> str:
    """The text before a word, a final article made to agree with the word: "a", "an", or none before a plural."""
    if is_plural(word):
        return re.sub(r"\ban?\s+$", "", before)
    return re.sub(r"\ban?\s+$", f"{article(word)} ", before)

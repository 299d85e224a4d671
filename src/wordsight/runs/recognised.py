"""A recognised situation: a verb, and who or what fills each role; as plain values, text and a drawing."""

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
        word: what that is called.
        confidence: its probability, given the verb; 0 to 1.
        sure: whether of answers about as probable 60 % are right at least.
        box: where it is, `xyxy` fractions; None where nobody looked.
    """

    role: str
    noun: str
    word: str
    confidence: float
    sure: bool
    box: Box | None = None


@dataclass(frozen=True)
class Recognised:
    """A situation of a picture.

    Attributes:
        verb: what is done.
        confidence: its probability, 0 to 1.
        sure: whether of answers about as probable 60 % are right at least.
        roles: of the verb, in order.
        template: a sentence with the roles in capitals; may be empty.
        others: the next likely verbs with their probabilities.
        picture: what was looked at; None where that is not known.
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
        """Which words of `tokenise(sentence)` name each role: first, one past the last; equal where none does."""
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
        """The verb, then a line a role; where nothing is sure that is said first."""
        width = max(len(one.role) for one in self.roles)
        verb = f"{self.verb} ({100 * self.confidence:.0f} %)"
        others = ", ".join(f"{name} ({100 * share:.0f} %)" for name, share in self.others)
        lines = [verb if self.sure else f"I do not know what is done here; the likeliest is {verb}, then {others}"]
        for one in self.roles:
            doubt = "" if one.sure else "  not sure"
            where = "" if one.box is None else f"  at {' '.join(f'{100 * edge:.0f}' for edge in one.box)}"
            lines.append(f"  {one.role:{width}}  {one.word or '-'} ({100 * one.confidence:.0f} %){where}{doubt}")
        return "\n".join(lines)

    def draw(self, out: str | Path) -> None:
        """Write the picture with a box for each noun that is sure, and the situation below.

        Raises:
            InputError: the picture cannot be opened any more, or the file cannot be written.
        """
        from wordsight.reports.draw import save
        from wordsight.reports.situations import Part, draw_situation

        assert self.picture is not None  # whoever recognises tells it
        parts = [Part(f"{'' if self.sure else 'not sure: '}{self.verb}", "", self.confidence, None)]
        for one in self.roles:
            if one.word:
                parts.append(Part(f"{one.word}{'' if one.sure else '?'}", one.role, one.confidence, one.box))
        save(draw_situation(still(self.picture), parts), path_of(out, "a picture to write"))


def filled(template: str, verb: str, words: Mapping[str, str]) -> tuple[str, dict[str, tuple[int, int]]]:
    """A template with words in place of its roles.

    Args:
        template: the roles in capitals: "the AGENT jumps over an OBSTACLE."; where it is empty, the verb and the words.
        verb: its name.
        words: role -> word, "" for nothing.

    Returns:
        The sentence, and which of its words (`tokenise`) stand for each role that something fills.
    """
    template = re.sub(r"\s*\([^)]*\)", "", template)
    if not template:
        agent, *others = [role.upper() for role in words]
        template = " ".join((agent, verb, *others))
    of_name = {role.upper(): role for role in words}
    names = "|".join(sorted(map(re.escape, of_name), key=len, reverse=True))
    said = ""
    spans: dict[str, tuple[int, int]] = {}
    plural: bool | None = None  # whether the subject is one; None before it
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
    """What is said of a role that nothing fills: "over an OBSTACLE" is left out, "cleans a SOURCE" has an object.

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
    """What follows a plural subject, with its verb, and one that "and" joins, as they must be: "people walk"."""
    verbs = r"(^\s+|\band )(\w+s)\b" if next_to_it else r"(\band )(\w+s)\b"
    return re.sub(verbs, lambda found: found[1] + plural_verb(found[2]), text)


def _agreeing(before: str, word: str) -> str:
    """What is said before a word, with the article at its end, "a", "an" or none, as it must be before that word."""
    if is_plural(word):
        return re.sub(r"\ban?\s+$", "", before)
    return re.sub(r"\ban?\s+$", f"{article(word)} ", before)

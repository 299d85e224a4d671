"""Marks: the boxes of an alignment, with colours and labels for display."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wordsight.matching.alignment import Aligned, Box
from wordsight.matching.segments import spans_of_equals
from wordsight.text.tokens import FUNCTION_WORDS

COLOURS = ("#e6194b", "#0082c8", "#2f9e44", "#f58231", "#911eb4", "#0aa5a5", "#d6339a", "#9a6324")  # of boxes, in turn


@dataclass(frozen=True)
class Mark:
    """A box to show.

    Attributes:
        box: `xyxy` fractions.
        colour: its own in this picture, `#rrggbb`.
        label: the words aligned with it, in order: whole segments, without the "a" and "of" at their ends.
        words: their positions in the sentence.
        at: the label's upper left corner, fractions; labels do not overlap while there is room.
    """

    box: Box
    colour: str
    label: str
    words: tuple[int, ...]
    at: tuple[float, float]


def shares(strengths: Sequence[float]) -> list[float]:
    """Strengths relative to the greatest, 0 to 1; all 0 if none is above zero."""
    top = max(strengths, default=0.0)
    return [max(strength / top, 0.0) if top > 0 else 0.0 for strength in strengths]


def marks(aligned: Aligned, *, least: float = 0.3, most: int = 6) -> list[Mark]:
    """Select the boxes to show.

    Args:
        aligned: a picture and a sentence.
        least: least relative strength of a word; weaker words, and "a" and "of", are shown only with a neighbour on the
            same box.
        most: the maximum number of boxes; those with the strongest words are kept.

    Returns:
        The boxes, in the order of their first words; words on the same box share a mark.
    """
    of_box: dict[Box, list[int]] = {}
    strength = shares(aligned.strengths)
    for start, end in spans_of_equals(aligned.boxes):
        naming = [position for position in range(start, end) if not aside(aligned.words, position)]
        if any(strength[position] >= max(least, 1e-9) for position in naming):
            of_box.setdefault(tuple(aligned.boxes[start]), []).extend(range(naming[0], naming[-1] + 1))
    strongest = sorted(of_box, key=lambda box: -sum(strength[position] for position in of_box[box]))[:most]
    shown = [(box, words) for box, words in of_box.items() if box in strongest]
    return labelled([(box, " ".join(aligned.words[word] for word in words), tuple(words)) for box, words in shown])


def labelled(
    boxes: Iterable[tuple[Box, str, tuple[int, ...]]], letter: float = 0.025, line: float = 0.09
) -> list[Mark]:
    """Boxes to show.

    Args:
        boxes: each with its label, and the indices of its texts below the picture.
        letter: approximate width of a letter, as a fraction of the picture's width.
        line: approximate height of a label, as a fraction of the picture's height.
    """
    found: list[Mark] = []
    for box, label, words in boxes:
        at = _free(box, len(label), [(*mark.at, len(mark.label)) for mark in found], letter, line)
        found.append(Mark(box, COLOURS[len(found) % len(COLOURS)], label, words, at))
    return found


def aside(words: Sequence[str], position: int) -> bool:
    """Whether a word is a function word, in a sentence with content words."""
    return words[position] in FUNCTION_WORDS and any(word not in FUNCTION_WORDS for word in words)


def _free(
    box: Box, length: int, taken: Sequence[tuple[float, float, int]], letter: float, line: float
) -> tuple[float, float]:
    """A position for a label on top of a box, or in its corner, moved down until it overlaps no other."""
    x, y = min(max(box[0], 0.0), max(0.0, 1 - letter * length)), max(box[1], 0.0)
    y = y - line if y >= line else y

    def hidden() -> bool:
        return any(
            x < left + letter * letters and left < x + letter * length and abs(y - top) < line
            for left, top, letters in taken
        )

    while hidden() and y < 1 - line:
        y += line
    return x, min(y, 1 - line)

"""Drawings of situations: boxes of nouns on the picture, the verb and its roles below; and connections of roles."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from wordsight.matching.alignment import Box
from wordsight.reports.draw import FAINT, INK, PAPER, draw_parts
from wordsight.reports.marks import COLOURS, labelled


class Part(NamedTuple):
    """A part of a situation: the verb, or the noun of a role; its confidence (0 to 1), and its box if located."""

    word: str
    role: str
    confidence: float
    box: Box | None


def draw_situation(image: Image.Image, parts: Sequence[Part], *, width: int = 900) -> Image.Image:
    """Draw a situation: the boxes of its parts, and below the picture the parts, each with a bar for its confidence.

    A box that several nouns share is drawn once, with all their names.

    Args:
        image: the picture.
        parts: the verb, then its roles.
        width: of the result, pixels; at least 200.
    """
    of_box: dict[Box, list[int]] = {}
    for place, part in enumerate(parts):
        if part.box is not None:
            of_box.setdefault(part.box, []).append(place)
    shown = labelled(
        (box, ", ".join(dict.fromkeys(parts[place].word for place in places)), tuple(places))
        for box, places in of_box.items()
    )
    said = [f"{one.role + ': ' if one.role else ''}{one.word} {100 * one.confidence:.0f} %" for one in parts]
    return draw_parts(image, shown, said, [one.confidence for one in parts], width=width)


def draw_connections(
    verb: str, roles: Sequence[str], strengths: Sequence[Sequence[float]], *, width: int = 700
) -> Image.Image:
    """Draw the connections of a verb's roles: arrows, the wider and darker the stronger, with their strengths.

    Args:
        verb: its name.
        roles: E of them.
        strengths: (1 + E, 1 + E), how much the row's node depends on the column's, 0 to 1; the verb's node is the
            first, and its own row is not drawn.
        width: of the square result, pixels; at least 300.
    """
    canvas = Image.new("RGB", (width, width), PAPER)
    pen, font, small = ImageDraw.Draw(canvas), ImageFont.load_default(width // 38), ImageFont.load_default(width // 52)
    names, places = [verb, *roles], [(width / 2, width / 2)]
    for number in range(len(roles)):
        angle = 2 * math.pi * number / len(roles) - math.pi / 2
        places.append((width / 2 + 0.36 * width * math.cos(angle), width / 2 + 0.36 * width * math.sin(angle)))
    top = max((value for row in strengths[1:] for value in row), default=0.0) or 1.0
    for reader, row in enumerate(strengths):
        for teller, value in enumerate(row):
            if reader and value > 0.02 * top:
                _arrow(pen, places[teller], places[reader], value / top, f"{100 * value:.0f}", small)
    for number, (name, (x, y)) in enumerate(zip(names, places, strict=True)):
        wide = font.getlength(name) / 2 + 12
        colour = INK if number == 0 else COLOURS[(number - 1) % len(COLOURS)]
        pen.rounded_rectangle((x - wide, y - width / 38, x + wide, y + width / 38), radius=8, fill=colour)
        pen.text((x, y), name, PAPER, font, anchor="mm")
    note = "How much a role's noun changes without the message: total variation in percent, mean over pictures."
    pen.text((width / 2, width - 14), note, FAINT, small, anchor="mm")
    return canvas


def _arrow(
    pen: ImageDraw.ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    share: float,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """An arrow between two nodes, moved to its right so that both directions are visible; its text is near its tip."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = math.hypot(across, down)
    across, down = across / length, down / length
    aside = (-7 * down, 7 * across)
    grey = round(215 - 175 * share)
    colour = (grey, grey, grey + 12)
    first = (start[0] + 34 * across + aside[0], start[1] + 34 * down + aside[1])
    last = (end[0] - 40 * across + aside[0], end[1] - 40 * down + aside[1])
    pen.line((*first, *last), fill=colour, width=max(1, round(7 * share)))
    head = 6 + 6 * share
    left = (last[0] - head * across - head / 2 * down, last[1] - head * down + head / 2 * across)
    right = (last[0] - head * across + head / 2 * down, last[1] - head * down - head / 2 * across)
    tip = (last[0] + head * across, last[1] + head * down)
    pen.polygon([tip, left, right], fill=colour)
    at = (first[0] + 0.7 * (last[0] - first[0]) + aside[0], first[1] + 0.7 * (last[1] - first[1]) + aside[1])
    pen.text(at, text, INK, font, anchor="mm")

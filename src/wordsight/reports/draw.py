"""Drawings of alignments and region captions: boxes on the picture, and words below in the same colours."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, Protocol

from PIL import Image, ImageColor, ImageDraw, ImageFont

from wordsight.captioning.captions import RegionCaption
from wordsight.errors import InputError
from wordsight.files import write_bytes
from wordsight.matching.alignment import Aligned, Glance
from wordsight.reports.marks import Mark, labelled, marks, shares

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PDF")  # Pillow's names of what a drawing can be saved as
INK, FAINT, PAPER = "#22242a", "#8a8f9a", "#ffffff"
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Strong(Protocol):
    """A phrase, and how well it fits its box; greater is surer."""

    @property
    def text(self) -> str:
        """Its words."""

    @property
    def strength(self) -> float:
        """How well it fits."""


class Chip(NamedTuple):
    """A word below the picture: its position in pixels, strength (0 to 1), and colour if it has a box."""

    word: str
    left: float
    top: float
    width: float
    share: float
    colour: str | None


def draw(image: Image.Image, aligned: Aligned, *, width: int = 900) -> Image.Image:
    """Draw which box each word went to.

    Args:
        image: the picture.
        aligned: the words, their boxes and strengths.
        width: of the result, pixels; at least 200.

    Returns:
        The picture `width` pixels wide, its boxes labelled, the sentence below, a bar below each word for its strength.
        The height is limited to four times the width.
    """
    return _draw(image, marks(aligned), aligned.words, shares(aligned.strengths), width)


def draw_regions(image: Image.Image, regions: Sequence[RegionCaption], *, width: int = 900) -> Image.Image:
    """Draw regions with their captions.

    Args:
        image: the picture.
        regions: with their captions.
        width: of the result, pixels; at least 200.

    Returns:
        As `draw`: captions stand on their boxes and, with a bar for their confidence, below.
    """
    size = _font_size(width)
    shown = labelled(
        ((region.box, region.text, (number,)) for number, region in enumerate(regions)),
        letter=0.55 * size / width,
        line=1.7 * size / _height(image, width),
    )
    return _draw(image, shown, [one.text for one in regions], [one.confidence for one in regions], width)


def draw_marks(
    image: Image.Image, shown: Sequence[Mark], phrases: Sequence[Strong], *, width: int = 900
) -> Image.Image:
    """Draw boxes, and below the picture their phrases; the `words` of a mark are positions in `phrases`.

    Args:
        image: the picture.
        shown: the boxes.
        phrases: each with its strength.
        width: of the result, pixels; at least 200.
    """
    return _draw(image, shown, [one.text for one in phrases], shares([one.strength for one in phrases]), width)


def draw_parts(
    image: Image.Image, shown: Sequence[Mark], parts: Sequence[str], confidences: Sequence[float], *, width: int = 900
) -> Image.Image:
    """As `draw_marks`, with a bar below each part for its confidence, 0 to 1."""
    return _draw(image, shown, parts, confidences, width)


def draw_glances(
    image: Image.Image, words: Sequence[str], glances: Sequence[Glance], *, width: int = 900
) -> Image.Image:
    """Draw attention steps.

    Args:
        image: the picture.
        words: of the sentence, T.
        glances: one per step, at least one.
        width: of the result, pixels; at least 200.

    Returns:
        A picture per step, one below the other, each with its number above: the boxes of greatest attention with their
        shares in percent, and below them the sentence, a bar below each word for its share relative to the greatest.
    """
    views = [_draw(image, _glanced(glance), words, shares(glance.words), width) for glance in glances]
    head = 2 * _font_size(width)
    canvas = Image.new("RGB", (width, sum(head + view.height for view in views)), PAPER)
    pen, font, top = ImageDraw.Draw(canvas), ImageFont.load_default(_font_size(width)), 0
    for number, view in enumerate(views, 1):
        pen.text((14, top + head // 2), f"step {number} of {len(views)}", INK, font, anchor="lm")
        canvas.paste(view, (0, top + head))
        top += head + view.height
    return canvas


def _glanced(glance: Glance) -> list[Mark]:
    """The boxes of a step."""
    percent = (f"{100 * share:.0f} %" for share in glance.shares)
    return labelled((box, text, ()) for box, text in zip(glance.boxes, percent, strict=True))


def save(image: Image.Image, out: str | Path) -> None:
    """Write a drawing in the format that `out` ends in.

    Raises:
        InputError: the suffix is not of a picture format, the drawing is too large for it, or the file cannot be
            written.
    """
    content, out = BytesIO(), Path(out)
    kind = picture_format(out)
    try:
        image.save(content, kind)
    except (OSError, ValueError) as error:
        size = f"{image.width:,} x {image.height:,}"
        raise InputError(f"{out}: {kind} cannot hold {size} pixels; expected a name that ends in .png.") from error
    write_bytes(out, content.getvalue())


def picture_format(out: Path) -> str:
    """Pillow's name of the format of a file's suffix.

    Raises:
        InputError: it is not a format that a drawing can be saved in.
    """
    kind = Image.registered_extensions().get(out.suffix.lower())
    if kind not in FORMATS or kind not in Image.SAVE:
        raise InputError(f"{out}: expected a name that ends in .png or .jpg (or .webp, .tif, .bmp, .gif, .pdf).")
    return kind


def _draw(
    image: Image.Image, shown: Sequence[Mark], words: Sequence[str], share: Sequence[float], width: int
) -> Image.Image:
    """The picture with its marks, and words below, each with a bar for its share, 0 to 1."""
    height, font = _height(image, width), ImageFont.load_default(_font_size(width))
    chips, depth = _chips(words, share, shown, width, font)
    canvas = Image.new("RGB", (width, height + depth), PAPER)
    canvas.paste(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    pen = ImageDraw.Draw(canvas)
    line = max(2, width // 220)
    for mark in shown:
        _box(pen, mark, width, height, line)
    for mark in shown:
        _label(pen, mark, width, height, font)
    for chip in chips:
        _chip(pen, chip, height, font)
    return canvas


def _height(image: Image.Image, width: int) -> int:
    """Height of the picture drawn `width` pixels wide."""
    return min(max(1, round(image.height * width / image.width)), 4 * width)


def _font_size(width: int) -> int:
    return max(13, width // 42)


def _box(pen: ImageDraw.ImageDraw, mark: Mark, width: int, height: int, line: int) -> None:
    """Draw a box with thin white edges, visible on any background."""
    left, top, right, bottom = (value * side for value, side in zip(mark.box, (width, height) * 2, strict=True))
    left, top, right, bottom = max(left, 2), max(top, 2), min(right, width - 3), min(bottom, height - 3)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=PAPER, width=line + 2)
    pen.rectangle((left, top, right, bottom), outline=mark.colour, width=line)


def _label(pen: ImageDraw.ImageDraw, mark: Mark, width: int, height: int, font: Font) -> None:
    """Draw a box's label in its corner."""
    long = mark.label if len(mark.label) < 40 else mark.label[:38] + "…"
    left, top = mark.at[0] * width, mark.at[1] * height
    _, _, wide, high = pen.textbbox((0, 0), long, font=font)
    if mark.at[1] < mark.box[1]:  # on top of the box, for any line height
        top = max(0.0, mark.box[1] * height - high - 8)
    left = max(0.0, min(left, width - wide - 14))
    pen.rounded_rectangle((left, top, left + wide + 12, top + high + 8), radius=4, fill=mark.colour)
    pen.text((left + 6, top + 3), long, font=font, fill=PAPER)


def _chips(
    words: Sequence[str], share: Sequence[float], shown: Sequence[Mark], width: int, font: Font
) -> tuple[list[Chip], int]:
    """Lay out the words below the picture in lines; returns also their height in pixels."""
    colour = {position: mark.colour for mark in shown for position in mark.words}
    step = font.getbbox("Xg")[3] * 2.1
    left, top, chips = 14.0, 12.0, []
    for position, (word, strong) in enumerate(zip(words, share, strict=True)):
        wide = font.getlength(word)
        if left + wide > width - 14 and left > 14:
            left, top = 14.0, top + step
        chips.append(Chip(word, left, top, wide, strong, colour.get(position)))
        left += wide + font.getlength("x") * 1.2
    return chips, round(top + step + 6)


def _chip(pen: ImageDraw.ImageDraw, chip: Chip, below: int, font: Font) -> None:
    """Draw a word and the bar of its strength."""
    high = font.getbbox("Xg")[3]
    top = below + chip.top
    pen.text((chip.left, top), chip.word, font=font, fill=chip.colour or FAINT)
    bar = (chip.left, top + high * 1.25, chip.left + max(chip.width * chip.share, 1), top + high * 1.25 + 3)
    pen.rectangle((bar[0], bar[1], chip.left + chip.width, bar[3]), fill="#e4e6ea")
    pen.rectangle(bar, fill=ImageColor.getrgb(chip.colour or FAINT))

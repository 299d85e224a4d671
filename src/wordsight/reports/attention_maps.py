"""Attention maps of a captioner over the picture: regions without attention are darkened."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from wordsight.reports.draw import INK, PAPER

SIDE = 28  # cells of a map, across and down
DARK = 0.2  # brightness of unattended places
COLUMNS = 4  # panels side by side


@dataclass(frozen=True)
class Attention:
    """Attention weights of a captioner over regions, before each word.

    Attributes:
        words: T words, in order.
        weights: (T, R), 0 to 1; every row sums to 1.
        boxes: (R, 4) `xyxy` fractions of the picture.
        gates: (T,) how much each word depends on the attended regions, 0 to 1; None for a model without gates.
    """

    words: tuple[str, ...]
    weights: NDArray[np.float32]
    boxes: NDArray[np.float32]
    gates: NDArray[np.float32] | None = None


def maps(attention: Attention) -> NDArray[np.float32]:
    """The greatest weight of the regions that cover a cell -> (T, SIDE, SIDE), 0 to 1.

    Not their sum, which would be high wherever many boxes overlap.
    """
    left, top, right, bottom = attention.boxes.T
    covered = _share(top, bottom)[:, :, None] * _share(left, right)[:, None, :]  # (R, SIDE, SIDE)
    return np.stack([(weights[:, None, None] * covered).max(axis=0) for weights in attention.weights])


def _share(low: NDArray[np.float32], high: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of each cell of an axis between two ends (R,), fractions of the axis -> (R, SIDE), 0 to 1."""
    steps = np.arange(SIDE + 1, dtype=np.float32) / SIDE
    return np.clip(np.minimum(high[:, None], steps[1:]) - np.maximum(low[:, None], steps[:-1]), 0, None) * SIDE


def lit(image: Image.Image, attention: Attention, width: int) -> Iterator[Image.Image]:
    """For each word the picture, `width` pixels wide: dark where no region exceeds uniform attention.

    Attention over many regions is nearly uniform; drawn from 0 on, all words would look alike.
    """
    small = image.convert("RGB").resize((width, max(1, round(image.height * width / image.width))))
    dark = Image.blend(Image.new("RGB", small.size), small, DARK)
    for seen in maps(attention):
        more = np.clip(seen * len(attention.boxes) - 1, 0, None)  # than uniform, which is 1 here
        light = Image.fromarray((255 * more / max(more.max(), 0.01)).astype(np.uint8))
        light = light.filter(ImageFilter.GaussianBlur(1)).resize(small.size, Image.Resampling.BICUBIC)
        yield Image.composite(small, dark, light)


def draw_attention(image: Image.Image, attention: Attention, *, width: int = 900) -> Image.Image:
    """Draw the picture, then a panel per word: the attention before the word, and the word below.

    Args:
        image: the picture.
        attention: of its caption.
        width: of the result, pixels; at least 200.
    """
    side = width // COLUMNS
    font = ImageFont.load_default(max(12, side // 12))
    panels = [*zip(lit(image, attention, side - 8), attention.words, strict=True)]
    whole = image.convert("RGB").resize(panels[0][0].size)
    panels.insert(0, (whole, ""))
    line = round(font.getbbox("Xg")[3] * 1.8)
    height = whole.height + line
    canvas = Image.new("RGB", (width, height * -(-len(panels) // COLUMNS) + 4), PAPER)
    pen = ImageDraw.Draw(canvas)
    for number, (panel, word) in enumerate(panels):
        row, column = divmod(number, COLUMNS)
        left, top = column * side + 4, row * height + 4
        canvas.paste(panel, (left, top))
        pen.text((left + panel.width // 2, top + panel.height + line // 2 - 2), word, INK, font, anchor="mm")
    return canvas

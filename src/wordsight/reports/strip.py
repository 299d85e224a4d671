"""Drawing of a clip: a strip of frames, and below it a row per word with the attention to each frame."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wordsight.reports.attention_maps import Attention
from wordsight.reports.draw import FAINT, INK, PAPER
from wordsight.vision.clips import Frame

COLUMNS = 16  # most frames side by side
ROW, HEAD, TIMES = 30, 210, 20  # pixels: a word's row, the margin left of the frames, the line of times below them
BETA, LONG = 118, 48  # pixels: where the bar of beta begins, and how long it is
GAP = 24  # pixels between two drawings
BLUE, ORANGE, FAINT_INK, LINE = "#2f6fde", "#e07b1a", "#6b6b6b", "#e4e6ea"
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_strip(frames: Sequence[Frame], attention: Attention, *, width: int = 1200) -> Image.Image:
    """The frames of a clip, and below them a row per word.

    A row shows the word, beta as an orange bar (how much the word depends on frames, if the model has gates), and
    below each frame a blue column: the attention to it, relative to the greatest in the row.

    Args:
        frames: n of them, in order.
        attention: of a caption of the clip; its weights are for the whole clip, then for the n frames.
        width: of the result, pixels; at least 400.
    """
    weights = attention.weights[:, 1:]  # (T, n)
    each = -(-len(frames) // COLUMNS)  # frames that a column stands for
    shares = np.add.reduceat(weights, np.arange(0, len(frames), each), axis=1)  # (T, columns)
    shown = [frames[min(start + each // 2, len(frames) - 1)] for start in range(0, len(frames), each)]
    side = (width - HEAD) // len(shown)
    tall = max(round(side * one.image.height / one.image.width) for one in frames)
    font, small = ImageFont.load_default(15), ImageFont.load_default(11)
    canvas = Image.new("RGB", (width, tall + TIMES + ROW * len(shares) + 6), PAPER)
    pen = ImageDraw.Draw(canvas)
    for column, frame in enumerate(shown):
        image, left = frame.image, HEAD + column * side
        canvas.paste(
            image.convert("RGB").resize((side - 3, max(round(side * image.height / image.width), 1))), (left, 0)
        )
        pen.text((left, tall + TIMES // 2), f"{frame.start:.1f} s", FAINT_INK, small, anchor="lm")
    if attention.gates is not None:
        pen.text((BETA, tall + TIMES // 2), "beta", FAINT_INK, small, anchor="lm")
    for row, word in enumerate(attention.words):
        top = tall + TIMES + row * ROW
        pen.line((0, top, width, top), LINE)
        pen.text((8, top + ROW // 2), word, INK, font, anchor="lm")
        if attention.gates is not None:
            _beta(pen, top, float(attention.gates[row]), small)
        for column, share in enumerate(shares[row] / max(float(shares[row].max()), 1e-6)):
            left, high = HEAD + column * side, round((ROW - 6) * float(share))
            if high:
                pen.rectangle((left, top + ROW - 2 - high, left + side - 4, top + ROW - 2), fill=BLUE)
    return canvas


def _beta(pen: ImageDraw.ImageDraw, top: int, beta: float, font: Font) -> None:
    """A bar that is filled from the left, and its number."""
    high, low, right = top + 9, top + ROW - 9, BETA + LONG
    pen.rectangle((BETA, high, right, low), outline=FAINT)
    pen.rectangle((BETA, high, BETA + round(LONG * min(max(beta, 0.0), 1.0)), low), fill=ORANGE)
    pen.text((right + 6, top + ROW // 2), f"{beta:.2f}", FAINT_INK, font, anchor="lm")


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Drawings below each other, as wide as the widest."""
    if len(pictures) == 1:
        return pictures[0]
    width, height = max(one.width for one in pictures), sum(one.height + GAP for one in pictures)
    canvas, top = Image.new("RGB", (width, height), PAPER), 0
    for one in pictures:
        canvas.paste(one, (0, top))
        top += one.height + GAP
    return canvas

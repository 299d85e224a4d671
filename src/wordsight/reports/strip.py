"""A clip as a strip of frames, and below it, a row a word, which frames a captioner looked at before the word."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wordsight.reports.attention_maps import Attention
from wordsight.reports.draw import FAINT, INK, PAPER

COLUMNS = 14  # frames beside each other at most
ROW, HEAD = 26, 150  # pixels: a word's row, and what is left of the frames
BLUE, ORANGE = "#2f6fde", "#e07b1a"


def draw_strip(frames: Sequence[Image.Image], attention: Attention, *, width: int = 1200) -> Image.Image:
    """The frames of a clip, and below them a row a word.

    A row shows the word, beta as a bar (how much the word comes from frames, where the model says so), and a bar below
    each frame: how much it was looked at, as a share of the most looked at one.

    Args:
        frames: n of them, in order.
        attention: of a caption of the clip: its weights are of the whole clip and then of the n frames.
        width: of the result, pixels; at least 400.
    """
    weights = attention.weights[:, 1:]  # (T, n)
    shown = np.unique(np.linspace(0, len(frames) - 1, min(COLUMNS, len(frames))).round().astype(int))
    owner = np.abs(np.arange(len(frames))[:, None] - shown).argmin(axis=1)  # which shown frame stands for each
    shares = np.zeros((len(weights), len(shown)), np.float32)
    np.add.at(shares.T, owner, weights.T)
    side = (width - HEAD) // len(shown)
    tall = max(round(side * frame.height / frame.width) for frame in frames)
    font = ImageFont.load_default(14)
    canvas = Image.new("RGB", (width, tall + 16 + ROW * len(shares)), PAPER)
    pen = ImageDraw.Draw(canvas)
    for column, number in enumerate(shown):
        frame = frames[number]
        small = frame.convert("RGB").resize((side - 3, max(1, round(side * frame.height / frame.width))))
        canvas.paste(small, (HEAD + column * side, 0))
    for row, word in enumerate(attention.words):
        top = tall + 10 + row * ROW
        pen.text((10, top + ROW // 2), word, INK, font, anchor="lm")
        if attention.gates is not None:
            _bar(pen, (96, top + 8, 140, top + ROW - 8), float(attention.gates[row]), ORANGE)
        for column, share in enumerate(shares[row] / max(float(shares[row].max()), 1e-6)):
            left = HEAD + column * side
            _bar(pen, (left, top + 5, left + side - 3, top + ROW - 5), float(share), BLUE)
    return canvas


def _bar(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], share: float, colour: str) -> None:
    """A bar that is filled from the left to a share of its length."""
    left, top, right, bottom = box
    pen.rectangle(box, outline=FAINT)
    if share > 0.02:
        pen.rectangle((left, top, left + round((right - left) * min(share, 1.0)), bottom), fill=colour)

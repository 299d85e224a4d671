"""Notebook display of results: a picture with boxes as HTML, and a pandas table."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from wordsight.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame
    from PIL import Image

COLOUR = "#e6194b"  # of a single box
ROW = 5  # pictures per row
EDGES = ("left", "top", "right", "bottom")  # of boxes in tables


class Shown(NamedTuple):
    """A box to show: `xyxy` fractions of its picture, its colour as `#rrggbb`, and its label."""

    box: tuple[float, ...]
    colour: str
    label: str


def scene(image: "Image.Image | None", boxes: Sequence[Shown], text: str, words: str = "") -> str:
    """A picture with boxes as self-contained HTML, without scripts or other files.

    Args:
        image: the picture, in the size to show; None shows only the text.
        boxes: to draw.
        text: caption below the picture.
        words: HTML to show instead of `text`, such as that of `coloured`.
    """
    below = f'<figcaption style="color:inherit">{words or escape(text)}</figcaption>'
    margin = '<figure style="display:inline-block;vertical-align:top;margin:4px 12px 12px 0;max-width:480px">'
    if image is None:
        return f"{margin}{below}</figure>"
    wide, high = image.size
    size = f'viewBox="0 0 {wide} {high}" width="{wide}" style="max-width:100%;height:auto"'
    drawn = f'<image href="{_data(image)}" width="{wide}" height="{high}"/>'
    drawn += "".join(_rect(one, wide, high) for one in boxes)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(text)}" {size}>{drawn}</svg>'
    return f"{margin}{svg}{below}</figure>"


def coloured(words: Sequence[tuple[str, str]]) -> str:
    """Words as HTML, each in its colour; an empty colour for none."""
    return " ".join(
        f'<b style="color:{colour}">{escape(word)}</b>' if colour else escape(word) for word, colour in words
    )


def outlined(image: "Image.Image", boxes: Sequence[Shown]) -> "Image.Image":
    """Draw the outlines of boxes into a picture, and return it."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image)
    for one in boxes:
        area = [round(edge * side) for edge, side in zip(one.box, 2 * image.size, strict=True)]
        pen.rectangle(area, outline="#fff", width=4)
        pen.rectangle(
            [area[0] + 1, area[1] + 1, max(area[0] + 1, area[2] - 1), max(area[1] + 1, area[3] - 1)],
            outline=one.colour,
            width=2,
        )
    return image


def side_by_side(images: "Sequence[Image.Image]") -> "Image.Image":
    """Join pictures of equal width into one picture, in rows of `ROW`."""
    from PIL import Image

    wide, high = images[0].width, max(image.height for image in images)
    columns, rows = min(ROW, len(images)), -(-len(images) // ROW)
    canvas = Image.new("RGB", (columns * wide, rows * high), "white")
    for place, image in enumerate(images):
        canvas.paste(image, (place % ROW * wide, place // ROW * high))
    return canvas


def png(image: "Image.Image") -> bytes:
    """A picture as the bytes of a PNG file."""
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def frame(rows: Sequence[Mapping[str, Any]]) -> "DataFrame":
    """Rows as a pandas table.

    Raises:
        InputError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError("to_pandas needs pandas, which is not installed: pip install pandas") from None
    return pandas.DataFrame(list(rows))


def _data(image: "Image.Image") -> str:
    content = io.BytesIO()
    image.convert("RGB").save(content, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def _rect(one: Shown, wide: int, high: int) -> str:
    """A box as SVG, kept a little inside the picture so that its whole outline is visible."""
    left, right = (min(max(edge * wide, 1.5), wide - 1.5) for edge in one.box[::2])
    top, bottom = (min(max(edge * high, 1.5), high - 1.5) for edge in one.box[1::2])
    place = f'x="{left:.1f}" y="{top:.1f}" width="{max(right - left, 1):.1f}" height="{max(bottom - top, 1):.1f}"'
    lines = "".join(
        f'<rect {place} fill="none" stroke="{colour}" stroke-width="{width}"/>'
        for colour, width in (("#fff", 4), (one.colour, 2))
    )
    return f"<g>{lines}<title>{escape(one.label)}</title></g>"

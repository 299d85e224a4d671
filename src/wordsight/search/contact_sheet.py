"""A contact sheet: the hits of a page in a grid, each with the boxes of its phrases and its score."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from wordsight.errors import InputError, printable
from wordsight.outputs import require_unread
from wordsight.reports.draw import PAPER, Font, picture_format, save
from wordsight.reports.marks import COLOURS
from wordsight.search.catalog import Catalog
from wordsight.search.frames import file_of
from wordsight.search.opened import Opened
from wordsight.search.results import Hit, Phrase, SearchResults
from wordsight.text.tokens import FUNCTION_WORDS
from wordsight.vision.fragments import fragment

SIDE, LINE, GAP, COLUMNS = 320, 18, 12, 5  # pixels; maximum number of tiles in a row
INK, MISSING = "#20242b", "#d5d8de"


def check_sheet(out: Path, read: Iterable[Path], indexes: Iterable[Opened]) -> None:
    """Check, before a search, that a contact sheet can be written in the format of its suffix and replaces nothing.

    Args:
        out: the contact sheet.
        read: the files that the search reads.
        indexes: those that it searches; the sheet must be none of their pictures, hits or not.

    Raises:
        InputError: it cannot be written, or it would replace something, or it is in the folder of an index.
    """
    picture_format(out)
    require_unread(out, read)
    real = Path(os.path.realpath(out))
    for index in indexes:
        if real.is_relative_to(os.path.realpath(index.folder)):
            raise InputError(f"{out}: is inside the index; expected a file elsewhere.")
        require_unread(out, _alike(index, real))


def _alike(index: Opened, file: Path) -> Iterator[Path]:
    """The files of an index that have the size or the name of a file, and may be this one."""
    name = file.name.encode(errors="backslashreplace").decode()
    with Catalog(index.folder) as catalog, suppress(OSError):
        where = "bytes = ? OR instr(path, ?)"
        rows = catalog.db.execute(f"SELECT path FROM pictures WHERE {where}", (file.stat().st_size, name))
        for key in {*(file_of(key) for (key,) in rows), *catalog.broken()}:
            yield from map(Path, index.paths.every(key))


def write_sheet(found: SearchResults, out: str | Path) -> None:
    """Draw a page of hits in the format of the suffix of `out`; a picture that is gone gives an empty tile.

    Raises:
        InputError: there are no hits, or the file cannot be written or is that of a hit or of a near-duplicate.
    """
    if not found.hits:
        raise InputError(f"{out}: nothing was found, so there is nothing to draw.")
    shown = [path for hit in found.hits for path in (hit.path, *(one.path for one in hit.near_duplicates))]
    require_unread(Path(out), [fragment(path).file for path in shown])
    save(sheet(found), out)


def sheet(found: SearchResults) -> Image.Image:
    """A page of hits as one picture."""
    colours = colours_of(found.hits)
    tiles = [_tile(hit, rank, colours) for rank, hit in enumerate(found.hits, found.first)]
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    high = max(tile.height for tile in tiles)
    canvas = Image.new("RGB", (columns * (SIDE + GAP) + GAP, rows * (high + GAP) + GAP), PAPER)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        canvas.paste(tile, (GAP + column * (SIDE + GAP), GAP + row * (high + GAP)))
    return canvas


def colours_of(hits: Sequence[Hit]) -> dict[str, str]:
    """A colour for the last word of each phrase, the same in all pictures; function words have none."""
    words = dict.fromkeys(phrase.text.split()[-1] for hit in hits for phrase in hit.phrases)
    naming = [word for word in words if word not in FUNCTION_WORDS]
    return {word: COLOURS[number % len(COLOURS)] for number, word in enumerate(naming)}


def _tile(hit: Hit, rank: int, colours: dict[str, str]) -> Image.Image:
    """One hit: its picture, and below it its rank, score and name, then its phrases in their colours."""
    font = ImageFont.load_default(13)
    name = printable(hit.path.name) + hit.at + (f"  ({printable(hit.state)})" if hit.state else "")
    lines = [(f"{rank}. {_figures(hit)}  {name}", INK)]
    lines += [
        (shortened(phrase.text, f"  {phrase.strength:.2f}", font), _colour(phrase, colours)) for phrase in hit.phrases
    ]
    tile = Image.new("RGB", (SIDE, SIDE + LINE * len(lines) + 6), PAPER)
    pen = ImageDraw.Draw(tile)
    try:
        image = hit.open_image(SIDE)
    except InputError:  # gone or changed since it was indexed
        pen.rectangle((0, 0, SIDE - 1, SIDE - 1), fill=MISSING)
        image = None
    if image is not None:
        scale = SIDE / max(image.size)
        size = max(1, round(scale * image.width)), max(1, round(scale * image.height))
        image = image.resize(size, Image.Resampling.LANCZOS)
        left, top = (SIDE - image.width) // 2, SIDE - image.height
        tile.paste(image, (left, top))
        for phrase in hit.phrases:
            if phrase.strength > 0 and _colour(phrase, colours) != INK:
                _box(pen, phrase, (left, top, image.width, image.height), _colour(phrase, colours))
    for number, (text, colour) in enumerate(lines):
        pen.text((0, SIDE + 4 + number * LINE), text, font=font, fill=colour)
    return tile


def shortened(text: str, end: str, font: Font) -> str:
    """A text followed by `end`, the text cut so that both fit below a tile."""
    if font.getlength(text + end) <= SIDE:
        return text + end
    while text and font.getlength(f"{text}…{end}") > SIDE:
        text = text[:-1]
    return f"{text}…{end}"


def _figures(hit: Hit) -> str:
    if hit.reranked is not None:
        return f"{hit.reranked:.3f}"
    return f"{hit.score:.3f}" if hit.confidence is None else f"{hit.score:.3f} ({100 * hit.confidence:.0f} %)"


def _colour(phrase: Phrase, colours: dict[str, str]) -> str:
    return colours.get(phrase.text.split()[-1], INK)


def _box(pen: ImageDraw.ImageDraw, phrase: Phrase, frame: tuple[int, int, int, int], colour: str) -> None:
    left, top, width, height = frame
    x1, y1, x2, y2 = phrase.box
    corners = (left + x1 * (width - 1), top + y1 * (height - 1), left + x2 * (width - 1), top + y2 * (height - 1))
    pen.rectangle(corners, outline=PAPER, width=4)
    pen.rectangle(corners, outline=colour, width=2)

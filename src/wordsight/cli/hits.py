"""Output of `wordsight search`: a table on a terminal, tab-separated lines in a pipe or a file."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wordsight.cli.options import print_result
from wordsight.cli.terminal_pictures import show_pictures
from wordsight.errors import WorkFailed, printable
from wordsight.text.tokens import FUNCTION_WORDS

if TYPE_CHECKING:
    from wordsight.search.results import Hit, Phrase, SearchResults
    from wordsight.text.vocabulary import Vocabulary

LARGE = 0.8  # share of the width or height from which a box is on neither side
_PLACES = {  # third of the height, third of the width
    ("upper", "left"): "upper left",
    ("upper", ""): "top",
    ("upper", "right"): "upper right",
    ("", "left"): "left",
    ("", ""): "centre",
    ("", "right"): "right",
    ("lower", "left"): "lower left",
    ("lower", ""): "bottom",
    ("lower", "right"): "lower right",
}


def show_hits(found: "SearchResults", *, boxes: bool, pictures: bool) -> None:
    """Print a page of hits on stdout, below their pictures if `pictures` is set and the terminal can show them."""
    console = Console(file=sys.stdout, highlight=False, force_terminal=sys.stdout.isatty())
    if pictures:
        show_pictures(found, console)
    print_hits(found, console, boxes=boxes)


def tell_unknown(words: Sequence[str], vocabulary: "Vocabulary") -> None:
    """Print on stderr which words of a query the model does not know, each with the nearest one that it knows."""
    if not words:
        return
    from wordsight.search.suggest import of_vocabulary

    near = of_vocabulary(vocabulary).spelling(f"{' '.join(words)} ")
    told = [f"{word} (did you mean {near[word]}?)" if word in near else word for word in words]
    print(f"wordsight: words that the model does not know: {', '.join(told)}", file=sys.stderr)


def open_sheet(found: "SearchResults", sheet: Path | None) -> None:
    """Open a page of hits as a contact sheet in the system's picture viewer.

    Args:
        found: the hits.
        sheet: where the contact sheet is; None to write it to the folder of temporary files.

    Raises:
        InputError: the contact sheet cannot be written.
        WorkFailed: this system has no viewer, or it could not be started.
    """
    from wordsight.search.contact_sheet import write_sheet

    if sheet is None:
        sheet = Path(tempfile.mkdtemp(prefix="wordsight-")) / "search.png"
        write_sheet(found, sheet)
    try:
        failed = typer.launch(str(sheet)) != 0
    except OSError:
        failed = True
    if failed:
        raise WorkFailed(f"{sheet}: the contact sheet is written, but no picture viewer could be started.")


def print_hits(found: "SearchResults", console: Console, *, boxes: bool = False) -> None:
    """Print a page of hits.

    Args:
        found: the hits.
        console: where to print. On a terminal the hits are a table that fits its width; elsewhere they are one header
            line and one line per hit, separated by tabs, without colours and never wrapped; messages are on stderr.
        boxes: print every phrase with its strength and its box in percent, not only where it is in words.
    """
    if message := _message(found):
        (console if console.is_terminal else Console(stderr=True)).print(Text(message), soft_wrap=True)
    if not found.hits:
        return
    heads = _heads(found)
    if not console.is_terminal:
        rows = [[*heads, "file", "words", "note"]]
        for hit, cells, words, note in _rows(found, boxes):
            notes = [note] if note else []
            notes += ["date of the file"] if hit.taken and hit.taken_from == "file" else []
            rows.append([*cells, f"{hit.path}{hit.at}", "; ".join(words), "; ".join(notes)])
        for row in rows:
            console.file.write("\t".join(printable(cell) for cell in row) + "\n")
        return
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for head in heads:
        grid.add_column(head, no_wrap=True, justify="left" if head == "date" else "right")
    grid.add_column("file", overflow="fold")
    undated = False
    for hit, cells, words, note in _rows(found, boxes):
        if hit.taken and hit.taken_from == "file":
            cells[-1], undated = cells[-1] + "*", True
        below = words if boxes else ["  ·  ".join(words)] if words else []
        name = Text(printable(near(hit.path)) + hit.at, style="bold").append(
            f"  ({printable(note)})" if note else "", "not bold"
        )
        for line in below:
            name.append(f"\n{printable(line)}", "dim not bold")
        grid.add_row(*cells, name)
    console.print(grid)
    if undated:
        console.print("* the date of the file; the picture has none", style="dim")


def place(box: Sequence[float]) -> str:
    """Where a box is in its picture, in words such as "upper left".

    Args:
        box: left, top, right, bottom as fractions.
    """
    left, top, right, bottom = box
    wide, high = right - left >= LARGE, bottom - top >= LARGE
    if wide and high:
        return "whole picture"
    across = "" if wide else _third((left + right) / 2, "left", "right")
    down = "" if high else _third((top + bottom) / 2, "upper", "lower")
    return _PLACES[down, across]


def near(path: Path) -> str:
    """A path relative to the working folder if it is below it, else the whole path."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the working folder is gone
        return str(path)


def _third(middle: float, first: str, last: str) -> str:
    return first if middle < 0.4 else last if middle > 0.6 else ""


def _message(found: "SearchResults") -> str:
    """The message above the hits, or instead of them; empty if none is needed."""
    if not found.hits:
        return f"There is no such page: {found.total:,} pictures match." if found.total else "No picture matches."
    from wordsight.search.results import NOT_SURE

    return NOT_SURE if found.poor_match else ""


def _heads(found: "SearchResults") -> list[str]:
    """The names of the columns before the file."""
    known = any(hit.confidence is not None for hit in found.hits)
    again = ["reranked"] if any(hit.reranked is not None for hit in found.hits) else []
    return ["rank", "match" if known else "score", *again, "date"]


def _rows(found: "SearchResults", boxes: bool) -> list[tuple["Hit", list[str], list[str], str]]:
    """For each hit: the hit, its cells before the file, a text for each phrase, and a note."""
    heads, rows = _heads(found), []
    for rank, hit in enumerate(found.hits, found.first):
        cells = [str(rank)]
        if "match" in heads:
            cells.append("" if hit.confidence is None else f"{100 * hit.confidence:.0f} %")
        else:
            cells.append(f"{hit.score:.3f}")
        if "reranked" in heads:
            cells.append("" if hit.reranked is None else f"{hit.reranked:.3f}")
        cells.append(hit.taken[:10])
        notes = [hit.state] if hit.state else []
        notes += [f"+{len(hit.near_duplicates)} near-duplicates"] if hit.near_duplicates else []
        notes += [f"+{hit.frames - 1} frames"] if hit.frames > 1 else []
        said = [
            _numbers(one) if boxes else f"{one.text}: {place(one.box)}" for one in hit.phrases if boxes or _tells(one)
        ]
        rows.append((hit, cells, said, "; ".join(notes)))
    return rows


def _tells(phrase: "Phrase") -> bool:
    """Whether a phrase names something and the model found evidence of it."""
    return phrase.strength > 0 and not all(word in FUNCTION_WORDS for word in phrase.text.split())


def _numbers(phrase: "Phrase") -> str:
    left, top, right, bottom = (f"{100 * edge:.0f}" for edge in phrase.box)
    return f"{phrase.text}: strength {phrase.strength:.3f}, left {left} top {top} right {right} bottom {bottom} %"


def show_found(
    found: "SearchResults",
    vocabulary: "Vocabulary",
    *,
    out: Path | None,
    as_json: bool,
    boxes: bool,
    pictures: bool,
    open_: bool,
) -> None:
    """Show search results as the options of `search` say."""
    from wordsight.search.contact_sheet import write_sheet

    tell_unknown(found.unknown, vocabulary)
    if out and found.hits:
        write_sheet(found, out)
    elif out:
        print(f"wordsight: {printable(out)}: not drawn, as nothing was found.", file=sys.stderr)
    if as_json:
        print_result(found.to_json(), "", as_json)
    else:
        show_hits(found, boxes=boxes, pictures=pictures)
    if open_ and found.hits:
        open_sheet(found, out)

"""What `wordsight search` prints: a table for people on a terminal, tab-separated lines elsewhere."""

import io
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from rich.console import Console

from wordsight.cli import hits as cli_hits
from wordsight.cli import terminal_pictures
from wordsight.cli.hits import open_sheet, place, print_hits, tell_unknown
from wordsight.errors import WorkFailed
from wordsight.search.results import Hit, NearDuplicate, Phrase, SearchResults
from wordsight.search.suggest import meant
from wordsight.text.vocabulary import Vocabulary


def hit(path: str, **more: object) -> Hit:
    phrases = (
        Phrase("a red circle", 0, 3, (0.0, 0.0, 0.3, 0.3), 1.2, 1.0),
        Phrase("on", 3, 4, (0.0, 0.0, 1.0, 1.0), 0.1, 1.0),
        Phrase("a cross", 4, 6, (0.4, 0.4, 0.6, 0.6), -0.5, 1.0),
    )
    plain = Hit(
        1, Path(path), 2.0, 0.0, 1.0, 0.87, (), phrases, False, "", 100, 80, "2024-05-01T10:00:00", "exif", "", {}
    )
    return replace(plain, **more)


def found(*hits: Hit, **more: object) -> SearchResults:
    return replace(SearchResults(hits, len(hits), 1, (), False), **more)


def shown(results: SearchResults, *, terminal: bool, width: int = 80, boxes: bool = False) -> str:
    file = io.StringIO()
    print_hits(results, Console(file=file, force_terminal=terminal, width=width, color_system=None), boxes=boxes)
    return file.getvalue()


def test_a_pipe_gets_a_header_and_one_tab_separated_line_per_hit_however_long() -> None:
    long = "/photos/" + "deep/" * 60 + "[bold]a.jpg"
    other = hit("/b\t.jpg", confidence=None, missing=True, near_duplicates=(NearDuplicate(2, Path("/c.jpg")),))
    lines = shown(found(hit(long), other), terminal=False, width=20).splitlines()
    assert lines[0].split("\t") == ["rank", "match", "date", "file", "words", "note"]
    assert lines[1].split("\t") == ["1", "87 %", "2024-05-01", long, "a red circle: upper left", ""]
    assert lines[2].split("\t")[1:] == [
        "", "2024-05-01", r"/b\t.jpg", "a red circle: upper left", "missing; +1 near-duplicates"
    ]  # fmt: skip
    assert len(lines) == 3 and "\x1b" not in "".join(lines)


def test_a_terminal_gets_a_table_that_fits_it_and_names_are_not_obeyed() -> None:
    text = shown(found(hit("/photos/" + "long" * 40 + "[red]\x1b[31m.jpg")), terminal=True, width=60)
    assert all(len(line) <= 60 for line in text.splitlines())
    assert text.splitlines()[0].split() == ["rank", "match", "date", "file"]
    assert "[red]\\x1b" in "".join(text.split()) and "a red circle: upper left" in text
    assert "cross" not in text, "there is no evidence of it"


def test_boxes_in_percent_are_printed_where_they_are_asked() -> None:
    for terminal in (True, False):
        text = " ".join(shown(found(hit("/a.jpg")), terminal=terminal, boxes=True, width=100).split())
        assert "a red circle: strength 1.200, left 0 top 0 right 30 bottom 30 %" in text and "a cross" in text


def test_scores_stand_where_no_confidence_is_known() -> None:
    text = shown(found(hit("/a.jpg", confidence=None, reranked=0.5)), terminal=False)
    assert [line.split("\t")[:3] for line in text.splitlines()] == [
        ["rank", "score", "reranked"],
        ["1", "2.000", "0.500"],
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_found_is_a_sentence(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    for results, said in (
        (found(), "No picture matches.\n"),
        (found(total=3), "There is no such page: 3 pictures match.\n"),
    ):
        out = shown(results, terminal=terminal)
        err = capsys.readouterr().err
        assert (out, err) == ((said, "") if terminal else ("", said)), "a pipe gets hits and nothing else"


def test_a_poor_match_is_said_beside_the_lines_of_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(found(hit("/a.jpg"), poor_match=True), terminal=False)
    assert text.startswith("rank\t") and "not sure of any of these" in capsys.readouterr().err
    assert shown(found(hit("/a.jpg"), poor_match=True), terminal=True).startswith("The model is not sure")


def test_a_date_of_the_file_is_marked() -> None:
    some = found(hit("/a.jpg"), hit("/b.jpg", taken_from="file"))
    piped, table = shown(some, terminal=False).splitlines(), shown(some, terminal=True)
    assert piped[1].endswith("\t") and piped[2].endswith("\tdate of the file")
    assert "2024-05-01*" in table and table.endswith("* the date of the file; the picture has none\n")
    assert "*" not in shown(found(hit("/a.jpg")), terminal=True)


def test_the_nearest_known_word_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    vocabulary = Vocabulary.build(["a red circle"] * 5)
    tell_unknown(("cricle", "qqq"), vocabulary)
    assert capsys.readouterr().err == (
        "wordsight: words that the model does not know: cricle (did you mean circle?), qqq\n"
    )
    tell_unknown((), vocabulary)
    assert capsys.readouterr().err == ""
    assert meant(vocabulary, "a Cricle, red") == "a circle, red" and meant(vocabulary, "qqq") == ""


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0, 0, 0.2, 0.2), "upper left"),
        ((0.7, 0.7, 1, 1), "lower right"),
        ((0.4, 0.4, 0.6, 0.6), "centre"),
        ((0, 0, 1, 0.3), "top"),
        ((0.1, 0.7, 0.95, 1), "bottom"),
        ((0, 0, 0.3, 1), "left"),
        ((0.35, 0.0, 0.65, 0.2), "top"),
        ((0, 0, 1, 1), "whole picture"),
        ((0.1, 0.3, 0.9, 0.7), "centre"),
    ],
)
def test_a_box_has_a_place_in_words(box: tuple[float, ...], words: str) -> None:
    assert place(box) == words


def test_the_contact_sheet_is_opened_and_a_missing_viewer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(cli_hits.typer, "launch", lambda url: opened.append(url) or 0)
    open_sheet(found(hit("/gone.jpg")), None)
    assert Image.open(opened[0]).width > 300
    open_sheet(found(hit("/gone.jpg")), tmp_path / "mine.png")
    assert opened[1] == str(tmp_path / "mine.png")
    monkeypatch.setattr(cli_hits.typer, "launch", lambda url: 1)
    with pytest.raises(WorkFailed, match=r"mine\.png: the contact sheet is written"):
        open_sheet(found(hit("/gone.jpg")), tmp_path / "mine.png")


def test_no_terminal_is_ever_asked_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textual_image", None)  # an import would fail, and asking starts with it
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", stdout)
        assert not terminal_pictures.at_a_terminal()
    assert not terminal_pictures.at_a_terminal(), "closed streams are no terminal"


def test_pictures_are_shown_only_by_a_protocol_of_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sixel:
        def __init__(self, image: Image.Image, width: int) -> None:
            self.text = f"{image.width} pixels in {width} cells"

        def __rich__(self) -> str:
            return self.text

    kinds = SimpleNamespace(Image=Sixel, SixelImage=Sixel, TGPImage=object, HalfcellImage=str)
    monkeypatch.setitem(sys.modules, "textual_image", SimpleNamespace(renderable=kinds))
    monkeypatch.setattr(terminal_pictures, "at_a_terminal", lambda: True)
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80)
    assert terminal_pictures.show_pictures(found(hit("/gone.jpg"), hit("/too.jpg")), console)
    assert "676" in file.getvalue() and "48" in file.getvalue()
    kinds.Image = kinds.HalfcellImage
    assert not terminal_pictures.show_pictures(found(hit("/gone.jpg")), console)
    assert not terminal_pictures.show_pictures(found(), console)

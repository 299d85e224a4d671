"""Results in a notebook: HTML that stands alone, pictures, tables, and the dictionaries of `--json`."""

import io
import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import wordsight
from wordsight import InputError
from wordsight.captioning.captions import Caption
from wordsight.cli.main import app


class Tags(HTMLParser):
    """The tags and the text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(value and value.startswith(("http:", "https:", "/")) for key, value in attrs if key == "href")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def picture(world: Path) -> Path:
    return world / "images" / "painted_00003.jpg"


def printed(*words: object) -> object:
    done = CliRunner().invoke(app, [str(word) for word in (*words, "--json")])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_an_alignment_shows_itself(trained: Path, picture: Path) -> None:
    found = wordsight.load(trained, "cpu").align(picture, "a red circle <script>")
    shown = Tags(found._repr_html_())
    assert {"svg", "image", "rect"} <= set(shown.tags) and "script" not in shown.tags and "circle" in shown.text
    assert Image.open(io.BytesIO(found._repr_png_() or b"")).format == "PNG"
    assert json.loads(json.dumps(found.to_dict())) == printed(
        "ground", picture, "a red circle <script>", "--model", trained, "--device", "cpu"
    )


def test_captions_show_themselves(captioner: Path, picture: Path) -> None:
    said = wordsight.load_captioner(captioner, "cpu").caption(str(picture))
    assert {"svg", "image"} <= set(Tags(said._repr_html_()).tags) and said[0][0].text in said[0][0]._repr_html_()
    assert said.to_dict() == printed("caption", "--model", captioner, picture, "--device", "cpu")
    escaped = Tags(Caption("<script>", -1.0, 0.5)._repr_html_())
    assert "script" not in escaped.tags and "image" not in escaped.tags and "<script>" in escaped.text


def test_captions_of_regions_show_their_box(captioner: Path, picture: Path) -> None:
    (said,) = wordsight.load_captioner(captioner, "cpu").caption_regions(picture, [[0, 0, 1, 0.5]])
    assert "rect" in Tags(said._repr_html_()).tags and said.to_dict()["box"] == (0, 0, 1, 0.5)
    drawn = Image.open(io.BytesIO(said._repr_png_() or b"")).convert("RGB")
    assert drawn.getpixel((drawn.width // 2, 1)) == (230, 25, 75), "the upper edge of its region is red"
    assert Caption("a star", -1.0, 0.5)._repr_png_() is None


def test_hits_show_themselves_though_their_file_is_gone(indexed: Path) -> None:
    found = wordsight.Index(indexed, "cpu").search("a red circle", top=3)
    assert Tags(found._repr_html_()).tags.count("image") == 3
    assert Image.open(io.BytesIO(found.hits[0]._repr_png_() or b"")).format == "PNG"
    assert json.loads(json.dumps(found.to_dict())) == printed("search", indexed, "a red circle", "--top", 3)
    assert Image.open(io.BytesIO(found._repr_png_() or b"")).format == "PNG"
    assert len(found) == 3 and list(found) == [found[0], *found[1:]] and found[-1].path == found.hits[2].path
    from dataclasses import replace

    assert replace(found, hits=())._repr_png_() is None
    gone = replace(found.hits[0], path=Path("<b>.jpg"))
    assert gone._repr_png_() is None and not {"image", "b"} & set(Tags(replace(gone, phrases=())._repr_html_()).tags)


def test_results_are_tables(
    trained: Path, captioner: Path, indexed: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = (
        wordsight.load(trained, "cpu").align(picture, "a red circle"),
        wordsight.load_captioner(captioner, "cpu").caption([picture] * 3),
        wordsight.Index(indexed, "cpu").search("a red circle", top=3),
    )
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pandas", None)
        for one in results:
            with pytest.raises(InputError, match="pandas"):
                one.to_pandas()
    pytest.importorskip("pandas")
    words, said, hits = (one.to_pandas() for one in results)
    assert list(words["word"]) == ["a", "red", "circle"] and {"left", "bottom", "strength"} <= set(words)
    assert list(said["picture"]) == [str(picture)] * 3 and list(hits["rank"]) == [1, 2, 3]

"""Tesseract as a peer in reading text in pictures: its table of words, its search, and where it is not installed."""

import runpy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).parents[1] / "benchmarks"
HEAD = "level page_num block_num par_num line_num word_num left top width height conf text"
TABLE = [
    "1 1 0 0 0 0 0 0 200 100 -1 ",
    "4 1 1 1 1 0 20 10 100 20 -1 ",
    "5 1 1 1 1 1 20 10 40 20 90 No",
    "5 1 1 1 1 2 70 12 50 10 70 SMOKING!",
    '5 1 2 1 1 1 20 50 40 50 50 "here',
    "5 1 2 1 2 1 0 0 200 100 95 ",
]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    return runpy.run_path(str(FOLDER / "scene_text.py")) | runpy.run_path(str(FOLDER / "tesseract.py"))


def tsv(rows: list[str]) -> str:
    return "".join("\t".join(row.split(" ")) + "\n" for row in [HEAD, *rows])


def test_its_words_are_lines_with_places_and_confidence(benchmark: dict[str, Any]) -> None:
    lines = benchmark["lines_of"](tsv(TABLE))
    assert lines.texts == ("No SMOKING!", '"here')
    np.testing.assert_allclose(lines.boxes(), [[0.1, 0.1, 0.6, 0.3], [0.1, 0.5, 0.3, 1.0]], atol=1e-6)
    np.testing.assert_allclose(lines.confidence, [0.8, 0.5], atol=1e-6)
    assert len(benchmark["lines_of"](tsv(TABLE[:2]))) == 0


def test_it_is_scored_as_our_own_readings_are(benchmark: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    nothing, read = (benchmark["lines_of"](tsv(rows)) for rows in (TABLE[:1], TABLE))
    words = {Path("a.jpg"): {"smoking", "here"}, Path("b.jpg"): set()}
    benchmark["spotting"](words, [nothing, read], 3, {"good": [read, nothing], "bad": [nothing, read]})
    figures = {line[:64].strip(): float(line[64:71]) for line in capsys.readouterr().out.splitlines()[2:]}
    assert [figures[f"{peer}, equal"] for peer in ("good", "bad")] == [1.0, 0.5]
    assert len(figures) == 4 + 2 * 3


def test_it_is_left_out_where_it_is_not_installed(
    benchmark: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert benchmark["tesseract"]([Path("a.jpg")]) == {}
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.skipif(not shutil.which("tesseract"), reason="Tesseract is not installed")
def test_it_reads_a_picture_once(benchmark: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.new("RGB", (500, 200), "white")
    ImageDraw.Draw(image).text((60, 60), "COFFEE", "black", ImageFont.load_default(60))
    image.save(tmp_path / "a.png")
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    (read,) = benchmark["tesseract_readings"]([tmp_path / "a.png"], 11)
    assert "COFFEE" in read.texts
    (large,) = benchmark["tesseract_readings"]([tmp_path / "a.png"], 11, 2)
    assert "COFFEE" in large.texts and np.allclose(large.boxes(), read.boxes(), atol=0.02)
    globals_ = benchmark["tesseract_readings"].__globals__
    monkeypatch.setitem(globals_, "_read", lambda *given: pytest.fail("it is in the cache"))
    for scale, known in ((1, read), (2, large)):
        assert next(benchmark["tesseract_readings"]([tmp_path / "a.png"], 11, scale)).texts == known.texts

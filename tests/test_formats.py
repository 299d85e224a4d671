"""Runs and indexes that the first format wrote open, and give the same."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import wordsight

FOLDER = Path(__file__).with_name("format1")
SENTENCES = ["a red circle", "a blue square on the left"]


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What wordsight said when it wrote them."""
    return json.loads((FOLDER / "expected.json").read_text())


@pytest.fixture
def pictures() -> list[Path]:
    return sorted((FOLDER / "pictures").iterdir())


def test_an_aligner_of_the_first_format(pictures: list[Path], expected: dict[str, Any]) -> None:
    run = wordsight.load(FOLDER / "run", "cpu")
    assert run.score(pictures, SENTENCES).flatten().tolist() == pytest.approx(sum(expected["scores"], []), abs=1e-5)
    aligned = run.align(pictures[0], SENTENCES[0], beta=0.5)
    told = expected["aligned"]
    assert list(aligned.words) == told["words"] and aligned.score == pytest.approx(told["score"], abs=1e-5)
    assert [list(box) for box in aligned.boxes] == [pytest.approx(box, abs=1e-5) for box in told["boxes"]]
    assert list(aligned.strengths) == pytest.approx(told["strengths"], abs=1e-5)


def test_a_captioner_of_the_first_format(pictures: list[Path], expected: dict[str, Any]) -> None:
    said = wordsight.load_captioner(FOLDER / "captioner", "cpu").caption(pictures)
    assert [one[0].text for one in said] == [told["text"] for told in expected["captions"]]
    assert [one[0].log_prob for one in said] == pytest.approx([t["log_prob"] for t in expected["captions"]], abs=1e-4)


def test_an_index_of_the_first_format(tmp_path: Path, expected: dict[str, Any]) -> None:
    index = wordsight.Index(shutil.copytree(FOLDER / "index", tmp_path / "index"), "cpu")
    hits = index.search(SENTENCES[0]).hits
    assert [hit.path.name for hit in hits] == [told["name"] for told in expected["hits"]]
    assert [hit.score for hit in hits] == pytest.approx([told["score"] for told in expected["hits"]], abs=1e-5)
    assert [word.box for word in hits[0].words] == [tuple(box) for box in expected["hits"][0]["boxes"]]
    index.build(FOLDER / "pictures")
    assert index.info()["pictures"] >= 3

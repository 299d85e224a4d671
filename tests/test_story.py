"""The whole story on a painted world: paint, train, measure, load, point at things."""

import re
from pathlib import Path

import pytest
import torch

import wordsight
from wordsight.demo.painted import demo, recipe_path, story
from wordsight.evaluation.alignment import measure
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner
from wordsight.search.index import Index


@pytest.fixture(scope="module")
def run(trained: Path) -> Aligner:
    return wordsight.load(trained, device="cpu")


def pictures(world: Path, count: int = 3) -> list[Path]:
    return sorted((world / "images").iterdir())[:count]


def test_a_few_seconds_of_training_beat_chance(run: Aligner, world: Path) -> None:
    figures = measure(run, world, "val", grounding=True, progress=Progress(quiet=True))
    for way in ("i2t", "t2i"):
        assert figures[f"{way}_R@5"] > 1.3 * figures[f"chance_{way}_R@5"]
        assert figures[f"{way}_medr"] < figures[f"chance_{way}_medr"]


def test_measuring_again_gives_the_figures_of_the_training(run: Aligner) -> None:
    figures = measure(run, progress=Progress(quiet=True))
    best = run.checkpoint.metrics["best"]
    assert {key: figures[key] for key in figures if key in best} == {key: best[key] for key in figures if key in best}
    assert figures["t2i_R@10"] == best["t2i_R@10"]


def test_scores_of_files_are_scores_of_their_vectors(run: Aligner, world: Path) -> None:
    some, sentences = pictures(world), ["a red circle", "a large blue square above a ring"]
    images, texts = run.encode_images(some), run.encode_texts(sentences)
    assert torch.equal(run.score(some, sentences), run.score(images, texts))
    assert run.score(images, sentences).shape == (3, 2)
    assert images.places.shape[2] == 4


def test_the_score_is_what_the_words_say(run: Aligner, world: Path) -> None:
    picture = pictures(world)[0]
    found = run.align(picture, "a red circle", beta=0)
    assert found.words == ("a", "red", "circle")
    assert found.score == pytest.approx(run.score([picture], ["a red circle"]).item(), abs=1e-5)
    assert found.score == pytest.approx(sum(found.strengths) / 3, abs=1e-5), "this model scores by the mean"


def test_boxes_may_be_given(run: Aligner, world: Path) -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]])
    found = run.align(pictures(world)[0], "a red circle", boxes=boxes, beta=0)
    assert {tuple(box) for box in found.boxes} <= {tuple(box) for box in boxes.tolist()}


def test_a_sentence_without_words_and_of_unknown_words_has_an_alignment(run: Aligner, world: Path) -> None:
    for sentence in ("", "...", "zyx wvu"):
        found = run.align(pictures(world)[0], sentence, beta=0)
        assert not any(found.known)
        assert len(found.boxes) == len(found.words) >= 1


def test_the_demo_tells_its_story_and_does_not_start_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("demo", "demo-captions", "demo-regions"):
        short = re.sub(r"epochs = \d+", "epochs = 1", recipe_path(name).read_text())
        (tmp_path / f"{name}.toml").write_text(short)
    monkeypatch.setattr("wordsight.demo.painted.recipe_path", lambda name: tmp_path / f"{name}.toml")
    figures = demo(tmp_path / "demo", Progress(quiet=True), pictures=30)
    told = story(figures, tmp_path / "demo")
    assert "chance" in told and "BLEU-4" in told
    for run in ("run", "captions", "regions"):
        report = tmp_path / "demo" / run / "report-test" / "report.html"
        assert report.exists()
        assert str(report) in told
    index = Index(tmp_path / "demo" / "index")
    assert f"wordsight serve {index.folder}" in told
    assert index.info()["pictures"] == figures["pictures"] and index.info()["calibration"]
    for what in ("captions", "captions_lot", "regions", "regions_lot"):
        assert 0 <= figures[f"{what}_exact"] <= figures[f"{what}_true"] <= 1
    assert demo(tmp_path / "demo", Progress(quiet=True), pictures=30) == figures

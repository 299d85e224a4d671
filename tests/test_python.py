"""The Python functions: paths as text or as paths, one thing or several, and a sentence for what is neither."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import wordsight
from wordsight import InputError
from wordsight.comparison.compare import compare
from wordsight.evaluation.alignment import measure
from wordsight.progress import Progress
from wordsight.training.trainer import train

WRONG: tuple[Any, ...] = (None, 5, 2.5, object(), [None], [[]], True, {1: 2})


@pytest.fixture
def run(trained: Path) -> wordsight.Aligner:
    return wordsight.load(str(trained), "cpu")


@pytest.fixture
def describer(captioner: Path) -> wordsight.Captioner:
    return wordsight.load_captioner(str(captioner), "cpu")


@pytest.fixture
def picture(world: Path) -> Path:
    return world / "images" / "painted_00003.jpg"


def test_a_picture_may_be_given_in_any_way(
    run: wordsight.Aligner, describer: wordsight.Captioner, picture: Path
) -> None:
    ways: list[Any] = [picture, str(picture), picture.read_bytes(), Image.open(picture)]
    scores = run.score(ways, "a red circle")
    assert scores.shape == (4, 1)
    assert all(torch.allclose(run.score(way, ["a red circle"]), scores[:1]) for way in ways), "one is a list of one"
    assert len({caption.text for (caption,) in describer.caption(ways)}) == 1
    assert all(len(describer.caption(way)) == 1 for way in ways)
    assert len({run.align(way, "a red circle").words for way in ways}) == 1
    assert len({describer.caption_regions(way, [[0, 0, 1, 0.5]])[0].text for way in ways}) == 1
    assert len(run.encode_images(str(picture)).mask) == len(run.encode_texts("a").mask) == 1


def test_paths_may_be_text_everywhere(
    run: wordsight.Aligner, picture: Path, recipe_file: Path, tmp_path: Path, world: Path
) -> None:
    quiet = Progress(quiet=True)
    run.align(str(picture), "a circle").draw(str(picture), str(tmp_path / "out.png"))
    assert (tmp_path / "out.png").exists()
    assert wordsight.load_dataset(str(world)).pictures
    (tmp_path / "one.toml").write_text(recipe_file.read_text().replace("epochs = 8", "epochs = 1"))
    train(str(tmp_path / "one.toml"), str(tmp_path / "run"), progress=quiet)
    assert measure(run, str(world), report=str(tmp_path / "report"), progress=quiet)["pictures"]
    assert compare([str(tmp_path / "run")], str(tmp_path / "compared"), str(world), progress=quiet).page.exists()


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: type(wrong).__name__)
def test_what_is_neither_is_a_sentence(
    run: wordsight.Aligner, describer: wordsight.Captioner, picture: Path, wrong: Any
) -> None:
    number = isinstance(wrong, int | float)
    calls = {
        "score a picture": lambda: run.score(wrong, ["a"]),
        "score a sentence": lambda: run.score([picture], wrong),
        "encode pictures": lambda: run.encode_images([wrong]),
        "encode texts": lambda: run.encode_texts([wrong]),
        "align a picture": lambda: run.align(wrong, "a"),
        "align a sentence": lambda: run.align(picture, wrong),
        "align by beta": lambda: run.align(picture, "a", beta=-1 if number else wrong),
        "boxes": lambda: run.encode_images([picture], [[]] if wrong in (None, [None]) else wrong),
        "draw": lambda: run.align(picture, "a").draw(picture, wrong),
        "caption": lambda: describer.caption([wrong]),
        "caption by beam": lambda: describer.caption([picture], beam=0 if number else wrong),
        "regions": lambda: describer.caption_regions(wrong),
        "a region": lambda: describer.caption_regions(picture, [[1]] if wrong is None else wrong),
        "attention": lambda: describer.attention(picture, wrong),
        "load": lambda: wordsight.load(5 if wrong is None else wrong, "cpu"),
        "load_captioner": lambda: wordsight.load_captioner(5 if wrong is None else wrong, "cpu"),
        "device": lambda: wordsight.load(run.folder, wrong),
        "errors": lambda: run.score(picture, "a", errors=wrong),
        "train": lambda: train(wrong, "nowhere"),
    }
    for name, call in calls.items():
        with pytest.raises(InputError):
            pytest.fail(f"{name}: {call()}")


def test_an_unknown_keyword_names_the_nearest(describer: wordsight.Captioner, picture: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'beam'"):
        describer.caption([picture], beams=3)  # type: ignore[call-arg]


def test_an_empty_name_is_not_the_model_in_the_box() -> None:
    with pytest.raises(InputError, match="not a trained model"):
        wordsight.load("", "cpu")


def test_one_broken_picture_does_not_lose_the_others(
    run: wordsight.Aligner, describer: wordsight.Captioner, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(picture.read_bytes()[:300])
    several = [picture, tmp_path / "broken.jpg", str(picture), "nowhere.jpg"]
    with pytest.raises(InputError, match=r"broken\.jpg"):
        run.score(several, ["a circle"])
    with pytest.warns(UserWarning, match=r"2 of 4 pictures left out: .*broken\.jpg.*; and 1 more"):
        scores = run.score(several, ["a circle", "a square"], errors="skip")
    assert scores.isnan().all(dim=1).tolist() == [False, True, False, True]
    assert torch.allclose(scores[0], run.score(picture, ["a circle", "a square"])[0])
    with pytest.warns(UserWarning, match="2 of 4"):
        said = describer.caption(several, errors="skip", n_best=2)
    assert [len(one) for one in said] == [2, 0, 2, 0]
    with pytest.warns(UserWarning):
        assert describer.caption("nowhere.jpg", errors="skip") == [[]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert describer.caption([], errors="skip") == []
        assert run.score([], ["a"]).shape == (0, 1)

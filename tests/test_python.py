"""The Python functions: paths as text or as paths, one thing or several, and a sentence for what is neither."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import wordsight
from wordsight import InputError
from wordsight.comparison.compare import compare
from wordsight.evaluation.alignment import measure
from wordsight.progress import Count, Progress
from wordsight.training.trainer import train
from wordsight.vision.images import open_image

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


def test_one_picture_and_one_sentence_give_a_number(run: wordsight.Aligner, picture: Path) -> None:
    one = run.score(picture, "a red circle")
    assert isinstance(one, float)
    both = run.score([picture, picture], ["a red circle", "a square"])
    assert both.shape == (2, 2) and both[0, 0].item() == pytest.approx(one, abs=1e-5)
    assert run.score(picture, ["a", "b"]).shape == (1, 2) and run.score([picture], "a").shape == (1, 1)
    assert np.asarray(both).shape == (2, 2) and type(both[0]) is torch.Tensor


def test_pixels_are_a_picture(run: wordsight.Aligner, describer: wordsight.Captioner, picture: Path) -> None:
    image = Image.open(picture).convert("RGB")
    whole = np.asarray(image)
    same = [
        image,
        whole,
        whole / 255,
        (whole / 255).astype(np.float32),
        np.dstack([whole, np.full_like(whole[..., 0], 255)]),
    ]
    scores = run.score(same, "a red circle")
    assert torch.allclose(scores, scores[:1].expand(5, 1), atol=1e-5)
    assert len(describer.caption(same)) == 5 and len(describer.caption(np.stack([whole, whole]))) == 2
    assert run.align(whole, "a circle") == run.align(image, "a circle")
    assert describer.caption_regions(whole, [[0, 0, 1, 0.5]])
    grey = np.asarray(image.convert("L"))
    alike = run.score([grey, grey[..., None], image.convert("L"), bytearray(picture.read_bytes())], "a circle")[:3]
    assert torch.allclose(alike, alike[:1].expand(3, 1))
    assert run.score(np.array([str(picture)] * 2), "a").shape == (2, 1), "an array of names is a list of them"
    assert run.score((path for path in [picture, picture]), "a").shape == (2, 1)
    assert run.score(picture, []).shape == (1, 0) and run.score([], ["a"]).shape == (0, 1)
    assert len(run.encode_texts([]).mask) == 0
    with picture.open("rb") as file:
        opened = run.score([file, io.BytesIO(picture.read_bytes()), picture], "a circle")
        file.seek(0)
        assert run.score(file, "a circle") == opened[0, 0] == opened[1, 0] == opened[2, 0]


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGBA", "RGBa", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"]
)
def test_pil_pictures_of_any_mode_are_pictures(mode: str) -> None:
    assert open_image(Image.new(mode, (8, 6))).mode == "RGB"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (np.zeros((3, 8, 8)), "move its first axis"),
        (np.full((8, 8, 3), 200.0), "divide by 255"),
        (np.full((8, 8), np.nan), "nan"),
        (np.zeros((8, 8, 3), int), "found int64"),
        (np.zeros((8, 8), bool), "found bool"),
        (np.zeros((0, 8, 3), np.uint8), r"\(0, 8, 3\)"),
        (np.zeros(8), r"\(8,\)"),
        (np.zeros((8, 8, 2)), r"\(8, 8, 2\)"),
        (Image.new("RGB", (0, 0)), "no pixels"),
    ],
)
def test_what_is_no_picture_says_what_was_expected(run: wordsight.Aligner, wrong: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        run.score(wrong, "a")
    with pytest.raises(InputError, match="picture 1 of the list"):
        run.score([Image.new("RGB", (8, 8)), wrong], "a")


def test_skipped_pictures_are_listed(
    run: wordsight.Aligner, describer: wordsight.Captioner, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wordsight.runs.blocks.ROWS", 2)  # several blocks
    several: list[Any] = [picture, "nowhere.jpg", picture, picture, np.zeros(3), picture]
    told: list[tuple[int, int]] = []

    class Told(Progress):
        @contextmanager
        def task(self, name: str) -> Iterator[Count]:
            yield lambda done, total: told.append((done, total))

    with pytest.warns(UserWarning, match="2 of 6"):
        scores = run.score(several, "a", errors="skip", progress=Told())
    assert list(scores.skipped) == [1, 4] and "nowhere.jpg" in scores.skipped[1]  # type: ignore[attr-defined]
    assert scores.isnan()[:, 0].tolist() == [False, True, False, False, True, False]
    assert told == [(done, 6) for done in range(1, 7)]
    with pytest.warns(UserWarning, match="2 of 6"):
        said = describer.caption(several, errors="skip")
    assert list(said.skipped) == [1, 4] and [bool(one) for one in said] == [True, False, True, True, False, True]
    assert said[5] == said[0] == describer.caption(picture)[0]
    with pytest.warns(FutureWarning, match="errors"), pytest.warns(UserWarning):
        run.score(several, "a", on_broken="skip")  # type: ignore[call-overload]


def test_an_index_is_asked_with_any_picture(indexed: Path) -> None:
    index = wordsight.Index(indexed, "cpu")
    path = sorted((indexed.parent / "pictures").iterdir())[3]
    pixels = np.asarray(Image.open(path).convert("RGB"))
    for ask in (
        path,
        pixels,
        path.read_bytes(),
        wordsight.Like(pixels),
        [wordsight.Like(str(path))],
        [path, "a circle"],
    ):
        assert len(index.search(ask, top=1).hits) == 1
    assert index.search(path, top=1).hits[0].path.resolve() == path.resolve()
    assert index.search(wordsight.Like(pixels, box=(0, 0, 0.5, 0.5)), top=1).hits
    for wrong in (None, 5, [None], {1: 2}, np.zeros(3)):
        with pytest.raises(InputError, match="expected"):
            index.search(wrong)  # type: ignore[arg-type]

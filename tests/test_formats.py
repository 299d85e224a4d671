"""Runs and indexes that the first format wrote open, and give the same."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import wordsight
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs import checkpoint
from wordsight.runs.recipe import read
from wordsight.training.trainer import train

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
    assert run.score(pictures, SENTENCES).flatten().tolist() == pytest.approx(
        [one for row in expected["scores"] for one in row], abs=1e-5
    )
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


def test_former_names_in_a_recipe_work_and_say_what_they_are_called_now(recipe_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    content = recipe_file.read_text().replace("[regions]", "[regions]\nplace = true")
    path.write_text(content.replace("[model]", "[model]\nstrangers = 5"))
    with pytest.warns(FutureWarning) as told:
        former = read(path, ["model.glimpse=3"])
    said = " ".join(str(one.message) for one in told)
    assert all(
        f"now called {key};" in said for key in ("model.query_bank", "model.sampled_regions", "regions.geometry")
    )
    assert (former.model["query_bank"], former.model["sampled_regions"], former.regions.geometry) == (5, 3, True)
    with (
        pytest.warns(FutureWarning),
        pytest.raises(InputError, match=r"model\.strangers is a former name of model\.query_bank; give one"),
    ):
        read(path, ["model.query_bank=6"])


def test_a_training_of_the_first_format_is_gone_on_with(recipe_file: Path, tmp_path: Path) -> None:
    recipe = read(recipe_file, ["train.epochs=1", "model.query_bank=4"])
    train(recipe, tmp_path / "run", progress=Progress(quiet=True))
    state = torch.load(tmp_path / "run" / checkpoint.STATE)
    former = {"query_bank.image_codes": "strangers.seen", "query_bank.scale": "strangers.unit", "mean": "middle"}
    former |= {"query_bank.sentences": "strangers.said"}
    state["model"] = {former.get(name, name): one for name, one in state["model"].items()}
    torch.save(state | {"format": 1}, tmp_path / "run" / checkpoint.STATE)
    again = checkpoint.load_state(tmp_path / "run")
    assert not former.keys() - again["model"].keys() and not set(former.values()) & again["model"].keys()
    assert train(recipe, tmp_path / "run", resume=True, progress=Progress(quiet=True))["best"]


@pytest.mark.parametrize(("former", "name"), [("Run", "Aligner"), ("Describer", "Captioner")])
def test_former_public_names_work_and_say_what_they_are_called_now(former: str, name: str) -> None:
    with pytest.warns(FutureWarning, match=f"wordsight.{former} is now wordsight.{name}"):
        assert getattr(wordsight, former) is getattr(wordsight, name)


def test_the_command_says_a_former_name_in_one_sentence(recipe_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.toml"
    path.write_text(recipe_file.read_text().replace("[regions]", "[regions]\nplace = true\nunheard_of = 1"))
    command = [sys.executable, "-m", "wordsight.cli.main", "train", str(path), "-o", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    first, second = done.stderr.splitlines()
    now = "regions.place is now called regions.geometry"
    assert first == f"wordsight: {path}: {now}; the former name works until 0.3."
    assert "regions.unheard_of is not known" in second and done.returncode == 2

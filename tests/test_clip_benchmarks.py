"""The benchmark of captioners of clips, run small to the end of its tables, and what counts as true in it."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wordsight.data.load import load_dataset
from wordsight.data.painted.clips import WAYS, paint_clips, story
from wordsight.data.sequences import write_sequences
from wordsight.progress import Progress
from wordsight.runs.recipe import read
from wordsight.training.trainer import train

ROOT = Path(__file__).parents[1]
SMALL = [
    "regions.frames=6",
    "regions.size=32",
    "model.hidden=16",
    "model.words=8",
    "train.epochs=1",
    "train.batch=8",
    'train.device="cpu"',
]
Rows = dict[str, list[str]]


def table(text: str) -> Rows:
    """The cells of a printed table, by the first of each row."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {first: rest for first, *rest in rows}


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Rows]:
    """The table that the benchmark prints of recipes trained for an epoch; runs have the recipe's name."""

    def run(what: str, data: Path, *recipes: str) -> Rows:
        runs = [data.parent / name for name in recipes]
        for out in runs:
            recipe = read(ROOT / "recipes" / f"{out.name}.toml", [f"data.path={data.as_posix()}", *SMALL])
            train(recipe, out, progress=Progress(quiet=True))
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["clips.py", what, *map(str, runs), "--data", str(data)])
        runpy.run_path(str(ROOT / "benchmarks" / "clips.py"), run_name="__main__")
        return table(capsys.readouterr().out)

    return run


def test_painted_clips_have_a_row_a_model(printed: Callable[..., Rows], tmp_path: Path) -> None:
    data = paint_clips(tmp_path / "clips", 24, seed=5)
    assert load_dataset(data).split("val")
    rows = printed("painted", data, "clips-s2vt", "clips-hlstmat")
    assert list(rows) == ["model", "---", "clips-s2vt", "clips-hlstmat"]
    for cells in list(rows.values())[2:]:
        assert len(cells) == len(rows["model"]) and all(0 <= float(cell) <= 100 for cell in cells)


def test_sequences_have_a_row_a_model_and_say_where_it_looks(
    printed: Callable[..., Rows], world: Path, tmp_path: Path
) -> None:
    data = write_sequences(load_dataset(world), tmp_path / "sequences", most=2)
    rows = printed("sequences", data, "clips-s2vt", "clips-attend", "clips-hlstmat")
    assert list(rows) == ["model", "---", "clips-s2vt", "clips-attend", "clips-hlstmat"]
    (blind, attends, gated) = list(rows.values())[2:]
    assert all(len(cells) == 6 and min(map(float, cells[:2])) >= 0 for cells in (blind, attends, gated))
    assert blind[3:] == ["", "", ""] and attends[4:] == ["1.00", "1.00"]
    assert 0 <= float(attends[3]) <= 100 and 0 <= float(gated[3]) <= 100
    assert all(0 < float(beta) < 1 for beta in gated[4:])


def test_true_sentences_of_painted_clips_are_exact_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clips: dict[str, Any] = runpy.run_path(str(ROOT / "benchmarks" / "clips.py"))
    told = [story(0, number) for number in range(60)]
    moving = [one for one in told if set(one.events) & set(WAYS)]
    right = [one.sentences()[0] for one in moving]
    assert moving and clips["judged"](right, moving) == (100, 100)
    turned = [
        " ".join({"left": "right", "right": "left", "up": "down", "down": "up"}.get(word, word) for word in one.split())
        for one in right
    ]
    assert clips["judged"](turned, moving) == (0, 0)

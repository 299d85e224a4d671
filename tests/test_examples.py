"""The examples run with the model that comes with the package."""

import shutil
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

from wordsight.bundled import BOX, CHECKSUMS
from wordsight.data.painted.world import paint_world

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.skipif(not (BOX / CHECKSUMS).exists(), reason="this checkout has no small model")


def example(name: str) -> ModuleType:
    spec = util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_tried_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {"search_folder", "ground_phrases", "own_pairs"}


def test_a_folder_is_searched(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted((world / "images").iterdir())[:4]:
        shutil.copy(path, photos)
    example("search_folder").main(photos, "a red circle", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["1.png", "2.png", "3.png"]
    assert "painted_" in capsys.readouterr().out


def test_phrases_are_grounded(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("ground_phrases").main(sorted((world / "images").iterdir())[0], tmp_path / "out.png")
    assert (tmp_path / "out.png").stat().st_size > 1000 and "certain: " in capsys.readouterr().out


def test_own_pairs_are_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = paint_world(tmp_path / "world", pictures=12, seed=7)
    example("own_pairs").main(data, tmp_path / "run", "train.epochs=1")
    assert "t2i_R@1: " in capsys.readouterr().out

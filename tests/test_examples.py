"""The examples run with the model that comes with the package."""

from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

from wordsight.bundled import BOX, CHECKSUMS

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.skipif(not (BOX / CHECKSUMS).exists(), reason="this checkout has no small model")


def example(name: str) -> ModuleType:
    spec = util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_tried_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {"ground_phrases"}


def test_phrases_are_grounded(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("ground_phrases").main(sorted((world / "images").iterdir())[0], tmp_path / "out.png")
    assert (tmp_path / "out.png").stat().st_size > 1000 and "certain: " in capsys.readouterr().out

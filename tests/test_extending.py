"""The code of the guide for those who extend wordsight runs, and keeps what every model must."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from conftest import CAPTIONER
from test_contract import FEATURES, VOCABULARY, batch, padded
from wordsight.batch import Batch
from wordsight.captioning import MODELS as CAPTION_MODELS
from wordsight.data.load import load_dataset
from wordsight.matching import MODELS as MATCHERS
from wordsight.progress import Progress
from wordsight.runs import tasks
from wordsight.runs.aligner import load
from wordsight.runs.captioner import load_captioner
from wordsight.runs.recipe import parse
from wordsight.training.trainer import train
from wordsight.vision.images import open_image
from wordsight.vision.pooling import roi

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
QUIET = Progress(quiet=True)
__all__ = ["batch"]  # the fixture of the contract


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The blocks of code as modules, by the name of the first class or function in them; models are known by name."""
    found: dict[str, ModuleType] = {}
    for code in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        name = re.search(r"^(?:class|def) (\w+)", code, re.MULTILINE)
        assert name is not None
        module = ModuleType(f"extension_{name[1]}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(code, str(PAGE), "exec"), module.__dict__)
        found[name[1]] = module
    for models, key, block in ((MATCHERS, "mean_pool", "MeanPool"), (CAPTION_MODELS, "gru", "GRUCaptioner")):
        where = f"{found[block].__name__}:{block}"
        monkeypatch.setitem(models, key, where)
        monkeypatch.setitem(tasks.MODELS, key, where)
    return found


@pytest.mark.parametrize("name", ["mean_pool", "gru"])
def test_a_model_of_the_page_keeps_the_contract(name: str, blocks: dict[str, ModuleType], batch: Batch) -> None:
    torch.manual_seed(0)
    model = tasks.model_class(name)(vocabulary=VOCABULARY, features=FEATURES)
    assert tasks.task_of(name) is tasks.TASKS[model.task]
    again = type(model)(**model.config)
    again.load_state_dict(model.state_dict())
    loss = model.eval().loss(batch)
    assert loss.isfinite()
    torch.testing.assert_close(model.loss(padded(batch)), loss)
    torch.testing.assert_close(again.eval().loss(batch), loss)


def test_the_matcher_of_the_page_is_trained_and_used(
    blocks: dict[str, ModuleType], recipe_file: Path, world: Path, tmp_path: Path
) -> None:
    content = re.sub(r"\[model\].*?\n\n", '[model]\nname = "mean_pool"\n\n', recipe_file.read_text(), flags=re.DOTALL)
    best = train(parse(content, ["train.epochs=6"]), tmp_path / "run", progress=QUIET)["best"]
    assert best["rsum"] > 200  # by chance about 130, of 25 pictures
    run, picture = load(tmp_path / "run", "cpu"), sorted((world / "images").iterdir())[0]
    assert run.align(picture, "a red circle").words == ("a", "red", "circle")


def test_the_captioner_of_the_page_is_trained_and_used(
    blocks: dict[str, ModuleType], world: Path, tmp_path: Path
) -> None:
    content = CAPTIONER.format(world=world.as_posix(), more="", name="gru", views=1)
    content = content.replace("views = 1\n", "").replace("dropout = 0.0\n", "")
    train(parse(content), tmp_path / "run", progress=QUIET)
    (said,), *_ = load_captioner(tmp_path / "run", "cpu").caption([sorted((world / "images").iterdir())[0]])
    assert said.text


def test_the_backbone_of_the_page_sees_colours(blocks: dict[str, ModuleType], world: Path) -> None:
    image = open_image(sorted((world / "images").iterdir())[0])
    (pooled,) = roi(blocks["Colours"].Colours(), [image], [np.array([[0, 0, 1, 1]], np.float32)], 64)
    mean = np.asarray(image.convert("RGB"), np.float32).mean(axis=(0, 1)) / 255
    assert pooled.shape == (1, 3) and np.abs(pooled[0] - mean).max() < 0.05


def test_the_reader_of_the_page_gives_a_dataset(blocks: dict[str, ModuleType], world: Path, tmp_path: Path) -> None:
    picture = sorted((world / "images").iterdir())[0]
    (tmp_path / picture.name).write_bytes(picture.read_bytes())
    (tmp_path / "lines.tsv").write_text(f"{picture.name}\ta red circle\n{picture.name}\ttwo squares\n")
    blocks["read_lines"].convert_lines(tmp_path / "lines.tsv", tmp_path / "dataset_lines.json")
    (read_back,) = load_dataset(tmp_path / "dataset_lines.json").pictures
    assert read_back.sentences == ("a red circle", "two squares") and read_back.path.exists()

"""What tests share: one thread, a cache of their own, a small painted world and a model trained on it."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"
torch.set_num_threads(1)

RECIPE = """
[data]
path = "{world}"
min_count = 2

[regions]
backbones = ["filters"]
regions = 40
detections = 0
size = 128

[model]
name = "align"
embedding = 64
words = 32
hidden = 64
normalise = true
mean = true
loss = "contrastive"
temperature = 0.05

[train]
epochs = 8
batch = 32
lr = 0.005
clip_norm = 5.0
device = "cpu"
"""


CAPTIONER = """
[data]
path = "{world}"
min_count = 2
{more}

[regions]
backbones = ["filters"]
regions = 8
detections = 0
size = 64

[model]
name = "{name}"
views = {views}
words = 24
hidden = 32
dropout = 0.0

[train]
epochs = 2
batch = 32
lr = 0.01
device = "cpu"
"""


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test reads or fills the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["WORDSIGHT_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painted world of 150 pictures."""
    from wordsight.data.painted.world import paint_world

    out = tmp_path_factory.mktemp("painted") / "world"
    paint_world(out, pictures=150, seed=1)
    return out


@pytest.fixture(scope="session")
def recipe_file(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that learns the painted world in a few seconds."""
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(RECIPE.format(world=world.as_posix()))
    return path


@pytest.fixture(scope="session")
def trained(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run trained by that recipe; tests must not change it."""
    from wordsight.progress import Progress
    from wordsight.runs.recipe import read
    from wordsight.training.trainer import train

    out = tmp_path_factory.mktemp("runs") / "small"
    train(read(recipe_file), out, progress=Progress(quiet=True))
    return out


@pytest.fixture(scope="session")
def captioner(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that describes whole pictures, not well; tests must not change it."""
    return train_captioner(CAPTIONER.format(world=world.as_posix(), more="", name="lstm", views=1), tmp_path_factory)


@pytest.fixture(scope="session")
def attending(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of one that looks at regions before each word."""
    recipe = CAPTIONER.format(world=world.as_posix(), more="", name="attend_and_tell", views=1)
    return train_captioner(recipe, tmp_path_factory)


@pytest.fixture(scope="session")
def region_captioner(world: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a run that describes regions."""
    more = f"alignment = '{trained.as_posix()}'"
    return train_captioner(CAPTIONER.format(world=world.as_posix(), more=more, name="lstm", views=2), tmp_path_factory)


def train_captioner(recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from wordsight.progress import Progress
    from wordsight.runs.recipe import parse
    from wordsight.training.trainer import train

    out = tmp_path_factory.mktemp("runs") / "captioner"
    train(parse(recipe), out, progress=Progress(quiet=True))
    return out


@pytest.fixture(scope="session")
def situations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that finds situations of plain pictures: in red ones people sit on a bench, in blue ones a dog runs."""
    from PIL import Image

    from wordsight.progress import Progress
    from wordsight.runs.recipe import parse
    from wordsight.training.trainer import train

    folder = tmp_path_factory.mktemp("plain")
    roles = {"sitting": ["agent", "contact", "place"], "running": ["agent", "place"]}
    says = {"sitting": "the AGENT sits on a CONTACT at a PLACE", "running": "the AGENT runs at a PLACE"}
    verbs = {
        verb: {"framenet": "", "def": "", "abstract": says[verb], "order": some}
        | {"roles": {role: {"framenet": "", "def": ""} for role in some}}
        for verb, some in roles.items()
    }
    names = {"n1": "people", "n2": "dog", "n3": "bench", "n4": "park"}
    space = {"verbs": verbs, "nouns": {noun: {"gloss": [word], "def": ""} for noun, word in names.items()}}
    (folder / "imsitu_space.json").write_text(json.dumps(space))
    frames = {"sitting": {"agent": "n1", "contact": "n3", "place": ""}, "running": {"agent": "n2", "place": "n4"}}
    for file, first, count in (("train", 0, 24), ("dev", 24, 8)):
        rows = {}
        for number in range(first, first + count):
            verb, colour = (("sitting", (200, 30, 30)), ("running", (30, 30, 200)))[number % 2]
            Image.new("RGB", (64, 48), tuple(one + number % 7 for one in colour)).save(folder / f"p{number}.png")
            rows[f"p{number}.png"] = {"verb": verb, "frames": [frames[verb]], "width": 64, "height": 48}
        (folder / f"{file}.json").write_text(json.dumps(rows))
    recipe = f"""data = {{path = "{folder}", min_count = 2}}
regions = {{backbones = ["filters"], regions = 3, detections = 0, size = 64}}
train = {{epochs = 8, batch = 8, lr = 1e-2}}
model = {{name = "graph_net", hidden = 16}}"""
    out = tmp_path_factory.mktemp("runs") / "situations"
    train(parse(recipe), out, progress=Progress(quiet=True))
    return out


@pytest.fixture(scope="session")
def flickr8k() -> Path:
    """The Flickr8K pictures and sentences, where they are at hand."""
    return shared("flickr8k")


@pytest.fixture(scope="session")
def weights() -> Path:
    """The folder of ONNX weights and word vectors, where it is at hand."""
    return shared("weights")


def shared(name: str) -> Path:
    from wordsight.data.find import find
    from wordsight.errors import InputError

    try:
        return find(name, "shared data")
    except InputError:
        pytest.skip(f"{name} is not at hand; set WORDSIGHT_SHARED to the folder that has it")


@pytest.fixture(scope="session")
def indexed(world: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index of thirty painted pictures, which are in `pictures` beside it; not to be changed."""
    from wordsight.progress import Progress
    from wordsight.search.index import Index

    home, quiet = tmp_path_factory.mktemp("indexed"), Progress(quiet=True)
    (home / "pictures").mkdir()
    for path in sorted((world / "images").iterdir())[:30]:
        shutil.copy(path, home / "pictures")
    index = Index.create(home / "index", trained, "cpu")
    index.build(sorted((home / "pictures").iterdir()), progress=quiet)
    index.calibrate(world, quiet)
    return home / "index"


@pytest.fixture(scope="session")
def aligned(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that sees by filters, hardly trained."""
    from wordsight.progress import Progress
    from wordsight.runs.recipe import read
    from wordsight.training.trainer import train

    out = tmp_path_factory.mktemp("runs") / "aligned"
    settings = ["train.epochs=1", "model.loss='contrastive'", "model.query_bank=6"]
    train(read(recipe_file, settings), out, progress=Progress(quiet=True))
    return out


@pytest.fixture(scope="session")
def packed(aligned: Path, captioner: Path, region_captioner: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box of tiny models of the painted world; not to be changed."""
    from pack import pack

    out = tmp_path_factory.mktemp("packed") / "box"
    pack(aligned, captioner, region_captioner, out)
    return out


@pytest.fixture
def box(packed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same in place of the box of the package."""
    monkeypatch.setattr("wordsight.bundled.BOX", packed)
    return packed


@pytest.fixture(scope="session")
def library(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of thirty pictures that may be changed, with a folder of two more beside it."""
    from PIL import Image

    home = tmp_path_factory.mktemp("library")
    shutil.copytree(indexed.parent, home, dirs_exist_ok=True)
    (home / "more").mkdir()
    for shade in (60, 200):
        Image.new("RGB", (160, 90), (shade, 40, 90)).save(home / "more" / f"shade{shade}.jpg")
    (home / "more" / "letter.jpg").write_text("no picture")
    return home / "index"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium or Chrome; tests are left out where there is none."""
    from browsing import BROWSERS, playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("neither Chromium nor Chrome is installed")
    with playwright.sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(library: Path, captioner: Path, region_captioner: Path) -> Iterator[str]:
    """A server with captioners."""
    from browsing import served
    from wordsight.runs.captioner import load_captioner
    from wordsight.search.index import Index
    from wordsight.web.app import create_app

    describers = load_captioner(captioner, "cpu"), load_captioner(region_captioner, "cpu")
    with served(create_app(Index(library, "cpu"), *describers)) as where:
        yield where


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, just opened; whatever it complains of, or asks of another server, fails the test."""
    from browsing import opened

    with opened(browser, address) as one:
        yield one

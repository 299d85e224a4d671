"""Every command of the tutorial runs, in order, in one folder that holds what the tutorial has made or asked for."""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from test_search_cli import run
from wordsight.data.load import load_dataset
from wordsight.data.painted.world import paint_world
from wordsight.demo.painted import PICTURES
from wordsight.progress import Progress
from wordsight.search.index import Index

TUTORIAL = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (wordsight .+)$", TUTORIAL, re.MULTILINE)
NEEDS_MORE = ("recipes/hub-dinov2.toml", "recipes/flickr8k-default.toml")  # the network; weights that are not here


@pytest.fixture
def home(
    box: Path,
    trained: Path,
    captioner: Path,
    region_captioner: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """A working folder with the demo, photos, and two datasets of one's own; viewers, browsers and servers are mute."""
    monkeypatch.chdir(tmp_path)
    demo = tmp_path / "wordsight-demo"
    paint_world(demo / "world", pictures=18)
    for name, folder in {"run": trained, "captions": captioner, "regions": region_captioner}.items():
        shutil.copytree(folder, demo / name)
    images = sorted((demo / "world" / "images").iterdir())
    (asked,) = set(re.findall(r"painted_(\d+)\.jpg", TUTORIAL))
    assert int(asked) < PICTURES
    index = Index.create(demo / "index", trained, "cpu")
    index.build(images[:3], progress=Progress(quiet=True))
    (tmp_path / "photos").mkdir()
    for path, name in zip(images, ("beach.jpg", "sofa.jpg", "garden.jpg"), strict=False):
        shutil.copy(path, tmp_path / "photos" / name)
    own_pictures(demo / "world", tmp_path)
    shutil.copy(images[0], images[0].with_name(f"painted_{asked}.jpg"))
    (recipe,) = re.findall(r"^```toml\n(.*?)^```", TUTORIAL, re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.toml").write_text(recipe)
    monkeypatch.setattr("wordsight.cli.hits.typer.launch", lambda url: 0)
    monkeypatch.setattr("wordsight.web.serve.Timer", lambda *given: SimpleNamespace(start=lambda: None))
    monkeypatch.setattr(
        "wordsight.web.serve.server",
        lambda app: SimpleNamespace(run=lambda sockets: [socket.close() for socket in sockets]),
    )
    yield tmp_path


def own_pictures(world: Path, home: Path) -> None:
    """The layouts `pairs` and `csv` of the tutorial, with enough pictures to train on."""
    rows = [("filepath", "caption", "split")]
    for split, count in (("train", 8), ("val", 2)):
        (home / "pairs" / split).mkdir(parents=True)
        (home / "csv" / "images").mkdir(parents=True, exist_ok=True)
        for picture in load_dataset(world).split(split)[:count]:
            shutil.copy(picture.path, home / "pairs" / split)
            (home / "pairs" / split / picture.path.name).with_suffix(".txt").write_text("\n".join(picture.sentences))
            shutil.copy(picture.path, home / "csv" / "images")
            rows += [(picture.path.name, sentence, split) for sentence in picture.sentences]
    with (home / "csv" / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def test_every_command_of_the_tutorial_runs(home: Path) -> None:
    assert len(COMMANDS) > 15
    for line in COMMANDS:
        words = shlex.split(line)[1:]
        if set(words) & set(NEEDS_MORE):
            continue
        target = words[words.index(">") + 1] if ">" in words else ""
        code, out, err = run(*(words[: words.index(">")] if target else words))
        assert code == 0, f"{line}: {err}"
        if target:
            assert json.loads(out)
    for made in ("sheet.png", "regions.png", "boxes.png", "out.png", "csv/dataset_mine.json", "runs/mine", "index"):
        assert (home / made).exists(), made

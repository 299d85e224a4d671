"""The model that comes with the package answers as it did, and the shapes of JSON are what others rely on.

`WORDSIGHT_GOLDEN=write pytest tests/test_golden.py` writes what is expected anew: for a change that is meant.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import wordsight
from test_search_cli import said
from wordsight.data.painted.world import paint_world
from wordsight.web.app import create_app

FOLDER = Path(__file__).with_name("golden")
SENTENCES = ("a red circle", "a dog runs on grass", "two blue squares beside a green triangle")
NEAR = 1e-4  # CPUs differ in how they add up; answers of another model differ by a hundred times that


def hold(name: str, now: Any) -> None:
    """Hold what is computed now against what was kept, or keep it."""
    path = FOLDER / f"{name}.json"
    now = json.loads(json.dumps(now))
    if os.environ.get("WORDSIGHT_GOLDEN") == "write":
        path.write_text(json.dumps(rounded(now), indent=1) + "\n")
    kept = json.loads(path.read_text())
    assert differences(now, kept, name) == []


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


def differences(now: Any, kept: Any, where: str) -> list[str]:
    """Where two JSON values differ, by more than rounding."""
    if isinstance(now, dict) and isinstance(kept, dict):
        told = [f"{where}: keys {sorted(now.keys() ^ kept.keys())}"] if now.keys() != kept.keys() else []
        return told + [
            one for key in now.keys() & kept.keys() for one in differences(now[key], kept[key], f"{where}.{key}")
        ]
    if isinstance(now, list) and isinstance(kept, list):
        told = [f"{where}: {len(now)} items, not {len(kept)}"] if len(now) != len(kept) else []
        pairs = enumerate(zip(now, kept, strict=False))
        return told + [one for place, (a, b) in pairs for one in differences(a, b, f"{where}[{place}]")]
    if isinstance(now, float) and isinstance(kept, int | float):
        return [] if abs(now - kept) <= NEAR * max(1, abs(kept)) else [f"{where}: {now}, not {kept}"]
    return [] if now == kept else [f"{where}: {now!r}, not {kept!r}"]


def shape(value: Any) -> Any:
    """The keys of a JSON value, and of what is in it; the first of a list stands for all."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value[:1]] if isinstance(value, list) else type(value).__name__


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("golden") / "world"
    paint_world(out, pictures=6, seed=3)
    return sorted((out / "images").iterdir())[:3]


@pytest.fixture(scope="module")
def index(pictures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden") / "index"
    said("index", "build", folder, *pictures, "--device", "cpu")
    return folder


def test_scores_and_boxes_are_those_of_before(pictures: list[Path]) -> None:
    model = wordsight.load(device="cpu")
    scores = model.score(pictures, SENTENCES).tolist()
    aligned = [
        model.align(picture, sentence, beta=0.5).to_json()
        for picture, sentence in zip(pictures, SENTENCES, strict=True)
    ]
    hold("scores", {"scores": scores, "aligned": aligned})


def test_captions_are_those_of_before(pictures: list[Path]) -> None:
    told = said("caption", *pictures, "--device", "cpu")
    for one in told["pictures"]:
        one["picture"] = Path(one["picture"]).name
    hold("captions", told)


def test_hits_are_those_of_before(index: Path) -> None:
    found = said("search", index, SENTENCES[0], "--device", "cpu")
    for hit in found["hits"]:
        hit["path"] = Path(hit["path"]).name
        del hit["number"], hit["taken"]
    hold("search", found)


def test_the_shapes_of_json_are_those_of_before(index: Path, pictures: list[Path], trained: Path, world: Path) -> None:
    shapes = {
        "ground": said("ground", pictures[0], SENTENCES[0], "--device", "cpu"),
        "caption": said("caption", pictures[0], "--device", "cpu"),
        "caption --regions": said("caption", "--regions", pictures[0], "--device", "cpu"),
        "search": said("search", index, SENTENCES[0]),
        "index build": said("index", "build", index, *pictures),
        "index info": said("index", "info", index),
        "eval": said("eval", trained, "--no-report", "--device", "cpu"),
        "data check": said("data", "check", world),
    }
    hold("shapes", {command: shape(told) for command, told in shapes.items()})


def test_the_api_is_that_of_before(index: Path) -> None:
    """Paths, parameters and the properties of what goes in and out."""
    described = create_app(wordsight.Index(index, "cpu")).openapi()
    paths = {
        f"{method} {path}": sorted(one["name"] for one in asked.get("parameters", ()))
        for path, methods in described["paths"].items()
        for method, asked in methods.items()
    }
    schemas = {name: sorted(one.get("properties", ())) for name, one in described["components"]["schemas"].items()}
    hold("api", {"paths": paths, "schemas": schemas})

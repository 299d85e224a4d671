"""The benchmarks of the search run, on little, and what they time is right."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wordsight import bundled
from wordsight.data.load import load_dataset
from wordsight.data.sequences import write_sequences

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parents[1] / "benchmarks"


def printed(name: str, *arguments: str) -> str:
    """What a benchmark prints."""
    command = [sys.executable, str(FOLDER / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def figures(name: str, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(name, *arguments))
    return found


def test_the_scan_is_timed_and_finds_the_first_ten() -> None:
    lines = printed("scan.py", "--pictures", "1100", "--rounds", "1", "--peers").splitlines()
    rows = {line[:32].strip(): line[32:].split() for line in lines[3:]}
    assert lines[0].startswith("1,100 pictures x 20 x 256, drawn; 1 core")
    assert all(float(time) > 0 for row in rows.values() for time in row)
    assert [rows[name][-1] for name in ("wordsight", "wordsight, float32 alone")] == ["1.00", "1.00"]
    assert rows["numpy"][1] == "1.00"  # what the others are compared with where maxsim-cpu is not there
    assert len(rows) in (6, 7)  # the product alone also in bfloat16 where the processor has AMX


def test_a_run_is_timed_on_its_own_vectors(trained: Path) -> None:
    lines = printed("scan.py", "--run", str(trained), "--pictures", "300", "--rounds", "1", "--peers").splitlines()
    assert lines[0].startswith(f"300 pictures x 20 x 64, {trained}")


def test_building_is_timed_beside_describing() -> None:
    told = figures("build.py", "--pictures", "12")
    assert told["pictures"] == 12
    assert 0 < told["speed of the build / the encoder's"] < 2


@pytest.mark.skipif(not (bundled.BOX / bundled.CHECKSUMS).exists(), reason="this checkout has no small model")
def test_a_drawing_is_timed_from_pen_up_to_results() -> None:
    pytest.importorskip("skimage", reason="the extra 'sketch' (scikit-image) is not installed")
    told = figures("drawing.py", "--pictures", "30", "--rounds", "2")
    assert (told["pictures"], told["hits on the page"]) == (30, 24)
    assert 0 < told["encoding the drawing alone, ms"] < told["first drawing, ms"]
    assert told["fastest, ms"] <= told["pen up to results, ms"] <= told["95 % below, ms"]


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from Linux's /proc")
def test_the_start_of_a_search_is_timed(trained: Path) -> None:
    drawn = figures("start.py", "--pictures", "1200", "--regions", "3", "--size", "8", "--rounds", "1")
    assert (drawn["pictures"], drawn["regions"], drawn["size"]) == (1200, 3600, 8)
    own = figures("start.py", "--run", str(trained), "--pictures", "70", "--rounds", "1")
    assert (own["pictures"], own["regions"], own["size"]) == (70, 2800, 64)
    for told in (drawn, own):
        assert 0 < told["opening, s"] < told["wordsight search, s"]
        assert 0 < told["of that, import torch, processor s"] < 2 * told["wordsight search, processor s"]
        assert -1 < told["memory of the index, MB"] < 200


@pytest.mark.skipif(not (bundled.BOX / bundled.CHECKSUMS).exists(), reason="this checkout has no small model")
def test_the_box_is_timed_beside_a_recipe(world: Path) -> None:
    recipe = str(FOLDER.parent / "recipes" / "demo.toml")
    picture = str(min((world / "images").iterdir()))
    arguments = [
        "--folder",
        str(world / "images"),
        "--pictures",
        "4",
        "--recipe",
        recipe,
        "--start",
        picture,
        "--rounds",
        "1",
    ]
    lines = printed("box.py", *arguments).splitlines()
    rates = [float(line.split(": ")[1].split()[0]) for line in lines]
    assert len(lines) == 3 + 1 and min(rates) > 0
    assert [line.split(":")[0] for line in lines[:3]] == ["the box", recipe, "ratio"]


def test_an_index_finds_what_eval_finds(trained: Path, world: Path) -> None:
    told = figures("search.py", str(trained), "--data", str(world), "--split", "test", "--most", "8")
    assert told["eval"] == told["index"] and told["greatest difference"] < 1e-3 and told["boxes as align"]
    boxes = told["grounding"]
    assert boxes["index"] == boxes["eval"] and boxes["shown by a search"]["iou"] == boxes["eval by the chain"]["iou"]


def test_own_pairs_are_measured_beside_the_start_and_nothing(trained: Path, world: Path, tmp_path: Path) -> None:
    """Its other data are not asked for: a start from elsewhere names them, and they are not at hand."""
    arguments = ("--start", str(trained), "--data", str(world), "--old", "", "--out", str(tmp_path))
    lines = printed("own.py", *arguments, "--sizes", "6", "--seeds", "1").splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| the start alone", "| from the start", "| from nothing"]


def test_how_often_nothing_matches_well_is_measured(trained: Path, world: Path) -> None:
    found = figures("doubt.py", str(trained), "--fit", str(world), "--test", str(world), "--json")
    levels = ["likely", "possible", "unsure"]
    assert list(found) == ["short", "sentences", "names", *levels] and found["names"]["there"] == 1, "orange"
    assert found["short"]["wrongly"] <= 15
    assert any(found[kind]["wrongly"] < found[kind]["rightly"] for kind in ("short", "sentences"))
    assert found["likely"]["short, right"] > found["unsure"]["short, right"]
    page = (FOLDER.parent / "src/wordsight/web/static/tile.js").read_text()
    assert re.findall(r"const (?:LIKELY|POSSIBLE) = ([0-9.]+)", page) == ["0.1", "0.03"], "as the benchmark has them"


def test_the_app_is_timed_as_the_page_asks_it() -> None:
    told = figures("app.py", "--pictures", "200", "--rounds", "1")
    assert told["pictures"] == 200 and {"photos", "facets", "thumbnail", "search"} <= told.keys()
    assert all(one["first_ms"] > 0 for one in told.values() if isinstance(one, dict))


def test_shots_and_features_of_clips_are_measured(world: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    out = write_sequences(load_dataset(world), tmp_path / "sequences", most=2)
    clips, there, found, precision, recall = printed("clips.py", "shots", "--data", str(out)).split("|")[-6:-1]
    assert int(clips) == len(json.loads((out / "shots.json").read_text())) and int(found) >= 0
    assert int(there) > 0 and 0 <= float(precision) <= 100 and float(recall) > 50
    rows = printed("clips.py", "speed", "--data", str(out), "--most", "2", "--size", "32").splitlines()[3:]
    assert len(rows) == 2 and all(float(row.split("|")[2]) > 0 for row in rows)
    rows = printed("clips.py", "hour", "--seconds", "8", "--size", "32").splitlines()[3:]
    assert [row.split("|")[1].strip() for row in rows] == ["features", "shots"]
    assert all(int(row.split("|")[3]) > 0 for row in rows)


def test_scrolling_is_measured_in_a_browser() -> None:
    pytest.importorskip("playwright")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("neither Chromium nor Chrome is installed")
    told = figures("scrolling.py", "--pictures", "150", "--seconds", "0.3")
    assert all(told[f"{pixels} pixels a frame"]["frames_per_second"] > 0 for pixels in (12, 40, 150))
    assert told["heap_mb_before"] > 0 and told["heap_mb_after"] > 0


def test_work_is_shared_out_and_what_each_node_spends_is_counted() -> None:
    rows = [
        line.strip("| ").split(" | ")
        for kind in (("search", "--vectors", "160"), ("train", "--batch", "8"))
        for line in printed("wide.py", "--only", *kind, "--rounds", "1").splitlines()
        if line.startswith("| ") and "nodes" not in line
    ]
    assert [int(nodes) for nodes, *_ in rows] == [1, 2, 4, 8, 1, 2, 4]
    assert all(float(own) > 0 and float(gain) > 0 for _, own, _, gain, _ in rows)

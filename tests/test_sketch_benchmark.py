"""The benchmark of sketches keeps each split, and goes on behind those that it has."""

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

pytest.importorskip("skimage", reason="the extra 'sketch' (scikit-image) is not installed")
FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen photos of a rectangle, and a drawing of each."""
    folder = tmp_path_factory.mktemp("benchmark") / "pairs"
    for kind in ("photo", "sketch"):
        (folder / kind).mkdir(parents=True)
    for number, (left, top, wide, high) in enumerate(np.random.default_rng(0).integers(20, 80, (15, 4)).tolist()):
        corners = (left, top, left + wide, top + high)
        for kind, paper, colours in (("photo", "grey", {"fill": "navy"}), ("sketch", "white", {"outline": "black"})):
            image = Image.new("RGB", (200, 200), paper)
            ImageDraw.Draw(image).rectangle(corners, width=3, **colours)
            image.save(folder / kind / (f"p{number}.png" if kind == "photo" else f"p{number}-1.png"))
    return folder


@pytest.fixture
def measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pairs: Path
) -> Callable[..., tuple[list[str], Any]]:
    """Which splits are computed, and the last table, of a run of the benchmark."""

    def run(*told: str) -> tuple[list[str], Any]:
        monkeypatch.syspath_prepend(str(FOLDER))
        peers = runpy.run_path(str(FOLDER / "sketch_peers.py"))
        monkeypatch.setitem(peers["triplet"].__globals__, "EPOCHS", 1)
        monkeypatch.setattr(sys, "argv", ["sketches.py", str(pairs), *told])
        capsys.readouterr()
        runpy.run_path(str(FOLDER / "sketches.py"), run_name="__main__")
        lines = capsys.readouterr().out.splitlines()
        table = json.loads("\n".join(lines[lines.index("{") :]))
        return sorted({line.split(",")[0] for line in lines if line.startswith("seed ")}), table

    return run


def test_a_stopped_run_goes_on_behind_its_splits(
    measured: Callable[..., tuple[list[str], Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "splits.json"
    seeds, table = measured("--seeds", "2", "--out", str(out))
    whole = json.loads(out.read_text())
    assert seeds == ["seed 0", "seed 1"] and len(whole["splits"]) == 2
    out.write_text(json.dumps({**whole, "splits": whole["splits"][:1]}))
    assert measured("--seeds", "2", "--out", str(out)) == (["seed 1"], table), "as if it had not been stopped"
    assert json.loads(out.read_text()) == whole
    assert measured("--seeds", "2", "--out", str(out)) == ([], table)
    ranks = torch.tensor([one["coupled subspaces"] for one in whole["splits"]])
    shares = 100 * (ranks < 1).float().mean(dim=1)
    assert table["coupled subspaces"]["acc@1"][0] == pytest.approx(float(shares.mean()), abs=0.06)
    before = out.read_bytes()
    with pytest.raises(SystemExit):
        measured("--seeds", "2", "--contexts", "--out", str(out))
    assert "splits.json: has splits of" in capsys.readouterr().err and out.read_bytes() == before
    out.write_text("[]")
    with pytest.raises(SystemExit):
        measured("--out", str(out))
    assert "splits.json: " in capsys.readouterr().err

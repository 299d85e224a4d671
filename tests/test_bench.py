"""Every benchmark that `make bench` runs, run small; no figure is looked at but that it is there."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from forked import forked
from wordsight.captioning import GENERATORS

FOLDER = Path(__file__).parents[1] / "benchmarks"
NAMES = ["score.py", "decode.py", "scan.py", "build.py", "start.py", "features.py"]


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What `bench.py` defines; torch's threads are as before afterwards."""
    monkeypatch.syspath_prepend(FOLDER)
    threads = torch.get_num_threads()
    yield runpy.run_path(str(FOLDER / "bench.py"))
    torch.set_num_threads(threads)


def measured(
    benchmarks: dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str
) -> list[dict[str, Any]]:
    """The rows of a benchmark, run small in this process."""
    cores = dict.fromkeys(("OMP", "MKL", "OPENBLAS", "RAYON"), "1")
    told = {f"{one}_NUM_THREADS": count for one, count in cores.items()} | {"LANCE_LOG": "error", "RUST_LOG": "error"}
    for key, value in told.items():  # else the scan starts the process again with them
        monkeypatch.setenv(key, value)
    out = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", [name, *benchmarks["BENCHMARKS"][name][1], "--json", str(out), *more])
    runpy.run_path(str(FOLDER / name), run_name="__main__")
    rows: list[dict[str, Any]] = json.loads(out.read_text())
    return rows


def test_make_bench_runs_all_that_give_rows(benchmarks: dict[str, Any]) -> None:
    assert list(benchmarks["BENCHMARKS"]) == NAMES, "each of them is run below"
    giving = {path.name for path in FOLDER.glob("*.py") if "from rows import Row, write" in path.read_text()}
    assert giving == set(NAMES)
    recipe = (FOLDER.parent / "Makefile").read_text().split("\nbench:")[1].split("\n\n")[0]
    assert recipe.splitlines()[1:] == ["\t$(BIN)/python benchmarks/bench.py --json bench.json"]


@pytest.mark.parametrize("name", [one for one in NAMES if one != "start.py" or os.path.exists("/proc/self/status")])
def test_a_benchmark_measures_ours_beside_others(
    benchmarks: dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "start.py":
        monkeypatch.setattr(subprocess, "run", forked)  # the same commands, without the seconds of their imports
    rows = measured(benchmarks, name, tmp_path, monkeypatch)
    assert all((row["figure"] or 0) > 0 or row["note"] for row in rows), "a figure, or why there is none"
    assert all(row["note"] == "" for row in rows if row["kind"] == "ours" and name != "features.py")
    for work in {row["work"] for row in rows}:
        some = [row for row in rows if row["work"] == work]
        assert some[0]["kind"] == "ours" and (some[0]["ratio"] == 1 or some[0]["note"])
        assert all(row["ratio"] > 0 for row in some if row["figure"] and some[0]["figure"])
    if name not in ("features.py", "start.py"):
        assert {row["kind"] for row in rows} >= {"ours", "floor"}
    if name == "decode.py":
        assert {row["work"] for row in rows} == {f"{one}, {way}" for one in GENERATORS for way in ("greedy", "beam 7")}


def test_peers_that_are_missing_or_broken_are_rows_that_say_so(
    benchmarks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = ModuleType("lancedb")
    for name, module in (("maxsim_cpu", None), ("qdrant_client", None), ("lancedb", broken), ("pyarrow", broken)):
        monkeypatch.setitem(sys.modules, name, module)
    rows = measured(benchmarks, "scan.py", tmp_path, monkeypatch)
    notes = {row["way"]: row["note"] for row in rows if row["figure"] is None}
    assert notes.keys() == {"maxsim-cpu", "LanceDB", "Qdrant"}
    assert notes["maxsim-cpu"] == notes["Qdrant"] == "not installed (the extra bench)"
    assert notes["LanceDB"].startswith("AttributeError: ")


def test_pictures_that_are_missing_are_a_row_that_says_so(
    benchmarks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = measured(benchmarks, "features.py", tmp_path, monkeypatch, "--folder", str(tmp_path / "nowhere"))
    assert row["figure"] is None and "nowhere" in row["note"]


def test_one_table_and_one_file(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    command = [sys.executable, str(FOLDER / "bench.py"), "--small", "--only", "score.py", "--json", str(out)]
    done = forked(command)
    assert done.returncode == 0, done.stderr
    assert "ours is x times as fast" in done.stdout and "naive einsum" in done.stdout
    told = json.loads(out.read_text())
    assert told.keys() == {"date", "cpu", "threads", "small", "versions", "benchmarks"} and told["small"]
    assert told["cpu"].keys() == {"name", "features", "cores"} and "torch" in told["versions"]
    assert [row["kind"] for row in told["benchmarks"]["score.py"]] == ["ours", "ours", "peer", "floor"]


def test_a_benchmark_that_fails_leaves_the_others(
    benchmarks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (broken := tmp_path / "broken.py").write_text("raise ValueError('no such word')")
    (works := tmp_path / "works.py").write_text(
        "import sys; from pathlib import Path; Path(sys.argv[-1]).write_text("
        '\'[{"work": "w", "way": "a", "kind": "ours", "figure": 2.0, "unit": "s"}]\')'
    )
    monkeypatch.setitem(benchmarks["main"].__globals__, "BENCHMARKS", {str(broken): ((), ()), str(works): ((), ())})
    monkeypatch.setattr(sys, "argv", ["bench.py", "--json", str(tmp_path / "all.json")])
    with pytest.raises(SystemExit, match=r"these benchmarks failed: .*broken\.py"):
        benchmarks["main"]()
    assert "not measured: ValueError: no such word" in capsys.readouterr().out
    first, second = json.loads((tmp_path / "all.json").read_text())["benchmarks"].values()
    assert first[0]["figure"] is None and second[0]["figure"] == 2

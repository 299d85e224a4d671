"""A file that is cut short while it is read ends in a sentence; the process lives."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forked import forked
from wordsight.errors import InputError
from wordsight.search import rows
from wordsight.search.rows import Rows

SCRIPT = """
import os, random, sys, threading, time
from pathlib import Path
from wordsight.errors import InputError
from wordsight.search import rows, scan
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index

home, seed = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)
rows.HELD, scan.READ = chance.choice((0, 2**29)), 64
index = Index(home, "cpu")
index.run
files = sorted((home / "vectors").iterdir())
path, when = files[seed % 3], chance.random() * 0.02
ended = {"said": 0, "found": 0}
content = path.read_bytes()
for round in range(10):
    with Catalog(home) as catalog:
        index.snapshot(catalog)  # its files are open
    cut = chance.choice((0, 1, 4096, len(content) // 2))
    timer = threading.Timer(when, os.truncate, (path, cut))
    timer.start()
    if round % 2:
        timer.join()
    for _ in range(3):
        try:
            index.search("a red circle and a blue square")
            ended["found"] += 1
        except InputError as error:
            assert "cut short" in str(error) and str(home) in str(error), error
            ended["said"] += 1
    timer.join()
    path.write_bytes(content)
    index._last = None
print(ended["said"], ended["found"])
"""


@pytest.mark.slow
def test_a_search_outlives_files_that_are_cut_short(indexed: Path, tmp_path: Path) -> None:
    said = 0
    for seed in range(5):
        shutil.copytree(indexed, home := tmp_path / str(seed))

        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(home), str(seed)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (seed, done.stderr)
        said += int(done.stdout.split()[0])
    assert said >= 10


def test_the_command_says_so(indexed: Path, tmp_path: Path) -> None:
    shutil.copytree(indexed, tmp_path / "index")
    for kind in ("halves", "scales", "boxes", "codes", "steps"):
        (path,) = (tmp_path / "index" / "vectors").glob(f"*.{kind}")
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        command = [sys.executable, "-m", "wordsight.cli.main", "search", str(tmp_path / "index"), "a red circle"]
        done = forked(command)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert f"{path}: cut short, " in done.stderr and done.stderr.count("\n") == 1
        path.write_bytes(content)


def test_rows_are_those_of_an_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    values.tofile(tmp_path / "x")
    some = Rows(tmp_path / "x", np.float32, 40, 3)
    places = np.array([0, 1, 2, 7, 3, 3, 39])
    for turn in range(3):  # read twice, then held
        assert len(some) == 40 and np.array_equal(some[5:9], values[5:9]) and np.array_equal(some[39], values[39])
        assert np.array_equal(some[places], values[places]) and len(some[places[:0]]) == 0
        assert np.array_equal(some[30:99], values[30:40]) and len(some[7:7]) == 0
        with pytest.raises(IndexError):
            _ = some[40]
        some.hold(0, 40)
        assert some.holds(0, 40) == (turn > 0)
    os.truncate(tmp_path / "x", 100)
    assert np.array_equal(some[0:40], values[:40])
    with pytest.raises(InputError, match="cut short, 8 rows of 40"):
        Rows(tmp_path / "x", np.float32, 40, 3)


def test_the_part_of_a_file_that_is_looked_at_is_held(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    values.tofile(tmp_path / "x")
    some = Rows(tmp_path / "x", np.float32, 50, 3)
    places = np.array([12, 14, 10])
    for first, stop, held in ((10, 20, False), (10, 20, True), (12, 15, True), (25, 30, True)):
        assert rows.hold({1: some}, {1: rows.Looked(stop - first, first, stop)}) == held == some.holds(first, stop)
        assert np.array_equal(some[:], values) and np.array_equal(some[places], values[places])
        assert np.array_equal(some[14], values[14]) and np.array_equal(some[49], values[49])
    os.truncate(tmp_path / "x", 0)
    assert np.array_equal(some[25:30], values[25:30]) and np.array_equal(some[places + 15], values[places + 15])
    assert not some.holds(24, 30) and not some.holds(25, 31) and not some.holds(10, 20)


@pytest.mark.parametrize(("most", "held"), [(1799, [False, False, True]), (1800, [True, True, True])])
def test_files_that_are_looked_at_in_turn_are_not_all_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, held: list[bool]
) -> None:
    np.zeros((50, 3), np.float32).tofile(tmp_path / "x")
    files = {number: Rows(tmp_path / "x", np.float32, 50, 3) for number in range(3)}
    monkeypatch.setattr(rows, "HELD", most)
    for number in (0, 1, 2, 0, 1, 2):
        rows.hold(files, {number: rows.Looked(50, 0, 50)})
    assert [some.holds(0, 50) for some in files.values()] == held
    assert sum(some.held_bytes for some in files.values()) == 600 * sum(held)


def test_what_is_too_large_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.zeros((50, 3), np.float32).tofile(tmp_path / "x")
    for most, total, held in ((600, 50, True), (599, 50, False), (600, 24, False)):
        wanted = rows.Looked(total, 0, 50)
        monkeypatch.setattr(rows, "HELD", most)
        some = Rows(tmp_path / "x", np.float32, 50, 3)
        assert not rows.hold({1: some}, {1: wanted})
        assert rows.hold({1: some}, {1: wanted}) == held
        os.truncate(tmp_path / "x", 0)
        if held:
            assert not some[0:50].any()
        else:
            with pytest.raises(InputError, match="cut short, 0 rows of 50"):
                _ = some[0:50]
        np.zeros((50, 3), np.float32).tofile(tmp_path / "x")

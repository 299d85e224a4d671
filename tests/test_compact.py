"""Compact indexes: codes of a few bytes a region in place of exact vectors."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.data.pictures import picture_files
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search import compact, recoded, two_passes
from wordsight.search.catalog import Catalog
from wordsight.search.codebook import FILE
from wordsight.search.index import Index
from wordsight.search.opened import Opened
from wordsight.search.prefilter import best_places
from wordsight.search.query import encoded_query, terms
from wordsight.search.scan import top
from wordsight.search.snapshot import Snapshot

QUIET = Progress(quiet=True)
ASKED = ("a red circle", "a blue square above a star")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "LEAST", 8)
    monkeypatch.setattr(compact, "MOST_PICTURES", 16)


@pytest.fixture
def exact(trained: Path, world: Path, tmp_path: Path) -> Index:
    made = Index.create(tmp_path / "index", trained, "cpu")
    made.build(picture_files([world / "images"])[:24], progress=QUIET)
    return made


def names(index: Index, ask: str = ASKED[0], top: int = 24) -> list[str]:
    return [hit.path.name for hit in index.search(ask, top=top).hits]


def kinds(index: Index) -> set[str]:
    return {path.suffix or path.name for path in (index.folder / "vectors").iterdir() if path.suffix != ".npz"}


def test_a_compact_index_finds_the_same(exact: Index) -> None:
    before = {ask: exact.search(ask, top=24) for ask in ASKED}
    assert exact.compact(progress=QUIET) == 24 and kinds(exact) == {".coarse", ".fine", ".places"}
    index = Index(exact.folder, "cpu")
    for ask, was in before.items():
        now = index.search(ask, top=24)
        assert [hit.path for hit in now.hits[:3]] == [hit.path for hit in was.hits[:3]]
        scores = {hit.path: hit for hit in was.hits}
        assert all(hit.score == pytest.approx(scores[hit.path].score, abs=0.05) for hit in now.hits)
        for mine, true in zip(now.hits[0].words, was.hits[0].words, strict=True):
            assert mine.text == true.text and mine.box == pytest.approx(true.box, abs=0.01)
    assert index.verify() == [] and index.info()["compact"] == 112


def test_what_is_added_later_is_compact_at_once(exact: Index, world: Path) -> None:
    exact.compact(progress=QUIET)
    exact.build(picture_files([world / "images"])[:30], progress=QUIET)
    assert kinds(exact) == {".coarse", ".fine", ".places"}
    assert len(names(exact, top=40)) == 30 and exact.verify() == []


def test_an_index_can_be_compact_from_its_first_build(trained: Path, world: Path, tmp_path: Path) -> None:
    """More pictures than a codebook is fitted to: it is fitted to the first, and the others go into codes at once."""
    index = Index.create(tmp_path / "index", trained, "cpu")
    assert index.compact(progress=QUIET) == 0
    index.build(picture_files([world / "images"])[:5], progress=QUIET)
    assert ".halves" in kinds(index), "too few to fit a codebook to"
    built = index.build(picture_files([world / "images"])[:24], progress=QUIET)
    assert len(built.added) == 19 and built.unchanged == 5
    assert kinds(index) == {".coarse", ".fine", ".places"}
    assert index.verify() == [] and len(names(index)) == 24


def test_the_first_pass_finds_what_all_fine_codes_do(exact: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    exact.compact(progress=QUIET)
    every = names(exact, top=3)
    monkeypatch.setattr(two_passes, "AMONG", 8)
    monkeypatch.setattr(two_passes, "TIMES", 1)
    found = exact.search(ASKED[0], top=3)
    assert [hit.path.name for hit in found.hits] == every and found.total == 24
    monkeypatch.setattr(two_passes, "chosen", lambda words: None)  # without the compiled scan
    assert names(exact, top=3) == every


def test_frames_of_one_video_do_not_hide_what_else_is_best(exact: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the best files, each by its best frame, all fine scores are looked at, and no other score is greater."""
    exact.compact(progress=QUIET)
    monkeypatch.setattr(two_passes, "AMONG", 4)
    monkeypatch.setattr(two_passes, "TIMES", 2)
    with Catalog(exact.folder) as catalog:
        now = exact.opened.snapshot(catalog)
    ask = encoded_query(terms(exact.run, [ASKED[0]]), exact.opened.rule)
    true = two_passes.all_scores(now, now.spans, ask, exact.opened.rule)[:, 0]
    files = np.arange(24)
    files[top(true, 12)] = 99  # a video
    found = two_passes.best_of_all(now, now.spans, ask, exact.opened.rule, 3, files)[:, 0]
    best = best_places(true, 3, files)
    assert best_places(found, 3, files).tolist() == best.tolist()
    assert torch.equal(found[best], true[best]) and (found[files != 99] <= found[best[1]]).all()


def test_another_codebook_is_noticed(exact: Index, world: Path) -> None:
    """A reader has the index open while it is coded anew, with a codebook that is fitted to other pictures."""
    exact.compact(progress=QUIET)
    reader = Index(exact.folder, "cpu")
    assert len(names(reader)) == 24
    (exact.folder / "vectors" / FILE).unlink()
    Index(exact.folder, "cpu").build(picture_files([world / "images"])[10:40], progress=QUIET)
    (now, fresh) = (one.search(ASKED[0], top=40).hits for one in (reader, Index(exact.folder, "cpu")))
    assert len(now) == 40 and [hit.score for hit in now] == [hit.score for hit in fresh]


def test_a_search_goes_on_whose_files_are_deleted_meanwhile(exact: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has read the catalogue, and another process makes the index compact before it opens the vectors."""
    reader, read, tries = Index(exact.folder, "cpu"), Opened.snapshot, list[str]()

    def late(opened: Opened, catalog: Catalog) -> Snapshot:
        if opened is reader.opened:
            tries.append(catalog.fact("generation"))  # what it sees is settled
            if len(tries) == 1:
                exact.compact(progress=QUIET)
        return read(opened, catalog)

    with monkeypatch.context() as patch:
        patch.setattr(Opened, "snapshot", late)
        assert len(names(reader)) == 24
    assert len(tries) == 2 and tries[0] != tries[1]
    next((exact.folder / "vectors").glob("*.fine")).unlink()
    with pytest.raises(InputError, match="cut short"):  # nothing has changed since, so it is damage
        names(Index(exact.folder, "cpu"))


def test_an_interrupted_rewrite_goes_on(exact: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(exact, top=3)
    monkeypatch.setattr(recoded, "TOGETHER", 8)
    move, calls = recoded._move, []

    def stop(*given: object) -> None:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        move(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(recoded, "_move", stop)
    with pytest.raises(KeyboardInterrupt):
        exact.compact(progress=QUIET)
    half = Index(exact.folder, "cpu")
    assert names(half, top=3) == before and half.verify() == [] and {".coarse", ".halves"} < kinds(half)
    monkeypatch.undo()
    monkeypatch.setattr(compact, "LEAST", 8)
    assert half.compact(progress=QUIET) == 8 and half.verify() == []
    assert kinds(half) == {".coarse", ".fine", ".places"} and names(half, top=3) == before


@pytest.mark.parametrize("kind", ["fine", "coarse", "places"])
def test_damage_is_found_and_repaired(exact: Index, world: Path, kind: str) -> None:
    exact.compact(progress=QUIET)
    (path,) = (exact.folder / "vectors").glob(f"*.{kind}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    index = Index(exact.folder, "cpu")
    assert index.verify()
    index.build(picture_files([world / "images"])[:24], progress=QUIET)
    assert index.verify() == [] and len(names(index)) == 24


@pytest.mark.parametrize("how", ["gone", "torn"])
def test_a_lost_codebook_costs_encoding_again(exact: Index, world: Path, how: str) -> None:
    exact.compact(progress=QUIET)
    path = exact.folder / "vectors" / FILE
    path.unlink() if how == "gone" else path.write_bytes(path.read_bytes()[:-100])
    index = Index(exact.folder, "cpu")
    with pytest.raises(InputError, match="codebook"):
        index.search(ASKED[0])
    assert len(index.verify()) == 24
    index.build(picture_files([world / "images"])[:24], progress=QUIET)
    assert index.verify() == [] and len(names(index)) == 24


def test_indexes_merge_whether_they_are_compact_or_not(
    exact: Index, trained: Path, world: Path, tmp_path: Path
) -> None:
    other = Index.create(tmp_path / "other", trained, "cpu")
    other.build(picture_files([world / "images"])[24:34], progress=QUIET)
    plain = Index.create(tmp_path / "plain", trained, "cpu")
    exact.compact(progress=QUIET)
    assert exact.merge(other) == (10, 0) and kinds(exact) == {".coarse", ".fine", ".places"}
    assert plain.merge(exact) == (34, 0) and ".halves" in kinds(plain)
    assert names(plain, top=5) == names(exact, top=5)
    assert exact.verify() == [] and plain.verify() == []


def test_other_bytes_are_refused(exact: Index) -> None:
    exact.compact(progress=QUIET)
    with pytest.raises(InputError, match="compact already, with 112 bytes"):
        exact.compact(160)
    with pytest.raises(InputError, match="expected 64 to 1024"):
        exact.compact(2)
    assert exact.compact(progress=QUIET) == 0, "what it has already"


def test_bytes_may_change_as_long_as_nothing_is_coded(trained: Path, world: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", trained, "cpu")
    for wanted in (64, 200, None):
        index.compact(wanted, QUIET)
    assert index.info()["compact"] == 200
    index.build(picture_files([world / "images"])[:12], progress=QUIET)
    assert index.segments.codebook is not None and index.segments.codebook.fine_width == 176


def test_a_killed_build_leaves_nothing_that_search_minds(exact: Index) -> None:
    """Codes behind those that the catalogue names are cut off by the next writer, as vectors are."""
    exact.compact(progress=QUIET)
    for path in (exact.folder / "vectors").glob("00*"):
        with path.open("ab") as file:
            file.write(b"left from an interruption")
    index = Index(exact.folder, "cpu")
    assert index.verify() == [] and len(names(index)) == 24


@pytest.mark.slow
def test_the_benchmark_measures_what_it_says(world: Path, tmp_path: Path) -> None:
    """Small: 600 pictures made of 12."""
    script = Path(__file__).parents[1] / "benchmarks" / "million.py"
    command = [sys.executable, str(script), "--pictures", "600", "--real", "12", "--queries", "4", "--threads", "1"]
    command += ["--data", str(world), "--folder", str(tmp_path), "--json", str(tmp_path / "rows.json")]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert row["pictures"] == 600 and 0.5 < row["recall@10"] <= 1
    assert row["bytes a picture"] < 20_000 and row["peak MB"] > 100

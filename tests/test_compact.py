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
from wordsight.search import compact, instructions, recoded, two_passes
from wordsight.search.catalog import Catalog
from wordsight.search.coarse_code import middles, unpacked
from wordsight.search.codebook import FILE, Codebook, fit
from wordsight.search.codes import WordCodes
from wordsight.search.index import Index
from wordsight.search.instructions import fused_scores
from wordsight.search.opened import Opened
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


def codebook(count: int = 600, size: int = 64, width: int = 112) -> tuple[Codebook, np.ndarray, np.ndarray]:
    """One of vectors with a few strong directions and long tails, these, and words."""
    random = np.random.default_rng(0)
    rows = random.standard_t(4, (count, size)) * 0.98 ** np.arange(size) @ random.standard_normal((size, size))
    words = random.standard_normal((200, size)).astype(np.float32)
    counts = np.full(count // 20, 20)
    return fit(rows.astype(np.float32), counts, words, width), rows.astype(np.float32), words


def test_products_survive_coding() -> None:
    book, rows, words = codebook()
    counts = np.array([20, 60, 100, 200, 220])
    coarse, fine = book.encode(rows, counts)
    assert (coarse.shape[1] + fine.shape[1], coarse.dtype, fine.dtype) == (112, np.uint8, np.uint8)
    true = rows @ words.T
    decoded = book.decode(coarse, fine, counts)
    of_numbers = book.numbers(coarse, fine, counts) @ (words @ book.back.T).T + words @ book.mean
    assert np.allclose(decoded @ words.T, of_numbers, atol=1e-3 * true.std())
    assert np.abs(decoded @ words.T - true).std() < 0.02 * true.std()
    rough = middles(unpacked(coarse), book.steps) @ (words @ book.back.T)[:, book.of].T + words @ book.mean
    assert np.abs(rough - true).std() < 0.3 * true.std()


def test_codes_of_another_number_of_regions_are_no_codes() -> None:
    book, rows, _ = codebook()
    coarse, fine = book.encode(rows[:40], np.array([20, 20]))
    with pytest.raises(ValueError):
        book.numbers(coarse, fine, np.array([30, 10]))


def test_more_bytes_are_nearer() -> None:
    left = []
    for width in (64, 112, 256):
        book, rows, words = codebook(1200, 200, width)
        counts = np.full(60, 20)
        left.append(np.abs((book.decode(*book.encode(rows, counts), counts) - rows) @ words.T).mean())
    assert left[0] > 1.5 * left[1] and left[1] > 1.5 * left[2]


def test_coding_what_was_coded_changes_little() -> None:
    book, rows, _ = codebook()
    counts = np.full(30, 20)
    once = book.decode(*book.encode(rows, counts), counts)
    twice = book.decode(*book.encode(once, counts), counts)
    assert np.abs(twice - once).mean() < np.abs(once - rows).mean()


@pytest.mark.parametrize("way", ["amx", "vnni"])
@pytest.mark.parametrize("size", [2, 10, 48, 64])
def test_half_bytes_are_scored_as_whole_numbers(way: instructions.Instructions, size: int) -> None:
    if way not in instructions.instructions():
        pytest.skip(f"needs numba (the extra fast) and a processor with {way}")
    random = np.random.default_rng(size)
    values = random.integers(-127, 128, (9, size)).astype(np.int8)
    nothing = torch.zeros(9)
    shares = torch.from_numpy(random.integers(1, 4, (9, 1)).astype(np.float32))
    coarse = random.integers(0, 256, (333, size // 2)).astype(np.uint8)
    counts = random.integers(1, 50, 8)
    first = np.cumsum(counts) - counts + random.integers(0, 3, 8).cumsum()
    first[-1] = len(coarse) - counts[-1]  # the last ends where the file does
    words = WordCodes(values, torch.ones(9), nothing, nothing)
    found = fused_scores(way, coarse, first, counts, np.ones(8, np.float32), words, shares, halves=True)
    products = (unpacked(coarse) - 7.5) @ values.T
    best = np.stack([products[at : at + some].max(axis=0) for at, some in zip(first, counts, strict=True)])
    assert np.allclose(found, (best @ shares.numpy()).T)


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
    assert ".vectors" in kinds(index), "too few to fit a codebook to"
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
    assert names(half, top=3) == before and half.verify() == [] and {".coarse", ".vectors"} < kinds(half)
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
    assert plain.merge(exact) == (34, 0) and ".vectors" in kinds(plain)
    assert names(plain, top=5) == names(exact, top=5)
    assert exact.verify() == [] and plain.verify() == []


def test_other_bytes_are_refused(exact: Index) -> None:
    exact.compact(progress=QUIET)
    with pytest.raises(InputError, match="compact already, with 112 bytes"):
        exact.compact(160)
    with pytest.raises(InputError, match="expected 64 to 1024"):
        exact.compact(2)


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

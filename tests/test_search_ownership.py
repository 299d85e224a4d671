"""An index is known by its own mark, not by names; and one that takes the place of another is noticed."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search.identity import MARK, discard
from wordsight.search.index import Index

QUIET = Progress(quiet=True)
ASK = "a red circle"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


def some(world: Path, folder: Path, first: int, last: int) -> list[Path]:
    folder.mkdir(parents=True)
    return [Path(shutil.copy(path, folder)) for path in sorted((world / "images").iterdir())[first:last]]


def built(folder: Path, pictures: list[Path], run: Path) -> Index:
    index = Index.create(folder, run, "cpu")
    index.build(pictures, progress=QUIET)
    return index


def found(index: Index) -> dict[str, float]:
    return {hit.path.name: hit.score for hit in index.search(ASK, top=50).hits}


@pytest.mark.parametrize("kind", ["model", "names", "foreign", "log", "fifo", "file", "link"])
def test_what_is_not_an_index_is_never_changed(trained: Path, world: Path, tmp_path: Path, kind: str) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    run = trained
    if kind == "model":
        run = Path(shutil.copytree(trained, mine / "model"))
    elif kind in ("names", "link"):
        (mine / "lock").write_text("mine")
        (mine / "vectors").mkdir()
        (mine / "model").mkdir()
        (mine / "model" / "config.json").write_text("mine")
        (mine / "catalog.sqlite-wal").write_text("mine")
        (mine / MARK).write_text("mine")
    elif kind in ("foreign", "log"):
        db = sqlite3.connect(mine / "catalog.sqlite")
        db.execute("PRAGMA user_version = 77")
        db.execute("CREATE TABLE facts (name, value)")
        if kind == "foreign":
            db.close()
    else:
        mine.rmdir()
        os.mkfifo(mine) if kind == "fifo" else mine.write_text("mine")
    before, where = content(tmp_path), mine
    if kind == "link":
        where = tmp_path / "link"
        where.symlink_to(mine)
        before = content(tmp_path)
    for use in (
        lambda: Index.create(where, run, "cpu"),
        lambda: Index(where).search(ASK),
        lambda: Index(where).build(world / "images", progress=QUIET),
        lambda: Index(where).remove("a.jpg"),
        lambda: Index(where).info(),
    ):
        with pytest.raises(InputError, match=r"expected an index|not an index"):
            use()
    assert content(tmp_path) == before


def test_the_run_s_own_folder_is_no_place_for_an_index_but_one_inside_is(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    before = content(run)
    with pytest.raises(InputError, match="expected an index, or a folder that is empty or new"):
        Index.create(run, run, "cpu")
    Index.create(run / "index", run, "cpu")
    assert {name: data for name, data in content(run).items() if "/run/index" not in name} == before


def test_an_index_without_a_mark_is_adopted_when_it_is_written_to(trained: Path, world: Path, tmp_path: Path) -> None:
    pictures = some(world, tmp_path / "photos", 0, 3)
    index = built(tmp_path / "index", pictures, trained)
    before = found(index)
    (index.folder / MARK).unlink()
    files = content(index.folder)
    assert found(Index(index.folder, "cpu")) == before
    assert {name for name in content(index.folder) if not name.endswith(("-wal", "-shm"))} == set(files)
    assert Index.create(index.folder, trained, "cpu").build(pictures, progress=QUIET).unchanged == 3
    assert (index.folder / MARK).exists() and found(index) == before


def test_only_what_was_written_is_deleted(trained: Path, world: Path, tmp_path: Path) -> None:
    index = built(tmp_path / "index", some(world, tmp_path / "photos", 0, 2), trained)
    (index.folder / "vectors" / "notes.txt").write_text("mine")
    discard(index.folder)
    assert [path.name for path in sorted(index.folder.rglob("*"))] == ["vectors", "notes.txt"]


@pytest.mark.parametrize("marked", [True, False])
def test_an_index_that_takes_the_place_of_another_is_read_anew(
    trained: Path, world: Path, tmp_path: Path, marked: bool
) -> None:
    first = built(tmp_path / "one" / "index", some(world, tmp_path / "one" / "photos", 0, 4), trained)
    second = built(tmp_path / "two" / "index", some(world, tmp_path / "two" / "photos", 4, 8), trained)
    if not marked:
        for index in (first, second):
            (index.folder / MARK).unlink()
    expected = found(Index(second.folder, "cpu"))
    assert first.folder.exists() and len(found(first)) == 4
    os.rename(first.folder, tmp_path / "aside")
    with pytest.raises(InputError, match="not an index"):
        first.search(ASK)
    os.rename(second.folder, first.folder)
    assert found(first) == expected
    assert first.facts["made"] == str(tmp_path / "two") == first.paths.roots[1]
    assert not any(hit.missing for hit in first.search(ASK).hits)
    shutil.rmtree(first.folder)
    os.rename(tmp_path / "aside", first.folder)
    assert len(found(first)) == 4 and found(first).keys() != expected.keys()


def test_a_swap_in_the_middle_of_a_search_gives_the_answer_of_one_index(
    trained: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = built(tmp_path / "index", some(world, tmp_path / "photos", 0, 4), trained)
    second = built(tmp_path / "new", some(world, tmp_path / "others", 4, 8), trained)
    expected, read = found(second), type(first.opened).snapshot
    swaps = [first.folder]

    def swapped(opened, catalog):  # type: ignore[no-untyped-def]
        if swaps:
            os.rename(swaps[0], tmp_path / "old")
            os.rename(tmp_path / "new", swaps.pop())
        return read(opened, catalog)

    monkeypatch.setattr(type(first.opened), "snapshot", swapped)
    assert found(first) == expected


def test_a_writer_leaves_an_index_alone_that_took_the_place(trained: Path, world: Path, tmp_path: Path) -> None:
    first = built(tmp_path / "index", some(world, tmp_path / "photos", 0, 2), trained)
    second = built(tmp_path / "new", some(world, tmp_path / "others", 4, 8), trained)
    more, expected, stream = some(world, tmp_path / "more", 8, 10), found(second), first.run.encoder.stream

    def swapped(paths):  # type: ignore[no-untyped-def]
        yield from stream(paths)
        os.rename(tmp_path / "index", tmp_path / "old")
        os.rename(tmp_path / "new", tmp_path / "index")

    first.run.encoder.stream = swapped  # type: ignore[method-assign]
    with pytest.raises(InputError, match="replaced or taken away"):
        first.build(more, progress=QUIET)
    again = Index(tmp_path / "index", "cpu")
    assert found(again) == expected and again.verify() == []


@pytest.mark.parametrize("lock", [True, False])
def test_an_index_that_was_copied_in_part_is_left_as_it_is(
    trained: Path, world: Path, tmp_path: Path, lock: bool
) -> None:
    pictures = some(world, tmp_path / "photos", 0, 3)
    index = built(tmp_path / "index", pictures, trained)
    before, aside = found(index), tmp_path / "aside"
    aside.mkdir()
    for name in ("catalog.sqlite", "seal.json", *([] if lock else ["lock"])):
        os.rename(index.folder / name, aside / name)
    files = content(index.folder)
    for run in (trained, None):
        with pytest.raises(InputError, match=r"without its catalog\.sqlite, copied in part perhaps"):
            Index.create(index.folder, run, "cpu")
    assert content(index.folder) == files
    os.rename(aside / "catalog.sqlite", index.folder / "catalog.sqlite")
    assert found(Index(index.folder, "cpu")) == before


def test_no_index_is_begun_with_a_run_whose_nets_cannot_be_loaded(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise InputError("weights/net.onnx: no such file")

    monkeypatch.setattr("wordsight.runs.opened.encoder_of", missing)
    with pytest.raises(InputError, match=r"net\.onnx"):
        Index.create(tmp_path / "index", trained, "cpu")
    assert not (tmp_path / "index").exists()

"""An index grows, shrinks, moves and survives: nothing that was committed is lost."""

import errno
import functools
import io
import json
import os
import random
import shutil
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forked import forked
from wordsight.errors import InputError
from wordsight.matching.align import Align
from wordsight.progress import Progress
from wordsight.search import build, schema, vectors
from wordsight.search.catalog import FILE, Catalog
from wordsight.search.codes import quantise
from wordsight.search.halves import Halved
from wordsight.search.identity import MARK, copy_model, mark, read_id
from wordsight.search.index import Index
from wordsight.search.paths import Paths
from wordsight.search.vectors import Segments

QUIET = Progress(quiet=True)
ASK = "a red circle and a blue square"
KILLS = Path(__file__).resolve().parents[1] / "benchmarks" / "kills.py"


@pytest.fixture
def photos(world: Path, tmp_path: Path) -> list[Path]:
    """Eight pictures in a folder of their own."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted((world / "images").iterdir())[:8]:
        shutil.copy2(path, folder / path.name)
    return sorted(folder.iterdir())


@pytest.fixture
def index(photos: list[Path], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The index of these, committed by threes."""
    monkeypatch.setattr(build, "BATCH", 3)
    made = Index.create(tmp_path / "index", trained, "cpu")
    made.build(photos, progress=QUIET)
    return made


def scores(index: Index) -> dict[Path, float]:
    hits = index.search(ASK, top=1000).hits
    assert len({hit.path for hit in hits}) == len(hits)
    return {hit.path: hit.score for hit in hits}


def fresh(paths: list[Path], trained: Path, folder: Path) -> dict[Path, float]:
    """What an index that was made in one go says."""
    made = Index.create(folder, trained, "cpu")
    made.build(paths, progress=QUIET)
    return scores(made)


def test_the_same_command_again_does_nothing(index: Index, photos: list[Path]) -> None:
    before = scores(index)
    done = index.build(photos, progress=QUIET)
    assert (done.added, done.refreshed, done.unchanged) == ([], [], 8)
    assert scores(index) == before


def test_what_is_new_is_added_and_what_changed_refreshed(
    index: Index, photos: list[Path], world: Path, trained: Path, tmp_path: Path
) -> None:
    before = scores(index)
    new = photos[0].parent / "new.jpg"
    shutil.copy2(sorted((world / "images").iterdir())[20], new)
    shutil.copy2(sorted((world / "images").iterdir())[21], photos[2])
    os.utime(photos[5])  # written again, with the same content
    done = index.build([*photos, new], progress=QUIET)
    assert (done.added, done.refreshed, done.unchanged) == (["photos/new.jpg"], [f"photos/{photos[2].name}"], 7)
    after = scores(index)
    assert after == pytest.approx(fresh([*photos, new], trained, tmp_path / "fresh"), abs=1e-5)
    assert {path for path in photos if before[path] != after[path]} == {photos[2]}
    assert index.build([*photos, new], progress=QUIET).unchanged == 9


def test_what_is_gone_stays_until_it_is_pruned(index: Index, photos: list[Path]) -> None:
    before = scores(index)
    photos[3].unlink()
    assert index.build([photos[0], photos[3]], progress=QUIET).unchanged == 2
    assert scores(index) == before
    assert [hit.missing for hit in index.search(ASK).hits if hit.path == photos[3]] == [True]
    assert index.build(photos[:1], prune=True, progress=QUIET).forgotten == [f"photos/{photos[3].name}"]
    del before[photos[3]]
    assert scores(index) == pytest.approx(before, abs=1e-6)


def test_pictures_and_folders_are_removed(index: Index, photos: list[Path]) -> None:
    before = scores(index)
    photos[1].unlink()
    assert index.remove([photos[1]]) == 1
    assert set(scores(index)) == set(before) - {photos[1]}
    with pytest.raises(InputError, match=r"nobody\.jpg: no picture of"):
        index.remove([photos[2], Path("nobody.jpg")])
    assert len(scores(index)) == 7
    assert index.remove([photos[0].parent]) == 7
    assert scores(index) == {}
    assert index.search(ASK).total == 0
    assert index.info()["unused_regions"] == 8 * 40


def test_broken_pictures_are_listed_and_left_out(index: Index, photos: list[Path], tmp_path: Path) -> None:
    folder = photos[0].parent
    (folder / "text.jpg").write_text("not a picture")
    (folder / "cut.jpg").write_bytes(photos[0].read_bytes()[:500])
    (folder / "folder.jpg").mkdir()
    photos[4].write_bytes(b"")  # was a picture once
    paths = [*photos, folder / "text.jpg", folder / "cut.jpg", folder / "folder.jpg", folder / "none.jpg"]
    odd = Path(os.fsdecode(b"/tmp/\xff.jpg"))
    done = index.build([*paths, odd, Path("nul\0.jpg")], progress=QUIET)
    assert len(done.broken) == 7 and done.unchanged == 7
    assert set(scores(index)) == set(photos), "what was known of one stays"
    said = index.info()["broken"]
    assert not any("none.jpg" in path for path in said), "a name that never was a file is told once"
    listed = index.folder / "broken.txt"
    assert "none.jpg: no such picture" in listed.read_text()
    assert any("its name is not Unicode" in why for why in said.values())
    Image.new("RGB", (50, 40), "red").save(folder / "text.jpg")
    assert index.build([folder / "text.jpg"], progress=QUIET).added == ["photos/text.jpg"]
    assert not any("text.jpg" in path for path in index.info()["broken"])
    (folder / "cut.jpg").unlink()
    photos[4].unlink()
    index.build(photos[:1], progress=QUIET)
    assert {Path(path).name for path in index.info()["broken"]} == {photos[4].name}, "which was indexed once"
    assert not any(name in listed.read_text() for name in ("none.jpg", "cut.jpg", "text.jpg"))


def test_mutated_pictures_never_end_it(index: Index, photos: list[Path]) -> None:
    chance, folder = random.Random(0), photos[0].parent / "mutated"
    folder.mkdir()
    for number in range(40):
        content = bytearray(photos[number % 8].read_bytes())
        for _ in range(20):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        (folder / f"{number:02}.jpg").write_bytes(content[: chance.randrange(1, 2 * len(content))])
    huge = io.BytesIO()
    Image.new("1", (30000, 30000)).save(huge, "PNG")
    (folder / "huge.png").write_bytes(huge.getvalue())
    paths = sorted(folder.iterdir())
    done = index.build(paths, progress=QUIET)
    assert len(done.added) + len(done.broken) == len(paths)
    assert "mutated/huge.png" in " ".join(done.broken)
    assert len(scores(index)) == 8 + len(done.added)


def test_a_picture_knows_its_size_and_date(index: Index, photos: list[Path]) -> None:
    path = photos[0].parent / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif.get_ifd(0x8769)[0x9003] = "2019:07:21 13:14:15"
    Image.new("RGB", (64, 32), "red").save(path, exif=exif)
    index.build([path], progress=QUIET)
    hit = index.search(ASK, where="date = 2019-07").hits[0]
    assert (hit.path, hit.width, hit.height, hit.taken) == (path, 32, 64, "2019-07-21 13:14:15")


def test_an_index_moves_with_or_without_its_pictures(index: Index, photos: list[Path], tmp_path: Path) -> None:
    before = {path.name: score for path, score in scores(index).items()}
    shutil.copytree(index.folder, tmp_path / "far" / "away")
    copied = Index(tmp_path / "far" / "away", "cpu")
    assert scores(copied) == scores(index)
    assert not any(hit.missing for hit in copied.search(ASK).hits)
    (tmp_path / "moved").mkdir()
    shutil.move(index.folder, tmp_path / "moved" / "index")
    shutil.move(photos[0].parent, tmp_path / "moved" / "photos")
    moved = Index(tmp_path / "moved" / "index", "cpu")
    there = sorted((tmp_path / "moved" / "photos").iterdir())
    assert {path: before[path.name] for path in there} == scores(moved)
    assert moved.build(there, progress=QUIET).unchanged == 8


def test_places_are_relative_where_they_can_be(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "a" / "index", str(tmp_path / "old"))
    assert paths.key(tmp_path / "a" / "x" / "1.jpg") == paths.key(tmp_path / "old" / "x" / "1.jpg") == "x/1.jpg"
    assert paths.key(tmp_path / "1.jpg") == str(tmp_path / "1.jpg")
    assert paths.key(tmp_path / "a" / ".." / "ab" / "1.jpg") == str(tmp_path / "ab" / "1.jpg")


def test_a_reader_sees_one_state_while_a_writer_adds(index: Index, photos: list[Path]) -> None:
    with Catalog(index.folder) as reader:
        before = index.snapshot(reader)
        Index(index.folder, "cpu").remove(photos[:4])
        Image.new("RGB", (64, 64), "red").save(photos[0].parent / "late.jpg")
        writer = Index(index.folder, "cpu")
        writer.build([photos[0].parent / "late.jpg"], progress=QUIET)
        assert len(list(reader.entries())) == 8
        assert len(index.snapshot(reader).numbers) == len(before.numbers) == 8
    assert len(scores(index)) == 5


def test_there_is_one_writer(index: Index, photos: list[Path]) -> None:
    with index.writing(), pytest.raises(InputError, match="another process is writing"):
        Index(index.folder, "cpu").build(photos, progress=QUIET)
    assert index.build(photos, progress=QUIET).unchanged == 8


def test_a_file_of_vectors_is_not_endless(index: Index, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = scores(index)
    monkeypatch.setattr(vectors, "MOST", 1)
    index.remove(photos[3:])
    index.build(photos, progress=QUIET)
    assert len(list((index.folder / "vectors").iterdir())) == 3 * 5
    assert scores(index) == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("how", ["cut", "cut boxes", "flipped", "gone"])
def test_damage_is_found_and_repaired(index: Index, photos: list[Path], how: str) -> None:
    before = scores(index)
    ending = "boxes" if how == "cut boxes" else "halves"
    (file,) = (index.folder / "vectors").glob(f"*.{ending}")
    content = bytearray(file.read_bytes())
    half = len(content) * 4 // 8  # of eight pictures in threes, the second three are hit, if cut the rest too
    if how == "gone":
        file.unlink()
    elif how == "flipped":
        content[half] ^= 64
        file.write_bytes(content)
    else:
        file.write_bytes(content[:half])
    expected = {"cut": photos[3:], "cut boxes": photos[3:], "flipped": photos[3:6], "gone": photos}[how]
    assert index.verify() == expected
    broken = Index(index.folder, "cpu")
    if how != "flipped":
        with pytest.raises(InputError, match=r"cut short.*wordsight index build"):
            broken.search(ASK)
    done = broken.build(photos[:1], progress=QUIET)
    assert [Path(key).name for key in done.refreshed] == [path.name for path in expected]
    assert broken.verify() == []
    assert scores(broken) == pytest.approx(before, abs=1e-6)


def test_damage_without_the_picture_is_listed(index: Index, photos: list[Path]) -> None:
    (file,) = (index.folder / "vectors").glob("*.halves")
    file.write_bytes(file.read_bytes()[:-4])
    photos[7].unlink()
    done = index.build(photos[:1], progress=QUIET)
    assert list(done.broken) == [f"photos/{photos[7].name}"]
    assert set(scores(index)) == set(photos[:7])


@pytest.mark.parametrize("at", range(1, 12))
def test_a_full_disk_loses_nothing(
    index: Index, photos: list[Path], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    index.remove(photos[2:])
    before, write, calls = scores(index), vectors.write_at, []

    def full(path: Path, start: int, content: bytes) -> None:
        calls.append(path)
        if len(calls) == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, start, content)

    monkeypatch.setattr(vectors, "write_at", full)
    if at <= 10:  # two batches of three pictures, five files each
        with pytest.raises(InputError, match="the disk is full"):
            index.build(photos, progress=QUIET)
        now = scores(index)
        assert {path: now[path] for path in before} == pytest.approx(before, abs=1e-6)
        assert len(now) == 2 + 3 * ((at - 1) // 5)
    monkeypatch.setattr(vectors, "write_at", write)
    index.build(photos, progress=QUIET)
    assert len(scores(index)) == 8 and index.verify() == []


def test_a_full_disk_under_the_catalogue_loses_nothing(index: Index, photos: list[Path]) -> None:
    index.remove(photos[2:])
    before = scores(index)
    with index.writing() as written:
        written.db.execute(f"PRAGMA max_page_count = {written.db.execute('PRAGMA page_count').fetchone()[0]}")
        with pytest.raises(InputError, match="the disk is full"), written.change():
            for number in range(1000):
                written.set_fact(f"fact {number}", "x" * 1000)
    assert scores(index) == before
    index.build(photos, progress=QUIET)
    assert len(scores(index)) == 8


def test_a_folder_that_cannot_be_written_can_be_searched(
    index: Index, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scores(index)
    (index.folder / "lock").unlink()
    (index.folder / "lock").mkdir()  # cannot be opened for writing, also by root
    monkeypatch.setattr(schema.os, "access", lambda path, mode: mode != os.W_OK)
    files = sorted(path.name for path in index.folder.iterdir())
    assert scores(Index(index.folder, "cpu")) == before
    assert sorted(path.name for path in index.folder.iterdir()) == files  # nothing was put beside the catalogue
    for change in (lambda: index.build(photos), lambda: index.remove(photos)):
        with pytest.raises(InputError, match="lock: cannot be written"):
            change()


def test_what_a_stopped_writer_committed_is_read_where_nothing_can_be_written(
    index: Index, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    with index.writing() as written:
        with written.change():
            written.forget([next(written.entries()).path])
        shutil.copytree(index.folder, copy)  # as a killed writer leaves it
    assert (copy / f"{FILE}-wal").stat().st_size > 0
    monkeypatch.setattr(schema.os, "access", lambda path, mode: mode != os.W_OK)
    assert Index(copy, "cpu").info()["pictures"] == 7
    (copy / f"{FILE}-shm").unlink()
    (copy / f"{FILE}-shm").symlink_to(tmp_path)  # it cannot be made anew, also not by root
    with pytest.raises(InputError, match=f"{FILE}: a writer was stopped before it was done.*index info"):
        Index(copy, "cpu")


def test_an_index_of_a_newer_version_is_refused(index: Index, photos: list[Path]) -> None:
    with sqlite3.connect(index.folder / FILE) as db:
        db.execute("PRAGMA user_version = 99")
    for use in (lambda: Index(index.folder), lambda: Index.create(index.folder, index.folder / "model")):
        with pytest.raises(InputError, match="made by a newer wordsight"):
            use()


def test_an_older_catalogue_is_brought_up_to_date(
    index: Index, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scores(index)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE later (x INTEGER)"))
    assert scores(Index(index.folder, "cpu")) == before  # a reader takes it as it is
    with Catalog(index.folder, write=True) as opened:
        assert opened.db.execute("SELECT count(*) FROM later").fetchone() == (0,)
    assert scores(Index(index.folder, "cpu")) == before


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000])
def test_a_damaged_catalogue_is_said(index: Index, content: bytes) -> None:
    (index.folder / FILE).write_bytes(content)
    for extra in ("-wal", "-shm"):
        (index.folder / f"{FILE}{extra}").unlink(missing_ok=True)
    with pytest.raises(InputError, match=FILE):
        Index(index.folder, "cpu")


def test_another_model_is_refused(index: Index, trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(trained, other)
    metrics = json.loads((other / "metrics.json").read_text())
    (other / "metrics.json").write_text(json.dumps(metrics | {"more": 1}))
    assert Index.create(index.folder, other, "cpu").facts == index.facts  # the same model
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    with pytest.raises(InputError, match="not the model of"):
        Index.create(index.folder, other, "cpu")
    shutil.copy(other / "model.safetensors", index.folder / "model" / "model.safetensors")
    with pytest.raises(InputError, match=r"not the model that this index was built with|its checksum is not that"):
        Index(index.folder, "cpu").search(ASK)


def test_models_that_cannot_be_indexed_are_refused(
    captioner: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="this run describes pictures"):
        Index.create(tmp_path / "one", captioner, "cpu")
    with pytest.raises(InputError, match="not a trained model"):
        Index.create(tmp_path / "two", tmp_path, "cpu")
    start = Align.__init__

    @functools.wraps(start)
    def jointly(model: Align, *sizes: int, **keywords: object) -> None:
        start(model, *sizes, **keywords)  # type: ignore[arg-type]
        model.rule = None

    monkeypatch.setattr(Align, "__init__", jointly)
    with pytest.raises(InputError, match="cannot be indexed"):
        Index.create(tmp_path / "three", trained, "cpu")
    assert not any((tmp_path / name).exists() for name in ("one", "two", "three"))


def test_only_an_index_is_opened_and_nothing_is_overwritten(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not an index"):
        Index(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="expected an index, or a folder that is empty or new"):
        Index.create(tmp_path, trained)
    with pytest.raises(InputError, match="expected an index"):
        Index.create(tmp_path / "thesis.txt", trained)


@pytest.mark.parametrize("until", ["begun", "marked", "locked", "copying", "copied", "catalogue"])
def test_a_creation_that_was_cut_off_is_finished(trained: Path, photos: list[Path], tmp_path: Path, until: str) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    steps = ["begun", "marked", "locked", "copying", "copied", "catalogue"]
    done = steps[: steps.index(until) + 1]
    (folder / MARK).touch()
    if "marked" in done:
        mark(folder)
    if "locked" in done:
        (folder / "lock").touch()
    if "copying" in done:
        part = folder / f".model.{read_id(folder)}.part"
        part.mkdir()
        (part / "config.json").write_text("{")
    if "copied" in done:
        copy_model(trained, folder)
    if "catalogue" in done:
        Catalog(folder, write=True).db.close()
    with pytest.raises(InputError, match=r"not an index|not finished|never finished"):
        Index(folder)
    index = Index.create(folder, trained, "cpu")
    assert len(index.build(photos, progress=QUIET).added) == 8


def test_indexes_merge(index: Index, photos: list[Path], trained: Path, world: Path, tmp_path: Path) -> None:
    more = sorted((world / "images").iterdir())[30:37]
    other = Index.create(tmp_path / "b" / "other", trained, "cpu")
    other.build([*more, *photos[:2]], progress=QUIET)
    table = tmp_path / "meta.csv"
    table.write_text(f"path,who\n{more[0]},Ann\n{photos[0]},Bob\n")
    assert other.annotate(table) == []
    before, theirs = scores(index), scores(other)
    assert index.merge(other) == (7, 2)
    assert scores(index) == pytest.approx(before | theirs, abs=1e-6)
    assert [hit.path for hit in index.search(ASK, where="who ~ '*'").hits] == [more[0]]
    assert index.verify() == []
    assert index.merge(other) == (0, 9)
    assert scores(index) == pytest.approx(before | theirs, abs=1e-6)
    with pytest.raises(InputError, match="expected another index"):
        index.merge(Index(index.folder))


def test_indexes_of_different_models_do_not_merge(index: Index, tmp_path: Path) -> None:
    shutil.copytree(index.folder, tmp_path / "other")
    with Catalog(tmp_path / "other", write=True) as opened, opened.change():
        opened.set_fact("model", "another")
    with pytest.raises(InputError, match="of another model"):
        index.merge(Index(tmp_path / "other"))


def test_ctrl_c_keeps_what_is_done(index: Index, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    index.remove(photos)
    stream = index.run.encoder.stream

    def stopped(paths: object) -> object:
        for number, row in enumerate(stream(paths)):  # type: ignore[arg-type]
            if number == 5:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(index.run.encoder, "stream", stopped)
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        index.build(photos, progress=QUIET)
    assert len(scores(index)) == 5
    monkeypatch.undo()
    assert len(index.build(photos, progress=QUIET).added) == 3


def test_rows_after_a_segment_that_was_cut_short_begin_a_clean_one(tmp_path: Path) -> None:
    segments, values = Segments(tmp_path / "vectors", 4), np.eye(4, dtype=np.float32)
    halved, codes = Halved.of(values), quantise(values, np.array([4]))
    first = segments.append({}, halved, np.zeros((4, 4), np.float32), codes)
    os.truncate(tmp_path / "vectors" / "00001.halves", 3)
    (tmp_path / "vectors" / "00002.coarse").touch()  # what an interruption left of a compact segment
    second = segments.append({1: first.rows}, halved, np.zeros((4, 4), np.float32), codes)
    assert (second.segment, second.first) == (2, 0)
    assert segments.is_sound(second)


def test_rows_behind_the_committed_ones_are_cut_off(index: Index, photos: list[Path]) -> None:
    index.remove(photos[:1])
    before = scores(index)
    for file in (index.folder / "vectors").iterdir():
        with file.open("ab") as open_file:
            open_file.write(np.full(1001, np.nan, np.float32).tobytes())
    assert scores(index) == before
    index.build(photos, progress=QUIET)
    assert index.verify() == [] and np.isfinite(list(scores(index).values())).all()
    (file,) = (index.folder / "vectors").glob("*.halves")
    assert file.stat().st_size == 2 * 64 * 40 * 9


def test_killed_writers_lose_nothing_and_a_wrong_one_is_noticed(trained: Path, world: Path) -> None:
    command = [sys.executable, str(KILLS), str(trained), str(world / "images"), "--kills", "6", "--most", "12"]
    command += ["--controls", "rows exchanged"]
    done = forked(command, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    names, told, control = (line.rsplit(maxsplit=8) for line in done.stdout.splitlines())
    figures = dict(zip(names, map(int, told[1:]), strict=True))
    assert figures["kills"] >= 6 and figures["reads"] >= 6
    assert [figures[key] for key in ("failed", "lost", "doubled", "wrong", "damaged")] == [0] * 5
    assert control[0] == "control: rows exchanged" and int(control[-2]) > 0

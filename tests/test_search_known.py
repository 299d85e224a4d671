"""What an index knows of a picture stays known: half-written, unreadable, moved, copied, on a drive that is away."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from test_search_cli import run, said
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search.index import Index

QUIET = Progress(quiet=True)
ASK = "a red circle"


@pytest.fixture
def photos(world: Path, tmp_path: Path) -> list[Path]:
    folder = tmp_path / "photos"
    folder.mkdir()
    return [Path(shutil.copy(path, folder)) for path in sorted((world / "images").iterdir())[:4]]


@pytest.fixture
def index(photos: list[Path], trained: Path, tmp_path: Path) -> Index:
    made = Index.create(str(tmp_path / "index"), str(trained), "cpu")
    made.build(str(photos[0].parent), progress=QUIET)
    table = tmp_path / "meta.csv"
    table.write_text(f"path,place\n{photos[0]},home\n")
    assert made.annotate(str(table)) == []
    return made


def hit(index: Index) -> tuple[int, Path, str, float]:
    (one,) = index.search(ASK, where="place = home").hits
    return one.number, one.path, one.state, one.score


@pytest.mark.parametrize("how", ["half", "empty", "folder", "pipe", "loop"])
def test_a_picture_that_cannot_be_read_for_a_while_stays_as_it_was(index: Index, photos: list[Path], how: str) -> None:
    before, whole = hit(index), photos[0].read_bytes()
    photos[0].unlink()
    if how in ("half", "empty"):
        photos[0].write_bytes(whole[: len(whole) // 2 if how == "half" else 0])
    elif how == "folder":
        photos[0].mkdir()
    elif how == "pipe":
        os.mkfifo(photos[0])
    else:
        photos[0].symlink_to(photos[0].name)
    assert len(index.build(photos, prune=True, progress=QUIET).broken) == 1
    number, path, state, score = hit(index)
    assert (number, path, score) == (before[0], before[1], before[3]) and state.startswith("unreadable: ")
    assert index.search(ASK).hits[0].to_json()["missing"] is False
    shutil.rmtree(photos[0]) if how == "folder" else photos[0].unlink()
    photos[0].write_bytes(whole)
    assert index.build(photos, progress=QUIET).unchanged == 4
    assert hit(index) == before and index.info()["broken"] == {}


def test_what_was_half_written_is_refreshed_in_place(index: Index, photos: list[Path], world: Path) -> None:
    before, new = hit(index), sorted((world / "images").iterdir())[9].read_bytes()
    photos[0].write_bytes(new[:700])
    index.build(photos, progress=QUIET)
    photos[0].write_bytes(new)
    assert len(index.build(photos, progress=QUIET).refreshed) == 1
    after = hit(index)
    assert after[:3] == before[:3] and after[3] != before[3]


@pytest.mark.parametrize("repair", [True, False])
def test_a_moved_picture_keeps_what_is_known_of_it(
    index: Index, photos: list[Path], monkeypatch: pytest.MonkeyPatch, repair: bool
) -> None:
    before, folder = hit(index), photos[0].parent
    monkeypatch.setattr(index.run, "encode_images", None)
    monkeypatch.setattr(index.run.encoder, "_rows", None)
    os.rename(photos[0], folder / "new name.jpg")
    done = index.build(folder, repair=repair, progress=QUIET)
    assert (done.moved, done.unchanged, done.added) == (["photos/new name.jpg"], 3, [])
    assert hit(index) == (before[0], folder / "new name.jpg", "", before[3])
    os.rename(folder, folder.parent / "elsewhere")
    assert len(index.build(folder.parent / "elsewhere", repair=repair, progress=QUIET).moved) == 4
    assert hit(index)[:2] == (before[0], folder.parent / "elsewhere" / "new name.jpg")


@pytest.mark.parametrize("how", ["swapped", "turned", "chain", "gone", "again", "changed"])
def test_pictures_that_get_the_names_of_others_keep_what_is_known_of_them(
    index: Index, photos: list[Path], world: Path, how: str
) -> None:
    table, folder = photos[0].parent.parent / "all.csv", photos[0].parent
    table.write_text("path,who\n" + "".join(f"{path},{place}\n" for place, path in enumerate(photos)))
    index.annotate(table)
    one, two, three, other = photos
    before = {str(hit.meta["who"]): (hit.number, hit.score) for hit in index.search(ASK).hits}
    names = {"0": one, "1": two, "2": three, "3": other}
    if how == "swapped":
        os.rename(one, folder / "x"), os.rename(two, one), os.rename(folder / "x", two)
        names |= {"0": two, "1": one}
    elif how == "turned":
        os.rename(three, folder / "x"), os.rename(two, three), os.rename(one, two), os.rename(folder / "x", one)
        names |= {"0": two, "1": three, "2": one}
    elif how == "changed":  # a name's picture was another one, and its own is gone
        os.rename(one, two)
        os.rename(shutil.copy(sorted((world / "images").iterdir())[8], folder / "x"), one)
    else:
        os.rename(two, folder / "new.jpg"), os.rename(one, two)
        names |= {"0": two, "1": folder / "new.jpg"}
        if how == "again":
            shutil.copy(sorted((world / "images").iterdir())[8], one)
    done = index.build(folder, progress=QUIET)
    hits = {str(hit.meta["who"]): hit for hit in index.search(ASK).hits if hit.meta}
    assert {who: hit.path for who, hit in hits.items()} == names
    assert [hit.number for hit in hits.values()] == [before[who][0] for who in hits]
    assert index.verify() == [] and index.info()["unused_regions"] == (40 if how == "changed" else 0)
    if how == "changed":
        assert len(done.refreshed) == 2 and hits["1"].score == pytest.approx(before["0"][1])
    else:
        assert len(done.moved) == (3 if how == "turned" else 2) and len(done.refreshed) == (how == "again")
        assert all(hit.score == before[who][1] for who, hit in hits.items())
    assert index.build(folder, progress=QUIET).unchanged == (5 if how == "again" else 4)


def test_a_stopped_build_leaves_no_name_out_whose_picture_went_to_another(
    index: Index, photos: list[Path], world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, folder = hit(index), photos[0].parent
    os.rename(photos[0], folder / "new.jpg")
    shutil.copy(sorted((world / "images").iterdir())[8], photos[0])

    def stopped(paths: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(index.run.encoder, "stream", stopped)
        index.build(folder, progress=QUIET)
    assert hit(index) == (before[0], folder / "new.jpg", "", before[3])
    assert {one.path for one in index.search(ASK).hits} == {*photos, folder / "new.jpg"} and index.verify() == []
    assert index.build(folder, progress=QUIET).refreshed == [f"photos/{photos[0].name}"]
    assert hit(index)[0] == before[0] and len(index.search(ASK).hits) == 5


def test_a_copy_is_a_picture_of_its_own_and_is_not_encoded(
    index: Index, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, folder = hit(index), photos[0].parent
    monkeypatch.setattr(index.run.encoder, "_rows", None)
    shutil.copy(photos[0], folder / "copy.jpg")
    os.link(photos[0], folder / "hard link.jpg")
    assert len(index.build(folder, progress=QUIET).added) == 2
    assert hit(index) == before
    hits = {one.path.name: one for one in index.search(ASK).hits}
    same = [hits[name] for name in (photos[0].name, "copy.jpg", "hard link.jpg")]
    assert len({one.score for one in same}) == 1 and [one.meta for one in same[1:]] == [{}, {}]
    assert len({one.number for one in same}) == 3
    assert index.info()["unused_regions"] == 0 and index.verify() == []
    index.remove(photos[0])
    assert {one.path.name: one.score for one in index.search(ASK).hits}["copy.jpg"] == same[1].score


def test_equal_new_pictures_are_encoded_once(photos: list[Path], trained: Path, tmp_path: Path) -> None:
    for number in range(3):
        shutil.copy(photos[0], photos[0].parent / f"copy {number}.jpg")
    index = Index.create(tmp_path / "index", trained, "cpu")
    seen: list[Path] = []
    stream = index.run.encoder.stream
    index.run.encoder.stream = lambda paths: stream(seen.append(one) or one for one in paths)  # type: ignore
    assert len(index.build(photos[0].parent, progress=QUIET).added) == 7
    assert len(seen) == 4
    assert len({round(one.score, 6) for one in index.search(ASK).hits}) == 4
    other = Index.create(tmp_path / "other", trained, "cpu")
    assert other.merge(str(index.folder)) == (7, 0)
    assert other.info()["regions"] == index.info()["regions"]


def test_pictures_of_a_drive_that_may_be_away_are_forgotten_only_by_force(index: Index, photos: list[Path]) -> None:
    folder, more = photos[0].parent, photos[0].parent.parent / "more.jpg"
    shutil.copy("/dev/null", folder.parent / "nothing")
    os.rename(folder, folder.parent / "away")
    shutil.copy(folder.parent / "away" / photos[1].name, more)
    more.write_bytes(more.read_bytes() + b"\0")
    for _ in range(2):
        with pytest.raises(InputError, match=r"photos: no picture is left there.*4 pictures.*--force"):
            index.build(more, prune=True, progress=QUIET)
        folder.mkdir(exist_ok=True)  # the mount point of a drive
    asked: list[str] = []
    with pytest.raises(InputError, match="--force"):
        index.build(more, prune=True, force=lambda text: bool(asked.append(text)), progress=QUIET)
    assert "Forget 4 pictures" in asked[0] and index.info()["pictures"] == 5
    assert len(index.build(more, prune=True, force=True, progress=QUIET).forgotten) == 4


def test_a_thousand_broken_files_are_ten_lines_and_a_file(index: Index, photos: list[Path]) -> None:
    folder = photos[0].parent
    for number in range(100):
        (folder / f"broken\n\x1b[2J {number:03}.jpg").write_text("no picture")
    code, _, err = run("index", "build", index.folder, folder, "--calibrate", "none")
    listed = (index.folder / "broken.txt").read_text()
    assert code == 0 and "and 90 more, in" in err and len(err.splitlines()) == 12 and "\x1b" not in err + listed
    assert len(listed.splitlines()) == 101
    out = run("index", "info", index.folder)[1]
    assert "and 90 more, with --json" in out and len(said("index", "info", index.folder)["broken"]) == 100
    for path in folder.glob("broken*"):
        path.unlink()
    run("index", "build", index.folder, folder, "--prune", "--calibrate", "none")
    assert not (index.folder / "broken.txt").exists()


def test_broken_files_of_a_drive_that_is_away_are_not_forgotten(
    index: Index, photos: list[Path], tmp_path: Path
) -> None:
    (drive := tmp_path / "drive").mkdir()
    (cut := drive / "cut.jpg").write_bytes(photos[0].read_bytes()[:500])
    index.build([photos[0], cut], progress=QUIET)
    drive.rename(tmp_path / "away")
    for names in ([photos[0]], [photos[0], cut]):
        index.build(names, progress=QUIET)
        assert list(index.info()["broken"]) == [str(cut)]
    drive.mkdir()  # where it is mounted
    with pytest.raises(InputError, match="may not be mounted"):
        index.build(photos[0], prune=True, progress=QUIET)
    assert list(index.info()["broken"]) == [str(cut)]
    index.build(photos[0], prune=True, force=True, progress=QUIET)
    assert index.info()["broken"] == {} and index.info()["pictures"] == 4


def test_nothing_is_pruned_where_a_folder_cannot_be_listed_or_nothing_is_named(
    index: Index, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (locked := tmp_path / "empty" / "locked").mkdir(parents=True)
    scan = os.scandir

    def denied(folder: str) -> object:
        if str(folder) == str(locked):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(folder)

    photos[1].unlink()
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", denied)
        for names in ([locked], [locked.parent]):
            with pytest.raises(InputError, match=r"locked: .*ermission"):
                index.build(names, prune=True, progress=QUIET)
    with pytest.raises(InputError, match="no picture is named"):
        index.build([], prune=True, progress=QUIET)
    assert index.info()["pictures"] == 4
    assert len(index.build(f"{locked}{os.sep}", prune=True, progress=QUIET).forgotten) == 1


def test_nothing_that_can_be_used_makes_no_index(photos: list[Path], trained: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    for names in (["misspelt"], [str(tmp_path / "text.jpg"), "misspelt"]):
        code, out, err = run("index", "build", tmp_path / "new", *names, "--model", trained)
        assert (code, out) == (2, "") and len(err.splitlines()) == 1
        assert not (tmp_path / "new").exists()
    done = said("index", "build", tmp_path / "new", "misspelt", photos[0], "--model", trained, "--calibrate", "none")
    assert done["added"] == 1 and list(done["broken"].values()) == ["misspelt: no such picture"]
    names = "\n".join([str(photos[1]), "nul\0.jpg", "x" * 65_000, "\xff\udcff"[:1]])
    done = said("index", "add", tmp_path / "new", "-", stdin=names)
    assert done["added"] == 1 and len(done["broken"]) == 3
    assert json.dumps(done)

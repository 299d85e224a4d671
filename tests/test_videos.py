"""Videos in an index: frames are found with their times, and nothing that happens to a file doubles or loses one."""

import json
import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from forked import forked
from test_search_cli import run, said
from test_video_frames import film, sound
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search import albums, listing
from wordsight.search.catalog import Catalog
from wordsight.search.contact_sheet import sheet
from wordsight.search.index import Index
from wordsight.search.timeline import timeline

QUIET = Progress(quiet=True)
RUN = Path(__file__).with_name("format1") / "run"
ASK = "a red circle"
SCENES = {  # told apart by that run
    "a": ("rectangle", "yellow", "white"),
    "b": ("ellipse", "blue", "white"),
    "c": ("rectangle", "red", "black"),
    "d": ("ellipse", "green", "navy"),
}


def scene(name: str) -> Image.Image:
    shape, colour, paper = SCENES[name]
    image = Image.new("RGB", (96, 64), paper)
    getattr(ImageDraw.Draw(image), shape)((20, 10, 60, 50), fill=colour)
    return image


def clip(path: Path, scenes: str, **told: Any) -> Path:
    """A video with a scene a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return film(path, [scene(name) for name in scenes], **told)


def built(folder: Path, *pictures: Path, **options: Any) -> Index:
    index = Index.create(folder, RUN, "cpu")
    index.build(list(pictures), progress=QUIET, **options)
    return index


def names(index: Index) -> list[str]:
    with Catalog(index.folder) as catalog:
        return sorted(entry.path for entry in catalog.entries())


def content(index: Index) -> dict[str, tuple[Any, ...]]:
    """What is known of each frame, with its vectors, but not when it was added or where its rows are."""
    with Catalog(index.folder) as catalog:
        snapshot = index.snapshot(catalog)
        vectors = {number: snapshot.images([place]).values for place, number in enumerate(snapshot.numbers.tolist())}
        return {
            entry.path: (entry.hash, entry.taken, entry.width, entry.rows, vectors[number].numpy().round(3).tolist())
            for number, entry, _, _ in catalog.pictures()
        }


def known(index: Index) -> list[tuple[str, float, int, int]]:
    with Catalog(index.folder) as catalog:
        return [(path, seconds, until, frames) for _, path, _, seconds, until, frames in catalog.rows("videos")]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with three videos and a picture."""
    clip(tmp_path / "clips" / "one.mp4", "aabbb", told={"creation_time": "2021-05-17T10:10:10.000000Z"})
    clip(tmp_path / "clips" / "VID_20200102_101010.webm", "cdcd")
    clip(tmp_path / "clips" / "old.avi", "b")
    scene("d").save(tmp_path / "clips" / "still.png")
    return tmp_path


@pytest.fixture
def index(home: Path) -> Index:
    return built(home / "index", home / "clips")


def test_frames_are_entries_and_like_neighbours_are_folded(home: Path, index: Index) -> None:
    phone = "clips/VID_20200102_101010.webm"
    assert names(index) == [
        *(f"{phone}#t={time}" for time in range(4)), "clips/old.avi#t=0", "clips/one.mp4#t=0", "clips/one.mp4#t=2",
        "clips/still.png",
    ]  # fmt: skip
    assert [(path, until, count) for path, _, until, count in known(index)] == [
        (phone, 4, 4),
        ("clips/old.avi", 1, 1),
        ("clips/one.mp4", 5, 2),
    ]
    told = index.info()
    assert (told["pictures"], told["videos"], told["frames"]) == (1, 3, 7)
    assert index.verify() == []
    again = index.build(home / "clips", progress=QUIET)
    assert again.unchanged == 4 and not (again.added or again.refreshed or again.moved or again.broken)


def test_hits_have_their_time_and_a_video_is_one_hit(home: Path, index: Index) -> None:
    found = index.search(ASK, top=10)
    assert found.total == 4 and len({hit.path for hit in found.hits}) == 4
    every = index.search(ASK, top=10, frames=True)
    assert every.total == 8 and [hit.frames for hit in every.hits] == [1 - (hit.time is None) for hit in every.hits]
    scores = {(hit.path.name, hit.time): hit.score for hit in every.hits}
    for hit in found.hits:
        of_file = {time: score for (name, time), score in scores.items() if name == hit.path.name}
        assert hit.score == max(of_file.values()) == of_file[hit.time]
        if hit.time is not None:
            assert hit.frames == len(of_file) and hit.duration == pytest.approx(max(of_file) + 1, abs=2.2)
            rest = sorted((time for time in of_file if time != hit.time), key=lambda time: -of_file[time])
            assert [one.time for one in hit.moments] == rest
    assert sorted(hit.score for hit in found.hits) == sorted(hit.score for page in (1, 2) for hit in
        index.search(ASK, top=2, page=page).hits)  # fmt: skip
    one = next(hit for hit in found.hits if hit.path.name == "one.mp4")
    assert (one.taken, one.taken_from) == (one.taken, "container") and one.taken.startswith("2021-05-17")
    phone = next(hit for hit in found.hits if "VID" in hit.path.name)
    assert (phone.taken, phone.taken_from) == ("2020-01-02 10:10:10", "name")
    plain = json.loads(json.dumps(one.to_json()))
    assert (
        plain["time"] in (0, 2)
        and plain["duration"] == pytest.approx(5, abs=1)
        and plain["moments"][0]["time"] == 2 - plain["time"]
    )
    assert next(hit for hit in found.hits if hit.path.suffix == ".png").to_json()["time"] is None
    assert f"one.mp4 at 0:0{one.time}  (+1 frames)" in str(found) and "at 0:0" in one._repr_html_()
    assert one._repr_png_() and sheet(found).width > 300


def test_many_frames_do_not_hide_other_hits(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "long.mp4", "abcd" * 6)
    for name in "abc":
        scene(name).save(tmp_path / "in" / f"{name}.png")
    index = built(tmp_path / "index", tmp_path / "in")
    found = index.search(ASK, top=2)
    assert found.total == 4 and len(found.hits) == len(index.search(ASK, top=2, page=2).hits) == 2
    assert index.search(ASK, top=9, group=True).total == 2 + ("d.png" in names(index)) or found.total == 4
    (video,) = index.search(ASK, kind="video").hits
    assert video.frames == 24 and len(video.moments) == 23


@pytest.mark.parametrize("wanted", [{"top": 1}, {"top": 1, "page": 3}, {"top": 2, "kind": "video"}, {"top": 9}])
def test_the_quick_scan_finds_the_same_videos_and_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any]
) -> None:
    for name, scenes in {"one": "abcdab", "two": "cdcb", "three": "bdbabd"}.items():
        clip(tmp_path / "in" / f"{name}.mp4", scenes)
    for name in "acd":
        scene(name).save(tmp_path / "in" / f"{name}.png")
    index = built(tmp_path / "index", tmp_path / "in")
    monkeypatch.setattr("wordsight.search.options.FIRST", 1)
    monkeypatch.setattr("wordsight.search.find.MOMENTS", 2)
    found = {}
    for quick in (False, True):
        monkeypatch.setattr("wordsight.search.find.is_quick", lambda spans, rule, quick=quick: quick)
        found[quick] = [index.search(ask, **wanted) for ask in (ASK, "a blue square")]
    for exact, other in zip(*found.values(), strict=True):
        assert other.total == exact.total and len(other.hits) == len(exact.hits)
        for one, same in zip(exact.hits, other.hits, strict=True):
            assert (same.path, same.frames) == (one.path, one.frames)
            assert same.score == pytest.approx(one.score, abs=1e-5)
            assert [moment.score for moment in same.moments] == pytest.approx(
                [moment.score for moment in one.moments], abs=1e-5
            )


def test_filters_know_photos_from_videos(index: Index) -> None:
    assert {hit.path.suffix for hit in index.search(ASK, kind="photo").hits} == {".png"}
    assert index.search(ASK, where="kind = video and date < 2021").total == 1
    assert index.search(ASK, where='path ~ "*.avi"').total == 1
    with pytest.raises(InputError, match="kind 'film': expected one of photo, video"):
        index.search(ASK, kind="film")


def test_the_timeline_has_a_video_once(index: Index) -> None:
    from wordsight.search.facets import facets
    from wordsight.search.filters import Filter
    from wordsight.search.folders import Folders

    with Catalog(index.folder) as catalog:
        all_ = json.loads(timeline(catalog, index.paths, Filter()))
        assert all_["total"] == len(all_["numbers"]) == 4 and len(all_["videos"]) == 3
        assert json.loads(timeline(catalog, index.paths, Filter(kind="photo")))["videos"] == {}
        found = facets(catalog)
        assert found.kinds == {"video": 3, "photo": 1} and sum(found.sizes.values()) == 4
        (folder,) = Folders.read(catalog, index.paths.roots[0]).tree()
        assert folder.count == 4


def test_what_happens_to_files(home: Path, index: Index) -> None:
    clips, before = home / "clips", content(index)
    os.utime(clips / "one.mp4", (10**9, 10**9))
    done = index.build(clips, progress=QUIET)
    assert done.unchanged == 4 and content(index) == before
    shutil.move(clips / "one.mp4", clips / "two.mp4")
    done = index.build(clips, progress=QUIET)
    assert done.moved == ["clips/two.mp4"] and "clips/two.mp4#t=2" in names(index) and len(names(index)) == 8
    shutil.copy(clips / "two.mp4", clips / "three.mp4")
    done = index.build(clips, progress=QUIET)
    assert done.added == ["clips/three.mp4"] and len(names(index)) == 10
    clip(clips / "two.mp4", "dddca")
    done = index.build(clips, progress=QUIET)
    assert done.refreshed == ["clips/two.mp4"]
    assert [name for name in names(index) if "two" in name] == [f"clips/two.mp4#t={time}" for time in (0, 3, 4)]
    (clips / "three.mp4").unlink()
    assert [hit.state for hit in index.search(ASK, where='path ~ "*three*"').hits] == ["missing"]
    done = index.build(clips, prune=True, progress=QUIET)
    assert len(done.forgotten) == 2 and len(known(index)) == 3
    assert index.remove(clips / "two.mp4") == 1 and len(known(index)) == 2 and len(names(index)) == 6
    assert index.build(clips, progress=QUIET).added == ["clips/two.mp4"] and index.verify() == []


def test_broken_videos_are_listed_like_broken_pictures(home: Path, index: Index) -> None:
    (home / "clips" / "empty.mp4").touch()
    (home / "clips" / "text.mkv").write_text("no video")
    sound(home / "clips" / "song.mp4")
    done = index.build(home / "clips", progress=QUIET)
    assert sorted(done.broken) == ["clips/empty.mp4", "clips/song.mp4", "clips/text.mkv"] and done.unchanged == 4
    assert (
        "only sound" in done.broken["clips/song.mp4"]
        and len((index.folder / "broken.txt").read_text().split("\n")) == 5
    )
    clip(home / "clips" / "empty.mp4", "a")
    assert index.build(home / "clips", progress=QUIET).added == ["clips/empty.mp4"]
    (home / "clips" / "one.mp4").write_text("overwritten")
    done = index.build(home / "clips", progress=QUIET)
    assert "clips/one.mp4" in done.broken and index.search(ASK, where='path ~ "*one.mp4"').hits[0].unreadable
    (home / "clips" / "one.mp4").unlink()
    index.build(home / "clips", progress=QUIET)
    assert home / "clips" / "one.mp4" in map(Path, index.info()["broken"]), "which was indexed once"
    assert index.build(home / "clips", prune=True, progress=QUIET).forgotten
    assert home / "clips" / "one.mp4" not in map(Path, index.info()["broken"])
    strange = home / "strange.mp4#t=7"
    strange.write_bytes((home / "clips" / "old.avi").read_bytes())
    assert "name would be that of a frame" in next(iter(index.build([strange], progress=QUIET).broken.values()))


def test_without_the_extra_videos_are_left_out_in_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "reads_videos", lambda: False)
    code, out, err = run("index", "build", home / "index", home / "clips", "--model", RUN, "--calibrate", "none")
    assert code == 0 and "1 pictures (1 added, 1 broken)" in out
    assert err.count("PyAV") == 1 and "and 2 more: left out" in err and "pip install" in err
    code, _, err = run("index", "build", home / "none", home / "clips" / "one.mp4")
    assert code == 2 and "PyAV" in err and not (home / "none").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from wordsight.progress import Progress
from wordsight.search import build
from wordsight.search.index import Index
from wordsight.search.video_build import VideoBuilder

build.BATCH, commit, left = 3, VideoBuilder.commit, int(sys.argv[3])
def killed(self, touched):
    global left
    done = commit(self, touched)
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)  # within the transaction
    return done
VideoBuilder.commit = killed
Index(sys.argv[1], "cpu").build(Path(sys.argv[2]), progress=Progress(quiet=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_build_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    path = clip(tmp_path / "in" / "long.mp4", "aabbbcccddaabbccddcb")
    whole = built(tmp_path / "whole", path)
    index = Index.create(tmp_path / "index", RUN, "cpu")
    done = forked([sys.executable, "-c", KILLED, index.folder, path.parent, "2"], timeout=200)
    assert done.returncode == -signal.SIGKILL
    ((_, seconds, until, frames),) = known(index)
    assert 0 < until < seconds and len(names(index)) == frames > 1
    assert index.search(ASK).hits[0].frames == frames  # what there is is found already
    built_ = index.build(path.parent, progress=QUIET)
    assert built_.refreshed == ["in/long.mp4"] and content(index) == content(whole) and known(index) == known(whole)
    assert index.build(path.parent, progress=QUIET).unchanged == 1 and index.verify() == []


def test_a_changed_video_that_is_interrupted_has_no_frame_of_the_old_content_in_the_end(
    home: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip(home / "clips" / "one.mp4", "dcbadcbadc")
    monkeypatch.setattr("wordsight.search.build.BATCH", 2)

    def stop(done: int, total: int) -> None:
        with Catalog(index.folder) as catalog:
            if any(until < seconds for _, _, _, seconds, until, _ in catalog.rows("videos")):
                raise KeyboardInterrupt

    class Stopping(Progress):
        def task(self, name: str) -> Any:
            from contextlib import nullcontext

            return nullcontext(stop)

    with pytest.raises(KeyboardInterrupt):
        index.build(path, progress=Stopping(quiet=True))
    index.build(path, progress=QUIET)
    fresh = content(built(home / "fresh", path))
    assert {key: one for key, one in content(index).items() if "one.mp4" in key} == fresh


def test_damage_is_found_and_repaired(home: Path, index: Index) -> None:
    before = content(index)
    db = sqlite3.connect(index.folder / "catalog.sqlite")
    db.execute("UPDATE pictures SET width = 7 WHERE path = 'clips/one.mp4#t=2'")
    db.commit()
    assert index.verify() == [home / "clips" / "one.mp4"]
    assert index.build(home / "clips", progress=QUIET).refreshed == ["clips/one.mp4"] and content(index) == before
    db.execute("DELETE FROM pictures WHERE path = 'clips/VID_20200102_101010.webm#t=1'")
    db.execute("UPDATE videos SET frames = 9 WHERE path = 'clips/old.avi'")
    db.commit()
    index.build(home / "clips", progress=QUIET)
    assert content(index) == before and index.verify() == []
    db.close()
    with open(index.folder / "catalog.sqlite", "r+b") as file:
        file.write(b"no catalogue")
    index = Index.create(index.folder, device="cpu")
    index.build(home / "clips", progress=QUIET)
    assert content(index) == before and len(known(index)) == 3


def test_indexes_of_videos_are_merged(home: Path, index: Index) -> None:
    other = clip(home / "more" / "other.mp4", "abcdab")
    second = built(home / "second", other, home / "clips" / "one.mp4")
    assert index.merge(second) == (1, 1) and ("more/other.mp4", 6, 6) in [(one[0], *one[2:]) for one in known(index)]
    assert index.merge(second) == (0, 2) and index.verify() == []
    done = index.build([home / "more", home / "clips"], progress=QUIET)
    assert done.unchanged == 5 and not done.refreshed


def as_format_3(index: Path) -> None:
    """The index as it was before there were videos."""
    with sqlite3.connect(index / "catalog.sqlite") as db:
        for table in ("videos", "texts"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 3")
    db.close()
    (index / "seal.json").unlink()


def test_an_index_of_format_3_is_searched_as_it_is_and_takes_videos_at_the_next_build(home: Path) -> None:
    index = built(home / "index", home / "clips" / "still.png")
    before = [(hit.path, hit.score) for hit in index.search(ASK).hits]
    as_format_3(index.folder)
    old = Index(index.folder, "cpu")
    assert [(hit.path, hit.score) for hit in old.search(ASK).hits] == before and old.info()["videos"] == 0
    assert old.verify() == []
    done = old.build(home / "clips", progress=QUIET)
    assert len(done.added) == 3 and done.unchanged == 1 and old.search(ASK).total == 4


def test_metadata_and_albums_of_videos(home: Path, index: Index) -> None:
    (home / "meta.csv").write_text("path,place\nclips/one.mp4,lake\nold.avi,town\n")
    assert index.annotate(home / "meta.csv") == []
    assert index.search(ASK, columns={"place": "lake"}).hits[0].frames == 2
    clip(home / "clips" / "one.mp4", "abcdab")
    index.build(home / "clips", progress=QUIET)
    assert index.search(ASK, columns={"place": "lake"}).hits[0].frames == 6  # the new frames, too
    hit = index.search(ASK, columns={"place": "lake"}).hits[0]
    with index.writing() as catalog, catalog.change():
        album = albums.create(catalog, "mine", [hit.number])
    with Catalog(index.folder) as catalog:
        (row,) = albums.rows(catalog, album, ["one.mp4"])
    assert row["time"] == hit.time and f"one.mp4,{hit.time}," in albums.as_csv([row])
    assert index.search(ASK, album="mine").total == 1


def test_the_command_line_says_file_and_time(home: Path, index: Index, tmp_path: Path) -> None:
    code, out, _ = run("search", index.folder, ASK, "--kind", "video", "--device", "cpu")
    assert code == 0 and "one.mp4 at 0:0" in out and "+1 frames" in out
    frame = home / "clips" / "VID_20200102_101010.webm#t=1"
    found = said("search", index.folder, "--picture", frame, "--frames", "--top", 2, "-o", tmp_path / "sheet.png")
    assert found["hits"][0]["path"].endswith(".webm") and found["hits"][0]["time"] == 1
    assert (tmp_path / "sheet.png").exists() and found["hits"][0]["moments"] == []
    figures = said("index", "build", index.folder, home / "clips", "--calibrate", "none")
    assert (figures["unchanged"], figures["videos"], figures["frames"]) == (4, 3, 7)
    assert "3 videos with 7 frames" in run("index", "build", index.folder, home / "clips", "--calibrate", "none")[1]


def test_a_second_look_scores_frames_again(index: Index) -> None:
    import wordsight

    again = wordsight.load(RUN, "cpu")
    for hit in index.search(ASK, reranker=again).hits:
        assert hit.reranked == pytest.approx(float(again.score([hit.open_image()], [ASK])[0, 0]), abs=1e-3)


def test_a_part_of_a_video_is_grounded_and_drawn_over_no_video(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", "abc")
    before = path.read_bytes()
    part, out = f"{path}#t=2,3", tmp_path / "drawn.png"
    assert run("ground", RUN, part, ASK, "-o", out)[0] == 0 and out.is_file()
    code, _, why = run("ground", RUN, part, ASK, "-o", path)
    assert code == 2 and "is itself read" in why and path.read_bytes() == before
    code, _, why = run("caption", f"{path}#t=,2")
    assert code == 2 and "expected #t=START,END in seconds" in why

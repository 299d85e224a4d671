"""`wordsight index` and `wordsight search` on the command line."""

import json
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from wordsight.cli.main import app
from wordsight.errors import InputError
from wordsight.search import schema


def run(*arguments: str | Path, stdin: str = "") -> tuple[int, str, str]:
    """Exit code, stdout, stderr of a command in this process."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def said(*arguments: str | Path, stdin: str = "") -> dict:
    code, out, err = run(*arguments, "--json", stdin=stdin)
    assert code == 0, err
    return json.loads(out)


@pytest.fixture(scope="module")
def photos(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "photos"
    (folder / "deep").mkdir(parents=True)
    for number, path in enumerate(sorted((world / "images").iterdir())[:6]):
        shutil.copy2(path, folder / ("deep" if number < 2 else ".") / path.name)
    (folder / "broken.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def index(photos: Path, trained: Path) -> Path:
    folder = photos.parent / "index"
    made = said("index", "build", folder, photos, "--model", trained, "--device", "cpu")
    assert (made["added"], made["pictures"], list(made["broken"])) == (6, 6, ["photos/broken.jpg"])
    return folder


def test_an_index_is_built_and_told_about(index: Path, photos: Path) -> None:
    code, out, err = run("index", "build", index, "-", stdin=f"{photos}/deep\n")
    assert (code, out) == (2, "") and "this is a folder" in err, "nothing that was named could be used"
    code, out, err = run("index", "build", index, photos)
    assert code == 0 and "6 pictures (6 unchanged, 1 broken)" in out and "broken.jpg" in err
    figures = said("index", "info", index)
    assert figures["pictures"] == 6 and figures["calibration"]["pictures"] > 1, "by default, from the model's own data"
    code, out, _ = run("index", "info", index)
    assert "pictures    6" in out and "broken.jpg" in out
    assert run("index", "verify", index)[:2] == (0, f"{index}: sound\n")


def test_hits_are_printed_with_their_boxes(index: Path) -> None:
    found = said("search", index, "a red circle and a zyzzyva", "--top", "3")
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3] and found["unknown"] == ["zyzzyva"]
    assert all(0 <= hit["confidence"] <= 1 for hit in found["hits"])
    code, out, err = run("search", index, "a red circle and a zyzzyva", "--top", "3")
    assert code == 0 and "zyzzyva" in err and found["hits"][0]["path"] in out and "red" in out
    assert out.splitlines()[0].split("\t") == ["rank", "match", "date", "file", "words", "note"]
    assert "strength" in run("search", index, "a red circle", "--boxes", "--no-pictures")[1]


def test_weights_pages_filters_and_folders(index: Path, photos: Path) -> None:
    plain, heavy = (said("search", index, text)["hits"][0] for text in ("a circle", "a circle^2.5"))
    assert heavy["score"] == pytest.approx(2.5 * plain["score"], abs=1e-5)
    both = said("search", index, "a circle", "a cross^-.5", "--top", "2", "--page", "2")
    assert [hit["rank"] for hit in both["hits"]] == [3, 4] and both["total"] == 6
    assert said("search", index, "a circle", "--under", photos / "deep")["total"] == 2
    assert said("search", index, "a circle", "--where", "path ~ '*/deep/*' and width > 1")["total"] == 2
    assert run("search", index, "a circle", "--min-score", "99") == (0, "", "No picture matches.\n")


def test_dates_shapes_cameras_and_albums_choose_pictures(index: Path) -> None:
    every = said("search", index, "a red circle")["hits"]
    day = every[0]["taken"][:10]
    assert {hit["taken_from"] for hit in every} == {"file"} and {hit["camera"] for hit in every} == {""}
    assert all(hit["taken"][:10] <= day for hit in said("search", index, "a red circle", "--until", day)["hits"])
    assert said("search", index, "a red circle", "--since", "2999-01-01")["hits"] == []
    assert said("search", index, "a red circle", "--camera", "Nikon D90", "--camera", "X")["hits"] == []
    shape = "landscape" if every[0]["width"] > every[0]["height"] else "square"
    assert said("search", index, "a red circle", "--orientation", shape)["total"] >= 1
    for wrong, told in (
        (("--since", "May"), "since 'May': expected a day such as 2024-05-17"),
        (("--orientation", "round"), "expected one of landscape, portrait, square"),
        (("--album", "best"), "no album of this index; there is none yet"),
    ):
        code, out, err = run("search", index, "a red circle", *wrong)
        assert (code, out) == (2, "") and told in err


def test_pictures_and_their_regions_are_asked(index: Path, photos: Path, tmp_path: Path) -> None:
    picture = min((photos / "deep").iterdir())
    assert said("search", index, "--picture", picture)["hits"][0]["path"] == str(picture)
    wide = Image.open(picture).width
    found = said("search", index, "--picture", picture, "--box", f"0,0,{wide // 2},40", "-o", tmp_path / "sheet.png")
    assert found["hits"][0]["phrases"][0]["text"] == "this"
    assert Image.open(tmp_path / "sheet.png").width > 320


def test_captions_are_found_for_a_picture(index: Path, photos: Path, world: Path, tmp_path: Path) -> None:
    lines = tmp_path / "captions.txt"
    lines.write_text("a red circle\n\na blue\u2028square\na red circle\nzyzzyva\n", encoding="utf-8")
    picture = min((photos / "deep").iterdir())
    for box in ([], ["--box", "0,0,30,30"]):
        found = said("search", index, "--picture", picture, *box, "--captions", lines)["captions"]
        assert {one["caption"] for one in found} == {"a red circle", "a blue\u2028square"}  # one line
        assert found[0]["score"] >= found[1]["score"]
    code, _, err = run("search", index, "a cross", "--captions", lines)
    assert code == 2 and "expected one --picture" in err


def test_a_search_replaces_no_picture_that_it_reads_or_may_find(index: Path, photos: Path, tmp_path: Path) -> None:
    query, clip = Path(shutil.copy(min((photos / "deep").iterdir()), tmp_path / "q.jpg")), tmp_path / "clip.mp4"
    copied, shards, (last, *_) = tmp_path / "copied", tmp_path / "shards", sorted(photos.glob("*.*"))[::-1]
    shutil.copytree(index, copied / "index")  # the index was moved away from its pictures
    shutil.copytree(index, shards / "shard-00000")
    clip.write_bytes(b"frames")
    os.link(clip, pictured := tmp_path / "clip.jpg")
    (linked := tmp_path / "linked").symlink_to(photos)
    os.link(last, other := tmp_path / "other.jpg")
    kept = {path: path.read_bytes() for path in (query, clip, last, photos / "broken.jpg")}
    for *words, out, says in (
        (index, "--picture", query, query, "is itself read"),
        (index, "--picture", f"{clip}#t=7", pictured, "is itself read"),
        (index, "--sketch", query, query, "is itself read"),
        (index, "a red circle", "--top", "1", last, "is itself read"),
        (index, "a red circle", "--min-score", "99", linked / last.name, "is itself read"),
        (index, "a red circle", "--top", "1", other, "is itself read"),
        (index, "a red circle", "--top", "1", photos / "broken.jpg", "is itself read"),
        (copied / "index", "a red circle", "--top", "1", last, "is itself read"),
        (shards, "a red circle", "--ray", "local", last, "is itself read"),
        (index, "a red circle", linked / ".." / "index" / "thumbs" / "sheet.png", "is inside the index"),
        (index, "a red circle", tmp_path / "sheet.txt", "expected a name that ends in"),
    ):
        code, stdout, err = run("search", *words, "-o", out)
        assert (code, stdout) == (2, "") and says in err, (words, out, err)
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_sheet_of_nothing_is_not_drawn_and_the_answer_is_given(index: Path, tmp_path: Path) -> None:
    none = ("search", index, "a circle", "--min-score", "99", "-o", tmp_path / "sheet.png")
    assert said(*none)["hits"] == [] and run(*none)[0] == 0
    assert "sheet.png: not drawn" in run(*none)[2] and not (tmp_path / "sheet.png").exists()


def test_a_very_flat_or_narrow_hit_is_drawn(trained: Path, tmp_path: Path) -> None:
    for size in ((4000, 2), (2, 4000)):
        Image.new("RGB", size, "red").save(tmp_path / f"{size[0]}.png")
    index = tmp_path / "index"
    said("index", "build", index, tmp_path / "4000.png", tmp_path / "2.png", "--model", trained, "--calibrate", "none")
    assert len(said("search", index, "a red square", "-o", tmp_path / "sheet.jpg")["hits"]) == 2
    assert Image.open(tmp_path / "sheet.jpg").width > 640


def test_folders_and_paths_choose_pictures_wherever_the_index_is(index: Path, photos: Path, tmp_path: Path) -> None:
    (linked := tmp_path / "linked").symlink_to(photos)
    copied = Path(shutil.copytree(index, tmp_path / "far" / "index"))
    for home in (index, copied):
        assert {Path(hit["path"]).parent.parent for hit in said("search", home, "a circle")["hits"]} >= {photos}
        for folder in (photos / "deep", linked / "deep"):
            assert said("search", home, "a circle", "--under", folder)["total"] == 2
        for path in (f"path ~ '{photos}/deep/*'", f"path = '{min((photos / 'deep').iterdir())}'"):
            assert said("search", home, "a circle", "--where", path)["total"] == (2 if "~" in path else 1)


@pytest.mark.parametrize(
    ("option", "value"), [("--where", "path = caf\udce9"), ("--under", "caf\udce9"), ("--camera", "caf\udce9")]
)
def test_filters_that_are_not_unicode_are_said(index: Path, option: str, value: str) -> None:
    code, out, err = run("search", index, "a circle", option, value)
    assert (code, out) == (2, "") and f"{option[2:]} {value!r}: expected UTF-8" in err


@pytest.mark.parametrize(
    "option",
    [
        ("-o", "x.png"),
        ("--where", "width > 3"),
        ("--under", "."),
        ("--kind", "photo"),
        ("--group",),
        ("--frames",),
        ("--page", "2"),
        ("--min-score", "0"),
        ("--min-confidence", "0"),
        ("--rerank", "run"),
        ("--boxes",),
    ],
)
def test_what_lines_of_a_file_know_nothing_of_is_refused(index: Path, option: tuple[str, ...]) -> None:
    code, out, err = run("search", index, "--picture", "a.jpg", "--captions", "lines.txt", *option)
    assert (code, out) == (2, "") and f"--captions lines.txt: does not go with {option[0]}." in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "query is empty"),
        (("zyzzyva",), "knows none of these words"),
        (("a circle", "--where", "widht > 3"), "did you mean 'width'?"),
        (("a circle", "--box", "1,2,3,4"), "expected together with one --picture"),
        (("--picture", "nowhere.jpg"), "no such picture"),
        (("a circle", "--min-confidence", "0.5", "a cross"), "expected a single sentence"),
        (("a circle", "-o", "sheet.txt"), "sheet.txt: expected a name that ends in"),
    ],
)
def test_mistakes_are_one_sentence(index: Path, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = run("search", index, *arguments)
    assert (code, out) == (2, "") and says in err


def test_a_system_without_a_temporary_folder_says_so(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(index / "none"))
    code, _, err = run("search", index, "a circle", "--open")
    assert code == 1 and str(index / "none") in err and err.endswith(": No such file or directory.\n")


def test_an_index_on_a_full_disk_is_searched_and_refuses_more(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> InputError:
        return schema.sentence(path, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr(schema, "SPARE", 1 << 62)
    assert "immutable=1" in schema._uri(index / schema.FILE, write=False), "nothing is written beside it"
    assert run("search", index, "a circle")[0] == 0
    assert "the disk is full" in str(full(index / schema.FILE))
    monkeypatch.setattr(schema, "SPARE", 0)
    assert "input/output error" in str(full(index / schema.FILE))


def test_too_few_pictures_to_learn_from_are_said_before_the_build(photos: Path, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    shutil.copy(next(photos.glob("*.*")), tmp_path / "one" / "a.png")
    rows = [{"file_name": "a.png", "text": "a circle", "split": "val"}]
    (tmp_path / "one" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    given = ("--model", trained, "--calibrate", tmp_path / "one")
    code, _, err = run("index", "build", tmp_path / "new", photos, *given)
    assert code == 2 and not (tmp_path / "new").exists(), err
    assert f"{tmp_path / 'one'}: expected at least 2 pictures" in err


def test_indexes_are_merged_cut_and_verified(index: Path, photos: Path, trained: Path, world: Path) -> None:
    other = photos.parent / "other"
    more = sorted((world / "images").iterdir())[10:13]
    table = photos.parent / "meta.json"
    table.write_text(json.dumps([{"file": path.name, "place": "Oslo"} for path in more] + [{"file": "x.jpg"}]))
    made = said("index", "build", other, *more, "--model", trained, "--meta", table, "--calibrate", "none")
    assert made["unknown"] == ["x.jpg"]
    assert "calibrated  no; " in run("index", "info", other)[1]
    assert said("index", "add", other, more[0])["pictures"] == 3
    assert said("index", "info", other)["calibration"] is None, "adding learns nothing"
    said("index", "build", other, more[0], "--calibrate", world)
    assert said("index", "info", other)["calibration"] == said("index", "info", index)["calibration"]
    assert said("search", other, "a circle", "--where", "place = Oslo")["total"] == 3
    copy = photos.parent / "copy"
    shutil.copytree(index, copy)
    assert said("index", "merge", copy, other) == {"added": 3, "known": 0, "pictures": 9}
    assert said("index", "remove", copy, more[0]) == {"removed": 1}
    assert said("index", "add", copy, more[0])["pictures"] == 9
    (file,) = (copy / "vectors").glob("*.halves")
    file.write_bytes(file.read_bytes()[:-1])
    code, out, err = run("index", "verify", copy)
    assert (code, out) == (2, f"{more[0]}\n") and "`wordsight index build` repairs them" in err
    code, out, err = run("search", copy, "a circle")
    assert code == 2 and "cut short" in err
    assert said("index", "build", copy, more[0])["refreshed"] == 1
    assert said("index", "verify", copy) == {"damaged": []}


@pytest.mark.parametrize("content", [None, b"", b"nonsense" * 1000])
def test_a_catalogue_that_cannot_be_read_is_made_anew(index: Path, photos: Path, content: bytes | None) -> None:
    copy = Path(shutil.copytree(index, photos.parent / "damaged"))
    file = copy / "catalog.sqlite"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content is None else content)
    damaged = file.read_bytes()
    code, _, err = run("search", copy, "a red circle")
    assert code == 2 and "`wordsight index build`" in err
    code, out, err = run("index", "build", copy, photos)
    assert code == 0 and "6 pictures (" in out and "was damaged, and is kept as catalog.sqlite.damaged" in err
    assert (copy / "catalog.sqlite.damaged").read_bytes() == damaged
    assert said("index", "verify", copy) == {"damaged": []} and said("search", copy, "a red circle")["total"] == 6
    shutil.rmtree(copy)


def test_a_build_that_fails_prunes_nothing_and_an_empty_folder_is_pruned(
    photos: Path, trained: Path, tmp_path: Path
) -> None:
    (mine := tmp_path / "mine").mkdir()
    first, second = (Path(shutil.copy(path, mine)) for path in sorted((photos / "deep").iterdir()))
    index = tmp_path / "index"
    build = ("index", "build", index)
    said(*build, mine, "--model", trained, "--calibrate", "none")
    first.unlink()
    code, out, err = run(*build, tmp_path / "misspelt", "--prune")
    assert (code, out) == (2, "") and "no such picture" in err
    assert said("index", "info", index)["pictures"] == 2
    second.unlink()
    assert run(*build, mine)[0] == 2 and run(*build, mine, "--prune")[0] == 2
    assert said(*build, mine, "--prune", "--force")["forgotten"] == 2
    code, out, err = run("index", "build", tmp_path / "new", mine, "--prune")
    assert (code, out) == (2, "") and "no index yet" in err and not (tmp_path / "new").exists()


def test_what_a_build_reads_at_its_end_is_checked_at_its_beginning(index: Path, photos: Path, tmp_path: Path) -> None:
    before = said("index", "info", index)
    new = shutil.copy(min((photos / "deep").iterdir()), tmp_path / "new.jpg")
    (table := tmp_path / "meta.csv").write_text("who,stars\nAnn,3\n")
    column = "expected a column 'path'"
    for command, home, *wrong, says in (
        ("build", index, "--meta", table, column),
        ("build", tmp_path / "made", "--meta", table, column),
        ("add", index, "--meta", table, column),
        ("add", tmp_path / "made", "--meta", table, column),
        ("build", index, "--calibrate", tmp_path / "nowhere", "No dataset '"),
        ("build", tmp_path / "made", "--calibrate", tmp_path / "nowhere", "No dataset '"),
    ):
        code, out, err = run("index", command, home, new, *wrong)
        assert (code, out) == (2, "") and says in err and not (tmp_path / "made").exists()
    assert said("index", "info", index) == before

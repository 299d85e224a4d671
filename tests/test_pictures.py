"""What names stand for: each picture once, links followed once, nothing passed over in silence."""

import os
import time
from pathlib import Path

import pytest

from wordsight.data.pictures import picture_files
from wordsight.errors import InputError


def paths(listing: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in listing]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("p/a.jpg", "p/deep/b.jpg", "q/c.jpg", "p/notes.txt", "p/.hidden/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_links_to_folders_are_followed_once(tree: Path) -> None:
    (tree / "p" / "0").symlink_to(tree / "q")
    (tree / "p" / "deep" / "loop").symlink_to(tree / "p")
    (tree / "q" / "back").symlink_to(tree / "p" / "deep")
    assert paths(picture_files(tree / "p"), tree) == ["p/a.jpg", "p/deep/b.jpg", "p/0/c.jpg"]
    assert paths(picture_files([tree / "p", tree / "q"]), tree) == ["p/a.jpg", "p/deep/b.jpg", "q/c.jpg"]


def test_the_way_without_links_is_taken(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "p")
    (tree / "p" / "0.jpg").symlink_to("a.jpg")
    for names in (["link", "p"], ["p", "link"], ["link/a.jpg", "p"], ["p/0.jpg", "p"]):
        assert set(paths(picture_files([tree / name for name in names]), tree)) == {"p/a.jpg", "p/deep/b.jpg"}


def test_what_cannot_be_listed_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "p" / "self").symlink_to("self")
    scan = os.scandir

    def refused(folder: str) -> object:
        if str(folder).endswith("deep"):
            raise PermissionError(13, "Permission denied", folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refused)
    listing = picture_files([tree / "p", tree / "none.jpg"])
    assert paths(listing, tree) == ["p/a.jpg", "none.jpg"]
    assert {path.name: why.rpartition(": ")[2] for path, why in listing.left_out.items()} == {
        "deep": "Permission denied",
        "self": "Too many levels of symbolic links",
    }
    with pytest.raises(InputError, match="deep: Permission denied"):
        picture_files(tree / "p" / "deep")


def test_patterns_through_loops_of_links_end(tree: Path) -> None:
    for number in range(8):
        (tree / "p" / f"loop{number}").symlink_to(tree / "p")
        (tree / "p" / "deep" / f"loop{number}").symlink_to(tree / "p")
    began = time.process_time()
    assert paths(picture_files(f"{tree}/p/**/*.jpg"), tree) == ["p/a.jpg", "p/deep/b.jpg"]
    assert paths(picture_files(f"{tree}/" + "*/" * 30 + "**/**/b.j[pP]g"), tree)[0].endswith("b.jpg")
    assert paths(picture_files(f"{tree}/**/[!a]*.jpg"), tree) == ["p/deep/b.jpg", "q/c.jpg"]
    assert time.process_time() - began < 5


def test_names_that_no_file_can_have_are_files_that_are_not_there() -> None:
    odd = ["nul\0.jpg", "x" * 65_000, "\x1b2J.jpg", "a\nb.jpg"]
    assert picture_files(odd) == [Path(name) for name in odd]
    assert picture_files("-", [b"a.jpg\n", b"\xff.jpg\r\n", b"\n"]) == [Path("a.jpg"), Path(os.fsdecode(b"\xff.jpg"))]
    with pytest.raises(InputError, match="the list of pictures is empty"):
        picture_files("-")


def test_one_name_without_a_picture_does_not_lose_the_others(tree: Path) -> None:
    (tree / "empty").mkdir()
    listing = picture_files([tree / "empty", tree / "q", f"{tree}/*.png"])
    assert paths(listing, tree) == ["q/c.jpg"] and len(listing.left_out) == 2
    with pytest.raises(InputError, match=r"None of the 2 names .*empty: no picture in this"):
        picture_files([tree / "empty", f"{tree}/*.png"])

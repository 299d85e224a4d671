"""Names of pictures in an index, and the files that they stand for."""

import os
from pathlib import Path

import pytest

from wordsight.search import paths
from wordsight.search.paths import Paths


def test_places_of_many_names_are_those_of_the_hits_and_each_folder_is_listed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for home, name in (("made", "photos/a.jpg"), ("made", "photos/b.jpg"), ("now", "photos/b.jpg"), ("made", "v.mp4")):
        (tmp_path / home / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / home / name).touch()
    (tmp_path / "now" / "file").touch()
    keys = ["photos/a.jpg", "photos/b.jpg", "photos/gone.jpg", "none/x.jpg", "file/x.jpg", "v.mp4#t=7", "/far/x.jpg"]
    moved, there = (Paths(tmp_path / "now" / "index", str(tmp_path / made)) for made in ("made", "now"))
    expected = [[str(one.path(key)) for key in keys] for one in (moved, there)]
    looks, looked, listed = list[object](), os.lstat, os.listdir
    monkeypatch.setattr(paths.os, "listdir", lambda folder: looks.append(folder) or listed(folder))
    assert [list(map(one.place(), keys)) for one in (moved, there)] == expected
    assert len(looks) == len(set(looks)) == 8, "of an index that was not moved none"
    monkeypatch.setattr(paths, "_doubt", lambda path: looks.append(path) or looked(path))
    place = moved.place()
    looks.clear()
    assert {place("photos/a.jpg") for _ in range(100)} == {str(tmp_path / "made" / "photos" / "a.jpg")}
    assert len(looks) == 2


def test_a_folder_is_known_by_its_own_path_where_the_index_was_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "photos").mkdir(parents=True)
    (link := tmp_path / "link").symlink_to(tmp_path / "real")
    keys = ["photos/a.jpg", "others/b.jpg", "clip.mp4#t=7"]
    for made in (Paths(link / "index", str(link)), Paths(tmp_path / "now" / "index", str(link))):
        for home in (link, tmp_path / "real"):
            assert list(made.below(keys, home / "photos")) == keys[:1]
            assert list(made.below(keys, home / "clip.mp4")) == keys[2:]

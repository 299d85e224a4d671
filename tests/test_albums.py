"""What is done with photos that were found: albums, one file of many, words to go on with, and more pictures."""

import csv
import io
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from wordsight.search.albums import as_csv
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index
from wordsight.web import reveal
from wordsight.web.app import create_app
from wordsight.web.indexing import Indexing, Stopped

API = "/api/v1"


def client(index: Index, **given: Any) -> TestClient:
    return TestClient(create_app(index, **given), base_url="http://localhost", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def index(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    """A copy of the index with its pictures, which tests may add to."""
    home = tmp_path_factory.mktemp("albums") / "home"
    shutil.copytree(indexed.parent, home)
    copy = Index(home / "index", "cpu")
    copy.paths.roots = copy.paths.roots[:1]
    return copy


@pytest.fixture
def web(index: Index) -> Iterator[TestClient]:
    web = client(index)
    yield web
    for album in web.get(f"{API}/albums").json():
        web.delete(f"{API}/albums/{album['id']}")


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last
        time.sleep(0.02)


# Albums


def test_an_album_is_made_changed_found_by_and_forgotten(web: TestClient, index: Index) -> None:
    made = web.post(f"{API}/albums", json={"name": "  Best  of 2024 ", "numbers": [3, 1, 3]})
    assert made.status_code == 201
    album = made.json()
    assert (album["name"], album["count"]) == ("Best of 2024", 2) and album["cover"] in (1, 3)
    assert web.get(f"{API}/albums").json() == [album]
    changed = web.patch(f"{API}/albums/{album['id']}", json={"name": "Best", "add": [5], "remove": [1, 29]}).json()
    assert (changed["name"], changed["count"]) == ("Best", 2)
    assert set(web.get(f"{API}/photos?album={album['id']}").json()["numbers"]) == {3, 5}
    assert {hit.number for hit in index.search("a red circle", album="Best").hits} == {3, 5}
    assert {hit.number for hit in index.search("a red circle", album=album["id"]).hits} == {3, 5}
    assert web.get(f"{API}/pictures/3/info").json()["albums"] == [{"id": album["id"], "name": "Best"}]
    assert web.get(f"{API}/info").json()["albums"] == 1
    assert web.delete(f"{API}/albums/{album['id']}").status_code == 204
    assert web.get(f"{API}/albums").json() == [] and index.verify() == []


def test_metadata_named_as_a_column_of_the_export_is_kept() -> None:
    row = dict.fromkeys(("path", "time", "number", "taken", "taken_from", "camera", "width", "height"), "")
    (found,) = csv.DictReader(io.StringIO(as_csv([row | {"meta": {"camera": "Leica", "place": "lake"}}])))
    assert (found["camera"], found["meta:camera"], found["place"]) == ("", "Leica", "lake")


def test_an_album_is_exported(web: TestClient, index: Index) -> None:
    album = web.post(f"{API}/albums", json={"name": "Größe/1", "numbers": [1, 2]}).json()["id"]
    answer = web.get(f"{API}/albums/{album}/export")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%2F1.json"
    told = answer.json()
    assert told["name"] == "Größe/1" and len(told["pictures"]) == 2
    rows = list(csv.DictReader(io.StringIO(web.get(f"{API}/albums/{album}/export?format=csv").text)))
    assert [row["path"] for row in rows] == [one["path"] for one in told["pictures"]]
    assert all(row["path"].startswith("pictures/") and row["taken"] for row in rows)
    assert web.get(f"{API}/albums/{album}/export?format=xml").status_code == 422


def test_what_cannot_be_in_an_album_changes_nothing(web: TestClient) -> None:
    album = web.post(f"{API}/albums", json={"name": "one", "numbers": [1]}).json()
    wrong: list[tuple[str, str, dict[str, Any], int]] = [
        ("POST", "", {"name": "one"}, 400),
        ("POST", "", {"name": " "}, 400),
        ("POST", "", {"name": "two", "numbers": [1, 999]}, 400),
        ("POST", "", {"name": "two", "numbers": [0]}, 422),
        ("PATCH", f"/{album['id']}", {"add": [2, 999]}, 400),
        ("PATCH", f"/{album['id']}", {"nothing": 1}, 422),
        ("PATCH", "/77", {"name": "x"}, 404),
        ("DELETE", "/77", {}, 404),
    ]
    for method, path, asked, status in wrong:
        answer = web.request(method, f"{API}/albums{path}", json=asked)
        assert answer.status_code == status and list(answer.json()) == ["error"], (method, path, asked)
    assert web.get(f"{API}/albums").json() == [album]
    assert web.get(f"{API}/albums/77/export").status_code == 404


def test_an_album_waits_for_who_writes_but_not_for_long(
    web: TestClient, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wordsight.web.shelf.WAIT", 0.1)
    with index.writing():
        answer = web.post(f"{API}/albums", json={"name": "late"})
    assert answer.status_code == 409 and "another process is writing" in answer.json()["error"]
    assert web.post(f"{API}/albums", json={"name": "late"}).status_code == 201


def test_a_picture_that_is_removed_leaves_its_albums(indexed: Path, tmp_path: Path) -> None:
    shutil.copytree(indexed.parent, tmp_path / "home")
    index = Index(tmp_path / "home" / "index", "cpu")
    web = client(index)
    web.post(f"{API}/albums", json={"name": "two", "numbers": [1, 2]})
    with Catalog(index.folder) as catalog:
        name = catalog.numbered([1])[0].path
    index.remove(tmp_path / "home" / name)
    assert web.get(f"{API}/albums").json()[0]["count"] == 1 and index.verify() == []


# Files


def test_several_pictures_come_as_one_file(web: TestClient, index: Index) -> None:
    hits = index.search("a red circle", top=3).hits
    gone = hits[2].path.rename(hits[2].path.with_suffix(".away"))
    try:
        answer = web.post(f"{API}/download", data={"numbers": ",".join(str(hit.number) for hit in hits) + ",999"})
    finally:
        gone.rename(hits[2].path)
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        assert file.testzip() is None
        assert set(file.namelist()) == {hits[0].path.name, hits[1].path.name, "left_out.txt"}
        assert file.read(hits[0].path.name) == hits[0].path.read_bytes()
        told = file.read("left_out.txt").decode()
    assert hits[2].path.name in told and "999" in told and str(index.folder.parent) not in told
    for wrong in ("", "a", "1,", "1,,2", ",".join("1" * 10_001)):
        assert web.post(f"{API}/download", data={"numbers": wrong}).status_code == 422


def test_names_in_one_file_are_unique(trained: Path, tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        Image.new("RGB", (40, 30), {"a": "red", "b": "blue", "c": "green"}[folder]).save(
            tmp_path / "photos" / folder / "x.jpg"
        )
    index = Index.create(tmp_path / "index", trained, "cpu")
    index.build(tmp_path / "photos")
    answer = client(index).post(f"{API}/download", data={"numbers": "1,2,3"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        assert file.namelist() == ["x.jpg", "x (2).jpg", "x (3).jpg"]


def test_the_file_manager_is_opened_only_for_this_machine(
    web: TestClient, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Path] = []
    monkeypatch.setattr("wordsight.web.desk.reveal", shown.append)
    assert web.post(f"{API}/reveal", json={"number": 1}).status_code == 204 and len(shown) == 1
    assert web.get(f"{API}/info").json()["reveal"] is True
    token = "a token that is long enough"
    known = {"Authorization": f"Bearer {token}"}
    for others, headers in (
        (client(index, token=token), known),
        (client(index, names=["photos.example.org"]), {}),
        (client(index, host="0.0.0.0"), {}),
        (client(index, trusted=["10.0.0.1"]), {}),
    ):
        assert others.post(f"{API}/reveal", json={"number": 1}, headers=headers).status_code == 403
        assert others.get(f"{API}/info", headers=headers).json()["reveal"] is False
    assert len(shown) == 1
    monkeypatch.setattr("wordsight.web.desk.reveal", reveal.reveal)
    monkeypatch.setattr(reveal.shutil, "which", lambda name: None)
    assert "no file manager" in web.post(f"{API}/reveal", json={"number": 1}).json()["error"]


# Words


def test_words_are_completed_and_mended(web: TestClient) -> None:
    def suggested(text: str) -> Any:
        return web.get(f"{API}/suggest", params={"q": text}).json()

    told = suggested("a red cir")
    assert told["words"][0]["text"] == "circle" and told["spelling"] == {}
    assert suggested("a rde circle")["spelling"] == {"rde": "red"}
    assert suggested("a bleu sqare ")["spelling"] == {"bleu": "blue", "sqare": "square"}
    assert suggested("") == {"words": [], "spelling": {}} and suggested("a ")["words"] == []
    assert suggested("zzzzzzz ")["spelling"] == {}


# More pictures


@pytest.fixture
def growing(indexed: Path, tmp_path: Path) -> Index:
    shutil.copytree(indexed.parent, tmp_path / "home")
    for number in range(4):
        path = tmp_path / "new" / "2024" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (60 * number, 0, 90)).save(path)
    (tmp_path / "new" / "bad.jpg").write_bytes(b"no picture")
    (tmp_path / "outside").mkdir()
    Image.new("RGB", (40, 30), "white").save(tmp_path / "outside" / "secret.png")
    (tmp_path / "new" / "link.png").symlink_to(tmp_path / "outside" / "secret.png")
    (tmp_path / "new" / "away").symlink_to(tmp_path / "outside")
    return Index(tmp_path / "home" / "index", "cpu")


def test_a_folder_is_indexed_from_the_page(growing: Index, tmp_path: Path) -> None:
    web = client(growing, photos=[tmp_path / "new"])
    before = web.get(f"{API}/index").json()
    assert (before["state"], before["folders"]) == ("idle", ["new"])
    assert web.get(f"{API}/info").json()["folders"] == ["new"]
    assert web.post(f"{API}/index", json={"folder": "new"}).status_code == 202
    until(lambda: web.get(f"{API}/index").json()["state"] != "running")
    after = web.get(f"{API}/index").json()
    assert (after["state"], after["done"], after["total"]) == ("done", 5, 5) and "4 added" in after["message"]
    assert [one["path"] for one in after["broken"]] == ["bad.jpg"]
    assert after["broken"][0]["why"].startswith("not a picture"), "the path is not said twice"
    assert str(tmp_path) not in str(after)
    names = {hit.path.name for hit in growing.search("a red circle", top=100).hits}
    assert {"0.png", "3.png"} <= names and not {"secret.png", "link.png"} & names
    assert web.post(f"{API}/search", json={"sentences": [{"text": "a red circle"}]}).status_code == 200


def test_only_allowed_folders_are_indexed(growing: Index, tmp_path: Path) -> None:
    closed = client(growing)
    assert "--photos" in closed.post(f"{API}/index", json={"folder": "new"}).json()["error"]
    web = client(growing, photos=[tmp_path / "new"])
    for name in ("outside", "new/..", "new/../outside", "new/away", str(tmp_path / "outside"), "/", "newer", "\0"):
        answer = web.post(f"{API}/index", json={"folder": name})
        assert answer.status_code == 403 and list(answer.json()) == ["error"], name
    assert web.post(f"{API}/index", json={"folder": "new/2025"}).status_code == 400
    assert web.get(f"{API}/index").json()["state"] == "idle"


def test_indexing_is_stopped_and_keeps_what_is_done(growing: Index, tmp_path: Path) -> None:
    indexing = Indexing(growing, [tmp_path / "new"], show_paths=False)
    with indexing.task("index") as count:
        count(1, 5)
        indexing.stop()
        with pytest.raises(Stopped):
            count(2, 5)
    web = client(growing, photos=[tmp_path / "new"])
    assert web.post(f"{API}/index", json={"folder": "new/2024"}).status_code == 202
    second = web.post(f"{API}/index", json={"folder": "new/2024"})
    assert second.status_code in (409, 202)  # 202 where the first was quicker
    web.post(f"{API}/index/stop")
    until(lambda: web.get(f"{API}/index").json()["state"] == "done")
    assert growing.verify() == []
    web.post(f"{API}/index", json={"folder": "new/2024"})
    until(lambda: web.get(f"{API}/index").json()["state"] == "done")
    assert growing.info()["pictures"] == 34


def test_albums_are_written_while_pictures_are_added(growing: Index, tmp_path: Path) -> None:
    app = create_app(growing, photos=[tmp_path / "new"])
    web = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    web.post(f"{API}/index", json={"folder": "new"})
    assert web.post(f"{API}/albums", json={"name": "meanwhile", "numbers": [1]}).status_code == 201
    until(lambda: web.get(f"{API}/index").json()["state"] == "done")
    assert web.get(f"{API}/albums").json()[0]["count"] == 1 and growing.verify() == []

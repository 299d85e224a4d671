"""Videos over HTTP: any part of the file that was indexed, and of no other."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from test_video_frames import film
from test_videos import ASK, built, clip, scene
from wordsight.search.index import Index
from wordsight.web.app import create_app

API = "/api/v1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two videos, an AVI that no browser plays and a picture; not to be changed."""
    home = tmp_path_factory.mktemp("videos")
    steps = [scene("bcdc"[number // 20]) for number in range(80)]
    (home / "in").mkdir()
    film(home / "in" / "VID_20200102_101010.webm", steps, [number / 10 for number in range(80)])
    clip(home / "in" / "old.avi", "b")
    scene("d").save(home / "in" / "still.png")
    built(home / "index", home / "in")
    return home / "index"


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Index(folder, "cpu")), base_url="http://localhost") as one:
        yield one


def numbers(client: TestClient) -> dict[str, int]:
    """A number for each file, by its suffix."""
    hits = client.post(f"{API}/search", json={"sentences": [{"text": ASK}]}).json()["hits"]
    return {Path(hit["path"]).suffix: hit["number"] for hit in hits}


def test_a_video_is_sent_whole_or_in_a_range(client: TestClient, folder: Path) -> None:
    content = (folder.parent / "in" / "VID_20200102_101010.webm").read_bytes()
    where, size = f"{API}/pictures/{numbers(client)['.webm']}/video", len(content)
    whole = client.get(where)
    assert whole.status_code == 200 and whole.content == content
    assert whole.headers["accept-ranges"] == "bytes" and whole.headers["content-type"] == "video/webm"
    tag = whole.headers["etag"]
    for asked, (start, end) in {
        "bytes=0-": (0, size),
        "bytes=0-0": (0, 1),
        "bytes=10-19": (10, 20),
        f"bytes=5-{10 * size}": (5, size),
        "bytes=-7": (size - 7, size),
        f"bytes=-{10 * size}": (0, size),
    }.items():
        part = client.get(where, headers={"Range": asked})
        assert part.status_code == 206 and part.content == content[start:end], asked
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert part.headers["content-length"] == str(end - start)
    for asked in (f"bytes={size}-", "bytes=-0"):
        part = client.get(where, headers={"Range": asked})
        assert part.status_code == 416 and part.headers["content-range"] == f"bytes */{size}"
    for asked in ("bytes=0-1,4-5", "bytes=9-3", "bytes=-", "frames=0-1", "bytes=a-b", "bytes=" + "9" * 30 + "-"):
        assert client.get(where, headers={"Range": asked}).content == content
    assert client.get(where, headers={"Range": "bytes=0-1", "If-Range": tag}).status_code == 206
    assert client.get(where, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status_code == 200
    head = client.head(where, headers={"Range": "bytes=0-1"})
    assert head.status_code == 200 and head.headers["content-length"] == str(size) and not head.content
    assert client.get(where, headers={"If-None-Match": tag}).status_code == 304


def test_frames_are_pictures_for_all_else(client: TestClient) -> None:
    there = numbers(client)
    assert client.get(f"{API}/pictures/{there['.png']}/video").status_code == 404
    assert client.get(f"{API}/pictures/{there['.avi']}/video").headers["content-type"] == "video/x-msvideo"
    for end in ("", "/thumb"):
        sent = client.get(f"{API}/pictures/{there['.webm']}{end}")
        assert sent.headers["content-type"] == "image/jpeg" and sent.content.startswith(b"\xff\xd8")
        assert client.get(sent.url, headers={"If-None-Match": sent.headers["etag"]}).status_code == 304
    told = client.get(f"{API}/pictures/{there['.webm']}/info").json()
    assert told["name"] == "VID_20200102_101010.webm" and told["time"] in (0, 2, 4, 6) and told["duration"] > 7
    alike = client.post(f"{API}/search", json={"like": {"picture": there[".webm"]}, "frames": True}).json()
    assert alike["hits"][0]["number"] == there[".webm"] and alike["total"] == 6
    plain = client.get(f"{API}/photos", params={"kind": "video"}).json()
    assert plain["total"] == len(plain["videos"]) == 2 and client.get(f"{API}/info").json()["videos"] == 2
    sent = client.post(f"{API}/download", data={"numbers": ",".join(str(number) for number in range(1, 7))})
    assert sent.content.count(b"PK\x01\x02") == 3  # each file once


def test_what_is_no_longer_the_file_that_was_indexed_is_not_sent(tmp_path: Path) -> None:
    path = clip(tmp_path / "in" / "a.webm", "b")
    with TestClient(create_app(built(tmp_path / "index", path)), base_url="http://localhost") as client:
        where = f"{API}/pictures/{numbers(client)['.webm']}"
        assert client.get(f"{where}/video").status_code == 200
        before, told = path.read_bytes(), path.stat()
        path.write_bytes(before[:-1] + b"x")  # of the same size
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))  # and date
        for end in ("/video", ""):
            assert client.get(f"{where}{end}").status_code == 404
        path.unlink()
        assert client.get(f"{where}/video", headers={"Range": "bytes=0-1"}).status_code == 404
        path.symlink_to("/etc/passwd")
        assert client.get(f"{where}/video").status_code == 404
        path.unlink()
        path.write_bytes(before)
        assert client.get(f"{where}/video").status_code == 200

"""The API answers as the index does, says what is wrong, and gives nobody anything else."""

import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from PIL import Image
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from typer.testing import CliRunner

from wordsight.cli.main import app as cli
from wordsight.errors import InputError
from wordsight.runs.aligner import load
from wordsight.runs.captioner import load_captioner
from wordsight.runs.recogniser import load_recogniser
from wordsight.search.index import Index
from wordsight.search.query import Like, Sentence
from wordsight.vision.images import MAX_PIXELS
from wordsight.web import serve
from wordsight.web.app import create_app
from wordsight.web.describing import Situations
from wordsight.web.engine import Engine
from wordsight.web.guard import HEADERS, MAX_BYTES, MAX_JSON
from wordsight.web.pages import STATIC
from wordsight.web.pictures import KEPT, Pictures

API = "/api/v1"
SECRET = b"the secret that nobody may read"
ASK = {"sentences": [{"text": "a red circle and a blue square"}]}


def client(index: Index, **given: Any) -> TestClient:
    return TestClient(create_app(index, **given), base_url="http://localhost", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def index(indexed: Path) -> Index:
    return Index(indexed, "cpu")


@pytest.fixture(scope="module")
def web(index: Index) -> TestClient:
    return client(index)


@pytest.fixture(scope="module")
def talking(index: Index, captioner: Path, region_captioner: Path) -> TestClient:
    """The same with captioners."""
    return client(
        index, captioner=load_captioner(captioner, "cpu"), region_captioner=load_captioner(region_captioner, "cpu")
    )


@pytest.fixture
def moved(indexed: Path, tmp_path: Path) -> tuple[Index, list[Path]]:
    """A copy of the index with its pictures, which a test may spoil."""
    shutil.copytree(indexed.parent, tmp_path / "home", ignore=shutil.ignore_patterns("thumbs"))
    copy = Index(tmp_path / "home" / "index", "cpu")
    copy.paths.roots = copy.paths.roots[:1]  # pictures that are gone are not looked for where they were copied from
    return copy, [hit.path for hit in copy.search("a red circle", top=30).hits]


def picture_of(index: Index, number: int) -> Path:
    hits = index.search("a red circle", top=30).hits
    return next(hit.path for hit in hits if hit.number == number)


def error(answer: Any, status: int) -> str:
    """That an answer is an error of one sentence, which is given."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert list(said) == ["error"] and len(said["error"]) > 10
    return str(said["error"])


def png(width: int, height: int) -> bytes:
    """A PNG file that says it is of a size, and is not."""
    out = io.BytesIO()
    Image.new("1", (1, 1)).save(out, "PNG")
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + out.getvalue()[24:29]
    return out.getvalue()[:12] + head + zlib.crc32(head).to_bytes(4, "big") + out.getvalue()[33:]


# What it answers


def test_a_search_is_that_of_the_index(web: TestClient, index: Index) -> None:
    answer = web.post(f"{API}/search", json=ASK | {"top": 5, "page": 2}).json()
    found = index.search(ASK["sentences"][0]["text"], top=5, page=2)
    assert answer["total"] == 30
    assert [hit["number"] for hit in answer["hits"]] == [hit.number for hit in found.hits]
    assert [hit["rank"] for hit in answer["hits"]] == [6, 7, 8, 9, 10]
    for said, hit in zip(answer["hits"], found.hits, strict=True):
        assert said["score"] == hit.score and said["confidence"] == hit.confidence and 0 < said["confidence"] < 1
        assert said["path"] == f"pictures/{hit.path.name}" and said["name"] == hit.path.name
        assert [one["box"] for one in said["words"]] == [list(word.box) for word in hit.words]
        assert [one["strength"] for one in said["phrases"]] == [phrase.strength for phrase in hit.phrases]


def test_phrases_name_the_words_that_they_are_made_of(web: TestClient) -> None:
    asked = {"sentences": [{"text": "A red circle"}, {"text": "a blue square!", "weight": -0.5}]}
    answer = web.post(f"{API}/search", json=asked).json()
    words = [word["text"] for word in answer["words"]]
    assert words == ["a", "red", "circle", "a", "blue", "square"]
    assert [word["naming"] for word in answer["words"]] == [False, True, True] * 2
    assert [word["weight"] for word in answer["words"]] == [1, 1, 1, -0.5, -0.5, -0.5]
    for hit in answer["hits"]:
        assert hit["confidence"] is None, "of several sentences nobody knows"
        assert hit["phrases"][0]["start"] == 0
        for phrase in hit["phrases"]:
            assert phrase["text"] == " ".join(words[phrase["start"] : phrase["end"]])
            assert phrase["weight"] == (1 if phrase["end"] <= 3 else -0.5)
        ends = [phrase["end"] for phrase in hit["phrases"]]
        assert ends[-1] == len(words) and 3 in ends


def test_an_unknown_word_is_named(web: TestClient) -> None:
    answer = web.post(f"{API}/search", json={"sentences": [{"text": "a red zebra"}]}).json()
    assert answer["unknown"] == ["zebra"]
    assert [word["known"] for word in answer["words"]] == [True, True, False]


def test_a_picture_of_the_index_and_a_region_of_it_are_looked_for(web: TestClient, index: Index) -> None:
    number = index.search("a red circle").hits[0].number
    path = picture_of(index, number)
    for box in (None, [0.2, 0.1, 0.7, 0.6]):
        answer = web.post(f"{API}/search", json={"like": {"picture": number, "box": box}, "top": 30}).json()
        found = index.search(Like(path, box=tuple(box) if box else None), top=30)
        assert [hit["number"] for hit in answer["hits"]] == [hit.number for hit in found.hits]
        assert answer["words"] == []
        assert all(phrase["text"] == "this" for hit in answer["hits"] for phrase in hit["phrases"])


def test_sentences_and_a_picture_are_added_up(web: TestClient, index: Index) -> None:
    number = index.search("a red circle").hits[0].number
    asked = {"sentences": [{"text": "a star"}], "like": {"picture": number, "weight": 0.5}}
    answer = web.post(f"{API}/search", json=asked).json()
    found = index.search([Sentence("a star"), Like(picture_of(index, number), weight=0.5)])
    assert answer["hits"][0]["score"] == pytest.approx(found.hits[0].score, abs=1e-6)


def test_a_picture_that_is_sent_is_looked_for(web: TestClient, index: Index) -> None:
    path = index.search("a red circle").hits[0].path
    for box in (None, (0.2, 0.1, 0.7, 0.6)):
        form = {"top": "3"} | ({"box": [str(edge) for edge in box]} if box else {})
        answer = web.post(f"{API}/search/upload", files={"picture": (path.name, path.read_bytes())}, data=form).json()
        found = index.search(Like(path, box=box), top=3)
        assert [hit["score"] for hit in answer["hits"]] == pytest.approx([hit.score for hit in found.hits], abs=1e-5)


def test_a_picture_that_is_sent_and_sentences_are_added_up(web: TestClient, index: Index) -> None:
    path = index.search("a red circle").hits[0].path
    sent = {"picture": (path.name, path.read_bytes())}
    sentences = ['{"text": "a star"}', '{"text": "a blue square", "weight": -0.5}']
    answer = web.post(f"{API}/search/upload", files=sent, data={"sentences": sentences, "weight": "2"}).json()
    found = index.search([Sentence("a star"), Sentence("a blue square", -0.5), Like(path, weight=2)])
    assert answer["hits"][0]["score"] == pytest.approx(found.hits[0].score, abs=1e-5)
    assert answer["hits"][0]["number"] == found.hits[0].number
    assert [word["text"] for word in answer["words"]] == ["a", "star", "a", "blue", "square"]
    for bad in ("a star", '{"txet": "a star"}', '{"text": "a star", "weight": 1e9}', "[]"):
        error(web.post(f"{API}/search/upload", files=sent, data={"sentences": [bad]}), 422)
    error(web.post(f"{API}/search/upload", files=sent, data={"sentences": sentences * 5}), 422)


def test_filters_reach_the_index(web: TestClient, index: Index) -> None:
    def total(**wanted: Any) -> int:
        return int(web.post(f"{API}/search", json=ASK | wanted).json()["total"])

    sure = [hit.confidence for hit in index.search(ASK["sentences"][0]["text"], top=30).hits]
    assert total(min_confidence=sure[4]) == 5
    assert total(where="width > 100000") == 0
    assert total(under="pictures") == 30, "as seen from beside the index"
    assert total(under=str(index.folder.parent / "pictures")) == 30
    assert total(under="elsewhere") == 0
    assert "unknown" not in error(web.post(f"{API}/search", json=ASK | {"where": "colour = red"}), 400)
    assert total(group=True) <= 30


def test_near_duplicates_are_named_and_can_be_seen(moved: tuple[Index, list[Path]]) -> None:
    index, paths = moved
    copy = paths[0].with_name("copy.png")
    Image.open(paths[0]).save(copy)
    index.build([copy])
    hits = client(index).post(f"{API}/search", json=ASK | {"group": True, "top": 40}).json()["hits"]
    (other,) = (
        one
        for hit in hits
        for one in hit["near_duplicates"]
        if {hit["path"], one["path"]} == {f"pictures/{path.name}" for path in (paths[0], copy)}
    )
    assert client(index).get(f"{API}/pictures/{other['number']}/thumb").status_code == 200


def test_what_there_is(web: TestClient, index: Index) -> None:
    said = web.get(f"{API}/info").json()
    assert (said["pictures"], said["regions"], said["calibrated"]) == (30, index.info()["regions"], True)
    assert (said["captions"], said["snippets"]) == (False, False)
    assert {"width", "date", "path"} < set(said["names"])
    assert said["words"] == len(index.run.vocabulary) - 2 and set(said["examples"]) <= set(index.run.vocabulary.words)


def test_pictures_are_described(talking: TestClient, index: Index, captioner: Path, region_captioner: Path) -> None:
    hit = index.search("a red circle").hits[0]
    best = load_captioner(captioner, "cpu").caption([hit.path], beam=3, n_best=3)[0]
    error(talking.post(f"{API}/caption", data={"nmuber": str(hit.number)}), 422)
    sent = {"picture": (hit.path.name, hit.path.read_bytes())}
    for answer in (
        talking.post(f"{API}/caption", data={"number": str(hit.number)}).json(),
        talking.post(f"{API}/caption", files=sent).json(),
    ):
        assert [one["text"] for one in answer["captions"]] == [one.text for one in best]
        assert [one["confidence"] for one in answer["captions"]] == pytest.approx([one.confidence for one in best])
        assert all(0 <= edge <= 1 for one in answer["snippets"] for edge in one["box"])
    box = (0.1, 0.1, 0.6, 0.6)
    region = talking.post(f"{API}/caption", files=sent, data={"box": [str(edge) for edge in box]}).json()
    said = load_captioner(region_captioner, "cpu").caption_regions(hit.path, [box])[0]
    assert region["captions"] == [] and region["snippets"][0]["text"] == said.text
    assert region["snippets"][0]["box"] == pytest.approx(box)


def test_without_a_captioner_that_is_said(web: TestClient) -> None:
    assert "--captioner" in error(web.post(f"{API}/caption", data={"number": "1"}), 404)


def test_what_is_done_is_said(index: Index, situations: Path, trained: Path, tmp_path: Path) -> None:
    done = Situations(load_recogniser(situations, "cpu"), load(trained, "cpu"))
    web = client(index, situations=done)
    assert web.get(f"{API}/info").json()["situations"]
    Image.new("RGB", (64, 48), (202, 32, 32)).save(tmp_path / "red.png")
    answer = web.post(f"{API}/situation", files={"picture": (tmp_path / "red.png").read_bytes()})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["verb"] == "sitting" and said["sure"] and said["sentence"] == "the people sit on a bench"
    alone = done.recogniser.recognise(tmp_path / "red.png", aligner=done.aligner).to_json()
    assert [one["box"] for one in said["roles"]] == [one["box"] and list(one["box"]) for one in alone["roles"]]
    assert [one["word"] for one in said["roles"]] == ["people", "bench", ""]
    assert len(said["roles"][0]["box"]) == 4 and said["roles"][2]["box"] is None
    hit = index.search("a red circle").hits[0]
    of_index = web.post(f"{API}/situation", data={"number": str(hit.number)}).json()
    assert of_index["verb"] == done.recogniser.recognise(hit.path).verb


def test_a_situation_of_nothing_is_an_error_of_one_sentence(web: TestClient, index: Index, situations: Path) -> None:
    assert "--situations" in error(web.post(f"{API}/situation", data={"number": "1"}), 404)
    assert not web.get(f"{API}/info").json()["situations"]
    able = client(index, situations=Situations(load_recogniser(situations, "cpu"), index.run))
    assert "either" in error(able.post(f"{API}/situation", data={}), 422)
    assert "box" in error(able.post(f"{API}/situation", data={"number": "1", "box": ["0", "0", "1", "1"]}), 422)
    error(able.post(f"{API}/situation", data={"number": "999"}), 404)
    sent = {"picture": ("letter.jpg", b"no picture")}
    assert "letter.jpg" in error(able.post(f"{API}/situation", files=sent), 415)


@pytest.mark.parametrize("name", ["trained", "captioner"])
def test_a_run_of_another_kind_finds_no_situations(indexed: Path, name: str, request: pytest.FixtureRequest) -> None:
    words = ["serve", str(indexed), "--port", "0", "--situations", str(request.getfixturevalue(name))]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 2 and "expected one that finds situations" in done.output, done.output


def test_a_picture_is_its_file_and_a_thumbnail_is_small(moved: tuple[Index, list[Path]]) -> None:
    index, paths = moved
    large = paths[0]
    Image.effect_noise((2000, 900), 50).convert("RGB").save(large)
    index.build([large])
    web, number = client(index), next(hit.number for hit in index.search("red", top=30).hits if hit.path == large)
    whole = web.get(f"{API}/pictures/{number}")
    assert whole.content == large.read_bytes() and whole.headers["content-type"] == "image/jpeg"
    thumb = web.get(f"{API}/pictures/{number}/thumb")
    assert thumb.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(thumb.content)).size == (512, 230)


def test_thumbnails_are_made_once_and_not_all_kept_in_memory(
    moved: tuple[Index, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, _ = moved
    monkeypatch.setattr("wordsight.web.pictures.KEPT", 2)
    pictures, reads = Pictures(index), []
    first, second, third = (hit.number for hit in index.search("a red circle", top=3).hits)
    opened = pictures.open
    monkeypatch.setattr(pictures, "open", lambda number: reads.append(number) or opened(number))
    for number in (first, second, first, third, first, second):
        pictures.thumbnail(number)
    assert reads == [first, second, third] and KEPT > 100, "those that are not in memory any more are on the disk"
    assert len(pictures._thumbs) == 2


def test_a_hash_that_another_request_clears_from_the_cache_is_given_all_the_same(index: Index, tmp_path: Path) -> None:
    pictures, content = Pictures(index), b"some bytes"
    (tmp_path / "a.webm").write_bytes(content)

    class Cleared:
        """A lock that another request takes next, to clear the cache."""

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None:
            pictures._hashes.clear()

    pictures._lock = Cleared()  # type: ignore[assignment]
    with (tmp_path / "a.webm").open("rb") as file:
        assert pictures._hash(file, keep=True) == hashlib.blake2b(content, digest_size=16).digest()


# What is wrong is said

BAD = {
    "nothing": ({}, 422),
    "no words": ({"sentences": [{"text": " ... "}]}, 400),
    "unknown words only": ({"sentences": [{"text": "zebra xylophone"}]}, 400),
    "weight 0": ({"sentences": [{"text": "red", "weight": 0}]}, 400),
    "too many sentences": ({"sentences": [{"text": "red"}] * 9}, 422),
    "long sentence": ({"sentences": [{"text": "red " * 200}]}, 422),
    "misspelt": (ASK | {"tpo": 3}, 422),
    "top 0": (ASK | {"top": 0}, 422),
    "top 101": (ASK | {"top": 101}, 422),
    "page 0": (ASK | {"page": 0}, 422),
    "sure 2": (ASK | {"min_confidence": 2}, 422),
    "where": (ASK | {"where": "width >"}, 400),
    "no such picture": ({"like": {"picture": 10**6}}, 404),
    "picture 0": ({"like": {"picture": 0}}, 422),
    "number too large": ({"like": {"picture": 10**30}}, 422),
    "box outside": ({"like": {"picture": 1, "box": [0, 0, 2, 1]}}, 422),
    "box of nothing": ({"like": {"picture": 1, "box": [0.5, 0.5, 0.5, 0.5]}}, 400),
    "box of three": ({"like": {"picture": 1, "box": [0, 0, 1]}}, 422),
    "sure of a picture": ({"like": {"picture": 1}, "min_confidence": 0.5}, 400),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_search_is_an_error_of_one_sentence(web: TestClient, name: str) -> None:
    body, status = BAD[name]
    error(web.post(f"{API}/search", json=body), status)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"sentences":[{"text":"red","weight":NaN}]}', b"\xff\xfe", b'"\\ud800"']
)
def test_what_is_no_json_is_said(web: TestClient, body: bytes) -> None:
    said = error(web.post(f"{API}/search", content=body, headers={"content-type": "application/json"}), 422)
    assert "\ud800" not in said


def test_surrogates_and_zero_bytes_are_no_accident(web: TestClient) -> None:
    for text in ('"red \\ud800"', '"red\\u0000"'):
        answer = web.post(f"{API}/search", content=f'{{"sentences":[{{"text":{text}}}],"under":{text},"where":{text}}}')
        assert 200 <= answer.status_code < 500


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut short", b"<svg/>", b"%PDF-1.4"])
def test_a_file_that_is_no_picture_is_refused_by_its_name(web: TestClient, content: bytes) -> None:
    answer = web.post(f"{API}/search/upload", files={"picture": ("../../holiday.jpg", content)})
    assert error(answer, 415).startswith("holiday.jpg: ")


def test_too_many_pixels_are_refused_before_they_are_decoded(web: TestClient) -> None:
    side = int(MAX_PIXELS**0.5) + 1
    said = error(web.post(f"{API}/search/upload", files={"picture": ("bomb.png", png(side, side))}), 413)
    assert f"{side} x {side}" in said
    error(web.post(f"{API}/search/upload", files={"picture": ("bomb.png", png(2**31 - 1, 2**31 - 1))}), 413)


def test_too_many_bytes_are_refused(web: TestClient) -> None:
    answer = web.post(f"{API}/search/upload", files={"picture": ("x.jpg", bytes(MAX_BYTES))})
    assert "20 MB" in error(answer, 413)
    error(web.post(f"{API}/search", json=ASK | {"where": "x" * MAX_JSON}), 413)


def test_too_many_bytes_are_refused_while_they_come(web: TestClient) -> None:
    sent = 0

    def parts(kind: str) -> Iterator[bytes]:
        nonlocal sent
        sent = 0
        yield (
            b'--b\r\nContent-Disposition: form-data; name="picture"; filename="x.jpg"\r\n\r\n'
            if kind == "form"
            else b'"'
        )
        while sent < 3 * MAX_BYTES:
            sent += 2**20
            yield bytes(2**20)

    for kind, header in (("form", "multipart/form-data; boundary=b"), ("json", "application/json")):
        path = "/search/upload" if kind == "form" else "/search"
        answer = web.post(API + path, content=parts(kind), headers={"content-type": header})
        error(answer, 413)


def test_other_addresses_and_methods_are_errors_of_one_sentence(web: TestClient) -> None:
    error(web.get("/nothing"), 404)
    error(web.get(f"{API}/nothing"), 404)
    error(web.delete(f"{API}/info"), 405)
    error(web.get(f"{API}/search"), 405)


def test_an_accident_is_said_without_its_details(
    index: Index, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Engine) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(Engine, "info", fail)
    answer = client(index).get(f"{API}/info")
    assert "inner" not in error(answer, 500)
    assert answer.headers["x-frame-options"] == "DENY"
    assert "inner workings" in capsys.readouterr().err


# Nobody gets anything else


def traversals(home: Path) -> list[str]:
    """Addresses that try to read files: of the secret beside the pictures, and of what every machine has."""
    up = ["..", "%2e%2e", "%2E%2e", "..%2f..", "..%5c..", "%252e%252e", "..%00", "....//", "%c0%ae%c0%ae", ".%2e"]
    wanted = ["secret.txt", "etc/passwd", "other.jpg", "index/catalog.sqlite", "index/model/config.json"]
    bases = [f"{API}/pictures/", f"{API}/pictures/1/", "/", "/app.js/", "/static/", f"{API}/docs/"]
    found = [
        f"{base}{'/'.join([step] * many)}/{name}" for base in bases for step in up for name in wanted for many in (1, 4)
    ]
    whole = [str(home / name) for name in wanted]
    found += [f"{API}/pictures/{quote(path, safe='')}" for path in whole] + [f"{API}/pictures/{path}" for path in whole]
    found += [
        f"{API}/pictures/{one}"
        for one in ("1%00", "1;x", "-1", "0", "1.0", "1e0", "0x1", "1/..", "1/../2", "%31%2f..", "file:///etc/passwd")
    ]
    return found + [f"//{path}" for path in whole]


def test_no_address_leads_to_a_file(moved: tuple[Index, list[Path]]) -> None:
    index, paths = moved
    home = index.folder.parent
    (home / "secret.txt").write_bytes(SECRET)
    shutil.copy(paths[0], home / "other.jpg")
    (home / "other.jpg").write_bytes((home / "other.jpg").read_bytes() + SECRET)
    web, tried = client(index), traversals(home)
    assert len(set(tried)) >= 200
    inside = {path.read_bytes() for path in paths}
    for address in tried:
        answer = web.get(address)
        assert SECRET not in answer.content and b"root:" not in answer.content and b"SQLite" not in answer.content, (
            address
        )
        if answer.status_code == 200:
            assert answer.content in inside or address.endswith("1/../2"), address
        else:
            assert answer.status_code in (400, 404, 422), address


def swaps(home: Path) -> dict[str, Callable[[Path], object]]:
    """What may come into the place of a picture after it was indexed."""
    other = home / "other.jpg"

    def link(to: Path) -> Callable[[Path], object]:
        return lambda path: (path.unlink(), path.symlink_to(to))

    def folder(path: Path) -> None:
        """The picture's whole folder leads elsewhere, where a file of the same name and size lies."""
        elsewhere = home / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / path.name).write_bytes(SECRET.ljust(path.stat().st_size, b"."))
        path.parent.rename(home / "was")
        path.parent.symlink_to(elsewhere)

    def same_size(path: Path) -> None:
        path.write_bytes(SECRET.ljust(path.stat().st_size, b"."))

    return {
        "gone": lambda path: path.unlink(),
        "link to a secret": link(home / "secret.txt"),
        "link to a picture": link(other),
        "link to a device": link(Path("/dev/zero")),
        "link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
        "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
        "folder": lambda path: (path.unlink(), path.mkdir()),
        "other content": same_size,
        "folder that leads elsewhere": folder,
    }


@pytest.mark.parametrize("name", swaps(Path()))
def test_what_comes_into_the_place_of_a_picture_is_not_read(moved: tuple[Index, list[Path]], name: str) -> None:
    index, paths = moved
    home = index.folder.parent
    (home / "secret.txt").write_bytes(SECRET)
    (home / "other.jpg").write_bytes(paths[1].read_bytes() + SECRET)
    number = index.search("a red circle").hits[0].number
    swaps(home)[name](paths[0])
    web = client(index)
    for address in (f"{API}/pictures/{number}", f"{API}/pictures/{number}/thumb"):
        error(web.get(address), 404)
    error(web.post(f"{API}/search", json={"like": {"picture": number}}), 404)
    assert web.post(f"{API}/search", json=ASK).status_code == 200, "it is still found"


def test_a_picture_that_was_indexed_through_a_link_is_shown(moved: tuple[Index, list[Path]], tmp_path: Path) -> None:
    index, _ = moved
    link = index.folder.parent / "pictures" / "link.jpg"
    Image.new("RGB", (40, 30), "red").save(tmp_path / "real.jpg")
    link.symlink_to(tmp_path / "real.jpg")
    index.build([link])
    number = next(hit.number for hit in index.search("red", top=40).hits if hit.path == link)
    assert client(index).get(f"{API}/pictures/{number}").content == (tmp_path / "real.jpg").read_bytes()


def test_only_names_of_this_machine_are_answered(index: Index) -> None:
    web = client(index)
    for host in ("localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"):
        assert web.get(f"{API}/info", headers={"host": host}).status_code == 200, host
    for host in (
        "evil.com",
        "evil@127.0.0.1",
        "127.0.0.1@evil.com",
        "evil.com:8000",
        "localhost.evil.com",
        "127.0.0.1.evil.com",
        "192.168.1.5",
        "",
        "[",
        "a@b",
        "[::1",
    ):
        error(web.get(f"{API}/info", headers={"host": host}), 400)
        error(web.get("/", headers={"host": host}), 400)
    everywhere = client(index, host="0.0.0.0", token="t")
    known = {"authorization": "Bearer t"}
    assert everywhere.get(f"{API}/info", headers=known | {"host": "192.168.1.5:8000"}).status_code == 200
    error(everywhere.get(f"{API}/info", headers=known | {"host": "evil.com"}), 400)
    here = client(index, host="box.lan", token="t")
    assert here.get(f"{API}/info", headers=known | {"host": "box.lan:1"}).status_code == 200


def test_other_pages_are_not_answered(web: TestClient) -> None:
    others = ("http://evil.com", "null", "http://localhost:81", "http://localhost.evil.com", "https://localhost:1")
    sites = [{"sec-fetch-site": site} for site in ("cross-site", "same-site")]
    for headers in [{"origin": origin} for origin in others] + sites:
        answer = web.post(f"{API}/search", json=ASK, headers=headers)
        error(answer, 403)
    for headers in (
        {},
        {"origin": "http://localhost"},
        {"origin": "http://localhost", "sec-fetch-site": "same-origin"},
    ):
        answer = web.post(f"{API}/search", json=ASK, headers=headers)
        assert answer.status_code == 200 and not any("access-control" in name for name in answer.headers)
    assert web.options(f"{API}/search", headers={"origin": "http://evil.com"}).status_code == 403


def test_a_token_is_asked_of_everyone(index: Index) -> None:
    web = client(index, token="s3cret/ü")
    for path in ("/", "/app.js", f"{API}/info", f"{API}/openapi.json", f"{API}/pictures/1", "/nothing"):
        said = error(web.get(path), 401)
        assert "s3cret" not in said
    error(web.get("/?token=wrong"), 401)
    error(web.get(f"{API}/info", headers={"authorization": "Bearer wrong"}), 401)
    error(web.get(f"{API}/info", headers={"cookie": f"x; {'a' * 9}=1; wordsight=2"}), 401)
    error(web.post(f"{API}/search?token={quote('s3cret/ü')}", json=ASK), 401)
    assert client(index, token="abc").get(f"{API}/info", headers={"authorization": "bearer abc"}).status_code == 200
    assert client(index, token="abc").head("/?token=abc", follow_redirects=False).status_code == 303
    first = web.get(f"/?token={quote('s3cret/ü', safe='')}", follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, "./")
    assert "HttpOnly" in first.headers["set-cookie"] and "SameSite=Lax" in first.headers["set-cookie"]
    assert web.get("/").status_code == 200, "by its cookie"
    assert web.post(f"{API}/search", json=ASK).status_code == 200
    away = web.get(f"//evil.com/?token={quote('s3cret/ü', safe='')}", follow_redirects=False)
    assert not away.headers.get("location", "/").startswith("//")


def test_every_answer_has_the_headers(web: TestClient) -> None:
    answers = [
        web.get(path) for path in ("/", "/app.js", "/nothing", f"{API}/info", f"{API}/pictures/1", f"{API}/docs")
    ]
    answers += [web.post(f"{API}/search", json={}), web.get("/", headers={"host": "evil.com"})]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_the_pages_need_nothing_from_elsewhere(web: TestClient) -> None:
    for path in STATIC.iterdir():
        text = path.read_text()
        assert web.get(f"/{path.name}").content == path.read_bytes()
        outside = set(re.findall(r"https?://[^\s\"'`)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not outside, path
        assert "innerHTML" not in text and not re.search(r"<script(?![^>]*src=)|\son\w+=\"|style=\"", text), path


def test_head_is_get_without_what_is_sent(web: TestClient) -> None:
    for path in ("/", "/app.js", f"{API}/docs", f"{API}/health", f"{API}/info", f"{API}/pictures/1", "/nothing"):
        whole, head = web.get(path), web.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        for name in ("content-type", "content-length", "etag"):
            assert head.headers.get(name) == whole.headers.get(name), (path, name)
    assert web.head(f"{API}/search").status_code == 405


def test_what_a_client_has_is_not_sent_again(moved: tuple[Index, list[Path]]) -> None:
    index, paths = moved
    web, number = client(index), index.search("a red circle").hits[0].number
    for path in ("/", "/app.js", f"{API}/pictures/{number}", f"{API}/pictures/{number}/thumb"):
        first = web.get(path)
        tag = first.headers["etag"]
        assert "no-cache" in first.headers["cache-control"]
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            again = web.get(path, headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert web.get(path, headers={"if-none-match": '"x"'}).content == first.content
    tag = web.get(f"{API}/pictures/{number}/thumb").headers["etag"]
    Image.new("RGB", (50, 40), "red").save(paths[0])
    index.build([paths[0]])
    fresh = web.get(f"{API}/pictures/{number}/thumb", headers={"if-none-match": tag})
    assert fresh.status_code == 200 and fresh.headers["etag"] != tag


def test_other_names_are_answered_where_they_are_allowed(index: Index) -> None:
    web = client(index, names=["Photos.example.org"])
    for host in ("photos.example.org", "photos.example.org:443", "PHOTOS.example.org", "localhost"):
        assert web.get(f"{API}/health", headers={"host": host}).status_code == 200
    error(web.get(f"{API}/health", headers={"host": "evil.example.org"}), 400)
    for host in ("photos.example.org", "127.0.0.1:8000"):
        known = {"host": host, "origin": "https://photos.example.org", "sec-fetch-site": "same-origin"}
        assert web.post(f"{API}/search", json=ASK, headers=known).status_code == 200
        error(web.post(f"{API}/search", json=ASK, headers=known | {"origin": "https://evil.example.org"}), 403)


def from_(web: TestClient, address: str) -> TestClient:
    """The same app, asked from an address."""
    return TestClient(web.app, base_url="http://localhost", client=(address, 1234), raise_server_exceptions=False)


def test_forwarded_headers_count_from_trusted_proxies_alone(index: Index) -> None:
    token = "a token that is long enough"
    app = client(index, token=token, names=["photos.example.org"], trusted=["10.0.0.0/24", "fd00::2"])
    known = {"authorization": f"Bearer {token}"}
    ours = {"host": "upstream:8000", "x-forwarded-host": "photos.example.org"}
    for address in ("10.0.0.7", "::ffff:10.0.0.7", "fd00::2"):
        proxy = from_(app, address)
        assert proxy.get(f"{API}/health", headers=known | ours).status_code == 200
        twice = ours | {"x-forwarded-host": "evil.example.org, photos.example.org"}
        assert proxy.get(f"{API}/health", headers=known | twice).status_code == 200
        error(proxy.get(f"{API}/health", headers=known | ours | {"x-forwarded-host": "evil.example.org"}), 400)
        sent = known | ours | {"origin": "https://photos.example.org"}
        assert proxy.post(f"{API}/search", json=ASK, headers=sent).status_code == 200
        error(proxy.post(f"{API}/search", json=ASK, headers=sent | {"origin": "https://evil.example.org"}), 403)
        first = f"/?token={quote(token)}"
        given = proxy.get(first, headers=ours | {"x-forwarded-proto": "https"}, follow_redirects=False)
        assert given.status_code == 303 and given.headers["set-cookie"].endswith("; Secure")
        plain = proxy.get(first, headers=ours, follow_redirects=False)
        assert "Secure" not in plain.headers["set-cookie"]
    for address in ("10.0.1.7", "fd00::3", "127.0.0.1", "nobody"):
        error(from_(app, address).get(f"{API}/health", headers=known | ours), 400)
        spoofed = known | {"host": "evil.example.org", "x-forwarded-host": "localhost"}
        error(from_(app, address).get(f"{API}/health", headers=spoofed), 400)


def test_a_path_prefix_of_a_proxy_stays_in_the_address(index: Index) -> None:
    token = "a token that is long enough"
    for path, where in (("/", "./"), (f"{API}/docs", "./docs"), ("/app.js", "./app.js")):
        answer = client(index, token=token).get(f"{path}?token={quote(token)}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, where)
    prefixed = TestClient(create_app(index), base_url="http://localhost", root_path="/photos")
    assert prefixed.get(f"{API}/health").status_code == 200


def test_head_is_answered_wherever_get_is(index: Index) -> None:
    web, number = client(index), index.search("a red circle").hits[0].number
    shown = ("", "/thumb", "/info")
    for path in ("/", f"{API}/photos", f"{API}/facets", f"{API}/suggest?q=a", f"{API}/albums", f"{API}/index",
                 f"{API}/info", *(f"{API}/pictures/{number}{one}" for one in shown)):  # fmt: skip
        head, get = web.head(path), web.get(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content)), path


def test_no_path_leads_to_another_host(index: Index) -> None:
    token = "a token that is long enough"
    web = client(index, token=token)
    for path in ("//evil.com", "///evil.com", "////evil.com/", "/\\evil.com", "//evil.com/..", "/%2F/evil.com"):
        away = web.get(f"http://localhost{path}?token={quote(token)}", follow_redirects=False)
        assert not re.match(r"/[/\\]|\w+:", away.headers.get("location", "/")), path
    open_ = client(index)
    for path in ("//evil.com/", "//evil.com", "/app.js/", f"{API}/info/"):
        assert open_.get(f"http://localhost{path}", follow_redirects=False).status_code == 404, path


def test_whole_paths_are_shown_only_where_that_is_wanted(moved: tuple[Index, list[Path]]) -> None:
    index, paths = moved
    home = str(index.folder.parent)
    answers = client(index).post(f"{API}/search", json=ASK).text + client(index).get(f"{API}/info").text
    assert home not in answers and f'"pictures/{paths[0].name}"' in answers
    assert str(paths[0]) in client(index, show_paths=True).post(f"{API}/search", json=ASK).text


def spoilt(index: Index) -> dict[str, Callable[[], object]]:
    """What may become of an index under the server."""
    catalog, vectors = index.folder / "catalog.sqlite", sorted((index.folder / "vectors").iterdir())
    return {
        "no catalogue": catalog.unlink,
        "empty catalogue": lambda: catalog.write_bytes(b""),
        "no database": lambda: catalog.write_bytes(b"no database" * 1000),
        "vectors cut short": lambda: [os.truncate(path, 10) for path in vectors],
        "vectors emptied": lambda: [os.truncate(path, 0) for path in vectors],
        "no vectors": lambda: [path.unlink() for path in vectors],
        "no folder": lambda: shutil.rmtree(index.folder),
    }


SPOILT = (
    "no catalogue",
    "empty catalogue",
    "no database",
    "vectors cut short",
    "vectors emptied",
    "no vectors",
    "no folder",
)


@pytest.mark.parametrize("name", SPOILT)
def test_a_damaged_index_is_an_error_of_the_server(moved: tuple[Index, list[Path]], name: str) -> None:
    index, _ = moved
    web = client(index)
    assert web.post(f"{API}/search", json=ASK).status_code == 200
    for log in index.folder.glob("catalog.sqlite-*"):
        log.unlink()
    spoilt(index)[name]()
    for _ in range(2):
        said = error(web.post(f"{API}/search", json=ASK), 500)
        assert str(index.folder.parent) not in said and "Something went wrong" not in said
    if "vectors" not in name:
        error(web.get(f"{API}/pictures/1/thumb"), 500)
        error(web.post(f"{API}/search", json={"like": {"picture": 1}}), 500)
    assert web.get(f"{API}/health").json() == {"status": "ok"}


# The command


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("box.lan", False)]
)
def test_beyond_this_machine_there_is_a_token(
    host: str, local: bool, indexed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    whole = []
    monkeypatch.setattr(serve, "create_app", lambda *given, **more: (asked.append(given[3]), whole.append(given[6])))
    monkeypatch.setattr(serve, "_bound", lambda *where: [type("Bound", (), {"getsockname": lambda self: (host, 81)})()])
    monkeypatch.setattr(serve, "server", lambda app: type("Server", (), {"run": lambda self, sockets: None})())
    serve.serve(indexed, host=host)
    told = capsys.readouterr().err
    assert bool(asked[0]) == (not local) and whole[0] == local, "whole paths are for this machine alone"
    assert ("?token=" in told) == (not local) and (not asked[0] or (asked[0] in told and len(asked[0]) > 20))
    serve.serve(indexed, host=host, token="mine and long enough")
    assert asked[1] == "mine and long enough" and not whole[1]
    serve.serve(indexed, host=host, token="mine and long enough", show_paths=True)
    assert asked.pop() and whole.pop()
    with pytest.raises(InputError, match="at least 16 characters, found 4"):
        serve.serve(indexed, host=host, token="mine")
    serve.serve(indexed, host=host, names=["photos.example.org"])
    assert asked[2], "through a proxy others come"
    serve.serve(indexed, host=host, trusted=["10.0.0.2", "fd00::/8"])
    assert asked[3], "through a proxy others come"
    with pytest.raises(InputError, match=r"--trusted-proxy proxy\.lan: expected an address"):
        serve.serve(indexed, host=host, trusted=["proxy.lan"])
    with pytest.raises(InputError, match=r"--photos .*nowhere: expected a folder"):
        serve.serve(indexed, host=host, photos=[indexed / "nowhere"])
    for name in ("https://photos.example.org", "photos.example.org:80", "", "a/b", "*"):
        with pytest.raises(InputError, match="--allowed-host"):
            serve.serve(indexed, host=host, names=[name])


def test_an_address_that_is_taken_is_said(indexed: Path) -> None:
    with serve._bound("127.0.0.1", 0)[0] as taken, pytest.raises(InputError, match="cannot be served from"):
        serve.serve(indexed, port=taken.getsockname()[1])
    with pytest.raises(InputError, match=r"no\.such\.host\.invalid:8000"):
        serve.serve(indexed, host="no.such.host.invalid")
    with serve._bound("::1", 0)[0] as taken, pytest.raises(InputError, match=r"^\[::1\]:\d+: cannot be served"):
        serve.serve(indexed, host="::1", port=taken.getsockname()[1])


def test_the_command_serves_until_it_is_stopped(indexed: Path) -> None:
    command = [sys.executable, "-m", "wordsight.cli.main", "serve", str(indexed), "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        told = running.stderr.readline()
        where = re.search(r"http://127\.0\.0\.1:\d+/", told)
        assert where, told + running.stderr.read()
        with urllib.request.urlopen(f"{where[0]}api/v1/info") as answer:
            assert answer.status == 200
        running.send_signal(signal.SIGINT)
        assert running.wait(60) in (130, 0)  # 0 where the tests themselves were started to ignore Ctrl-C, as by `&`


# Whatever the schema allows, and what it does not


OPERATIONS = ["health", "info", "search", "search_upload", "caption", "picture", "thumb"]
OPERATIONS += ["photos", "facets", "picture_info", "suggest", "download", "reveal"]
OPERATIONS += [
    "albums",
    "new_album",
    "change_album",
    "delete_album",
    "export_album",
    "index_state",
    "index",
    "stop_index",
    "paths",
    "search_sketch",
    "video",
    "situation",
]
NOTHING_SENT = ("info", "health", "facets", "albums", "index_state", "stop_index")


@pytest.fixture(scope="module")
def described(indexed: Path, captioner: Path, situations: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("described") / "home"
    shutil.copytree(indexed.parent, home)
    index = Index(home / "index", "cpu")
    done = Situations(load_recogniser(situations, "cpu"), index.run)
    app = create_app(index, load_captioner(captioner, "cpu"), host="testserver", situations=done)
    return schemathesis.openapi.from_asgi(f"{API}/openapi.json", app)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_api_is_as_it_describes_itself(described: Any, name: str, mode: GenerationMode) -> None:
    operation = described.find_operation_by_id(name)
    if name in NOTHING_SENT and mode is GenerationMode.NEGATIVE:
        return
    most = 50 if name in OPERATIONS[:7] else 20

    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=most, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    def check(case: schemathesis.Case) -> None:
        answer = case.call()
        assert answer.status_code < 500
        # Not all words are known and not all files are pictures, which no schema can say.
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])

    check()


def test_the_description_has_every_operation(described: Any) -> None:
    names = {one.ok().definition.raw["operationId"] for one in described.get_all_operations()}
    assert names == set(OPERATIONS)

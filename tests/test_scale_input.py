"""Many machines, asked for wrongly: each is one sentence, before any work begins."""

import socket
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from test_videos import built, clip, scene
from wordsight import __version__
from wordsight.cli.main import app
from wordsight.errors import InputError, install
from wordsight.scale.cluster import cluster, require
from wordsight.scale.search import ShardResults
from wordsight.scale.shards import Shard, is_sharded, listed, part_of, parts_of_index
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index
from wordsight.search.options import SearchOptions
from wordsight.web.app import create_app


def test_without_ray_one_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError) as told, cluster("local"):
        pass
    assert str(told.value) == f"--ray needs Ray: {install('ray')}"


def test_an_address_that_is_none_or_does_not_answer_is_named() -> None:
    pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")
    with pytest.raises(InputError, match=r"--ray photos/: expected `local`, or HOST:PORT"), cluster("photos/"):
        pass
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"--ray 127.0.0.1:{port}: no Ray cluster answers"):
            cluster(f"127.0.0.1:{port}").__enter__()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"version": "", "unseen": []}, f"machine b lacks wordsight; install version {__version__} there"),
        ({"version": "0.0.1", "unseen": []}, f"machine b has wordsight 0.0.1 and this one {__version__}"),
        ({"version": __version__, "unseen": ["/a/x.jpg"]}, "machine b does not see /a/x.jpg"),
    ],
)
def test_a_machine_that_lacks_something_is_named(found: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        require(found, "b", "a:6379")


def test_a_machine_with_everything_will_do() -> None:
    require({"version": __version__, "unseen": []}, "b", "a:6379")


def test_a_list_of_shards_that_is_damaged_is_named(tmp_path: Path) -> None:
    assert not is_sharded(tmp_path)
    (tmp_path / "shards.json").write_text('{"format": 1}')
    assert is_sharded(tmp_path)
    with pytest.raises(InputError, match=r"shards\.json: damaged"):
        listed(tmp_path)
    (tmp_path / "shards.json").write_text('{"format": 9, "shards": []}')
    with pytest.raises(InputError, match="newer wordsight"):
        listed(tmp_path)


def test_the_app_says_what_was_not_searched_and_asks_its_own_index_what_parts_cannot_answer(indexed: Path) -> None:
    class Parts:
        """One of two parts, which finds nothing; groups it cannot make."""

        def answers(self, ask: object, wanted: SearchOptions) -> bool:
            return not wanted.group

        def search(self, ask: object, wanted: SearchOptions) -> ShardResults:
            return ShardResults((), 0, 1, (), False, (), (Shard("part 2 of 2", 70),))

    page = TestClient(create_app(Index(indexed, "cpu"), scan=Parts()), base_url="http://localhost")
    asked = {"sentences": [{"text": "a red circle"}]}
    found = page.post("/api/v1/search", json=asked).json()
    assert (found["hits"], found["not_searched"]) == ([], [{"part": "part 2 of 2", "pictures": 70}])
    found = page.post("/api/v1/search", json=asked | {"group": True}).json()
    assert found["hits"] and found["not_searched"] == []


def test_the_parts_of_an_index_hold_all_of_its_files(indexed: Path) -> None:
    files = Index(indexed, "cpu").info()["pictures"]
    for count in (1, 2, 7):
        parts = parts_of_index(indexed, count)
        assert len(parts) == count and sum(part.pictures for part in parts) == files


def test_a_part_that_is_not_searched_is_said_to_hold_the_files_that_it_scans(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "a.webm", "cdcdcd")
    for number in range(4):
        scene("d").save(tmp_path / "in" / f"still{number}.png")
    index = built(tmp_path / "index", tmp_path / "in")
    with Catalog(index.folder) as catalog:
        files = index.snapshot(catalog).files
    assert len(set(files.tolist())) == 5 < len(files)  # the frames of a video are one file
    for count in (1, 2, 3):
        scanned = [len(set(files[part_of(files, len(files), count) == part].tolist())) for part in range(count)]
        assert [part.pictures for part in parts_of_index(index.folder, count)] == scanned


def test_workers_without_ray_are_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", str(tmp_path / "r.toml"), "-o", str(tmp_path / "run"), "--workers", "2"])
    assert (done.exit_code, done.stderr.strip()) == (2, "wordsight: --workers 2: goes with --ray.")

"""Many machines: what a Ray cluster builds and finds is what one machine builds and finds."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index

ray = pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")
pytestmark = pytest.mark.slow  # a local Ray takes half a minute to start
QUIET = Progress(quiet=True)
SENTENCES = ["a red circle", "a blue square on the left", "a green triangle above a circle"]


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    """A local Ray of two workers, which all tests use."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.fixture
def pictures(indexed: Path, world: Path, tmp_path: Path) -> list[Path]:
    """A hundred and forty pictures in a folder."""
    (tmp_path / "pictures").mkdir()
    for path in sorted((world / "images").iterdir())[:140]:
        shutil.copy(path, tmp_path / "pictures")
    return sorted((tmp_path / "pictures").iterdir())


@pytest.fixture
def alone(pictures: list[Path], indexed: Path, tmp_path: Path) -> Index:
    """The index that one machine builds of them."""
    index = Index.create(tmp_path / "alone", indexed / "model", "cpu")
    index.build(pictures, progress=QUIET)
    with Catalog(indexed) as known, index.writing() as catalog, catalog.change():
        catalog.set_fact("calibration", known.fact("calibration"))
    return index


def entries(index: Index) -> list[tuple[str, int, bytes]]:
    with Catalog(index.folder) as catalog:
        return [(entry.path, entry.rows, entry.hash) for entry in catalog.entries()]


def same(found: object, expected: object) -> None:
    """Two pages of hits are the same: pictures, order, boxes; figures to what float32 rounds."""
    one, other = found.to_json(), expected.to_json()  # type: ignore[attr-defined]
    one.pop("not_searched", None)
    assert [hit["path"] for hit in one["hits"]] == [hit["path"] for hit in other["hits"]]
    assert strip(one) == strip(other)


def strip(value: object) -> object:
    if isinstance(value, float):
        return pytest.approx(value, abs=2e-5)
    if isinstance(value, dict):
        return {key: strip(one) for key, one in value.items()}
    return [strip(one) for one in value] if isinstance(value, list | tuple) else value


def test_two_workers_build_the_index_of_one_machine_and_their_shards_give_its_hits(
    two_workers: None, pictures: list[Path], alone: Index, tmp_path: Path
) -> None:
    from wordsight.scale.build import build_shards, keep_shards
    from wordsight.scale.search import Shards
    from wordsight.search.options import SearchOptions

    index = Index.create(tmp_path / "index", alone.folder / "model", "cpu")
    assert build_shards("local", index, pictures, progress=QUIET) == 140
    built = index.build(pictures, progress=QUIET)
    assert (len(built.added), built.unchanged) == (0, 140)
    assert entries(index) == entries(alone)
    assert not (tmp_path / "index.shards").exists() and not index.verify()
    assert build_shards("local", index, pictures, progress=QUIET) == 0  # everything is known
    for sentence in SENTENCES:
        assert [h.path for h in index.search(sentence)] == [h.path for h in alone.search(sentence)]

    home = tmp_path / "kept"
    keep_shards("local", home, pictures, run=alone.folder / "model", device="cpu", progress=QUIET)
    with Catalog(alone.folder) as known:
        learned = known.fact("calibration")
    for folder in home.glob("shard-*"):
        with Index(folder, "cpu").writing() as catalog, catalog.change():
            catalog.set_fact("calibration", learned)
    shards, whole = Shards(ray, home, "cpu"), Shards(ray, alone.folder, "cpu")
    for wanted in ({}, {"top": 3, "page": 2}, {"min_confidence": 0.2}, {"under": str(pictures[0].parent), "top": 4}):
        for sentence in SENTENCES:
            expected = alone.search(sentence, **wanted)
            same(shards.search(sentence, SearchOptions(**wanted)), expected)
            same(whole.search(sentence, SearchOptions(**wanted)), expected)
    same(shards.search(pictures[7], SearchOptions()), alone.search(pictures[7]))
    with pytest.raises(InputError, match="--group: is not searched over shards"):
        shards.search("a red circle", SearchOptions(group=True))

    lost = sorted(home.glob("shard-*"))[1]
    gone = {Path(one) for one in Index(lost, "cpu").paths.below(Catalog(lost).paths(), pictures[0].parent)}
    shutil.rmtree(lost)
    found = Shards(ray, home, "cpu").search("a red circle", SearchOptions(top=200))
    (missing,) = found.not_searched
    assert (missing.name, missing.pictures, missing.folders) == (lost.name, len(gone), (str(pictures[0].parent),))
    assert {hit.path for hit in found} == set(pictures) - gone
    assert found.to_json()["not_searched"][0]["pictures"] == len(gone)


def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    two_workers: None, pictures: list[Path], alone: Index, tmp_path: Path
) -> None:
    from wordsight.scale import build

    killed: list[int] = []

    def kill() -> None:
        """Kill whichever worker writes a shard first, once something of it is committed or begun."""
        until = time.monotonic() + 60
        while not killed and time.monotonic() < until:
            for folder in Path(f"{index.folder}.shards").glob("shard-*/lock"):
                for pid in (int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()):
                    with_lock = [str(link) for link in links(pid)]
                    if str(folder) in with_lock and pid != os.getpid():
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)
                        return
            time.sleep(0.01)

    index = Index.create(tmp_path / "index", alone.folder / "model", "cpu")
    hunter = threading.Thread(target=kill)
    hunter.start()
    assert build.build_shards("local", index, pictures, progress=QUIET) == 140
    hunter.join()
    assert killed
    assert entries(index) == entries(alone)


def test_training_by_two_workers_gives_the_weights_of_one_though_one_is_killed(
    two_workers: None, recipe_file: Path, tmp_path: Path
) -> None:
    from wordsight.runs import checkpoint
    from wordsight.runs.recipe import read
    from wordsight.scale.train import train_ray
    from wordsight.training.trainer import train

    killed: list[int] = []

    def kill() -> None:
        """Kill a worker, once the first epoch is saved."""
        until = time.monotonic() + 300
        while not (tmp_path / "together" / checkpoint.STATE).exists() and time.monotonic() < until:
            time.sleep(0.01)
        pid = max(int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal() and trains(one))
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    recipe = read(recipe_file, ['train.precision="float32"', 'train.optimiser="sgd"', "regions.regions=8"])
    alone = train(recipe, tmp_path / "alone", progress=QUIET)
    hunter = threading.Thread(target=kill)
    hunter.start()
    together = train_ray("local", recipe, tmp_path / "together", workers=2, progress=QUIET)
    hunter.join()
    assert killed
    one, other = (checkpoint.load_state(tmp_path / run)["model"] for run in ("alone", "together"))
    for name, weight in one.items():
        assert (other[name] - weight).abs().max() <= 1e-5
    assert together["best"]["rsum"] == alone["best"]["rsum"] and len(together["history"]) == len(alone["history"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "together"]  # nothing of Ray Train is left
    with pytest.raises(InputError, match="--workers 3: the cluster at local has 2 cores, one a worker"):
        train_ray("local", recipe, tmp_path / "other", workers=3, progress=QUIET)
    assert not (tmp_path / "other").exists()


def trains(process: Path) -> bool:
    """Whether a process is a worker of Ray Train."""
    try:
        return b"RayTrainWorker" in (process / "cmdline").read_bytes()
    except OSError:
        return False


def test_the_app_finds_by_the_parts_of_its_index_what_it_finds_itself(two_workers: None, alone: Index) -> None:
    from fastapi.testclient import TestClient

    from wordsight.scale.search import scanning
    from wordsight.web.app import create_app

    asked = [
        {"sentences": [{"text": "a red circle"}]},
        {"sentences": [{"text": "a blue square"}], "top": 3, "page": 2},
        {"sentences": [{"text": "a red circle"}], "group": True},  # which one index alone can answer
    ]
    with scanning("local", alone.folder, "cpu") as parts:
        for query in asked:
            here, there = (
                TestClient(create_app(alone, scan=scan), base_url="http://localhost").post("/api/v1/search", json=query)
                for scan in (None, parts)
            )
            assert here.status_code == there.status_code == 200
            assert strip(there.json()) == strip(here.json())
        ray.kill(parts._actors[1], no_restart=True)
        lost = TestClient(create_app(alone, scan=parts), base_url="http://localhost")
        found = lost.post("/api/v1/search", json={"sentences": [{"text": "a red circle"}], "top": 100}).json()
    assert found["not_searched"] == [{"part": "part 2 of 2", "pictures": 70}]
    assert len(found["hits"]) == 70


def links(pid: int) -> list[Path]:
    """The files that a process has open."""
    found = []
    try:
        for one in Path(f"/proc/{pid}/fd").iterdir():
            found.append(Path(os.readlink(one)))
    except OSError:
        pass
    return found

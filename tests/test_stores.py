"""An index in a vector database: the same hits as from the index, exported once whatever happens, and clear errors."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from wordsight.cli.main import app
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search.index import Index
from wordsight.search.query import Like, Sentence, Written
from wordsight.search.scan import EncodedQuery
from wordsight.search.stores import export, lance, qdrant
from wordsight.search.stores.export import export_index
from wordsight.search.stores.find import StoredIndex
from wordsight.search.stores.maxsim import picture_vectors, query_vectors
from wordsight.search.stores.places import open_store, place_for

missing = not all(map(find_spec, ("qdrant_client", "lancedb")))  # not imported: that takes each worker seconds
pytestmark = pytest.mark.skipif(missing, reason="Qdrant and LanceDB are not installed (extra `stores`)")

KINDS = ["qdrant", "lancedb"]
QUIET = Progress(quiet=True)
PICTURES = 40
ASKS: list[Any] = [
    "a red circle",
    "a blue square and a green cross",
    [Sentence("a stripy yellow triangle", 2.0), Sentence("two circles", 0.5)],
]


def pictures(world: Path, count: int = PICTURES) -> list[Path]:
    return sorted((world / "images").iterdir())[:count]


@pytest.fixture(scope="module")
def index(world: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Forty pictures, indexed; tests must not change it."""
    made = Index.create(tmp_path_factory.mktemp("stores") / "index", trained, "cpu")
    made.build(pictures(world), progress=QUIET)
    return made


@pytest.fixture(scope="module", params=KINDS)
def stored(request: pytest.FixtureRequest, index: Index, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same in a database; tests must not change it."""
    place = str(tmp_path_factory.mktemp(request.param) / "store")
    done = export_index(index, request.param, place, progress=QUIET)
    assert (done["added"], done["pictures"]) == (PICTURES, PICTURES)
    return place


@pytest.fixture
def own(index: Index, tmp_path: Path) -> Index:
    """A copy that a test may change."""
    shutil.copytree(index.folder, tmp_path / "index")
    return Index(tmp_path / "index")


def check(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """The same answer, its figures to rounding."""
    assert found.keys() == wanted.keys() and found["total"] == wanted["total"]
    assert len(found["hits"]) == len(wanted["hits"]) > 0
    for one, other in zip(found["hits"], wanted["hits"], strict=True):
        for name in ("score", "normalised", "hubness"):
            assert one.pop(name) == pytest.approx(other.pop(name), abs=1e-5)
        assert one == other


@pytest.mark.parametrize("ask", ASKS, ids=str)
def test_a_store_gives_the_hits_of_the_index_with_their_evidence(index: Index, stored: str, ask: Any) -> None:
    with StoredIndex(stored) as opened:
        check(opened.search(ask, candidates=1).to_json(), index.search(ask).to_json())


def test_pictures_pages_groups_and_what_counts_less_than_nothing(index: Index, stored: str, world: Path) -> None:
    like = Like(pictures(world)[3], (0.1, 0.1, 0.9, 0.9))
    with StoredIndex(stored) as opened:
        check(opened.search(like, top=5, page=2).to_json(), index.search(like, top=5, page=2).to_json())
        check(opened.search("two circles", group=True).to_json(), index.search("two circles", group=True).to_json())
        ask = ["a red circle", Sentence("a blue square", -0.5)]
        check(opened.search(ask).to_json(), index.search(ask).to_json())
        least = index.search("a red circle").hits[3].score - 1e-4
        assert len(opened.search("a red circle", min_score=least)) == 4


def test_the_order_of_a_store_is_ours_with_hubness_weights_and_whole_pictures() -> None:
    random = torch.Generator().manual_seed(0)
    images, hubness = torch.randn(20, 6, 8, generator=random), 2 * torch.randn(20, generator=random)
    words, shares = torch.randn(3, 8, generator=random), torch.tensor([[0.2], [1.5], [0.7]])
    query = EncodedQuery(words, shares, torch.tensor([0.6]), torch.tensor([0.3]))
    for whole in (False, True):
        products = (images[:, :1] if whole else images) @ words.T
        wanted = (products.amax(dim=1) @ shares)[:, 0] - 0.6 * hubness
        asked = query_vectors(query, whole)
        for image, common, score in zip(images.numpy(), hubness.tolist(), wanted.tolist(), strict=True):
            rows = picture_vectors(image, common, whole)
            assert (rows @ asked.T).max(axis=0).sum() == pytest.approx(score, abs=1e-4)
            assert np.array_equal(rows[:, :8], image)


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_follows_the_index(own: Index, world: Path, tmp_path: Path, kind: str) -> None:
    place = str(tmp_path / kind)
    export_index(own, kind, place, progress=QUIET)
    again = export_index(own, kind, place, progress=QUIET)
    assert (again["added"], again["updated"], again["removed"], again["unchanged"]) == (0, 0, 0, PICTURES)
    gone, known = pictures(world)[0], pictures(world)[5]
    own.remove([gone])
    table = tmp_path / "meta.json"
    table.write_text(json.dumps([{"path": str(known), "place": "Oslo"}]))
    assert own.annotate(table) == []
    done = export_index(own, kind, place, progress=QUIET)
    assert (done["added"], done["updated"], done["removed"], done["pictures"]) == (0, 1, 1, PICTURES - 1)
    with StoredIndex(place) as opened:
        hits = opened.search("a red circle", top=PICTURES).hits
    assert len(hits) == PICTURES - 1 and gone not in [hit.path for hit in hits]
    assert [hit.meta for hit in hits if hit.path == known] == [{"place": "Oslo"}]


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_that_was_stopped_goes_on(
    index: Index, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place, home = str(tmp_path / kind), qdrant.Qdrant if kind == "qdrant" else lance.Lance
    write, calls = home.write, []

    def stop(self: Any, points: Any) -> None:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(len(points))
        write(self, points)

    monkeypatch.setattr(export, "NUMBERS", 20_000)
    monkeypatch.setattr(home, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        export_index(index, kind, place, progress=QUIET)
    monkeypatch.setattr(home, "write", write)
    assert 0 < sum(calls) < PICTURES
    with StoredIndex(place) as opened:
        assert len(opened.search("a red circle", top=PICTURES)) == sum(calls)
    assert f"holds {sum(calls)} of {PICTURES} pictures" in capsys.readouterr().err
    done = export_index(index, kind, place, progress=QUIET)
    assert (done["added"], done["unchanged"]) == (PICTURES - sum(calls), sum(calls))
    with StoredIndex(place) as opened:
        check(opened.search("a red circle").to_json(), index.search("a red circle").to_json())


def test_a_moved_index_is_named(own: Index, tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    export_index(own, "lancedb", place, progress=QUIET)
    moved = own.folder.rename(tmp_path / "moved")
    with pytest.raises(InputError, match="name the index that it was written from"):
        StoredIndex(place)
    with StoredIndex(place, index=moved) as opened:
        assert opened.search("a red circle").hits


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_store_cannot_be_used_for_is_said(index: Index, tmp_path: Path, kind: str) -> None:
    place = str(tmp_path / kind)
    export_index(index, kind, place, progress=QUIET)
    store = open_store(kind, place)
    about: Any = store.about()
    store.delete(list(store.stamps()))
    store.close()
    with StoredIndex(place) as opened, pytest.raises(InputError, match="empty; `wordsight index export`"):
        opened.search("a red circle")

    def described(**other: object) -> Callable[[], StoredIndex]:
        changed = open_store(kind, place)
        changed.describe(replace(about, **other))
        changed.close()
        return lambda: StoredIndex(place, index=index.folder)

    with pytest.raises(InputError, match=r"its vectors have 65 numbers, expected 33"):
        described(size=32)()
    with pytest.raises(InputError, match="vectors of another model than"):
        described(model="0" * 32)()
    with pytest.raises(InputError, match="vectors of another model; name another"):
        export_index(index, kind, place, progress=QUIET)
    described(index="another", folder="/elsewhere")
    with pytest.raises(InputError, match="the pictures of another index, /elsewhere"):
        export_index(index, kind, place, progress=QUIET)
    with pytest.raises(InputError, match="has no collection other"):
        StoredIndex(place, collection="other")
    with pytest.raises(InputError, match="another kind"):
        place_for("qdrant" if kind == "lancedb" else "lancedb", place, index.folder)


def test_other_bad_input_is_one_sentence(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no vector database"):
        StoredIndex(tmp_path / "nothing")
    with pytest.raises(InputError, match="no Qdrant server answers there"):
        StoredIndex("http://localhost:9")
    with pytest.raises(InputError, match="expected qdrant or lancedb"):
        export_index(index, "milvus", None, progress=QUIET)
    with pytest.raises(InputError, match="expected a name of letters"):
        export_index(index, "lancedb", str(tmp_path / "x"), collection="../up", progress=QUIET)
    for kind, module in (("qdrant", "qdrant_client"), ("lancedb", "lancedb")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(InputError, match="pip install"):
                export_index(index, kind, str(tmp_path / kind), progress=QUIET)


def test_a_store_knows_no_texts_and_needs_something_to_look_for(stored: str) -> None:
    with StoredIndex(stored) as opened:
        with pytest.raises(InputError, match="not searched by the text"):
            opened.search(["a red circle", Written("exit")])
        with pytest.raises(InputError, match="of weight above 0"):
            opened.search(Sentence("a red circle", -1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_benchmark_finds_the_same(index: Index, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    from stores import measure

    row = measure(index, kind, ["a red circle", "two circles"], str(tmp_path / kind))
    assert row.split()[0] == kind and row.split()[4:6] == ["1.00", "1.00"]


def test_the_commands_export_and_search(index: Index, tmp_path: Path) -> None:
    place, folder, runner = str(tmp_path / "store"), str(index.folder), CliRunner()
    done = runner.invoke(app, ["index", "export", folder, "--to", "lancedb", "--store", place, "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["added"] == PICTURES
    wanted = index.search("two circles").to_json()
    for words in (["two circles"], [folder, "two circles"]):
        found = runner.invoke(app, ["search", *words, "--store", place, "--json"])
        assert found.exit_code == 0
        check(json.loads(found.stdout), json.loads(json.dumps(wanted)))
    drawn = runner.invoke(app, ["search", "two circles", "--store", place, "-o", str(tmp_path / "sheet.png")])
    assert drawn.exit_code == 0 and (tmp_path / "sheet.png").exists()
    for words in (["two circles", "--store", place, "--since", "2024"], ["a", "--store", str(tmp_path / "no")], []):
        failed = runner.invoke(app, ["search", *words])
        assert failed.exit_code == 2 and not failed.stdout


@pytest.mark.parametrize("option", [("--ray", "local"), ("--where", "width > 3"), ("--text", "exit")])
def test_what_a_database_knows_nothing_of_is_refused(option: tuple[str, str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["search", "a dog", "--store", str(tmp_path), *option])
    assert done.exit_code == 2
    assert f"does not go with {option[0]}; search the index itself" in done.stderr

"""Runs that score pairs jointly: they look again at what an index found, and show where they looked."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from wordsight.cli.main import app
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.reports.draw import draw
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.recipe import read
from wordsight.search.index import Index
from wordsight.search.query import Like, Sentence
from wordsight.training.trainer import train
from wordsight.vision.images import open_image

ASK = "a red circle and a blue square"


@pytest.fixture(scope="module", params=["stacked_attention", "sm_lstm"])
def joint(request: pytest.FixtureRequest, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that cannot be indexed, on fewer regions than the index has."""
    recipe = recipe_file.read_text().partition("[model]")[0].replace("regions = 40", "regions = 12")
    path = tmp_path_factory.mktemp("joint") / "joint.toml"
    model = f'[model]\nname = "{request.param}"\nembedding = 32\nwords = 16\nhidden = 16\n'
    path.write_text(f'{recipe}{model}[train]\nepochs = 1\nbatch = 32\ndevice = "cpu"\n')
    train(read(path), path.parent / "run", progress=Progress(quiet=True))
    return path.parent / "run"


@pytest.fixture
def reranker(joint: Path) -> Aligner:
    return load(joint, "cpu")


@pytest.fixture
def index(indexed: Path) -> Index:
    return Index(indexed, "cpu")


def test_it_has_no_members_and_is_not_indexed(joint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be indexed"):
        Index.create(tmp_path / "index", joint, "cpu")
    with pytest.raises(InputError, match=r"train\.members = 2"):
        read(joint / "recipe.toml", ["train.members=2"])


def test_hits_are_in_the_order_of_the_other_run(index: Index, reranker: Aligner) -> None:
    before = index.search(ASK, top=12).hits
    found = index.search(ASK, reranker=reranker, rerank_top=12, top=5)
    expected = reranker.score([hit.path for hit in before], [ASK])[:, 0]
    order = expected.argsort(descending=True)[:5]
    assert [hit.path for hit in found.hits] == [before[place].path for place in order.tolist()]
    scores = torch.tensor([hit.reranked for hit in found.hits])
    torch.testing.assert_close(scores, expected[order], atol=2e-3, rtol=2e-3)  # features are kept in half precision
    assert {hit.path: hit.score for hit in found.hits}.items() <= {hit.path: hit.score for hit in before}.items()
    assert (found.total, found.first, len(found.hits)) == (12, 1, 5)


def test_evidence_is_of_the_other_run(index: Index, reranker: Aligner) -> None:
    hit = index.search(ASK, reranker=reranker, rerank_top=3).hits[0]
    aligned = reranker.align(hit.path, ASK, beta=0)
    assert tuple(word.text for word in hit.words) == aligned.words
    assert [word.strength for word in hit.words] == pytest.approx(aligned.strengths, abs=2e-3)
    boxes = reranker.encode_images([hit.path]).places[0]
    assert all(torch.isclose(torch.tensor(word.box), boxes).all(1).any() for word in hit.words)


def test_pages_go_on_where_the_last_one_ended(index: Index, reranker: Aligner) -> None:
    whole = index.search(ASK, reranker=reranker, rerank_top=7, top=7).hits
    pages = [index.search(ASK, reranker=reranker, rerank_top=7, top=3, page=page) for page in (1, 2, 3, 4)]
    assert [hit.path for page in pages for hit in page.hits] == [hit.path for hit in whole]
    assert [page.first for page in pages] == [1, 4, 7, 10] and {page.total for page in pages} == {7}


def test_the_model_of_the_index_itself_changes_no_order(index: Index, trained: Path) -> None:
    before = index.search(ASK, top=30).hits
    after = index.search(ASK, reranker=load(trained, "cpu"), top=30).hits
    assert [hit.reranked for hit in after] == pytest.approx([hit.score for hit in before], abs=2e-3)


def test_pictures_that_cannot_be_read_come_last_as_the_index_has_them(
    index: Index, reranker: Aligner, tmp_path: Path
) -> None:
    home = tmp_path / "moved"
    shutil.copytree(index.folder.parent, home)
    moved = Index(home / "index", "cpu")
    first = moved.search(ASK, top=6).hits
    first[0].path.write_bytes(b"")
    first[2].path.write_text("no picture")
    found = moved.search(ASK, reranker=reranker, rerank_top=6).hits
    assert [(hit.path, hit.phrases, hit.reranked) for hit in found[4:]] == [
        (hit.path, hit.phrases, None) for hit in (first[0], first[2])
    ]
    assert all(hit.reranked is not None for hit in found[:4])


@pytest.mark.parametrize("ask", [Like("x.jpg"), [Sentence("a circle"), Sentence("a cross")], Sentence("a circle", -1)])
def test_only_single_sentences_are_scored_again(index: Index, reranker: Aligner, ask: object) -> None:
    if isinstance(ask, Like):
        ask = Like(index.search(ASK).hits[0].path)
    with pytest.raises(InputError, match="rerank: expected a single sentence"):
        index.search(ask, reranker=reranker)  # type: ignore[arg-type]
    for none in ({"rerank_top": 0}, {"top": 0}, {"page": 0}):
        with pytest.raises(InputError, match="expected at least 1"):
            index.search(ASK, reranker=reranker, **none)  # type: ignore[arg-type]


def test_the_command_says_both_scores(indexed: Path, joint: Path, tmp_path: Path) -> None:
    def run(*more: str | Path) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["search", str(indexed), *map(str, more)])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, done.stdout, done.stderr

    options = ("--rerank", joint, "--rerank-top", "4", "--device", "cpu")
    hits = json.loads(run(ASK, *options, "--json")[1])["hits"]
    assert len(hits) == 4 and hits[0]["reranked"] == max(hit["reranked"] for hit in hits)
    code, out, _ = run(ASK, *options, "-o", tmp_path / "sheet.png")
    rank, match, reranked, *_ = out.splitlines()[1].split("\t")
    assert code == 0 and rank == "1" and float(reranked) == pytest.approx(hits[0]["reranked"], abs=1e-3) and match
    assert Image.open(tmp_path / "sheet.png").width > 320
    code, _, err = run("--picture", hits[0]["path"], "--captions", tmp_path / "lines.txt", *options)
    assert code == 2 and "--rerank" in err


def test_where_it_looked_is_told_and_drawn_step_by_step(joint: Path, indexed: Path, tmp_path: Path) -> None:
    picture = min((indexed.parent / "pictures").iterdir())
    out = tmp_path / "steps.png"
    done = CliRunner().invoke(app, ["ground", str(joint), str(picture), ASK, "-o", str(out), "--device", "cpu"])
    assert done.exit_code == 0, done.stderr
    aligned = load(joint, "cpu").align(picture, ASK)
    glances = aligned.to_json()["glances"]
    drawn, single = Image.open(out), draw(open_image(picture), aligned)
    if load(joint, "cpu").checkpoint.recipe.model["name"] == "stacked_attention":  # looks once, and has nothing to tell
        assert glances == () and "step" not in done.stdout and drawn.size == single.size
        return
    assert len(glances) == 3 and drawn.width == single.width and drawn.height > 3 * single.height, "and three heads"
    for number, glance in enumerate(glances, 1):
        assert sum(glance["words"]) == pytest.approx(1, abs=1e-5) and len(glance["words"]) == len(aligned.words)
        assert list(glance["shares"]) == sorted(glance["shares"], reverse=True) and len(glance["boxes"]) == 3
        assert f"step {number}: read " in done.stdout


def test_a_run_that_cannot_score_is_refused(indexed: Path, captioner: Path, tmp_path: Path) -> None:
    for folder, says in ((captioner, "describes pictures (lstm)"), (tmp_path / "nowhere", "nowhere")):
        done = CliRunner().invoke(app, ["search", str(indexed), ASK, "--rerank", str(folder)])
        assert done.exit_code == 2 and says in done.stderr

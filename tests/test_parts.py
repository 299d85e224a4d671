"""Models whose parts are not words, but pairs or whole sentences: all that is done with words is done with them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from wordsight.batch import Batch, Regions
from wordsight.data.load import load_dataset
from wordsight.metrics.word_norms import magnitudes
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.recipe import read
from wordsight.search.index import Index
from wordsight.search.query import Like
from wordsight.search.trials import trials
from wordsight.training.trainer import train

QUIET = Progress(quiet=True)
SENTENCE = "a red circle left of a blue square"


@pytest.fixture(scope="module", params=["defrag", "sdt_rnn"])
def run(request: pytest.FixtureRequest, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Aligner:
    recipe = read(recipe_file)
    recipe = replace(recipe, model={"name": request.param, "embedding": 32, "words": 24})
    recipe = replace(recipe, train=replace(recipe.train, epochs=1))
    folder = tmp_path_factory.mktemp("parts") / "run"
    train(recipe, folder, progress=QUIET)
    return load(folder, "cpu")


@pytest.fixture(scope="module")
def index(run: Aligner, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    home = tmp_path_factory.mktemp("parts_index")
    (home / "pictures").mkdir()
    for path in sorted((world / "images").iterdir())[:12]:
        shutil.copy(path, home / "pictures")
    made = Index.create(home / "index", run.folder, "cpu")
    made.build(sorted((home / "pictures").iterdir()), progress=QUIET)
    made.calibrate(world, QUIET)
    return made


def test_every_word_has_a_box_and_the_phrases_are_rows_of_words(run: Aligner, world: Path) -> None:
    path = next(iter(sorted((world / "images").iterdir())))
    for beta in (0.0, 0.5):
        found = run.align(path, SENTENCE, beta=beta)
        assert " ".join(found.words) == SENTENCE
        assert len(found.boxes) == len(found.strengths) == 8
        assert [part.start for part in found.segments] == [0, *(part.end for part in found.segments[:-1])]
        assert found.segments[-1].end == 8
    if run.model.rule and not run.model.rule.thresholded_sum:
        assert sum(found.strengths) == pytest.approx(found.score, rel=1e-4)


def test_they_learn_in_half_precision_too(run: Aligner) -> None:
    random = torch.Generator().manual_seed(0)
    features = torch.randn(3, 4, run.encoder.size, generator=random)
    regions = Regions(features, torch.ones(3, 4, dtype=torch.bool), torch.rand(3, 4, 4, generator=random))
    words = run.vocabulary.encode([SENTENCE, "a green ring", "a star"])
    some = Batch(regions, words, torch.arange(3))
    with torch.autocast("cpu", torch.bfloat16):
        loss = run.model.loss(some)
    assert loss.item() == pytest.approx(run.model.loss(some).item(), rel=0.05)
    assert all(torch.isfinite(found).all() for found in torch.autograd.grad(loss, list(run.model.parameters())))


def test_words_have_magnitudes(run: Aligner) -> None:
    found = {one.word: one for one in magnitudes(run.model, run.vocabulary, [SENTENCE, "red square"], least=1)}
    assert found["red"].seen == found["square"].seen == 2
    parts = [run.encode_texts([text]).values.norm(dim=2).sum().item() for text in (SENTENCE, "red square")]
    assert sum(one.length * one.seen for one in found.values()) == pytest.approx(sum(parts), rel=1e-4)


def test_an_index_scores_as_the_model_does_and_shows_every_word(run: Aligner, index: Index) -> None:
    found = index.search(SENTENCE, top=12)
    expected = run.score([hit.path for hit in found.hits], [SENTENCE])[:, 0]
    torch.testing.assert_close(torch.tensor([hit.score for hit in found.hits]), expected, rtol=1e-3, atol=1e-3)
    parts = run.encode_texts([SENTENCE]).mask.sum().item()
    for hit in found.hits:
        assert " ".join(word.text for word in hit.words) == SENTENCE
        assert hit.phrases[-1].end == 8
        assert hit.normalised == pytest.approx(hit.score / parts, rel=1e-4)
        assert hit.confidence is not None


def test_how_sure_hits_are_is_learned_of_scores_divided_as_in_a_search(run: Aligner, world: Path) -> None:
    asked = trials(run, world, QUIET)
    first = load_dataset(world).split("val")[0]
    parts = run.encode_texts([first.sentences[0]]).mask.sum().item()
    assert asked.right[:, 0].nonzero().tolist() == [[0]]
    expected = run.score([first.path], [first.sentences[0]]).item() / parts
    assert asked.scores[0, 0].item() == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_an_index_is_asked_for_pictures_and_boxes(index: Index) -> None:
    first = index.search(SENTENCE).hits[0].path
    assert index.search(Like(first), top=12).total == 12
    one, other = (index.search(Like(first, box)).hits for box in ((0.0, 0.0, 0.4, 0.4), (0.5, 0.5, 1.0, 1.0)))
    assert one[0].phrases[0].text == "this"
    assert [hit.score for hit in one] != [hit.score for hit in other], "what is in the box counts"

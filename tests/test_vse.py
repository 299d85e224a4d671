"""VSE and VSE++ against the plain way of their equations, and in use: evaluated, shown and searched."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from wordsight.batch import Batch, Regions, Words
from wordsight.evaluation.alignment import measure
from wordsight.matching.vse import VSE
from wordsight.progress import Progress
from wordsight.runs.aligner import load
from wordsight.runs.recipe import parse
from wordsight.search.index import Index
from wordsight.search.query import Like
from wordsight.training.trainer import train

QUIET = Progress(quiet=True)
FLAGS = torch.zeros(0, dtype=torch.bool)
WHOLE = (0.0, 0.0, 1.0, 1.0)


def some_pairs(pictures: int, sentences: int, features: int = 6, vocabulary: int = 20) -> Batch:
    """Pictures of one to four regions, sentences of one to five words about them in turn."""
    random = torch.Generator().manual_seed(1)
    seen = torch.arange(4) < torch.arange(pictures)[:, None] % 4 + 1
    said = torch.arange(5) < torch.arange(sentences)[:, None] % 5 + 1
    ids = torch.randint(2, vocabulary, (sentences, 5), generator=random) * said
    features_of = torch.randn(pictures, 4, features, generator=random)
    boxes = torch.tensor(WHOLE).expand(pictures, 4, 4)
    return Batch(Regions(features_of, seen, boxes), Words(ids, said), torch.arange(sentences) % pictures)


def gru(net: torch.nn.RNNBase, words: Tensor) -> Tensor:
    """Cho et al. 2014, a step at a time: words (T, E) -> the last state (D,)."""
    state = torch.zeros(net.hidden_size, dtype=words.dtype)
    for word in words:
        told = (net.weight_ih_l0 @ word + net.bias_ih_l0).chunk(3)
        known = (net.weight_hh_l0 @ state + net.bias_hh_l0).chunk(3)
        reset, update = ((one + other).sigmoid() for one, other in zip(told[:2], known[:2], strict=True))
        state = (1 - update) * (told[2] + reset * known[2]).tanh() + update * state
    return state


def lstm(net: torch.nn.RNNBase, words: Tensor) -> Tensor:
    """Hochreiter & Schmidhuber 1997 with a gate that forgets: words (T, E) -> the last state (D,)."""
    state, cell = torch.zeros(2, net.hidden_size, dtype=words.dtype)
    for word in words:
        sums = net.weight_ih_l0 @ word + net.bias_ih_l0 + net.weight_hh_l0 @ state + net.bias_hh_l0
        into, forget, new, out = sums.chunk(4)
        cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
        state = out.sigmoid() * cell.tanh()
    return state


@pytest.mark.parametrize("encoder", ["gru", "lstm"])
@pytest.mark.parametrize("pool", ["whole", "mean"])
def test_scores_are_the_cosines_of_the_papers(encoder: str, pool: str) -> None:
    torch.manual_seed(0)
    batch = some_pairs(4, 7)
    model = VSE(20, 6, embedding=5, words=3, encoder=encoder, pool=pool).double().eval()  # type: ignore[arg-type]
    torch.nn.init.normal_(model.mean)
    features = batch.regions.features.double()
    regions = Regions(features, batch.regions.mask, batch.regions.boxes)
    found = model.score(model.encode_images(regions), model.encode_texts(batch.words))
    for k in range(4):
        q = features[k, 0] if pool == "whole" else features[k][batch.regions.mask[k]].mean(0)
        x = model.picture.weight @ (q - model.mean) + model.picture.bias
        for n in range(7):
            words = model.words.weight[batch.words.ids[n][batch.words.mask[n]]]
            v = (gru if encoder == "gru" else lstm)(model.sentence, words)
            assert found[k, n].item() == pytest.approx((x @ v / x.norm() / v.norm()).item(), abs=1e-6)


@pytest.mark.parametrize("loss", ["ranking", "hardest"])
def test_the_loss_is_that_of_the_papers(loss: str) -> None:
    torch.manual_seed(0)
    batch = some_pairs(3, 7)
    model = VSE(20, 6, embedding=5, words=3, loss=loss, margin=0.3).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        s = model.score(model.encode_images(batch.regions), model.encode_texts(batch.words)).tolist()
    picture, total = batch.picture.tolist(), 0.0
    for n, own in enumerate(picture):
        sentences = [max(0, 0.3 - s[own][n] + s[own][m]) for m in range(7) if picture[m] != own]
        pictures = [max(0, 0.3 - s[own][n] + s[k][n]) for k in range(3) if k != own]
        pick = max if loss == "hardest" else sum
        total += pick(sentences) + pick(pictures)
    assert model.loss(batch).item() == pytest.approx(total / 7, rel=1e-5)


def test_a_vector_stands_at_the_whole_picture_and_at_all_words() -> None:
    batch = some_pairs(4, 7)
    model = VSE(20, 6, embedding=5, words=3)
    images, texts = model.encode_images(batch.regions), model.encode_texts(batch.words)
    assert images.places.tolist() == [[list(WHOLE)]] * 4
    assert texts.places.tolist() == [[[0, n % 5 + 1]] for n in range(7)]


@pytest.mark.parametrize(("encoder", "loss"), [("gru", "ranking"), ("gru", "hardest"), ("lstm", "ranking")])
def test_ten_pairs_are_learned(encoder: str, loss: str) -> None:
    torch.manual_seed(0)
    batch = some_pairs(10, 10)
    model = VSE(20, 6, embedding=32, words=16, encoder=encoder, loss=loss)  # type: ignore[arg-type]
    model.fit(lambda: [batch])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimiser.zero_grad()
        model.train().loss(batch).backward()
        optimiser.step()
    with torch.no_grad():
        scores = model.eval().score(model.encode_images(batch.regions), model.encode_texts(batch.words))
    assert (scores.argmax(0) == batch.picture).all()
    assert (scores.argmax(1) == batch.picture).all()


RECIPE = """
data = {{path = "{world}", min_count = 2}}
regions = {{backbones = ["filters"], regions = 8, detections = 0, size = 64}}
model = {{name = "vse", embedding = 32, words = 16}}
train = {{epochs = 3, batch = 32, lr = 0.01, device = "cpu"}}
"""


@pytest.fixture(scope="module")
def run(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("vse") / "run"
    metrics = train(parse(RECIPE.format(world=world.as_posix())), out, progress=QUIET)
    assert metrics["best"]["rsum"] > 100, "chance is near 60"
    return out


def test_a_report_says_that_the_evidence_is_the_whole_picture(run: Path, world: Path, tmp_path: Path) -> None:
    figures = measure(load(run, "cpu"), world, "val", grounding=True, report=tmp_path, progress=QUIET)
    assert (tmp_path / "report.html").exists()
    assert figures["grounding_iou"] == figures["grounding_whole_iou"]
    found = load(run, "cpu").align(next((world / "images").iterdir()), "a red circle and a blue square", beta=0.5)
    assert found.boxes == (WHOLE,) * 7
    assert len(set(found.strengths)) == 1, "all words have an equal share"
    assert sum(found.strengths) == pytest.approx(found.score, abs=1e-5)
    assert [(one.start, one.end) for one in found.segments] == [(0, 3), (3, 7)]


def test_pictures_are_searched_and_what_is_shown_is_the_whole(run: Path, world: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for path in sorted((world / "images").iterdir())[:12]:
        shutil.copy(path, tmp_path / "pictures")
    paths = sorted((tmp_path / "pictures").iterdir())
    index = Index.create(tmp_path / "index", run, "cpu")
    index.build(paths, progress=QUIET)
    sentence = "a red circle"
    hits = index.search(sentence, top=12).hits
    scores = load(run, "cpu").score(paths, [sentence])[:, 0]
    expected = [paths[row].resolve() for row in scores.argsort(descending=True, stable=True).tolist()]
    assert [hit.path.resolve() for hit in hits] == expected
    for hit, score in zip(hits, scores.sort(descending=True).values.tolist(), strict=True):
        assert hit.score == pytest.approx(score, abs=2e-3)
        (phrase,) = hit.phrases
        assert (phrase.text, phrase.box) == (sentence, WHOLE)
        assert phrase.strength == pytest.approx(hit.score, abs=2e-3)
        assert {word.box for word in hit.words} == {WHOLE}
    like = index.search(Like(paths[3]), top=1).hits[0]
    assert like.path.resolve() == paths[3].resolve()

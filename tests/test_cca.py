"""CCA and Deep CCA against the plain way of their equations, and how a model without steps is trained."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from wordsight.batch import Batch, Regions, Words
from wordsight.errors import InputError
from wordsight.evaluation.alignment import measure
from wordsight.matching.cca import CCA, canonical, root
from wordsight.matching.deep_cca import DeepCCA, correlations
from wordsight.matching.matcher import Matcher
from wordsight.progress import Progress
from wordsight.runs import checkpoint
from wordsight.runs.aligner import load
from wordsight.runs.recipe import parse
from wordsight.text.tfidf import TfIdf
from wordsight.training.trainer import train

QUIET = Progress(quiet=True)
FLAGS = torch.zeros(0, dtype=torch.bool)


def related(rows: int, x: int, y: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two sides (rows, x) and (rows, y), float64, that share three directions more or less, with means of their own."""
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    shared = draw(rows, 3) * torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)
    return shared @ draw(3, x) + draw(rows, x) + 2, shared @ draw(3, y) + draw(rows, y) - 5


def inverse_root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return vectors @ (values**-0.5).diag() @ vectors.T


def covariance(x: Tensor, y: Tensor) -> Tensor:
    """One product at a time."""
    x, y = x - x.mean(0), y - y.mean(0)
    return torch.stack([torch.outer(one, other) for one, other in zip(x, y, strict=True)]).mean(0)


def ten_pairs(features: int = 16, vocabulary: int = 30) -> Batch:
    """Ten pictures of three regions with a sentence each, all different."""
    random = torch.Generator().manual_seed(3)
    ids = torch.arange(20).view(10, 2) + 5
    mask = torch.ones(10, 4, dtype=torch.bool)
    mask[::2, 3] = False
    words = torch.cat([ids, torch.randint(2, 5, (10, 2), generator=random)], dim=1) * mask
    boxes = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(10, 3, 4)
    seen = torch.randn(10, 3, features, generator=random)
    return Batch(Regions(seen, torch.ones(10, 3, dtype=torch.bool), boxes), Words(words, mask), torch.arange(10))


def ranked_first(model: Matcher, batch: Batch) -> Tensor:
    with torch.no_grad():
        scores = model.eval().score(model.encode_images(batch.regions), model.encode_texts(batch.words))
    return (scores.argmax(0) == batch.picture) & (scores.argmax(1) == batch.picture)


# --- linear algebra


@pytest.mark.parametrize("ridge", [1e-9, 0.3])
def test_correlations_are_those_of_the_whitened_covariance(ridge: float) -> None:
    x, y = related(200, 5, 4)
    xx, yy = (covariance(side, side) for side in (x, y))
    xx, yy = (one + ridge * one.trace() / len(one) * torch.eye(len(one)) for one in (xx, yy))
    _, expected, _ = torch.linalg.svd(inverse_root(xx) @ covariance(x, y) @ inverse_root(yy))
    found = canonical([(x, y, torch.arange(200))], 4, ridge)
    torch.testing.assert_close(found.correlations, expected)
    torch.testing.assert_close(found.a.T @ xx @ found.a, torch.eye(4, dtype=torch.float64), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found.a.T @ covariance(x, y) @ found.b, expected.diag(), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(correlations(x, y, ridge), expected)


def test_without_a_ridge_projections_correlate_as_much_as_it_says() -> None:
    x, y = related(300, 6, 5)
    found = canonical([(x, y, torch.arange(300))], 3, 1e-12)
    for number, expected in enumerate(found.correlations):
        both = torch.stack([x @ found.a[:, number], y @ found.b[:, number]])
        assert torch.corrcoef(both)[0, 1] == pytest.approx(expected.item(), abs=1e-6)
    assert found.correlations[0] > 0.9


def test_a_picture_counts_as_often_as_it_has_sentences_however_the_pairs_come() -> None:
    x, y = related(40, 4, 3)
    picture = torch.arange(40).repeat_interleave(torch.arange(40) % 3 + 1)
    said = y[picture] + torch.randn(len(picture), 3, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    plain = canonical([(x[picture], said, torch.arange(len(picture)))], 3, 0.1)
    first = picture < 25
    parts = [(x[:25], said[first], picture[first]), (x[25:], said[~first], picture[~first] - 25)]
    for one, other in zip(canonical(iter(parts), 3, 0.1), plain, strict=True):
        torch.testing.assert_close(one.abs(), other.abs())  # directions are the same but for their signs


# --- what it is told


def test_tfidf_by_hand() -> None:
    words = Words(torch.tensor([[2, 2, 3], [3, 0, 0], [3, 4, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0]]) > 0)
    counts = TfIdf(6)
    counts.fit([Words(words.ids[:1], words.mask[:1]), Words(words.ids[1:], words.mask[1:])])
    rare, common = math.log(4 / 2), math.log(4 / 4)
    torch.testing.assert_close(
        counts.weights, torch.tensor([math.log(4), math.log(4), rare, common, rare, math.log(4)])
    )
    torch.testing.assert_close(counts(words)[0], torch.tensor([0, 0, 1.0, 0, 0, 0]))
    assert counts(words)[1].tolist() == [0] * 6, "what every sentence says, says nothing"
    assert counts(words)[2].tolist() == [0, 0, 0, 0, 1, 0]


def test_vectors_are_projections_weighed_by_their_correlations() -> None:
    batch, power = ten_pairs(), 1.5
    model = CCA(30, 16, embedding=4, ridge=0.2, power=power, sentence="vectors", words=7, pool="mean")
    model.fit(lambda: [batch])
    assert model.words is not None
    x = batch.regions.features.mean(1).double()
    said = [
        sum(n * vector for n, vector in zip(row, model.words.weight, strict=True)) for row in model.counts(batch.words)
    ]
    found = canonical([(x, y := torch.stack(said).double(), batch.picture)], 4, 0.2)
    for side, middle, directions, vectors in (
        (x, found.seen, found.a, model.encode_images(batch.regions)),
        (y, found.said, found.b, model.encode_texts(batch.words)),
    ):
        plain = torch.stack([(row - middle) @ directions * found.correlations**power for row in side])
        plain = plain / plain.norm(dim=1, keepdim=True)
        products = vectors.values[:, 0].double() @ vectors.values[:, 0].double().T
        torch.testing.assert_close(products, plain @ plain.T, rtol=1e-4, atol=1e-4)


def test_fourier_features_have_the_products_of_a_gaussian_kernel() -> None:
    torch.manual_seed(0)
    batch = ten_pairs()
    model = CCA(30, 16, kernel=20_000, embedding=2)
    model.requires_grad_(False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wordsight.matching.cca.canonical", lambda pairs, size, ridge: NothingFound())
        model.fit(lambda: [batch])
    x = batch.regions.features[:, 0]
    x = x - x.mean(0)
    square = torch.cdist(x, x).square()
    wide = square.sum() / 100  # the mean squared distance of two pictures, a picture and itself among them
    found = model._seen(batch.regions)
    torch.testing.assert_close(found @ found.T, (-square / (2 * wide)).exp(), rtol=0, atol=0.03)


class NothingFound:
    def onto(self, *rest: object) -> None:
        pass


@pytest.mark.parametrize("keywords", [{}, {"sentence": "vectors"}, {"kernel": 50}, {"pool": "mean"}])
def test_ten_pairs_are_told_apart(keywords: dict[str, object]) -> None:
    torch.manual_seed(0)
    model = CCA(30, 16, ridge=0.01, **keywords)  # type: ignore[arg-type]
    model.fit(lambda: [ten_pairs()])
    assert ranked_first(model, ten_pairs()).all()


def test_keywords_out_of_range_are_refused() -> None:
    for wrong in ({"ridge": 0.0}, {"power": -1.0}, {"kernel": -1}):
        with pytest.raises(ValueError, match="expected"):
            CCA(30, 16, **wrong)  # type: ignore[arg-type]
    for wrong in ({"ridge": 0.0}, {"power": -1.0}, {"top": 300}):
        with pytest.raises(ValueError, match="expected"):
            DeepCCA(30, 16, **wrong)  # type: ignore[arg-type]


def test_a_ridge_too_small_to_invert_a_covariance_is_said() -> None:
    with pytest.raises(InputError, match=r"model\.ridge = 1e-09"):
        root(torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.double), 1e-9)


# --- Deep CCA


def test_the_gradient_is_right_also_where_variances_are_equal() -> None:
    x, y = related(30, 4, 3)
    assert gradcheck(lambda x, y: correlations(x, y, 0.1).sum(), [x.requires_grad_(), y.requires_grad_()])
    same = torch.linalg.qr(x.detach() - x.detach().mean(0)).Q.requires_grad_()  # all variances equal, no covariances
    assert gradcheck(lambda x, y: correlations(x, y, 0.1)[:2].sum(), [same, y])


def test_the_objective_is_the_greatest_correlations_in_full_precision() -> None:
    torch.manual_seed(0)
    batch = ten_pairs()
    model = DeepCCA(30, 16, embedding=6, hidden=8, top=2, ridge=0.1)
    model.fit(lambda: [batch])
    x = batch.regions.features[:, 0]
    x = (x - x.mean(0)) / (x - x.mean(0)).square().sum(1).mean().sqrt()
    f, g = model.picture(x).double(), model.sentence(model.counts(batch.words)).double()
    xx, yy = (covariance(side, side) for side in (f, g))
    xx, yy = (one + 0.1 * one.trace() / 6 * torch.eye(6) for one in (xx, yy))
    expected = -torch.linalg.svdvals(inverse_root(xx) @ covariance(f, g) @ inverse_root(yy))[:2].sum()
    torch.testing.assert_close(model.loss(batch), expected, rtol=1e-5, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model.loss(batch), expected, rtol=1e-5, atol=1e-6)


def test_networks_find_what_no_linear_map_does() -> None:
    """The sign of a product of two features is what is said; a line through both says nothing about it."""
    torch.manual_seed(0)
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).repeat(25, 1)
    seen = (signs + 0.1 * torch.randn(100, 2))[:, None]
    words = Words((3 + (signs.prod(1) > 0).long())[:, None], torch.ones(100, 1, dtype=torch.bool))
    boxes = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(100, 1, 4)
    batch = Batch(Regions(seen, torch.ones(100, 1, dtype=torch.bool), boxes), words, torch.arange(100))
    linear = CCA(5, 2, ridge=0.01)
    linear.fit(lambda: [batch])
    pairs = [(seen[:, 0], linear._said(words), batch.picture)]
    assert canonical(pairs, 1, 0.01).correlations[0] < 0.2
    model = DeepCCA(5, 2, embedding=2, hidden=32, top=1)
    model.fit(lambda: [batch])
    optimiser = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        loss = model.train().loss(batch)
        loss.backward()
        optimiser.step()
    assert loss < -0.9


def test_ten_pairs_are_learned_and_linear_cca_is_over_all_of_training() -> None:
    torch.manual_seed(0)
    batch = ten_pairs()
    model = DeepCCA(30, 16, embedding=9, hidden=32)
    model.fit(lambda: [batch])
    optimiser = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=0.01)
    for _ in range(60):
        optimiser.zero_grad()
        model.train().loss(batch).backward()
        optimiser.step()
    asked: list[int] = []

    def everything(count: int) -> list[Batch]:
        asked.append(count)
        return [batch]

    model.eval().refresh(everything)
    assert asked[0] >= 10**9, "all pictures there are"
    assert ranked_first(model, batch).all()
    f = torch.stack([model.a(model._seen(batch.regions)), model.b(model.sentence(model.counts(batch.words)))]).double()
    off = covariance(f[0], f[1])
    torch.testing.assert_close(off, off.diagonal().diag(), rtol=0, atol=1e-4)


def test_deep_cca_is_trained_and_saved_with_its_linear_cca(world: Path, tmp_path: Path) -> None:
    settings = ["model.name=deep_cca", "model.hidden=64", "train.epochs=6", "train.batch=300", "train.lr=0.01"]
    metrics = train(parse(CLOSED.format(world=world.as_posix()), settings), tmp_path / "run", progress=QUIET)
    assert metrics["history"][-1]["loss"] < metrics["history"][0]["loss"] < 0
    assert metrics["best"]["rsum"] > 150, "chance is near 60"
    again = measure(load(tmp_path / "run", "cpu"), progress=QUIET)
    assert {key: again[key] for key in ("i2t_R@1", "t2i_R@10")} == {
        key: metrics["best"][key] for key in ("i2t_R@1", "t2i_R@10")
    }


# --- training without steps

CLOSED = """
data = {{path = "{world}", min_count = 2}}
regions = {{backbones = ["filters"], regions = 8, detections = 0, size = 64}}
model = {{name = "cca", embedding = 16}}
train = {{device = "cpu"}}
"""


def test_a_model_without_steps_is_finished_after_its_fit(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = parse(CLOSED.format(world=world.as_posix()))
    metrics = train(recipe, tmp_path / "run", progress=QUIET)
    assert metrics == checkpoint.read_metrics(tmp_path / "run")
    (only,) = metrics["history"]
    assert only.keys().isdisjoint({"epoch", "loss"})
    assert metrics["best"] == only
    assert metrics["best"]["rsum"] > 150, "chance is near 60"
    assert metrics["seconds"] > 0
    assert metrics["parameters"] > 0
    card = (tmp_path / "run" / "README.md").read_text()
    assert "closed form" in card
    assert "| epoch |" not in card
    json.dumps(metrics, allow_nan=False)
    assert load(tmp_path / "run", "cpu").score([next((world / "images").iterdir())], ["a red circle"]).shape == (1, 1)

    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    monkeypatch.setattr(CCA, "fit", lambda *rest: pytest.fail("fitted again"))
    assert train(recipe, tmp_path / "run", resume=True, progress=QUIET) == metrics
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before


def test_members_of_a_model_without_steps_decide_together(world: Path, tmp_path: Path) -> None:
    recipe = parse(CLOSED.format(world=world.as_posix()), ["train.members=2", "model.kernel=40"])
    metrics = train(recipe, tmp_path / "run", progress=QUIET)
    first, second = (checkpoint.load(tmp_path / "run" / f"member-{n}").model.state_dict() for n in (0, 1))
    assert not torch.equal(first["waves.weight"], second["waves.weight"]), "seeds of their own"
    assert metrics["best"]["rsum"] > 150


def test_word_vectors_are_kept_as_they_are_where_nothing_learns(world: Path, tmp_path: Path) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text("red 1 2 3\nblue 3 2 1\ncircle 0 2 0\n")
    recipe, vectors = CLOSED.format(world=world.as_posix()), f'text.vectors="{file.as_posix()}"'
    train(parse(recipe, [vectors, "model.sentence=vectors"]), tmp_path / "run", progress=QUIET)
    loaded = checkpoint.load(tmp_path / "run")
    assert loaded.model.state_dict()["words.weight"][loaded.vocabulary.number["red"]].tolist() == [1, 2, 3]
    with pytest.raises(InputError, match=r"text\.vectors: .* no word vectors"):
        train(parse(recipe, [vectors]), tmp_path / "other", progress=QUIET)

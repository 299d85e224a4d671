"""Hubs are known by the query bank, of the training split, and lowered; what a word is at stays as it is."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from wordsight.batch import Batch, Regions, Vectors, Words
from wordsight.matching import score
from wordsight.matching.align import Align
from wordsight.matching.ensemble import Ensemble
from wordsight.matching.matcher import Matcher
from wordsight.matching.query_bank import LONGEST, SHARE, QueryBank

FEATURES, VOCABULARY = 9, 12


def vectors(values: Tensor) -> Vectors:
    """All parts real."""
    return Vectors(values, torch.ones(values.shape[:2], dtype=torch.bool), torch.zeros(*values.shape[:2], 4))


def batch(pictures: int = 5, seed: int = 0, words: int = 7) -> Batch:
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(pictures, 4, FEATURES, generator=random)
    ids = torch.randint(1, VOCABULARY, (2 * pictures, words), generator=random)
    mask = torch.arange(words) < torch.randint(1, words + 1, (2 * pictures, 1), generator=random)
    boxes = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(pictures, 4, 4).clone()
    regions = Regions(features, torch.ones(pictures, 4, dtype=torch.bool), boxes)
    return Batch(regions, Words(ids * mask, mask), torch.arange(2 * pictures) // 2)


@pytest.fixture
def model() -> Align:
    """A model with a query bank."""
    torch.manual_seed(0)
    keywords = {"embedding": 8, "words": 5, "hidden": 7, "mean": True, "loss": "contrastive", "query_bank": 6}
    made = Align(VOCABULARY, FEATURES, **keywords).eval()  # type: ignore[arg-type]
    made.refresh(lambda count: [batch(count // 2, seed=1), batch(count // 2, seed=2, words=LONGEST + 4)])
    return made


def numbered(sentences: int, after: int = 0) -> Words:
    """Sentences of one word each: 1, 2 and so on, or those after some."""
    ids = after + 1 + torch.arange(sentences)[:, None]
    return Words(ids, ids > 0)


def encoded(model: Matcher, some: Batch) -> tuple[Vectors, Vectors]:
    return model.image_vectors(some.regions), model.text_vectors(some.words)


def test_hubness_is_a_soft_maximum_over_the_query_bank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wordsight.matching.query_bank.ROWS", 4)  # two blocks of them
    bank = QueryBank(6, temperature=0.1)
    met = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(0))
    bank.fill([vectors(met[:4]), vectors(met[4:])], [numbered(2), numbered(4, after=2)])
    own = vectors(torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(1)))
    images = bank.of_images(own, score.sum_of_max, lambda words: vectors(met[words.ids[:, 0] - 1])).hubness
    texts = bank.of_texts(own, score.sum_of_max).hubness
    for found, products in (
        (images, score.sum_of_max(own, vectors(met))),
        (texts, score.sum_of_max(vectors(met), own).T),
    ):
        expected = 0.1 * (products.double() / 0.1).exp().mean(dim=1).log()
        torch.testing.assert_close(found, expected.float(), atol=0.03, rtol=0)  # a byte a number


def test_a_picture_that_scores_high_with_everything_no_longer_wins() -> None:
    random = torch.Generator().manual_seed(0)
    texts = torch.nn.functional.normalize(torch.randn(40, 1, 8, generator=random), dim=-1)
    texts = torch.nn.functional.normalize(texts + 0.8 * torch.eye(8)[0], dim=-1)  # all lean one way
    images = texts[:20].clone() * 0.9
    images[0] = 1.5 * torch.eye(8)[0]  # a hub
    plain = score.sum_of_max(vectors(images), vectors(texts[:20]))
    assert (plain.argmax(0) == 0).sum() > 5, "the hub wins sentences of others"
    bank = QueryBank(6, temperature=0.1)
    bank.fill([vectors(texts[20:])], [numbered(20)])
    settled = score.sum_of_max(
        bank.of_images(vectors(images), score.sum_of_max, lambda words: vectors(texts[19 + words.ids[:, 0]])),
        bank.of_texts(vectors(texts[:20]), score.sum_of_max),
    )
    assert (settled.argmax(0)[1:] == torch.arange(1, 20)).all()


def test_scores_are_less_by_a_share_of_the_hubness_of_both_sides(model: Align) -> None:
    images, texts = encoded(model, batch(seed=3))
    assert images.hubness is not None
    assert texts.hubness is not None
    bare = model.score(replace(images, hubness=None), replace(texts, hubness=None))
    expected = bare - SHARE * images.hubness[:, None] - SHARE * texts.hubness[None]
    torch.testing.assert_close(model.score(images, texts), expected)


def test_no_word_goes_to_another_region_for_it(model: Align) -> None:
    images, texts = encoded(model, batch(seed=3))
    found = score.word_regions(images[torch.arange(5)], texts[torch.arange(0, 10, 2)])
    bare = score.word_regions(replace(images, hubness=None), replace(texts, hubness=None)[torch.arange(0, 10, 2)])
    assert torch.equal(found, bare)


def test_padding_and_company_change_no_hubness(model: Align) -> None:
    some = batch(seed=3)
    images, texts = encoded(model, some)
    regions = Regions(
        torch.cat([some.regions.features, torch.full((5, 2, FEATURES), 100.0)], dim=1),
        torch.cat([some.regions.mask, torch.zeros(5, 2, dtype=torch.bool)], dim=1),
        torch.cat([some.regions.boxes, torch.ones(5, 2, 4)], dim=1),
    )
    torch.testing.assert_close(model.image_vectors(regions).hubness, images.hubness)
    alone = [model.text_vectors(Words(some.words.ids[n : n + 1], some.words.mask[n : n + 1])) for n in range(10)]
    assert all(one.hubness is not None for one in alone)
    torch.testing.assert_close(torch.cat([one.hubness for one in alone if one.hubness is not None]), texts.hubness)


def test_training_and_the_paper_s_equations_know_no_hubness(model: Align) -> None:
    some = batch(seed=3)
    assert model.encode_images(some.regions).hubness is None
    assert model.encode_texts(some.words).hubness is None


def test_the_query_bank_is_filled_anew_as_the_model_is_now(model: Align) -> None:
    before = encoded(model, batch(seed=3))[0].hubness
    meet = lambda count: [batch(count // 2, seed=1), batch(count // 2, seed=2, words=LONGEST + 4)]  # noqa: E731
    model.refresh(meet)
    torch.testing.assert_close(encoded(model, batch(seed=3))[0].hubness, before)
    with torch.no_grad():
        model.region.weight.mul_(2)
    model.refresh(meet)
    after = encoded(model, batch(seed=3))[0].hubness
    assert before is not None
    assert after is not None
    assert (after - before).abs().max() > 0.01


def test_the_query_bank_is_filled_where_the_model_is(model: Align, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[object] = []
    monkeypatch.setattr(Batch, "to", lambda self, device: (moved.append(device), self)[1])
    model.refresh(lambda count: [batch(count, seed=1), batch(count, seed=2)])
    assert moved == [model.mean.device] * 2


def test_the_query_bank_goes_by_the_contrastive_temperature() -> None:
    with pytest.raises(ValueError, match="expected loss = 'contrastive'"):
        Align(VOCABULARY, FEATURES, loss="ranking", query_bank=6)


def test_many_pictures_are_the_same_as_few(model: Align) -> None:
    some = batch(pictures=70, seed=3)
    images = model.image_vectors(some.regions)
    last = Regions(some.regions.features[66:], some.regions.mask[66:], some.regions.boxes[66:])
    assert images.hubness is not None
    torch.testing.assert_close(images.hubness[66:], model.image_vectors(last).hubness)


def test_the_query_bank_is_saved_with_the_model(model: Align) -> None:
    again = Align(**model.config).eval()  # type: ignore[arg-type]
    again.load_state_dict(model.state_dict())
    some = batch(seed=3)
    torch.testing.assert_close(again.image_vectors(some.regions).hubness, model.image_vectors(some.regions).hubness)
    torch.testing.assert_close(again.text_vectors(some.words).hubness, model.text_vectors(some.words).hubness)


def test_an_ensemble_takes_away_what_its_members_do(model: Align) -> None:
    some, ensemble = batch(seed=3), Ensemble([model, model])
    torch.testing.assert_close(
        ensemble.score(ensemble.image_vectors(some.regions), ensemble.text_vectors(some.words)),
        2 * model.score(*encoded(model, some)),
    )


@pytest.mark.parametrize("together", [False, True])
def test_without_a_query_bank_there_is_no_hubness_and_the_vectors_are_the_same(model: Align, together: bool) -> None:
    matcher: Matcher = Ensemble([model]).eval() if together else model
    some = batch(seed=3)
    before = encoded(matcher, some)
    matcher.clear_query_bank()
    after = encoded(matcher, some)
    for one, other in zip(before, after, strict=True):
        assert one.hubness is not None and other.hubness is None
        assert torch.equal(one.values, other.values)


def test_few_regions_in_the_query_bank_take_less_room() -> None:
    torch.manual_seed(0)
    made = [QueryBank(6, 0.1, regions) for regions in (0, 2)]
    pictures = vectors(torch.randn(6, 5, 4))
    for one in made:
        one.fill([pictures], [numbered(6)])
    assert [one.image_codes.shape for one in made] == [(6, 5, 4), (6, 2, 4)]
    texts = vectors(torch.randn(3, 2, 4))
    expected = QueryBank(6, 0.1)
    expected.fill([vectors(pictures.values[:, :2])], [numbered(6)])
    assert torch.equal(
        made[1].of_texts(texts, score.sum_of_max).hubness, expected.of_texts(texts, score.sum_of_max).hubness
    )


def test_the_loss_knows_no_hubness_in_either_mode(model: Align) -> None:
    some = batch(seed=3)
    before = model.eval().loss(some)
    model.clear_query_bank()
    torch.testing.assert_close(model.loss(some), before)

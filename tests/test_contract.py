"""What every model must do, whichever it is."""

import inspect
from typing import Any

import pytest
import torch

from wordsight.batch import Batch, Frames, Regions, SituationBatch, Words
from wordsight.matching import MODELS, model_class
from wordsight.matching.matcher import Matcher
from wordsight.runs import tasks

PICTURES, REGIONS, FEATURES, VOCABULARY = 6, 5, 12, 30
GIVEN = {  # what the data decides for some models
    "classes": ("dog", "cat"),
    "frames": (("riding", "", "agent", "vehicle"), ("walking", "", "agent")),
    "glosses": tuple(f"noun {number}" for number in range(VOCABULARY)),
    "triples": 3,
}


@pytest.fixture(params=sorted(MODELS))
def model(request: pytest.FixtureRequest, batch: Batch) -> Matcher:
    """One of each; what is fitted in closed form is fitted."""
    torch.manual_seed(0)
    made = model_class(request.param)(vocabulary=VOCABULARY, features=FEATURES)
    if not learns(made):
        made.fit(lambda: [batch])
    return made


def learns(model: Matcher) -> bool:
    """Whether it has weights that learn by steps; only such models have a loss."""
    return any(weight.requires_grad for weight in model.parameters())


@pytest.fixture
def learner(model: Matcher) -> Matcher:
    """One of each that has a loss."""
    if not learns(model):
        pytest.skip("fitted in closed form: no weight of it learns by steps")
    return model


@pytest.fixture
def batch() -> Batch:
    """Six pictures of one to five regions, eight sentences of one to seven words."""
    random = torch.Generator().manual_seed(1)
    seen = torch.tensor([5, 1, 3, 5, 2, 4])
    said = torch.tensor([7, 1, 4, 2, 7, 5, 3, 6])
    corners = torch.rand(PICTURES, REGIONS, 2, generator=random) / 2
    regions = Regions(
        torch.randn(PICTURES, REGIONS, FEATURES, generator=random),
        torch.arange(REGIONS) < seen[:, None],
        torch.cat([corners, corners + 0.4], dim=-1),
    )
    mask = torch.arange(7) < said[:, None]
    words = Words(torch.randint(1, VOCABULARY, (8, 7), generator=random) * mask, mask)
    return Batch(regions, words, torch.tensor([0, 1, 2, 3, 4, 5, 0, 3]))


def scores(model: Matcher, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model.eval().score(model.encode_images(batch.regions), model.encode_texts(batch.words))


def padded(batch: Batch, more: int = 3) -> Batch:
    """The same batch with padding appended, filled with what must never be looked at."""
    regions, words = batch.regions, batch.words
    rows, sentences = len(regions.mask), len(words.mask)
    return Batch(
        Regions(
            torch.cat([regions.features, torch.full((rows, more, FEATURES), 100.0)], dim=1),
            torch.cat([regions.mask, torch.zeros(rows, more, dtype=torch.bool)], dim=1),
            torch.cat([regions.boxes, torch.ones(rows, more, 4)], dim=1),
        ),
        Words(
            torch.cat([words.ids, torch.zeros(sentences, more, dtype=torch.long)], dim=1),
            torch.cat([words.mask, torch.zeros(sentences, more, dtype=torch.bool)], dim=1),
        ),
        batch.picture,
    )


def test_scores_have_a_row_a_picture_and_a_column_a_sentence(model: Matcher, batch: Batch) -> None:
    assert scores(model, batch).shape == (PICTURES, 8)
    assert scores(model, batch).isfinite().all()


def test_loss_falls_on_a_tiny_batch(learner: Matcher, batch: Batch) -> None:
    optimiser = torch.optim.AdamW([weight for weight in learner.parameters() if weight.requires_grad], lr=0.01)
    losses = []
    for _ in range(16):
        loss = learner.train().loss(batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_every_weight_learns(learner: Matcher, batch: Batch) -> None:
    learner.train().loss(batch).backward()
    for name, weight in learner.named_parameters():
        assert not weight.requires_grad or (weight.grad is not None and weight.grad.isfinite().all()), name


def test_padding_changes_nothing(model: Matcher, batch: Batch) -> None:
    torch.testing.assert_close(scores(model, padded(batch)), scores(model, batch))


def test_padding_changes_no_loss(learner: Matcher, batch: Batch) -> None:
    torch.manual_seed(2)
    before = learner.eval().loss(batch)
    torch.manual_seed(2)
    torch.testing.assert_close(learner.eval().loss(padded(batch)), before)


def test_one_at_a_time_scores_as_many_at_once(model: Matcher, batch: Batch) -> None:
    together = scores(model, batch)
    regions, words = batch.regions, batch.words
    for row in range(PICTURES):
        one = slice(row, row + 1)
        few = Regions(regions.features[one], regions.mask[one], regions.boxes[one])
        for column in range(len(words.ids)):
            length = int(words.mask[column].sum())
            said = Words(words.ids[column : column + 1, :length], words.mask[column : column + 1, :length])
            alone = scores(model, Batch(few, said, torch.zeros(1, dtype=torch.long)))
            torch.testing.assert_close(alone[0, 0], together[row, column], rtol=1e-4, atol=1e-5)


def test_the_configuration_rebuilds_the_model(model: Matcher, batch: Batch) -> None:
    again = type(model)(**model.config)
    again.load_state_dict(model.state_dict())
    assert torch.equal(scores(again, batch), scores(model, batch))


def test_places_are_boxes_and_spans(model: Matcher, batch: Batch) -> None:
    images, texts = model.encode_images(batch.regions), model.encode_texts(batch.words)
    assert images.places.shape == (*images.mask.shape, 4)
    assert texts.places.shape == (*texts.mask.shape, 2)
    assert (texts.places[texts.mask][:, 1] > texts.places[texts.mask][:, 0]).all()


def test_evidence_has_a_row_a_word_and_a_column_a_region(model: Matcher, batch: Batch) -> None:
    with torch.no_grad():
        images, texts = model.eval().encode_images(batch.regions), model.encode_texts(batch.words)
        images = images[batch.picture]
        found = model.evidence(images, texts)
    assert found.shape == (*batch.words.mask.shape, images.mask.shape[1])
    assert (found[~batch.words.mask][images.mask.repeat_interleave((~batch.words.mask).sum(1), 0)] == 0).all()
    assert (found == -torch.inf).equal(~images.mask[:, None].expand_as(found))


@pytest.fixture(params=sorted(tasks.MODELS))
def any_model(request: pytest.FixtureRequest, batch: Batch) -> Any:
    """One of each that a recipe can name, of whatever task; fitted."""
    torch.manual_seed(0)
    kind = tasks.model_class(request.param)
    given = {name: GIVEN[name] for name in GIVEN.keys() & inspect.signature(kind).parameters.keys()}
    made = kind(vocabulary=VOCABULARY, features=FEATURES, **given)
    made.fit(lambda: [examples(made, batch)])
    return made.eval()


def examples(model: Any, batch: Batch) -> Batch | SituationBatch:
    """The pictures of a batch with what the model learns from: their sentences, or their situations."""
    if model.task != "situation":
        return batch
    return SituationBatch(batch.regions, Frames(torch.tensor([0, 1] * 3), torch.tensor([[[2, 3]], [[4, -1]]] * 3)))


def test_a_model_is_of_the_task_that_names_it(any_model: Any) -> None:
    named = [name for name, task in tasks.TASKS.items() if type(any_model) in map(tasks.part, task.models.values())]
    assert named == [any_model.task]


def test_a_model_is_built_again_from_its_config(any_model: Any) -> None:
    again = type(any_model)(**any_model.config)
    again.load_state_dict(any_model.state_dict())
    assert again.config == any_model.config


def test_a_loss_is_finite_and_padding_does_not_change_it(any_model: Any, batch: Batch) -> None:
    if not any(weight.requires_grad for weight in any_model.parameters()):
        pytest.skip("fitted in closed form: no weight of it learns by steps")
    with torch.no_grad():
        loss, more = (any_model.loss(examples(any_model, one)) for one in (batch, padded(batch)))
        assert loss.isfinite() and torch.allclose(more, loss, atol=1e-5)


@pytest.mark.parametrize("name", sorted(tasks.TASKS))
def test_what_a_task_names_is_there(name: str) -> None:
    task = tasks.TASKS[name]
    assert tasks.part(task.opened).kind == name
    assert callable(tasks.part(task.measure)) and callable(tasks.part(task.outcome))
    assert {"what", "trained", "chosen", "explained", "use", "limits"} <= task.card(False).keys()
    assert all(tasks.task_of(model) is task for model in task.models)

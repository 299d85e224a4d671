"""What every captioner must do, and that each is the equations it says; against the plain way of it."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import Batch, Regions, Words
from wordsight.captioning import GENERATORS, decode, model_class
from wordsight.captioning.attend_and_tell import AttendAndTell
from wordsight.captioning.captioner import END, CaptionModel, framed
from wordsight.captioning.language_cnn import LanguageCNN
from wordsight.captioning.log_bilinear import LogBilinear
from wordsight.captioning.lstm import ShowAndTell
from wordsight.captioning.multimodal_rnn import MultimodalRNN
from wordsight.captioning.recurrence import GATES

PICTURES, REGIONS, FEATURES, VOCABULARY = 4, 5, 6, 15
NONE = torch.zeros(0, dtype=torch.bool)
KINDS: dict[str, Callable[..., CaptionModel]] = {
    **{name: model_class(name) for name in GENERATORS},
    "log_bilinear": lambda *sizes, hidden, **keywords: LogBilinear(*sizes, **keywords),  # it has no hidden layer
    "rnn, image at every step": lambda *sizes, **keywords: MultimodalRNN(*sizes, image="every", **keywords),
    "rnn, two views": lambda *sizes, **keywords: MultimodalRNN(*sizes, views=2, **keywords),
    "lstm, image at every step": lambda *sizes, **keywords: ShowAndTell(*sizes, image="every", **keywords),
    "lstm, two views and the average": lambda *sizes, **keywords: ShowAndTell(
        *sizes, views=2, average=True, **keywords
    ),
    **{
        f"language_cnn, {kind}": lambda *sizes, kind=kind, **keywords: LanguageCNN(*sizes, recurrence=kind, **keywords)
        for kind in GATES
    },
    "hard attention": lambda *sizes, **keywords: AttendAndTell(*sizes, attention="hard", **keywords),
    "attention, image at every step": lambda *sizes, **keywords: AttendAndTell(*sizes, image="every", **keywords),
}


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> CaptionModel:
    """In double precision, dropout set but off until `train()`."""
    torch.manual_seed(0)
    made = KINDS[request.param](VOCABULARY, FEATURES, words=8, hidden=10, dropout=0.3).double().eval()
    for weight in made.parameters():
        if weight.requires_grad and weight.ndim == 1:
            nn.init.normal_(weight, std=0.3)  # biases that are not 0 can be forgotten
    return made


@pytest.fixture
def batch() -> Batch:
    """Four pictures of two to five regions, six sentences of one to seven words."""
    random = torch.Generator().manual_seed(1)
    mask = torch.arange(REGIONS) < torch.tensor([5, 2, 3, 5])[:, None]
    features = torch.randn(PICTURES, REGIONS, FEATURES, generator=random, dtype=torch.double)
    said = torch.arange(7) < torch.tensor([7, 1, 4, 2, 7, 5])[:, None]
    words = Words(torch.randint(1, VOCABULARY, said.shape, generator=random) * said, said)
    return Batch(Regions(features, mask, torch.zeros(PICTURES, REGIONS, 4)), words, torch.tensor([2, 0, 1, 2, 3, 1]))


def padded(batch: Batch) -> Batch:
    """The same batch with padding appended, filled with what must never be looked at."""
    regions, words = batch.regions, batch.words
    more = torch.zeros(PICTURES, 3, dtype=torch.bool)
    hidden = torch.full((PICTURES, 3, FEATURES), torch.nan, dtype=torch.double)
    unsaid = torch.zeros(len(words.ids), 3, dtype=torch.bool)
    return Batch(
        Regions(
            torch.cat([regions.features.masked_fill(~regions.mask[..., None], torch.nan), hidden], dim=1),
            torch.cat([regions.mask, more], dim=1),
            torch.cat([regions.boxes, torch.ones(PICTURES, 3, 4)], dim=1),
        ),
        Words(
            torch.cat([words.ids.masked_fill(~words.mask, 5), unsaid + 7], dim=1),
            torch.cat([words.mask, unsaid], dim=1),
        ),
        batch.picture,
    )


# --- what every captioner must do


def test_a_whole_sentence_is_predicted_as_word_by_word(model: CaptionModel, batch: Batch) -> None:
    stepped = CaptionModel.predict(model, batch)
    assert stepped.shape == (26 + 6, VOCABULARY)
    torch.testing.assert_close(model.predict(batch), stepped)
    with torch.no_grad():  # here words are looked up in a table
        torch.testing.assert_close(model.predict(batch), stepped)
        torch.testing.assert_close(CaptionModel.predict(model, batch), stepped)


def test_the_loss_is_the_mean_over_words_and_ends(model: CaptionModel, batch: Batch) -> None:
    losses = []
    for row, mask, picture in zip(batch.words.ids, batch.words.mask, batch.picture, strict=True):
        regions = batch.regions
        one = slice(picture, picture + 1)
        state = model.start(Regions(regions.features[one], regions.mask[one], regions.boxes[one]))
        last = 0
        for word in [*row[mask].tolist(), END]:
            logits, state = model.step(state, torch.tensor([last]))
            losses.append(-logits.softmax(1)[0, word].log().item())
            last = word
    assert model.loss(batch).item() == pytest.approx(sum(losses) / len(losses), rel=1e-9)
    # perplexity weighs words, not batches
    some = torch.tensor([1, 3])
    parts = [
        Batch(batch.regions, Words(batch.words.ids[rows], batch.words.mask[rows]), batch.picture[rows])
        for rows in (some, torch.tensor([0, 2, 4, 5]))
    ]
    assert model.perplexity(parts) == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-9)
    model.train()
    assert model.perplexity([batch]) == model.perplexity([batch]), "it is measured without dropout"
    assert not model.training


def test_padding_changes_nothing(model: CaptionModel, batch: Batch) -> None:
    torch.testing.assert_close(model.loss(padded(batch)), model.loss(batch))
    torch.testing.assert_close(model.predict(padded(batch)), model.predict(batch))


def test_loss_falls_on_a_tiny_batch(model: CaptionModel, batch: Batch) -> None:
    optimiser = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=0.03)
    losses = []
    for _ in range(150):
        loss = model.train().loss(batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert model.eval().loss(batch) < 0.3 * losses[0]


def test_every_weight_learns(model: CaptionModel, batch: Batch) -> None:
    model.train().loss(batch).backward()
    for name, weight in model.named_parameters():
        assert not weight.requires_grad or (weight.grad is not None and weight.grad.abs().sum() > 0), name


def test_dropout_is_for_training_alone(model: CaptionModel, batch: Batch) -> None:
    assert model.loss(batch) == model.loss(batch)
    model.train()
    assert model.loss(batch) != model.loss(batch)


def test_the_configuration_rebuilds_the_model(model: CaptionModel, batch: Batch) -> None:
    model.fit(lambda: [batch])
    again = type(model)(**model.config).double().eval()  # type: ignore[arg-type]
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.loss(batch), model.loss(batch))
    assert again.config == model.config


def test_a_changed_weight_changes_the_next_step(model: CaptionModel, batch: Batch) -> None:
    def first_words() -> Tensor:
        state = model.start(batch.regions)
        return model.step(state, torch.full((PICTURES,), 3))[0].detach()

    with torch.no_grad():
        before = first_words()
        model.words.weight[3] += 1
        assert not torch.equal(first_words(), before)
    for weight in model.parameters():  # also as an optimiser does it, and by loading
        if weight.requires_grad:
            weight.grad = torch.ones_like(weight)
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    expected = first_words()  # with gradients, so without the table
    with torch.inference_mode():
        torch.testing.assert_close(first_words(), expected)
    model.load_state_dict({name: 2 * value for name, value in model.state_dict().items()})
    expected = first_words()
    with torch.no_grad():
        torch.testing.assert_close(first_words(), expected)


def test_pictures_are_described_together_as_alone(model: CaptionModel, batch: Batch) -> None:
    together = decode.beam(model, batch.regions, width=3, n_best=2, longest=6)
    greedy = [captions[0].ids for captions in decode.greedy(model, batch.regions, longest=6)]
    for picture in range(PICTURES):
        one = slice(picture, picture + 1)
        real = batch.regions.mask[picture]
        alone = Regions(batch.regions.features[one, real], real[None, real], batch.regions.boxes[one, real])
        found = decode.beam(model, alone, width=3, n_best=2, longest=6)[0]
        assert [caption.ids for caption in found] == [caption.ids for caption in together[picture]]
        assert [caption.log_prob for caption in found] == pytest.approx([one.log_prob for one in together[picture]])
        assert decode.greedy(model, alone, longest=6)[0][0].ids == greedy[picture]


def test_one_that_attends_looks_at_all_regions_in_proportion(model: CaptionModel, batch: Batch) -> None:
    one = Regions(batch.regions.features[1:2], batch.regions.mask[1:2], batch.regions.boxes[1:2])
    words = torch.tensor([3, 4, 5])
    if not model.attends:
        with pytest.raises(TypeError, match="has no attention"):
            model.attention(one, words)
        return
    weights = model.attention(one, words)
    assert weights.shape == (3, REGIONS)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3, dtype=weights.dtype))
    assert not weights[:, ~one.mask[0]].any()
    assert (weights[:, one.mask[0]] > 0).all()


def test_it_computes_in_bf16(model: CaptionModel, batch: Batch) -> None:
    model.float()
    low = Regions(batch.regions.features.float(), batch.regions.mask, batch.regions.boxes)
    batch = Batch(low, batch.words, batch.picture)
    exact = model.loss(batch)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model.loss(batch)
        with torch.no_grad():
            assert model.step(model.start(low), torch.full((PICTURES,), 3))[0].isfinite().all()
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.02)
    rough.backward()
    expected = model.step(model.start(low), torch.full((PICTURES,), 3))[0]
    with torch.no_grad():  # what was kept from bf16 is as exact as ever
        torch.testing.assert_close(model.step(model.start(low), torch.full((PICTURES,), 3))[0], expected)


# --- the equations


def test_the_multimodal_rnn_is_equations_13_to_15(batch: Batch) -> None:
    torch.manual_seed(0)
    for image in ("first", "every"):
        net = MultimodalRNN(VOCABULARY, FEATURES, words=8, hidden=10, image=image).double().eval()
        nn.init.normal_(net.input.bias)
        found = net.predict(batch)
        expected = []
        for row, mask, picture in zip(batch.words.ids, batch.words.mask, batch.picture, strict=True):
            b_v = net.picture.weight @ batch.regions.features[picture, 0]  # equation 13
            h = torch.zeros(10, dtype=torch.double)  # h_0
            for t, word in enumerate([0, *row[mask].tolist()], start=1):
                there = 1.0 if t == 1 or image == "every" else 0.0
                recurrent = net.get_parameter("recurrence.weight_hh_l0")
                x = net.words.weight[word]
                h = (net.input.weight @ x + recurrent @ h + net.input.bias + there * b_v).relu()  # equation 14
                expected.append((net.output.weight @ h + net.output.bias).softmax(0))  # equation 15
        torch.testing.assert_close(found.softmax(1), torch.stack(expected))


def test_training_keeps_the_identity_in_the_recurrence(batch: Batch) -> None:
    net = MultimodalRNN(VOCABULARY, FEATURES, words=8, hidden=10).double()
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.1)
    net.loss(batch).backward()
    optimiser.step()
    assert torch.equal(net.get_parameter("recurrence.weight_ih_l0"), torch.eye(10, dtype=torch.double))
    assert not net.get_parameter("recurrence.bias_ih_l0").any()
    assert not net.get_parameter("recurrence.bias_hh_l0").any()


def test_show_and_tell_reads_the_picture_as_its_first_word(batch: Batch) -> None:
    torch.manual_seed(0)
    net = ShowAndTell(VOCABULARY, FEATURES, words=8, hidden=10).double().eval()
    found = net.predict(batch).split([int(length) + 1 for length in batch.words.mask.sum(1)])
    for row, mask, picture, logits in zip(batch.words.ids, batch.words.mask, batch.picture, found, strict=True):
        words = net.words(torch.cat([torch.zeros(1, dtype=torch.long), row[mask]]))  # START first
        seen = net.picture(batch.regions.features[picture, :1])
        h, _ = net.recurrence(torch.cat([seen, words]))
        torch.testing.assert_close(logits, net.output(h[1:]))


def test_start_is_a_vector_of_its_own_and_end_the_last_word(batch: Batch) -> None:
    given, right, mask = framed(batch.words)
    assert given[:, 0].tolist() == [0] * 6
    for row in range(6):
        words = batch.words.ids[row][batch.words.mask[row]].tolist()
        assert given[row][mask[row]].tolist() == [0, *words]
        assert right[row][mask[row]].tolist() == [*words, END]


# --- what is seen


def test_what_is_seen_are_the_first_regions_and_the_mean(batch: Batch) -> None:
    features, mask = batch.regions.features, batch.regions.mask
    means = torch.stack([row[real].mean(0) for row, real in zip(features, mask, strict=True)])
    one, two = features[:, 0], torch.cat([features[:, 0], features[:, 1]], dim=1)
    cases = [(1, False, one), (2, False, two), (1, True, torch.cat([one, means], dim=1))]
    for views, average, expected in cases:
        net = ShowAndTell(VOCABULARY, FEATURES, views=views, average=average).double()
        torch.testing.assert_close(net.look(batch.regions), expected)


def test_a_region_that_is_not_there_is_seen_as_zeros() -> None:
    regions = Regions(torch.randn(2, 1, FEATURES), torch.ones(2, 1, dtype=torch.bool), torch.zeros(2, 1, 4))
    seen = MultimodalRNN(VOCABULARY, FEATURES, views=2, words=8, hidden=10).look(regions)
    assert torch.equal(seen, torch.cat([regions.features[:, 0], torch.zeros(2, FEATURES)], dim=1))


@pytest.mark.parametrize("kind", [MultimodalRNN, ShowAndTell])
@pytest.mark.parametrize("keywords", [{"views": 0}, {"image": "last"}])
def test_keywords_out_of_range_are_refused(kind: Callable[..., CaptionModel], keywords: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(keywords))} = .*expected"):
        kind(VOCABULARY, FEATURES, **keywords)


def test_fitting_says_words_as_often_as_they_are_said_and_centres_what_is_seen(batch: Batch) -> None:
    net = ShowAndTell(VOCABULARY, FEATURES, views=2, average=True).double().eval()
    batch.regions.features.mul_(3).add_(7)
    net.fit(lambda: [batch, batch])
    seen = net.look(batch.regions)
    torch.testing.assert_close(seen.mean(0), torch.zeros(18, dtype=torch.double), atol=1e-9, rtol=0)
    assert seen.square().mean().item() == pytest.approx(1)
    nn.init.zeros_(net.output.weight)
    said = functional.one_hot(batch.words.ids[batch.words.mask], VOCABULARY).sum(0)
    said[END] = len(batch.words.ids)
    expected = (2 * said + 1) / (2 * said + 1).sum()
    torch.testing.assert_close(net.predict(batch)[0].softmax(0), expected.double())

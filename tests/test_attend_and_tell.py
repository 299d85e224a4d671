"""Show, Attend and Tell is its equations, hard attention learns by REINFORCE, and both look where something is."""

import itertools
from collections.abc import Sequence
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from wordsight.batch import Batch, Regions, Words
from wordsight.captioning import attend_and_tell, decode
from wordsight.captioning.attend_and_tell import AttendAndTell
from wordsight.captioning.captioner import END

F, V, H, E = 6, 15, 5, 4
Kind = Literal["soft", "hard"]
NONE = torch.zeros(0, dtype=torch.bool)
SAID = [[3, 4, 5, 6], [7], [8, 9], [3, 9, 4]]


def some(pictures: int, regions: int, said: Sequence[Sequence[int]], picture: Sequence[int], seed: int = 0) -> Batch:
    """Pictures of two or more regions, and sentences about them."""
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(pictures, regions, F, generator=random, dtype=torch.double)
    mask = torch.arange(regions) < torch.randint(2, regions + 1, (pictures, 1), generator=random)
    ids = nn.utils.rnn.pad_sequence([torch.tensor(one) for one in said], batch_first=True)
    seen = Regions(features, mask, torch.zeros(pictures, regions, 4))
    return Batch(seen, Words(ids, ids > 0), torch.tensor(picture))


def net(**keywords: object) -> AttendAndTell:
    """In double precision, without dropout, with biases and a centre that count."""
    torch.manual_seed(0)
    model = AttendAndTell(V, F, words=E, hidden=H, dropout=0.0, **keywords).double()  # type: ignore[arg-type]
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.5)
    model.fit(lambda: [some(5, 4, SAID, [0, 1, 2, 3], seed=1)])
    return model


def learn(model: AttendAndTell, batch: Batch, steps: int) -> None:
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        model.train().loss(batch).backward()
        optimiser.step()
    model.eval()


def plain(
    model: AttendAndTell, regions: Tensor, words: Sequence[int], looked: Sequence[int] | None = None
) -> tuple[Tensor, Tensor]:
    """The paper's equations, region by region: one picture's real regions and a sentence.

    Returns:
        log p of each word and the end, and alpha before each; `looked` says at which region, else at all in proportion.
    """
    mean = model.mean[-F:]
    a = [model.annotation.weight @ (x - mean) * model.scale + model.annotation.bias for x in regions]
    seen = (torch.cat([regions[0], regions.mean(0)]) - model.mean) * model.scale
    start = (model.first.weight @ seen + model.first.bias).tanh()
    h, c = start[:H], start[H:]
    told, alphas = [], []
    for t, word in enumerate([0, *words]):
        e = [
            (model.energy.weight[0] * (model.key.weight @ a_i + model.query.weight @ h + model.query.bias).tanh()).sum()
            for a_i in a
        ]
        alpha = torch.stack(e).exp() / torch.stack(e).exp().sum()
        expected = sum(alpha_i * a_i for alpha_i, a_i in zip(alpha, a, strict=True))
        beta = 1 / (1 + (-(model.gate.weight[0] @ h + model.gate.bias[0])).exp())
        z = beta * (expected if looked is None else a[looked[t]])
        y = model.words.weight[word]
        gates = model.input.weight @ y + model.input.bias + model.recurrent.weight @ torch.cat([h, z])
        if model.picture is not None:
            gates = gates + model.picture.weight @ seen
        c = gates[H : 2 * H].sigmoid() * c + gates[:H].sigmoid() * gates[2 * H : 3 * H].tanh()
        h = gates[3 * H :].sigmoid() * c.tanh()
        logits = model.output.weight @ (y + model.deep.weight @ torch.cat([h, z]) + model.deep.bias) + model.output.bias
        told.append(logits.log_softmax(0)[[*words, END][t]])
        alphas.append(alpha)
    return torch.stack(told), torch.stack(alphas)


@pytest.mark.parametrize("keywords", [{}, {"attention": "hard"}, {"image": "every"}])
def test_it_is_the_equations_of_the_paper(keywords: dict[str, object]) -> None:
    batch = some(3, 4, SAID, [2, 0, 1, 2])
    model = net(**keywords).eval()
    found, at = model.predict(batch).log_softmax(1), 0
    for words, picture in zip(SAID, batch.picture.tolist(), strict=True):
        real = batch.regions.features[picture, batch.regions.mask[picture]]
        told, alpha = plain(model, real, words)
        rows = found[at : at + len(told)]
        torch.testing.assert_close(rows[torch.arange(len(told)), [*words, END]], told)
        one = slice(picture, picture + 1)
        seen = Regions(batch.regions.features[one], batch.regions.mask[one], batch.regions.boxes[one])
        looked = model.attention(seen, torch.tensor(words))
        torch.testing.assert_close(looked[:, : len(real)], alpha[:-1])
        assert not looked[:, len(real) :].any(), "nothing is seen where there is no region"
        at += len(told)


def test_what_is_learned_softly_has_a_penalty_for_looking_unevenly() -> None:
    batch, penalty = some(3, 4, SAID, [2, 0, 1, 2]), 0.7
    model = net(penalty=penalty)
    uneven, total, count = 0.0, 0.0, 0
    for words, picture in zip(SAID, batch.picture.tolist(), strict=True):
        told, alpha = plain(model, batch.regions.features[picture, batch.regions.mask[picture]], words)
        uneven += (1 - alpha.sum(0)).square().sum().item()
        total, count = total - told.sum().item(), count + len(told)
    assert model.train().loss(batch).item() == pytest.approx((total + penalty * uneven) / count)
    assert model.eval().loss(batch).item() == pytest.approx(total / count), "it is no part of what is measured"
    ones = torch.ones(len(SAID), dtype=torch.double)
    assert model.train().loss(batch, ones).item() == pytest.approx(total / count), "nor of what is rewarded"


def test_hard_attention_follows_the_gradient_of_what_it_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DRAWN", 1.0), ("REWARD", 1.0), ("ENTROPY", 0.0)):
        monkeypatch.setattr(attend_and_tell, name, value)
    batch = some(1, 2, [[7]] * 40_000, [0] * 40_000)
    model = net(attention="hard", penalty=0.0).train()
    model.baseline.fill_(-2.0)
    model.loss(batch).backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    worth = torch.zeros(())
    for looked in itertools.product(range(2), repeat=2):  # before the word and before the end
        told, alpha = plain(model, batch.regions.features[0], [7], looked)
        worth = worth - alpha[0, looked[0]] * alpha[1, looked[1]] * told.mean()
    worth.backward()  # type: ignore[no-untyped-call]
    for name in ("query.weight", "key.weight", "energy.weight", "annotation.weight", "deep.weight"):
        expected = model.get_parameter(name).grad
        assert expected is not None
        assert (found[name] - expected).norm() < 0.1 * expected.norm(), name


def test_hard_attention_keeps_a_baseline_and_values_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = some(3, 4, SAID, [2, 0, 1, 2])
    model = net(attention="hard").train()
    losses, drawn = torch.rand(2, 14, dtype=torch.double)
    alpha = torch.full((14, 4), 0.25, dtype=torch.double)
    mask = torch.arange(5) < torch.tensor([5, 2, 3, 4])[:, None]
    found = model._reinforce(losses, alpha, drawn, mask)
    expected = sum(
        0.1 * part.sum() * probability.log().sum()
        for part, probability in zip(losses.split([5, 2, 3, 4]), drawn.split([5, 2, 3, 4]), strict=True)
    )
    assert found.item() == pytest.approx((float(expected) / 14) - 0.01 * torch.tensor(4.0).log().item())
    assert model.baseline.item() == pytest.approx(-0.1 * losses.mean().item())
    model.eval().loss(batch)
    assert model.baseline.item() == pytest.approx(-0.1 * losses.mean().item()), "it learns from training alone"


@pytest.mark.parametrize("attention", ["soft", "hard"])
def test_ten_pairs_are_learned_by_heart(attention: Kind) -> None:
    torch.manual_seed(0)
    said = [[2 + (row * n) % 13 for n in range(1, 3 + row % 4)] for row in range(1, 11)]
    batch = some(10, 5, said, range(10))
    seen = Regions(batch.regions.features.float(), batch.regions.mask, batch.regions.boxes)
    batch = Batch(seen, batch.words, batch.picture)
    model = AttendAndTell(V, F, words=16, hidden=32, attention=attention, dropout=0.0)
    learn(model, batch, 120)
    told = decode.beam(model, batch.regions, width=3)
    assert [list(captions[0].ids) for captions in told] == said


def test_it_looks_at_what_it_names() -> None:
    """Three regions in any order carry the numbers 1 to 3 and a colour: colours are told in the order of numbers."""
    torch.manual_seed(0)
    colours = torch.randint(5, (400, 3))
    places = torch.rand(400, 3).argsort(dim=1)  # where number 1, 2 and 3 are
    features = torch.zeros(400, 4, 8)  # the first region is the whole picture, in which nothing can be told
    shown = torch.cat([torch.eye(3).expand(400, 3, 3), torch.eye(5)[colours]], dim=2)
    features[:, 1:].scatter_(1, places[..., None].expand(-1, -1, 8), shown)
    regions = Regions(features, torch.ones(400, 4, dtype=torch.bool), torch.zeros(400, 4, 4))
    batch = Batch(regions, Words(colours + 2, torch.ones_like(colours, dtype=torch.bool)), torch.arange(400))
    model = AttendAndTell(7, 8, words=16, hidden=32, penalty=0.0, dropout=0.0)
    model.fit(lambda: [batch])
    learn(model, batch, 150)
    looked = []
    for row in range(30):
        one = slice(row, row + 1)
        seen = Regions(features[one], regions.mask[one], regions.boxes[one])
        looked.append(model.attention(seen, colours[row] + 2).argmax(dim=1) - 1)
    assert (torch.stack(looked) == places[:30]).float().mean() > 0.8, "a third would be chance"


@pytest.mark.parametrize(
    ("keywords", "message"), [({"attention": "firm"}, "attention = 'firm'"), ({"penalty": -1.0}, "penalty = -1.0")]
)
def test_keywords_out_of_range_are_refused(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}: expected"):
        AttendAndTell(V, F, **keywords)  # type: ignore[arg-type]

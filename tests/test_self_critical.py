"""Learning from one's own captions: what is rewarded becomes more probable, and nothing else does."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from test_training import QUIET, CtrlC, same
from test_training_captioners import RECIPE
from wordsight.batch import Batch, Regions, Words
from wordsight.captioning import GENERATORS, decode, model_class
from wordsight.captioning.captioner import END, CaptionModel
from wordsight.errors import InputError
from wordsight.metrics.bleu import bleu, smoothed
from wordsight.metrics.cider import cider_d
from wordsight.runs import checkpoint
from wordsight.runs.pairs import Pairs
from wordsight.runs.recipe import Recipe, parse
from wordsight.training.self_critical import TRIES, Critic
from wordsight.training.trainer import Interrupted, train

SAID = [[(2, 3, 4), (2, 3, 5)], [(6, 7), (6, 8, 7)], [(9, 3, 4, 5), (9, 3)]]  # of three pictures


class Three:
    """Three pictures of one region each, told apart by their features."""

    def __len__(self) -> int:
        return 3

    def gather(self, indices: Tensor) -> Regions:
        return Regions(torch.eye(3)[indices][:, None], torch.ones(len(indices), 1, dtype=torch.bool), torch.zeros(0))


@pytest.fixture
def pairs() -> Pairs:
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(one) for some in SAID for one in some], batch_first=True)
    return Pairs(Three(), Words(ids, ids > 0), torch.arange(3).repeat_interleave(2))


def learner(name: str = "lstm") -> CaptionModel:
    torch.manual_seed(0)
    hidden = {} if name == "log_bilinear" else {"hidden": 16}  # it has no hidden layer
    return model_class(name)(10, 3, words=16, dropout=0.1, **hidden)  # type: ignore[call-arg]


def test_the_value_is_the_mean_reward_of_the_tries(pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    model, critic, drawn = learner(), Critic(pairs), []
    sample = decode.sample
    monkeypatch.setattr(decode, "sample", lambda *given, **how: drawn.append(sample(*given, **how)) or drawn[-1])
    rows = torch.tensor([2, 0, 1])
    loss = critic.loss(model, pairs.table.gather(rows), rows)
    assert [len(captions) for captions in drawn[0]] == [TRIES] * 3
    references = [[(*one, END) for one in SAID[row]] for row in (0, 1, 2)]
    total = 0.0
    for row, captions in zip(rows.tolist(), drawn[0], strict=True):
        for caption in captions:
            others = [some[0] for some in references]  # whatever is said of the others, this one's score stays
            others[row] = (*caption.ids, END)
            total += cider_d(others, references)[row] + smoothed(others[row], references[row])
    assert loss.item() == pytest.approx(-total / (3 * TRIES), abs=1e-5)


@pytest.mark.parametrize("name", [name for name in GENERATORS if name != "neuraltalk"])  # that one is imported
def test_the_better_of_the_tries_becomes_more_probable(pairs: Pairs, name: str) -> None:
    model, critic, rows = learner(name), Critic(pairs), torch.arange(3)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    rewards: list[float] = []
    while len(rewards) < 20 or sum(rewards[-10:]) < 2 * max(sum(rewards[:10]), 1.0):  # untrained it stays below 1.5
        assert len(rewards) < 150, "from chance to what people said"
        loss = critic.loss(model.train(), pairs.table.gather(rows), rows)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rewards.append(-loss.item())


@pytest.mark.parametrize("name", GENERATORS)
def test_equal_tries_teach_nothing(pairs: Pairs, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    model, rows = learner(name), torch.arange(3)
    monkeypatch.setattr(
        decode, "sample", lambda *given, **how: [[decode.Hypothesis((2, 3), 0.0, 1.0)] * TRIES for _ in range(3)]
    )
    Critic(pairs).loss(model, pairs.table.gather(rows), rows).backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad.abs().max() < 1e-6 for weight in model.parameters() if weight.grad is not None)


def test_smoothed_bleu_is_bleu_where_all_is_right_and_never_jumps() -> None:
    said, right = tuple("abcdefg"), [tuple("abcdefg"), tuple("xyz")]
    assert smoothed(said, right) == pytest.approx(1.0)
    assert smoothed(said, right, more=0.0) == pytest.approx(bleu([said], [right])[0][3])
    three, none = smoothed(tuple("abcxyzq"), right), smoothed(tuple("qrstuvw"), right)
    assert 0 < none < three < smoothed(tuple("abcdxyq"), right) < 1
    assert smoothed((), right) == 0
    assert smoothed(tuple("abcd"), [tuple("abcdefgh")], more=0.0) == pytest.approx(math.exp(-1)), "half as long"


def test_weights_multiply_the_words_of_a_sentence(pairs: Pairs) -> None:
    model = learner().double().eval()
    regions = pairs.table.gather(torch.arange(3))
    regions = Regions(regions.features.double(), regions.mask, regions.boxes)
    weights = torch.tensor([0.0, 2.0, 0.0, -1.0, 0.5, 0.0], dtype=torch.double)
    whole = model.loss(Batch(regions, pairs.words, pairs.picture), weights)
    words = pairs.words.mask.sum(dim=1) + 1
    alone = [
        model.loss(Batch(regions, Words(pairs.words.ids[n], pairs.words.mask[n]), pairs.picture[n]))
        for n in torch.arange(6)[:, None]
    ]
    expected = sum(weight * length * loss for weight, length, loss in zip(weights, words, alone, strict=True))
    assert torch.allclose(whole, expected / words.sum())


def rewarded(world: Path, *settings: str) -> Recipe:
    text = RECIPE.format(world=world.as_posix(), name="lstm", alignment="", views=1, hidden=", hidden = 32")
    return parse(text, ["train.reward_epochs=1", *settings])


def test_the_last_epochs_are_rewarded_and_go_on_after_an_interruption(world: Path, tmp_path: Path) -> None:
    train(rewarded(world), tmp_path / "whole", progress=QUIET)
    first, last = checkpoint.read_metrics(tmp_path / "whole")["history"]
    assert first["loss"] > 0 > last["loss"] > -10, "cross-entropy, then the mean reward made negative"
    with pytest.raises(Interrupted, match="epoch 2"):
        train(rewarded(world), tmp_path / "parts", progress=CtrlC(10))
    train(rewarded(world), tmp_path / "parts", resume=True, progress=QUIET)
    assert same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.reward_epochs=3", r"train\.reward_epochs = 3: expected at most 2, all epochs"),
        ("train.reward_epochs=-1", r"train\.reward_epochs = -1: expected at least 0"),
        ("data.alignment='run'", "only captioners of whole pictures"),
    ],
)
def test_rewards_where_there_can_be_none_are_refused(world: Path, setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rewarded(world, setting)

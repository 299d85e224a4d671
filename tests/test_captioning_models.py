"""The captioners other systems are made of are the equations they say, and learn ten pairs by heart."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from wordsight.batch import Batch, Regions, Words
from wordsight.captioning import decode, model_class
from wordsight.captioning.captioner import CaptionModel
from wordsight.captioning.language_cnn import KERNELS, LanguageCNN
from wordsight.captioning.log_bilinear import LogBilinear
from wordsight.captioning.lrcn import LRCN
from wordsight.captioning.m_rnn import MRNN
from wordsight.captioning.recurrence import GATES, Kind, Recurrence

FEATURES, VOCABULARY, HIDDEN = 6, 15, 10
TORCH: dict[str, Callable[..., nn.RNNBase]] = {
    "rnn": lambda *sizes: nn.RNN(*sizes, nonlinearity="relu", batch_first=True),
    "lstm": lambda *sizes: nn.LSTM(*sizes, batch_first=True),
    "gru": lambda *sizes: nn.GRU(*sizes, batch_first=True),
}


@pytest.fixture
def batch() -> Batch:
    """Three pictures of one region, four sentences of 1 to 19 words: longer than any window."""
    random = torch.Generator().manual_seed(1)
    features = torch.randn(3, 1, FEATURES, generator=random, dtype=torch.double)
    said = torch.arange(19) < torch.tensor([19, 1, 4, 17])[:, None]
    words = Words(torch.randint(1, VOCABULARY, said.shape, generator=random) * said, said)
    return Batch(Regions(features, said[:3, :1], torch.zeros(3, 1, 4)), words, torch.tensor([2, 0, 1, 2]))


def ready(kind: Callable[..., CaptionModel], **keywords: object) -> CaptionModel:
    """In double precision, no bias 0."""
    torch.manual_seed(0)
    model = kind(VOCABULARY, FEATURES, words=8, **keywords).double().eval()
    for weight in model.parameters():
        if weight.ndim == 1:
            nn.init.normal_(weight, std=0.3)
    return model


def sentences(batch: Batch) -> Iterator[tuple[list[int], Tensor]]:
    """START and the words of each sentence, and what is seen of its picture (F,)."""
    for ids, mask, picture in zip(batch.words.ids, batch.words.mask, batch.picture, strict=True):
        yield [0, *ids[mask].tolist()], batch.regions.features[picture, 0]


def network(own: Recurrence) -> nn.RNNBase:
    """Torch's recurrence with the same weights, given what ours is given."""
    made = TORCH[own.kind](own.size, HIDDEN).double()
    identity, recurrent, bias, other = made.all_weights[0]
    with torch.no_grad():
        identity.copy_(torch.eye(own.size))
        recurrent.copy_(own.recurrent.weight)
        bias.zero_()
        other.zero_()
        if own.kind == "lstm":
            bias[HIDDEN : 2 * HIDDEN] = 1.0  # nothing is forgotten at first
    return made


def highway(own: Recurrence, given: Tensor) -> Tensor:
    """The recurrent highway network of depth 1 over g (T, 3H), word by word."""
    w_n, w_t, w_c = own.recurrent.weight.split(HIDDEN)
    s, found = torch.zeros(HIDDEN, dtype=torch.double), []
    for g_n, g_t, g_c in (one.split(HIDDEN) for one in given):
        transform, carry = torch.sigmoid(g_t + w_t @ s), torch.sigmoid(g_c + w_c @ s + 1)
        s = torch.tanh(g_n + w_n @ s) * transform + s * carry
        found.append(s)
    return torch.stack(found)


def recur(own: Recurrence, given: Tensor) -> Tensor:
    """(T, size) -> (T, H), not by our code."""
    return highway(own, given) if own.kind == "rhn" else network(own)(given)[0]


def scaled(values: Tensor) -> Tensor:
    return 1.7159 * torch.tanh(values * 2 / 3)


@pytest.mark.parametrize("kind", GATES)
def test_recurrences_are_what_they_are_called(kind: Kind) -> None:
    torch.manual_seed(0)
    own = Recurrence(kind, HIDDEN).double()
    given = torch.randn(3, 7, own.size, dtype=torch.double)
    expected = torch.stack([recur(own, one) for one in given])
    torch.testing.assert_close(own(given), expected)
    state = own.blank(given)
    for t in range(7):
        state = own.step(given[:, t], state)
        torch.testing.assert_close(state[0], expected[:, t])


def test_m_rnn_is_its_equations(batch: Batch) -> None:
    net = ready(MRNN, hidden=HIDDEN)
    expected = []
    for words, seen in sentences(batch):
        r = torch.zeros(HIDDEN, dtype=torch.double)
        for word in words:
            w = (net.second.weight @ net.words.weight[word] + net.second.bias).relu()
            r = (net.recurrence.recurrent.weight @ r + w).relu()
            v = net.from_word.weight @ w + net.from_state.weight @ r + net.picture.weight @ seen
            m = scaled(v + net.from_word.bias)
            expected.append(net.output.weight @ m + net.output.bias)
    torch.testing.assert_close(net.predict(batch), torch.stack(expected))


def test_lrcn_is_two_lstms_and_only_the_upper_sees(batch: Batch) -> None:
    net = ready(LRCN, hidden=HIDDEN)
    expected = []
    for words, seen in sentences(batch):
        lower, _ = network(net.lower)(net.input(net.words.weight[words]))
        both = torch.cat([lower, net.picture(seen).expand(len(words), -1)], dim=1)  # [h1_t, W_I I]
        matrix = torch.cat([net.between.weight, net.beside.weight], dim=1)
        upper, _ = network(net.upper)(both @ matrix.T + net.between.bias)
        expected.append(net.output(upper))
    torch.testing.assert_close(net.predict(batch), torch.cat(expected))


@pytest.mark.parametrize("window", [1, 3, 25])
def test_log_bilinear_adds_up_a_window_of_words(batch: Batch, window: int) -> None:
    net = ready(LogBilinear, window=window)
    r, c = net.words.weight, net.context.weight.view(window, 8, 8)
    expected = []
    for words, seen in sentences(batch):
        for t in range(len(words)):
            r_hat = net.picture.weight @ seen + net.picture.bias
            for back in range(min(window, t + 1)):
                r_hat = r_hat + c[back] @ r[words[t - back]]
            expected.append(torch.stack([r_hat @ vector for vector in r]) + net.output.bias)
    torch.testing.assert_close(net.predict(batch), torch.stack(expected))


def test_a_window_of_no_words_is_refused() -> None:
    with pytest.raises(ValueError, match="window = 0: expected at least 1"):
        LogBilinear(VOCABULARY, FEATURES, window=0)


@pytest.mark.parametrize("kind", GATES)
def test_language_cnn_is_a_stack_over_sixteen_words(batch: Batch, kind: Kind) -> None:
    net = ready(LanguageCNN, hidden=HIDDEN, recurrence=kind)
    assert KERNELS[:5] == (5, 5, 3, 3, 3)
    expected = []
    for words, seen in sentences(batch):
        given = []
        for t in range(len(words)):
            said = net.words.weight[words[max(0, t - 15) : t + 1]]  # (up to 16, E)
            values, lengths = torch.cat([torch.zeros(16 - len(said), 8, dtype=torch.double), said]), []
            for layer, k in zip(net.convolutions, KERNELS, strict=True):
                weight, bias = layer.parameters()
                windows = [values[i : i + k] for i in range(len(values) - k + 1)]
                values = torch.stack([torch.einsum("oik,ki->o", weight, one) + bias for one in windows]).relu()
                lengths.append(len(values))
            assert lengths == [12, 8, 6, 4, 2, 1]
            m = scaled(net.heard(values[0]) + net.picture.weight @ seen)
            given.append(net.input(said[-1]) + net.joint.weight @ m)  # of [x_t, m_t]
        expected.append(net.output(recur(net.recurrence, torch.stack(given))))
    torch.testing.assert_close(net.predict(batch), torch.cat(expected))


def test_a_recurrence_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="recurrence = 'none': expected one of rnn, lstm, gru, rhn"):
        LanguageCNN(VOCABULARY, FEATURES, recurrence="none")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("m_rnn", {"hidden": 32}),
        ("lrcn", {"hidden": 32}),
        ("log_bilinear", {}),
        ("language_cnn", {"hidden": 32, "recurrence": "rhn"}),
    ],
)
def test_ten_pairs_are_learned_by_heart(name: str, keywords: dict[str, object]) -> None:
    torch.manual_seed(0)
    said = torch.stack([2 + torch.randperm(VOCABULARY - 2)[:6] for _ in range(10)])
    mask = torch.arange(6) < torch.tensor([6, 5, 4, 3, 2, 6, 5, 4, 3, 2])[:, None]
    there = torch.ones(10, 1, dtype=torch.bool)
    regions = Regions(torch.randn(10, 1, 12), there, torch.zeros(10, 1, 4))
    model = model_class(name)(VOCABULARY, 12, words=24, dropout=0.1, **keywords)  # type: ignore[call-arg]
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(150):
        loss = model.loss(Batch(regions, Words(said * mask, mask), torch.arange(10)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = [captions[0].ids for captions in decode.greedy(model.eval(), regions)]
    assert found == [tuple(row[some].tolist()) for row, some in zip(said, mask, strict=True)]

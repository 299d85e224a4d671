"""Language CNN: convolutions over the last 16 words, a layer that adds the picture, and a recurrence above.

Gu et al. 2017, "An Empirical Study of Language CNN for Image Captioning".
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import Batch, Regions
from wordsight.captioning.captioner import CaptionModel, State, framed
from wordsight.captioning.m_rnn import scaled_tanh
from wordsight.captioning.recurrence import Kind, Recurrence

KERNELS = (5, 5, 3, 3, 3, 2)  # 16 words -> 12 -> 8 -> 6 -> 4 -> 2 -> 1


class LanguageCNN(CaptionModel):
    """The language CNN.

        y_t = CNN_L(x_{t-15} .. x_t)                        convolutions with ReLU, no pooling
        m_t = 1.7159 tanh(2/3 (W_y y_t + W_v v))            v are the features
        r_t = recurrence(r_{t-1}, [x_t, m_t])
        P(word) = softmax(W_o r_t + b)

    x_t is START or the previous word, beside m_t as in the authors' program; before START all x are 0. Convolutions
    over windows that shift by one word are one convolution over the sentence, so nothing is computed twice: `step`
    keeps the last inputs of each convolution.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        views: number of a picture's first regions that are input, concatenated.
        average: whether the mean of all regions is input too.
        words: E, size of a word vector (512 in the paper).
        hidden: H, size of the convolutions' outputs, of m_t and of the recurrent state (512 in the paper).
        recurrence: `rnn`, `lstm`, `gru` or `rhn`.
        dropout: probability, 0 to 1, on words, features, m_t and r_t.
    """

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        views: int = 1,
        average: bool = False,
        words: int = 512,
        hidden: int = 512,
        recurrence: Kind = "rhn",
        dropout: float = 0.5,
    ) -> None:
        super().__init__(
            vocabulary, features, views=views, average=average, words=words, hidden=hidden, dropout=dropout
        )
        sizes = (words, *[hidden] * (len(KERNELS) - 1))
        self.convolutions = nn.ModuleList(nn.Conv1d(size, hidden, k) for size, k in zip(sizes, KERNELS, strict=True))
        self.recurrence = Recurrence(recurrence, hidden)
        self.input = nn.Linear(words, self.recurrence.size)  # from x_t
        self.joint = nn.Linear(hidden, self.recurrence.size, bias=False)  # from m_t
        self.heard = nn.Linear(hidden, hidden)  # W_y
        self.picture = nn.Linear(self.seen, hidden, bias=False)  # W_v

    def start(self, regions: Regions) -> State:
        """Each convolution's inputs before START, r_0 = 0, and W_v v: regions (I, R, F) -> (I, ...)."""
        seen = self.dropout(self.picture(self.look(regions)))
        before = [values.expand(len(seen), -1, k - 1) for values, k in zip(self._silence(), KERNELS, strict=True)]
        return *before, *self.recurrence.blank(seen), seen

    def read(self, words: Tensor) -> Tensor:
        """Word vectors -> themselves and their input to the recurrence: (..., E) -> (..., E + size)."""
        return torch.cat([words, self.input(words)], dim=-1)

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One step: words (B,) -> logits (B, V) and the state after them."""
        before, r, seen = state[: len(KERNELS)], state[len(KERNELS) : -1], state[-1]
        y, given = self._parts(words)
        after = []
        for convolution, values in zip(self.convolutions, before, strict=True):
            weight, bias = convolution.parameters()  # (H, H, k), (H,)
            values = torch.cat([values, y[:, :, None].to(values)], dim=2)  # (B, H, k)
            y = functional.linear(values.flatten(1), weight.flatten(1), bias).relu()
            after.append(values[:, :, 1:])
        r = self.recurrence.step(given + self._joint(y, seen), tuple(r))
        return self.output(self.dropout(r[0])), (*after, *r, seen)

    def predict(self, batch: Batch) -> Tensor:
        """Whole sentences -> (M, V), as stepping through them would give."""
        ids, _, mask = framed(batch.words)
        *_, seen = self.start(batch.regions)
        x, given = self._parts(ids)
        y = x.mT  # (N, E, T + 1)
        for convolution, silence, k in zip(self.convolutions, self._silence(), KERNELS, strict=True):
            y = convolution(torch.cat([silence.expand(len(y), -1, k - 1).to(y), y], dim=2)).relu()
        r = self.recurrence(given + self._joint(y.mT, seen[batch.picture, None]))
        return self.output(self.dropout(r[mask]))

    def _parts(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Words (...) -> their vectors (..., E) and input to the recurrence (..., size)."""
        x, given = self.said(words).split([self.words.embedding_dim, self.recurrence.size], dim=-1)
        return x, given

    def _joint(self, y: Tensor, seen: Tensor) -> Tensor:
        """m_t's input to the recurrence: y_t (..., H) and W_v v -> (..., size)."""
        return self.joint(self.dropout(scaled_tanh(self.heard(y) + seen)))

    def _silence(self) -> Iterator[Tensor]:
        """Each convolution's input before the first word: 0 for the first, (1, E, 1); (1, H, 1) for the others."""
        values = self.words.weight.new_zeros(1, self.words.embedding_dim, 1)
        for convolution, k in zip(self.convolutions, KERNELS, strict=True):
            yield values
            values = convolution(values.expand(-1, -1, k)).relu()

"""hLSTMat: temporal attention with a gate for how much each word comes from frames.

Song et al. 2017, "Hierarchical LSTM with Adjusted Temporal Attention for Video Captioning". A lower LSTM follows the
words, an upper one their joint meaning; the lower one attends to frames, and a gate beta says how much the next word
comes from frames ("dog") rather than from language ("the"). With frames v_1 .. v_n:

    h_t     = LSTM(E y_{t-1}, h_{t-1})                     words
    hbar_t  = LSTM(h_t, hbar_{t-1})                        meaning
    alpha_t = softmax over i of w . tanh(W_a h_t + U_a v_i + b_a)
    c_t     = sum over i of alpha_ti v_i                   frames, attended
    beta_t  = sigmoid(W_s h_t)
    cbar_t  = beta_t c_t + (1 - beta_t) hbar_t             adjusted: frames or language
    p(y_t)  = softmax(U_p tanh(W_p [h_t ; cbar_t] + b_p) + d)

The paper writes c_t with a factor 1/n, which its program does not have. Without the adjustment and the upper LSTM this
is temporal attention (Yao et al. 2015).
"""

import torch
from torch import Tensor, nn

from wordsight.batch import Batch, Regions, Words
from wordsight.captioning.captioner import CaptionModel, State, framed, full, pick
from wordsight.captioning.recurrence import Recurrence


class HLSTMat(CaptionModel):
    """The captioner with adjusted temporal attention.

    Args:
        vocabulary: V, number of words.
        features: F, size of a frame's features.
        words: E, size of a word vector (the paper: 512).
        hidden: H, size of both LSTMs (512).
        adjusted: whether the gate beta mixes frames with language; if not, there is no upper LSTM, only plain temporal
            attention.
        order: whether to add a positional encoding to each frame (sines and cosines, Vaswani et al. 2017), since
            attention alone ignores order.
        dropout: probability, 0 to 1, on the word and frame inputs, between the LSTMs and before the output.
    """

    attends = True

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        words: int = 512,
        hidden: int = 512,
        adjusted: bool = True,
        order: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(vocabulary, features, views=1, average=False, words=words, hidden=hidden, dropout=dropout)
        self.adjusted, self.order, self.hidden = adjusted, order, hidden
        self.frame = nn.Linear(features, hidden)
        self.first = nn.Linear(hidden, 4 * hidden)  # the first states, from the mean frame
        self.input = nn.Linear(words, 4 * hidden)
        self.lower = Recurrence("lstm", hidden)
        self.key = nn.Linear(hidden, hidden, bias=False)  # U_a
        self.query = nn.Linear(hidden, hidden)  # W_a, b_a
        self.energy = nn.Linear(hidden, 1, bias=False)  # w
        if adjusted:
            self.between = nn.Linear(hidden, 4 * hidden)
            self.upper = Recurrence("lstm", hidden)
            self.gate = nn.Linear(hidden, 1)  # W_s
        self.deep = nn.Linear(2 * hidden, hidden)  # W_p, b_p

    def start(self, regions: Regions) -> State:
        """The initial state, from the frames.

        Args:
            regions: (I, 1 + n, F), the whole clip first.

        Returns:
            h, c and those of the upper LSTM (I, H) each, frames and their keys (I, 1 + n, H) each, and the mask
            (I, 1 + n), False for the whole clip if it has frames.
        """
        features = regions.features.masked_fill(~regions.mask[..., None], 0.0)
        values = self.frame((features - self.mean) * self.scale)
        if self.order:
            values = values + positions(values)
        values = values * self.dropout(torch.ones_like(values[:, :1]))
        frames = regions.mask.clone()
        frames[:, 0] &= regions.mask.sum(dim=1) == 1
        mean = (values * frames[..., None]).sum(dim=1) / frames.sum(dim=1, keepdim=True).clamp(min=1)
        return (*self.first(mean).tanh().chunk(4, dim=1), values, self.key(values), frames)

    def read(self, words: Tensor) -> Tensor:
        """Word vectors' input to the lower LSTM's four gates: (..., E) -> (..., 4H)."""
        return self.input(words)

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One step: words (B,) -> logits (B, V) and the state after them."""
        assert isinstance(state, tuple)
        logits, _, _, state = self._next(state, self.said(words))
        return logits, state

    def predict(self, batch: Batch) -> Tensor:
        """Whole sentences -> (M, V) logits; see `CaptionModel.predict`."""
        return self._unroll(batch)[0]

    @torch.no_grad()
    def attention(self, regions: Regions, ids: Tensor) -> Tensor:
        """The alpha of each word of a caption (T,) -> (T, 1 + n); see `CaptionModel.attention`."""
        return self._told(regions, ids)[1][:-1]

    @torch.no_grad()
    def gates(self, regions: Regions, ids: Tensor) -> Tensor | None:
        """The beta of each word of a caption (T,) -> (T,): 1 is frames alone, 0 language; None if not `adjusted`."""
        return self._told(regions, ids)[2][:-1] if self.adjusted else None

    def _told(self, regions: Regions, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        words = Words(ids[None], torch.ones_like(ids[None], dtype=torch.bool))
        return self._unroll(Batch(regions, words, ids.new_zeros(1)))

    def _unroll(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Teacher forcing: logits (M, V), alpha (M, 1 + n) and beta (M,) of the M words and "<end>"s, in order."""
        given, _, mask = framed(batch.words)
        state, steps = pick(self.start(batch.regions), batch.picture), []
        assert isinstance(state, tuple)
        for said in self.said(given).unbind(dim=1):
            *told, state = self._next(state, said)
            steps.append(told)
        logits, alpha, beta = (torch.stack(parts, dim=1)[mask] for parts in zip(*steps, strict=True))
        return logits, alpha, beta

    def _next(self, state: tuple[Tensor, ...], said: Tensor) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
        """One step: the words' input (B, 4H) -> logits (B, V), alpha (B, 1 + n), beta (B,), the state."""
        h, c, above, kept, values, keys, frames = state
        h, c = self.lower.step(said, (h, c))
        energies = self.energy((keys + self.query(h)[:, None]).tanh()).squeeze(2)
        alpha = full(energies).masked_fill(~frames, -torch.inf).softmax(dim=1)
        seen = (alpha[:, None].to(values.dtype) @ values).squeeze(1)  # c_t
        beta = torch.ones_like(h[:, :1])
        if self.adjusted:
            above, kept = self.upper.step(self.between(self.dropout(h)), (above, kept))
            beta = self.gate(h).sigmoid()
            seen = beta * seen + (1 - beta) * above
        deep = self.deep(torch.cat([h, seen], dim=1)).tanh()
        return self.output(self.dropout(deep)), alpha, beta[:, 0], (h, c, above, kept, values, keys, frames)


def positions(values: Tensor) -> Tensor:
    """Positional encoding, sines and cosines of each frame's index: values (I, n, H) -> (n, H)."""
    count, size = values.shape[1:]
    place = torch.arange(count, device=values.device)[:, None]
    rate = 100.0 ** (-torch.arange(0, size, 2, device=values.device) / size)
    return torch.cat([(place * rate).sin(), (place * rate).cos()], dim=1)[:, :size].to(values.dtype)

"""S2VT: two LSTMs read a clip frame by frame, then generate its caption word by word.

Venugopalan et al. 2015, "Sequence to Sequence - Video to Text". While frames are read, the upper LSTM gets no word;
while words are generated, the lower one gets no frame. Both phases use the same weights:

    h1_t = LSTM_1(W_v v_t)                frames v_1 .. v_n, then zeros
    h2_t = LSTM_2([h1_t ; E y_{t-1}])     zeros for words while frames are read, then the words
    p(y_t) = softmax(W_o h2_t)
"""

import torch
from torch import Tensor, nn

from wordsight.batch import Regions
from wordsight.captioning.captioner import CaptionModel, State
from wordsight.captioning.recurrence import Recurrence


class S2VT(CaptionModel):
    """The captioner that reads frames in order.

    Args:
        vocabulary: V, number of words.
        features: F, size of a frame's features.
        words: E, size of a word vector.
        hidden: H, size of the state of both LSTMs (the paper: 1000).
        dropout: probability, 0 to 1, on the frame and word inputs, between the LSTMs and before the output.
    """

    def __init__(
        self, vocabulary: int, features: int, *, words: int = 512, hidden: int = 512, dropout: float = 0.5
    ) -> None:
        super().__init__(vocabulary, features, views=1, average=False, words=words, hidden=hidden, dropout=dropout)
        self.hidden = hidden
        self.frame = nn.Linear(features, hidden)  # W_v
        self.lower = nn.LSTMCell(hidden, hidden)  # LSTM_1
        self.upper = nn.Linear(hidden, 4 * hidden)  # LSTM_2's weights for h1
        self.given = nn.Linear(words, 4 * hidden, bias=False)  # and for E y
        self.recurrence = Recurrence("lstm", hidden)  # LSTM_2

    def start(self, regions: Regions) -> State:
        """Read the frames: regions (I, 1 + n, F), the whole clip first -> h1, c1, h2, c2 (I, H) each."""
        features = regions.features.masked_fill(~regions.mask[..., None], 0.0)
        frames = regions.mask.clone()
        frames[:, 0] &= regions.mask.sum(dim=1) == 1  # a picture is a clip of one frame
        seen = self.dropout(self.frame((features - self.mean) * self.scale))  # (I, 1 + n, H)
        state: tuple[Tensor, ...] = (seen.new_zeros(len(seen), self.hidden),) * 4
        for frame, there in zip(seen.unbind(dim=1), frames.unbind(dim=1), strict=True):
            further = self._both(frame, None, state)
            state = tuple(torch.where(there[:, None], new, old) for new, old in zip(further, state, strict=True))
        return state

    def read(self, words: Tensor) -> Tensor:
        """Word vectors' input to the upper LSTM's four gates: (..., E) -> (..., 4H)."""
        return self.given(words)

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One step: words (B,) -> logits (B, V) and the state after them."""
        assert isinstance(state, tuple)
        state = self._both(torch.zeros_like(state[0]), self.said(words), state)
        return self.output(self.dropout(state[2])), state

    def _both(self, frame: Tensor, said: Tensor | None, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step of both LSTMs: a frame (B, H), 0 for none, and a word's input (B, 4H), None for no word."""
        h1, c1 = self.lower(frame, (state[0], state[1]))
        given = self.upper(self.dropout(h1)) if said is None else self.upper(self.dropout(h1)) + said
        return h1, c1, *self.recurrence.step(given, (state[2], state[3]))

"""NeuralTalk's two generators, as in its checkpoints: an LSTM and the multimodal RNN.

The LSTM (Vinyals et al. 2015) reads the picture as its first word; no tanh is applied to its cell before the output
gate unless `tanh_cell`. The RNN (Karpathy & Fei-Fei 2015), unlike `multimodal_rnn.py`, has biases and, with `rectify`,
ReLUs on its encoders.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import Regions
from wordsight.captioning.captioner import CaptionModel, State


class NeuralTalk(CaptionModel):
    """A generator of NeuralTalk.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features (4,096 in NeuralTalk).
        generator: `lstm`, or `rnn`, the multimodal RNN.
        words: E, size of a word vector.
        hidden: H, size of the recurrent state.
        image: when the RNN sees the picture: at the `first` step or at `every` step; the LSTM needs `first`.
        tanh_cell: whether the LSTM applies tanh to the cell before the output gate.
        rectify: whether the RNN applies ReLU to the picture's and the words' terms.
        dropout: probability, 0 to 1, everywhere except on recurrent connections.
    """

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        generator: Literal["lstm", "rnn"] = "lstm",
        words: int = 512,
        hidden: int = 512,
        image: Literal["first", "every"] = "first",
        tanh_cell: bool = False,
        rectify: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(
            vocabulary, features, views=1, average=False, words=words, hidden=hidden, image=image, dropout=dropout
        )
        if generator not in ("lstm", "rnn"):
            raise ValueError(f"generator = {generator!r}: expected 'lstm' or 'rnn'")
        if generator == "lstm" and (image, rectify) != ("first", False):
            raise ValueError("generator = 'lstm': expected image = 'first' and rectify = false")
        self.lstm, self.tanh_cell, self.rectify = generator == "lstm", tanh_cell, rectify
        self.picture = nn.Linear(self.seen, words if self.lstm else hidden)  # We, be
        self.input = nn.Linear(words, 4 * hidden if self.lstm else hidden)  # WLSTM's rows of x and 1; Wxh, bxh
        self.recurrent = nn.Linear(hidden, self.input.out_features, bias=not self.lstm)  # WLSTM's rows of h; Whh, bhh

    def start(self, regions: Regions) -> State:
        """Regions (I, R, F) -> the LSTM's h and c after the picture, or h_0 = 0 and the picture's term: (I, H) each."""
        picture = self.dropout(self.picture(self.look(regions)))
        if not self.lstm:
            return picture.new_zeros(picture.shape), self._encoded(picture)
        nothing = picture.new_zeros(len(picture), self.recurrent.in_features)
        return self._cell(self.input(picture), nothing, nothing)

    def read(self, words: Tensor) -> Tensor:
        """Word vectors' input to the recurrence: (..., E) -> (..., 4H) or (..., H)."""
        return self._encoded(self.input(words))

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One step: words (B,) -> logits (B, V) and the state after them."""
        h, other = state
        if self.lstm:
            h, c = self._cell(self.said(words), h, other)
            return self.output(self.dropout(h)), (h, c)
        h = (other + self.said(words) + self.recurrent(h)).relu()
        return self.output(self.dropout(h)), (h, other if self.image == "every" else torch.zeros_like(other))

    def _encoded(self, values: Tensor) -> Tensor:
        return values.relu() if self.rectify else values

    def _cell(self, given: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Gates' inputs (B, 4H) in NeuralTalk's order, h and c (B, H) -> the next h and c."""
        i, f, o, g = (given + functional.linear(h, self.recurrent.weight)).chunk(4, dim=1)
        c = i.sigmoid() * g.tanh() + f.sigmoid() * c
        return o.sigmoid() * (c.tanh() if self.tanh_cell else c), c

"""Multimodal RNN (DVSA): a recurrent network with the picture as a bias of its first step.

Karpathy & Fei-Fei 2015, equations 13 to 15. The same network describes whole pictures and regions; only the features
that it is given differ.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import Batch, Regions
from wordsight.captioning.captioner import CaptionModel, State, framed, run


class MultimodalRNN(CaptionModel):
    """The multimodal RNN.

    `nn.RNN` runs equation 14 over whole sentences with its input weights fixed at the identity, because the terms of
    word and picture are summed beforehand.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        views: number of a picture's first regions that are input, concatenated.
        average: whether the mean of all regions is input too.
        words: E, size of a word vector.
        hidden: H, size of the recurrent state (512 in the paper).
        image: when b_v is added: at the `first` step, as in the paper, or at `every` step.
        dropout: probability, 0 to 1, everywhere except on recurrent connections.
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
        image: Literal["first", "every"] = "first",
        dropout: float = 0.5,
    ) -> None:
        super().__init__(
            vocabulary, features, views=views, average=average, words=words, hidden=hidden, image=image, dropout=dropout
        )
        self.picture = nn.Linear(self.seen, hidden, bias=False)  # W_hi
        self.input = nn.Linear(words, hidden)  # W_hx, b_h
        self.recurrence = nn.RNN(hidden, hidden, nonlinearity="relu", batch_first=True)  # W_hh
        identity, recurrent, *biases = self.recurrence.all_weights[0]
        nn.init.eye_(identity).requires_grad_(False)
        nn.init.orthogonal_(recurrent)
        for bias in biases:
            nn.init.zeros_(bias).requires_grad_(False)

    def start(self, regions: Regions) -> State:
        """h_0 = 0 and b_v, equation 13: regions (I, R, F) -> (I, H) each."""
        bias = self.dropout(self.picture(self.look(regions)))
        return torch.zeros_like(bias), bias

    def read(self, words: Tensor) -> Tensor:
        """W_hx x + b_h: (..., E) -> (..., H)."""
        return self.input(words)

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """Equations 14 and 15: words (B,) -> logits (B, V) and the state after them."""
        h, bias = state
        _, recurrent, *_ = self.recurrence.all_weights[0]
        h = (self.said(words) + functional.linear(h, recurrent) + bias).relu()
        return self.output(self.dropout(h)), (h, bias if self.image == "every" else torch.zeros_like(bias))

    def predict(self, batch: Batch) -> Tensor:
        """Equations 13 to 15 over whole sentences -> (M, V), as stepping through them would give."""
        given, _, mask = framed(batch.words)
        bias = self.start(batch.regions)[1][batch.picture, None]  # (N, 1, H)
        if self.image == "first":
            bias = functional.pad(bias, (0, 0, 0, given.shape[1] - 1))  # (N, T + 1, H), zero after the first step
        h = run(self.recurrence, self.said(given) + bias, mask)
        return self.output(self.dropout(h))

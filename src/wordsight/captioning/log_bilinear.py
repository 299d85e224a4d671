"""Log-bilinear model: the sum of the last n words, each through a matrix for its position, and of the picture.

Kiros et al. 2014, "Multimodal Neural Language Models", the modality-biased log-bilinear model.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import Batch, Regions
from wordsight.captioning.captioner import CaptionModel, State, framed


class LogBilinear(CaptionModel):
    """The modality-biased log-bilinear model.

        r_hat = sum over the last n words of C_i r_(word i before the next) + C_m x
        P(word w) = softmax(r_hat . r_w + b_w)

    with one vector r_w for each word, as input and output. Positions before START are 0.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        views: number of a picture's first regions that are input, concatenated.
        average: whether the mean of all regions is input too.
        words: E, size of a word vector.
        window: n, number of last words that are input, START counted as one; at least 1.
        dropout: probability, 0 to 1, on words, picture and r_hat.
    """

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        views: int = 1,
        average: bool = False,
        words: int = 512,
        window: int = 5,
        dropout: float = 0.5,
    ) -> None:
        if window < 1:
            raise ValueError(f"window = {window}: expected at least 1")
        super().__init__(vocabulary, features, views=views, average=average, words=words, hidden=words, dropout=dropout)
        self.window = window
        self.picture = nn.Linear(self.seen, words)  # C_m
        self.context = nn.Linear(words, window * words, bias=False)  # C_1 .. C_n
        nn.init.normal_(self.words.weight, std=words**-0.5)  # of length 1, since they are output weights too
        del self.output.weight  # the word vectors take its place

    def start(self, regions: Regions) -> State:
        """The last words' terms of the next n sums, 0 at the start, and C_m x: (I, n, E) and (I, E)."""
        seen = self.dropout(self.picture(self.look(regions)))
        return seen.new_zeros(len(seen), self.window, seen.shape[1]), seen

    def read(self, words: Tensor) -> Tensor:
        """The words' terms of the next n sums: (..., E) -> (..., nE)."""
        return self.context(words)

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One step: words (B,) -> logits (B, V) and the state after them."""
        waiting, seen = state
        added = self.said(words).view(waiting.shape)
        waiting = functional.pad(waiting[:, 1:], (0, 0, 0, 1)) + added  # the first has been used
        return self._predicted(waiting[:, 0] + seen), (waiting, seen)

    def predict(self, batch: Batch) -> Tensor:
        """Whole sentences -> (M, V), as stepping through them would give."""
        given, _, mask = framed(batch.words)
        *_, seen = self.start(batch.regions)
        added = self.said(given).unflatten(2, (self.window, -1))  # (N, T + 1, n, E)
        near = added.unbind(dim=2)[: given.shape[1]]  # further terms lie beyond the end
        later = [functional.pad(part, (0, 0, i, -i)) for i, part in enumerate(near)]
        return self._predicted((torch.stack(later).sum(dim=0) + seen[batch.picture, None])[mask])

    def _predicted(self, r_hat: Tensor) -> Tensor:
        """Logits (B, V) of the next words from r_hat (B, E)."""
        return functional.linear(self.dropout(r_hat), self.words.weight, self.output.bias)

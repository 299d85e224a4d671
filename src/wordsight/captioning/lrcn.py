"""LRCN: two stacked LSTMs; the lower reads words only, the upper also the picture at every step.

Donahue et al. 2015, "Long-term Recurrent Convolutional Networks for Visual Recognition and Description", the factored
two-layer variant (LRCN-2f): the lower layer models language without the picture.
"""

from torch import Tensor, nn

from wordsight.batch import Batch, Regions
from wordsight.captioning.captioner import CaptionModel, State, framed
from wordsight.captioning.recurrence import Recurrence


class LRCN(CaptionModel):
    """The factored two-layer LSTM captioner.

        h1_t = LSTM_1(h1_{t-1}, x_t)
        h2_t = LSTM_2(h2_{t-1}, [h1_t, W_I I])
        P(word) = softmax(W_o h2_t + b)

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        views: number of a picture's first regions that are input, concatenated.
        average: whether the mean of all regions is input too.
        words: E, size of a word vector.
        hidden: H, size of either recurrent state (1000 in the paper) and of W_I I.
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
        dropout: float = 0.5,
    ) -> None:
        super().__init__(
            vocabulary, features, views=views, average=average, words=words, hidden=hidden, dropout=dropout
        )
        self.lower, self.upper = Recurrence("lstm", hidden), Recurrence("lstm", hidden)
        self.input = nn.Linear(words, self.lower.size)
        self.between = nn.Linear(hidden, self.upper.size)
        self.picture = nn.Linear(self.seen, hidden)  # W_I
        self.beside = nn.Linear(hidden, self.upper.size, bias=False)

    def start(self, regions: Regions) -> State:
        """Both layers' h and c, all 0, and the picture's input to the upper gates: regions (I, R, F) -> (I, ...)."""
        seen = self.beside(self.dropout(self.picture(self.look(regions))))
        return *self.lower.blank(seen), *self.upper.blank(seen), seen

    def read(self, words: Tensor) -> Tensor:
        """Word vectors' input to the lower layer's gates: (..., E) -> (..., 4H)."""
        return self.input(words)

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One step: words (B,) -> logits (B, V) and the state after them."""
        h1, c1, h2, c2, seen = state
        h1, c1 = self.lower.step(self.said(words), (h1, c1))
        h2, c2 = self.upper.step(self.between(self.dropout(h1)) + seen, (h2, c2))
        return self.output(self.dropout(h2)), (h1, c1, h2, c2, seen)

    def predict(self, batch: Batch) -> Tensor:
        """Whole sentences -> (M, V), as stepping through them would give."""
        given, _, mask = framed(batch.words)
        *_, seen = self.start(batch.regions)
        h1 = self.lower(self.said(given))  # (N, T + 1, H)
        h2 = self.upper(self.between(self.dropout(h1)) + seen[batch.picture, None])
        return self.output(self.dropout(h2[mask]))

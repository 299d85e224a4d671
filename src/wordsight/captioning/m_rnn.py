"""m-RNN: a recurrent network over words only, and a multimodal layer above it that adds the picture at every step.

Mao et al. 2015, "Deep Captioning with Multimodal Recurrent Neural Networks (m-RNN)".
"""

from torch import Tensor, nn

from wordsight.batch import Batch, Regions
from wordsight.captioning.captioner import CaptionModel, State, framed
from wordsight.captioning.recurrence import Recurrence


class MRNN(CaptionModel):
    """The m-RNN.

        w_t = ReLU(E_2 E_1 1_t)                                  two embedding layers
        r_t = ReLU(U_r r_{t-1} + w_t)
        m_t = 1.7159 tanh(2/3 (V_w w_t + V_r r_t + V_I I))       the multimodal layer
        P(word) = softmax(U_m m_t + b)

    A ReLU stands between the two embeddings: without it they would be one matrix.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        views: number of a picture's first regions that are input, concatenated.
        average: whether the mean of all regions is input too.
        words: E, size of a word vector, the first embedding.
        hidden: H, size of the second embedding, the recurrent state and the multimodal layer.
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
        self.second = nn.Linear(words, hidden)  # E_2; E_1 is `words`
        self.recurrence = Recurrence("rnn", hidden)  # U_r
        self.from_word = nn.Linear(hidden, hidden)  # V_w
        self.from_state = nn.Linear(hidden, hidden, bias=False)  # V_r
        self.picture = nn.Linear(self.seen, hidden, bias=False)  # V_I

    def start(self, regions: Regions) -> State:
        """r_0 = 0 and V_I I: regions (I, R, F) -> (I, H) each."""
        seen = self.dropout(self.picture(self.look(regions)))
        return *self.recurrence.blank(seen), seen

    def read(self, words: Tensor) -> Tensor:
        """w_t from the first embedding: (..., E) -> (..., H)."""
        return self.second(words).relu()

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One step: words (B,) -> logits (B, V) and the state after them."""
        r, seen = state
        w = self.said(words)
        (r,) = self.recurrence.step(w, (r,))
        return self._predicted(w, r, seen), (r, seen)

    def predict(self, batch: Batch) -> Tensor:
        """Whole sentences -> (M, V), as stepping through them would give."""
        given, _, mask = framed(batch.words)
        w = self.said(given)  # (N, T + 1, H)
        *_, seen = self.start(batch.regions)
        sentence, _ = mask.nonzero(as_tuple=True)  # (M,)
        return self._predicted(w[mask], self.recurrence(w)[mask], seen[batch.picture[sentence]])

    def _predicted(self, w: Tensor, r: Tensor, seen: Tensor) -> Tensor:
        """Logits (B, V) of the next words from w_t, r_t and V_I I, (B, H) each."""
        return self.output(self.dropout(scaled_tanh(self.from_word(w) + self.from_state(self.dropout(r)) + seen)))


def scaled_tanh(values: Tensor) -> Tensor:
    """1.7159 tanh(2/3 x), which keeps a variance of 1 (LeCun et al. 1998, "Efficient BackProp")."""
    return 1.7159 * (2 / 3 * values).tanh()

"""Show and Tell: an LSTM that reads the picture as its first input, then generates words.

Vinyals et al. 2015, "Show and Tell: A Neural Image Caption Generator". The stronger default: its gates keep the picture
for longer than the plain recurrence of `multimodal_rnn.py`.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import Batch, Regions
from wordsight.captioning.captioner import CaptionModel, State, framed, pick, run


class ShowAndTell(CaptionModel):
    """The LSTM captioner.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        views: number of a picture's first regions that are input, concatenated.
        average: whether the mean of all regions is input too.
        words: E, size of a word vector (512 in the paper).
        hidden: H, size of the recurrent state (512 in the paper).
        image: `first`: the picture is input before START, as in the paper; `every`: it is also added to each word.
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
        self.picture = nn.Linear(self.seen, words)
        self.recurrence = nn.LSTM(words, hidden, batch_first=True)
        _, _, *biases = self.recurrence.all_weights[0]
        for bias in biases:
            nn.init.zeros_(bias)
        nn.init.ones_(biases[0].detach()[hidden : 2 * hidden])  # the forget gate starts open

    def start(self, regions: Regions) -> State:
        """The initial state: the picture, read as a word before START.

        Args:
            regions: (I, R, F).

        Returns:
            h and c, (I, H) each; with `image` `every`, also the picture's input to the four gates, (I, 4H).
        """
        return self._start(self._picture(regions))

    def read(self, words: Tensor) -> Tensor:
        """Word vectors' input to the four gates: (..., E) -> (..., 4H)."""
        weight, _, bias, other = self.recurrence.all_weights[0]
        return functional.linear(words, weight, bias + other)

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One step of the LSTM: words (B,) -> logits (B, V) and the state after them."""
        h, c, *picture = state
        h, c = self._cell(sum(picture, self.said(words)), h, c)
        return self.output(self.dropout(h)), (h, c, *picture)

    def predict(self, batch: Batch) -> Tensor:
        """The LSTM over whole sentences -> (M, V), as stepping through them would give."""
        return self.output(self.hear(batch))

    def hear(self, batch: Batch) -> Tensor:
        """The output layer's input after each word of the true sentences -> (M, H)."""
        given, _, mask = framed(batch.words)
        picture = self._picture(batch.regions)  # (I, E)
        h, c, *_ = pick(self._start(picture), batch.picture)  # (N, H)
        values = self.dropout(self.words(given))  # (N, T + 1, E)
        if self.image == "every":
            values = values + picture[batch.picture, None]
        return self.dropout(run(self.recurrence, values, mask, (h[None], c[None])))

    def _picture(self, regions: Regions) -> Tensor:
        """The picture as a word: regions (I, R, F) -> (I, E)."""
        return self.dropout(self.picture(self.look(regions)))

    def _start(self, picture: Tensor) -> State:
        """As `start`, from pictures as words (I, E)."""
        first, nothing = self.read(picture), picture.new_zeros(len(picture), self.recurrence.hidden_size)
        state = self._cell(first, nothing, nothing)
        if self.image == "first":
            return state
        return *state, functional.linear(picture, self.recurrence.all_weights[0][0])

    def _cell(self, given: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Gates' inputs (B, 4H) in torch's order, h and c (B, H) -> the next h and c."""
        _, recurrent, *_ = self.recurrence.all_weights[0]
        i, f, g, o = (given + functional.linear(h, recurrent)).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

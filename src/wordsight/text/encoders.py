"""Sentence encoders: words -> one vector for each word. The paper's BRNN first, then alternatives.

All take embedded words (N, T, E) with lengths (N,), in any order of length, and return (N, T, H). None runs
through padding, in either direction: sequences are packed, so appending padding changes nothing.
"""

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class BRNN(nn.Module):
    """The paper's bidirectional recurrent network (DVSA, equations 3-6), ReLU throughout.

    The recurrences of equations 4 and 5 add e_t without a matrix of its own, so `nn.RNN` runs them with its
    input weights fixed at the identity: its kernel is faster than a Python loop over time.
    """

    def __init__(self, words: int, hidden: int, out: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = hidden
        self.input = nn.Linear(words, hidden)  # W_e, b_e
        self.recurrence = nn.RNN(hidden, hidden, nonlinearity="relu", bidirectional=True, batch_first=True)
        self.output = nn.Linear(hidden, out)  # W_d, b_d
        self.dropout = nn.Dropout(dropout)
        for name, weight in self.recurrence.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.eye_(weight).requires_grad_(False)
            elif name.startswith("bias"):
                nn.init.zeros_(weight)
            else:
                nn.init.orthogonal_(weight, gain=0.5)
        self.recurrence.bias_ih_l0.requires_grad_(False)  # one bias for each direction, as b_f and b_b
        self.recurrence.bias_ih_l0_reverse.requires_grad_(False)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """(N, T, E) words and (N,) lengths -> (N, T, out) codes, >= 0."""
        e = self.input(words).relu()  # (N, T, H), equation 3
        h = run_packed(self.recurrence, self.dropout(e), lengths)  # (N, T, 2H), equations 4 and 5
        forward, backward = h.split(self.hidden, dim=2)
        return self.output(self.dropout(forward + backward)).relu()  # (N, T, out), equation 6


class BiGRU(nn.Module):
    """A bidirectional GRU whose directions are averaged, then mapped linearly."""

    def __init__(self, words: int, hidden: int, out: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = hidden
        self.recurrence = nn.GRU(words, hidden, bidirectional=True, batch_first=True)
        self.output = nn.Linear(hidden, out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """(N, T, E) words and (N,) lengths -> (N, T, out) codes."""
        forward, backward = run_packed(self.recurrence, words, lengths).split(self.hidden, dim=2)
        return self.output(self.dropout((forward + backward) / 2))


class Bag(nn.Module):
    """Bag of words: every word encoded without context."""

    def __init__(self, words: int, hidden: int, out: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(words, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, out))

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """(N, T, E) words -> (N, T, out) codes; `lengths` is not used."""
        return self.layers(words)


ENCODERS = {"brnn": BRNN, "gru": BiGRU, "bag": Bag}


def run_packed(network: nn.RNNBase, values: Tensor, lengths: Tensor) -> Tensor:
    """Run a recurrent network over (N, T, E) sequences of the given lengths, never through padding.

    Returns:
        (N, T, directions * H), zero in the padding.
    """
    packed = pack_padded_sequence(values, lengths.cpu(), batch_first=True, enforce_sorted=False)
    out, _ = pad_packed_sequence(network(packed)[0], batch_first=True, total_length=values.shape[1])
    return out

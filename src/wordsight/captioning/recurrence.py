"""Recurrent cells of captioners, with one interface.

The captioner computes the input's term g, so a cell has only the state's matrix U.
"""

from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["rnn", "lstm", "gru", "rhn"]
GATES = {"rnn": 1, "lstm": 4, "gru": 3, "rhn": 3}


class Recurrence(nn.Module):
    """The state h after each word, from the word's input g and the previous state.

    With x = g + U h split into its gates' parts:

        rnn   h' = max(0, x)                                          plain, with ReLU as in the paper's generator
        lstm  c' = sigma(x_f + 1) c + sigma(x_i) tanh(x_n)            Hochreiter & Schmidhuber 1997
              h' = sigma(x_o) tanh(c')
        gru   h' = (1 - z) n + z h,  z = sigma(x_z)                   Cho et al. 2014
              n = tanh(g_n + sigma(x_r) (U h)_n)
        rhn   h' = sigma(x_t) tanh(x_n) + sigma(x_c + 1) h            Zilly et al. 2017, equation 6, of depth 1

    The + 1 makes gates keep the state early in training.

    Args:
        kind: `rnn`, `lstm`, `gru` or `rhn`.
        hidden: H, size of the state.

    Attributes:
        size: size of g, H for each gate.
    """

    def __init__(self, kind: Kind, hidden: int) -> None:
        super().__init__()
        if kind not in GATES:
            raise ValueError(f"recurrence = {kind!r}: expected one of {', '.join(GATES)}")
        self.kind, self.hidden, self.size = kind, hidden, GATES[kind] * hidden
        self.recurrent = nn.Linear(hidden, self.size, bias=False)  # U
        if kind == "rnn":
            nn.init.orthogonal_(self.recurrent.weight)

    def blank(self, like: Tensor) -> tuple[Tensor, ...]:
        """The state before any word, all 0, h first, with as many rows as `like`."""
        return (like.new_zeros(len(like), self.hidden),) * (2 if self.kind == "lstm" else 1)

    def step(self, given: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step: g (B, size) and a state -> the next state, h (B, H) first."""
        h, u = state[0], self.recurrent(state[0])
        if self.kind == "rnn":
            return ((given + u).relu(),)
        if self.kind == "gru":
            g_r, g_z, g_n = given.chunk(3, dim=1)
            u_r, u_z, u_n = u.chunk(3, dim=1)
            z, n = (g_z + u_z).sigmoid(), (g_n + (g_r + u_r).sigmoid() * u_n).tanh()
            return (n + z * (h - n),)
        if self.kind == "rhn":
            n, t, c = (given + u).chunk(3, dim=1)
            return (t.sigmoid() * n.tanh() + (c + 1).sigmoid() * h,)
        i, f, n, o = (given + u).chunk(4, dim=1)
        c = (f + 1).sigmoid() * state[1] + i.sigmoid() * n.tanh()
        return o.sigmoid() * c.tanh(), c

    def forward(self, given: Tensor) -> Tensor:
        """All words of sentences, causally: g (N, T, size) -> h (N, T, H)."""
        state, found = self.blank(given[:, 0]), []
        for one in given.unbind(dim=1):
            state = self.step(one, state)
            found.append(state[0])
        return torch.stack(found, dim=1)

"""Show, Attend and Tell: visual attention over regions before each word.

Xu et al. 2015, "Show, Attend and Tell: Neural Image Caption Generation with Visual Attention". The picture is a set of
annotations a_i, one per region; the paper's are the cells of a feature map, which `regions.grid` gives. Before word t

    e_ti    = v . tanh(W_a a_i + W_h h_{t-1} + b)     how much region i matters now
    alpha_t = softmax over i of e_ti
    z_t     = beta_t (sum over i of alpha_ti a_i)     context vector with a gate beta_t = sigmoid(f_beta(h_{t-1}))
    h_t     = LSTM(E y_{t-1}, h_{t-1}, z_t)
    p(y_t)  = softmax(L_o (E y_{t-1} + L_h h_t + L_z z_t))

Soft attention uses the expected value z_t. Hard attention trains on one region at a time, s_t, sampled from alpha_t;
since sampling has no gradient, it learns by REINFORCE (`_reinforce`). At inference it uses the expected value too, as
the authors' program does.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import Batch, Regions, Words
from wordsight.captioning.captioner import CaptionModel, State, framed, full, pick

DRAWN = 0.5  # share of the sentences on which hard attention samples; the others use the expected value
REWARD, ENTROPY = 0.1, 0.01  # lambda_r and lambda_e of the learning rule
MEMORY = 0.9  # decay of the baseline's moving average


class AttendAndTell(CaptionModel):
    """The captioner with visual attention.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        views: h_0 and c_0 come from the mean of all regions, as in the paper, and from the first `views` regions.
        words: E, size of a word vector.
        hidden: H, size of the recurrent state, and of an annotation.
        attention: `soft` or `hard`.
        penalty: lambda, weight of sum over regions of (1 - sum over words of alpha_ti)^2 in training, so that every
            part of the picture is attended to at some word.
        image: `first`: the input of h_0 and c_0 is used for them alone, as in the paper; `every`: for each word too.
        dropout: probability, 0 to 1, everywhere except on recurrent connections.
    """

    attends = True

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        views: int = 1,
        words: int = 512,
        hidden: int = 512,
        attention: Literal["soft", "hard"] = "soft",
        penalty: float = 0.01,
        image: Literal["first", "every"] = "first",
        dropout: float = 0.5,
    ) -> None:
        if attention not in ("soft", "hard"):
            raise ValueError(f"attention = {attention!r}: expected 'soft' or 'hard'")
        if not penalty >= 0:
            raise ValueError(f"penalty = {penalty}: expected at least 0")
        super().__init__(
            vocabulary, features, views=views, average=True, words=words, hidden=words, image=image, dropout=dropout
        )
        self.hard, self.penalty, self.hidden = attention == "hard", penalty, hidden
        self.annotation = nn.Linear(features, hidden)
        self.key = nn.Linear(hidden, hidden, bias=False)  # W_a
        self.query = nn.Linear(hidden, hidden)  # W_h, b
        self.energy = nn.Linear(hidden, 1, bias=False)  # v
        self.gate = nn.Linear(hidden, 1)  # f_beta
        self.first = nn.Linear(self.seen, 2 * hidden)  # h_0, c_0
        self.picture = nn.Linear(self.seen, 4 * hidden, bias=False) if image == "every" else None
        self.input = nn.Linear(words, 4 * hidden)  # the LSTM's weights for E y
        self.recurrent = nn.Linear(2 * hidden, 4 * hidden, bias=False)  # the LSTM's weights for h and z
        self.deep = nn.Linear(2 * hidden, words)  # L_h, L_z
        nn.init.ones_(self.input.bias.detach()[hidden : 2 * hidden])  # the forget gate starts open
        self.register_buffer("baseline", torch.zeros(()))  # hard attention's average reward
        self.baseline: Tensor

    def start(self, regions: Regions) -> State:
        """The initial state, from a picture.

        Args:
            regions: (I, R, F).

        Returns:
            h and c (I, H) each, a and W_a a (I, R, H) each, the mask (I, R); with `image` `every`, also the picture's
            input to the four gates (I, 4H).
        """
        seen = self.look(regions)  # (I, S), the mean last
        h, c = self.dropout(self.first(seen)).tanh().chunk(2, dim=1)
        size = regions.features.shape[2]
        values = (regions.features - self.mean[-size:]) * self.scale
        annotations = self.annotation(values.masked_fill(~regions.mask[..., None], 0.0))
        annotations = annotations * self.dropout(torch.ones_like(annotations[:, :1]))  # the same columns in all regions
        state = (h, c, annotations, self.key(annotations), regions.mask)
        return state if self.picture is None else (*state, self.dropout(self.picture(seen)))

    def read(self, words: Tensor) -> Tensor:
        """Word vectors' input to the four gates, and the vectors themselves: (..., E) -> (..., 4H + E)."""
        return torch.cat([self.input(words), words], dim=-1)

    def step(self, state: State, words: Tensor) -> tuple[Tensor, State]:
        """Attend, then one step of the LSTM: words (B,) -> logits (B, V) and the state after them."""
        said = self.said(words)
        _, _, z, h, c = self._next(state, said)
        return self._tell(said, h, z), (h, c, *state[2:])

    def predict(self, batch: Batch) -> Tensor:
        """Whole sentences -> (M, V), as stepping through them would give."""
        logits, _, _ = self._unroll(batch)
        return logits

    def loss(self, batch: Batch, weights: Tensor | None = None) -> Tensor:
        """Mean cross-entropy per word; in training without weights, plus the attention penalty.

        In that case hard attention samples regions. Captions with weights (rewards) were sampled with expected values,
        so they are learned with expected values too.
        """
        if weights is not None or not self.training:
            return super().loss(batch, weights)
        _, right, mask = framed(batch.words)
        logits, alpha, drawn = self._unroll(batch, draw=self.hard)
        losses = functional.cross_entropy(full(logits), right[mask], reduction="none")  # (M,)
        looked = _by_sentence(alpha, mask)  # (N, R)
        there = batch.regions.mask[batch.picture]
        uneven = (1 - looked).square().masked_fill(~there, 0.0).sum()
        loss = losses.mean() + self.penalty * uneven / len(losses)
        return loss + self._reinforce(losses.detach(), alpha, drawn, mask) if self.hard else loss

    @torch.no_grad()
    def attention(self, regions: Regions, ids: Tensor) -> Tensor:
        """The alpha of each word of a caption (T,) -> (T, R); see `CaptionModel.attention`."""
        words = Words(ids[None], torch.ones_like(ids[None], dtype=torch.bool))
        _, alpha, _ = self._unroll(Batch(regions, words, ids.new_zeros(1)))
        return alpha[:-1]

    def _unroll(self, batch: Batch, draw: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Teacher forcing, longest sentences first, so that each step has only unfinished ones.

        Returns:
            For each of the M words and "<end>"s, sentence after sentence: logits (M, V), alpha (M, R) and, with `draw`,
            the probability of the sampled region (M,), 1 for the expected value.
        """
        given, _, mask = framed(batch.words)
        lengths, order = mask.sum(dim=1).sort(descending=True)
        counts = (lengths[:, None] > torch.arange(mask.shape[1], device=mask.device)).sum(dim=0)  # (T + 1,)
        state = pick(self.start(batch.regions), batch.picture[order])
        single = torch.rand(len(order), device=mask.device) < DRAWN if draw else None  # (N,)
        place = (counts.cumsum(dim=0) - counts + order.argsort()[:, None])[
            mask
        ]  # (M,), row of each word below, where all first words come first, then all second words
        said = self.said(given[mask][place.argsort()])  # (M, G)
        steps = []
        for some in said.split(counts.tolist()):
            state = pick(state, slice(len(some)))
            steps.append(self._next(state, some, None if single is None else single[: len(some)]))
            state = (*steps[-1][3:], *state[2:])
        alpha, drawn, z, h, _ = (torch.cat(parts) for parts in zip(*steps, strict=True))
        return self._tell(said, h, z)[place], alpha[place], drawn[place]

    def _next(
        self, state: State, said: Tensor, single: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Attend, and one step of the LSTM.

        Args:
            state: of B rows.
            said: (B, G), input of the last words.
            single: (B,), True for rows that sample one region; None if no row does.

        Returns:
            alpha (B, R), the probability of the sampled region (B,), z (B, H), h (B, H) and c (B, H).
        """
        h, c, annotations, keys, there, *picture = state
        energies = self.energy((keys + self.query(h)[:, None]).tanh()).squeeze(2)
        alpha = full(energies).masked_fill(~there, -torch.inf).softmax(dim=1)
        weights, drawn = alpha, torch.ones_like(alpha[:, 0])
        if single is not None:
            region = alpha.detach().multinomial(1)
            weights = torch.where(single[:, None], torch.zeros_like(alpha).scatter(1, region, 1.0), alpha)
            drawn = torch.where(single, alpha.gather(1, region)[:, 0], drawn)
        z = self.gate(h).sigmoid() * (weights[:, None] @ annotations).squeeze(1)
        gates = sum(picture, said[:, : 4 * self.hidden] + self.recurrent(torch.cat([h, z], dim=1)))
        i, f, g, o = gates.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return alpha, drawn, z, o.sigmoid() * c.tanh(), c

    def _tell(self, said: Tensor, h: Tensor, z: Tensor) -> Tensor:
        """Logits (B, V) after the last words' input (B, G)."""
        return self.output(self.dropout(said[:, 4 * self.hidden :] + self.deep(torch.cat([h, z], dim=1))))

    def _reinforce(self, losses: Tensor, alpha: Tensor, drawn: Tensor, mask: Tensor) -> Tensor:
        """REINFORCE for hard attention: raise p(s) where the sentence was more probable than the baseline.

        The paper's learning rule, with a baseline b per word, since sentences differ in length:

            gradient = - lambda_r (log p(y | s) - T b) * gradient of log p(s) - lambda_e * gradient of entropy of alpha

        Args:
            losses: (M,) - log p of each word.
            alpha: (M, R).
            drawn: (M,) p(s_t); 1 where nothing was sampled.
            mask: (N, T + 1).
        """
        lengths = mask.sum(dim=1)  # (N,)
        better = -_by_sentence(losses, mask) - lengths * self.baseline
        self.baseline.lerp_(-losses.mean(), 1 - MEMORY)
        entropy = -(alpha * _log(alpha)).sum(dim=1)  # (M,)
        return -(REWARD * better.repeat_interleave(lengths) * _log(drawn) + ENTROPY * entropy).mean()


def _log(probability: Tensor) -> Tensor:
    """A logarithm whose gradient is finite at 0."""
    return probability.clamp(min=1e-9).log()


def _by_sentence(values: Tensor, mask: Tensor) -> Tensor:
    """Sums over the words of each sentence: values (M, ...) and their mask (N, T + 1) -> (N, ...)."""
    sentence = torch.arange(len(mask), device=mask.device).repeat_interleave(mask.sum(dim=1))
    return values.new_zeros(len(mask), *values.shape[1:]).index_add(0, sentence, values)

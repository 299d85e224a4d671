"""Conditional random field of a situation: a score for each verb, and one for each (verb, role, noun) triple.

Yatskar, Zettlemoyer & Farhadi, "Situation Recognition: Visual Semantic Role Labeling for Image Understanding", CVPR
2016. The probability of a situation S = (v, n_1 .. n_E) is

    log p(S) = phi_v + sum_e phi_{v,e,n_e} - log sum_v' exp(phi_v' + sum_e log sum_n exp phi_{v',e,n}),

every phi linear in hidden features of the picture. A noun that no annotator gave for a verb's role is impossible there.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from wordsight.batch import LabelInfo, SituationBatch
from wordsight.situations.situation_model import UNKNOWN, Seen, SituationModel

NEVER = -1e4  # score of impossible nouns


class SituationCRF(SituationModel):
    """Conditional random field over a verb and the nouns of its roles.

    Args:
        vocabulary: V, number of nouns.
        features: F, size of a region's features.
        frames: the verbs with their roles.
        glosses: name of each noun.
        triples: P, number of distinct (verb, role, noun) triples in the training split.
        average: also use the mean of all regions, besides the whole picture.
        hidden: H, size of the layer in which the scores are linear.
        dropout: dropout rate, 0 to 1.
    """

    place: Tensor  # (W, E, V) int64, the triple of each (verb, role, noun); P for none
    slot: Tensor  # (P,) int64, the verb and role of each triple, as verb * E + role

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        frames: tuple[tuple[str, ...], ...],
        glosses: tuple[str, ...],
        triples: int,
        average: bool = True,
        hidden: int = 512,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(vocabulary, features, frames=frames, glosses=glosses, average=average)
        self.hidden = nn.Linear(self.seen, hidden)
        self.verb_scores = nn.Linear(hidden, len(frames))
        self.noun_scores = nn.Linear(hidden, triples)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("place", torch.full((*self.roles.shape, vocabulary), triples))
        self.register_buffer("slot", torch.zeros(triples, dtype=torch.long))

    def fit(self, batches: Callable[[], Iterable[SituationBatch]], labels: LabelInfo | None = None) -> None:
        """Standardise features, and number the triples of the training split."""
        super().fit(batches, labels)
        seen = torch.zeros_like(self.place, dtype=torch.bool)
        for batch in batches():
            verb, nouns = batch.frames.verb, batch.frames.nouns
            role = torch.arange(nouns.shape[2]).expand_as(nouns)
            good = (nouns >= 0) & (nouns != UNKNOWN)
            seen[verb[:, None, None].expand_as(nouns)[good], role[good], nouns[good]] = True
        found = seen.nonzero()  # (P, 3)
        self.place[found.unbind(1)] = torch.arange(len(found))
        self.slot.copy_(found[:, 0] * seen.shape[1] + found[:, 1])

    def verb_logits(self, seen: Seen) -> Tensor:
        """Log marginals of verbs, unnormalised: phi_v + sum_e log sum_n exp phi_{v,e,n}, (I, W)."""
        return self.marginals(*self.scores(seen))

    def noun_logits(self, seen: Seen, verb: Tensor) -> Tensor:
        """Noun scores for the roles of given verbs (I,): phi_{v,e,n}, (I, E, V)."""
        return self.of_verb(self.scores(seen)[1], verb)

    def scores(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Scores phi of I pictures: of verbs (I, W), and of triples (I, P)."""
        hidden = self.dropout(self.hidden(seen.picture).relu())
        return self.verb_scores(hidden).float(), self.noun_scores(hidden).float()

    def marginals(self, verbs: Tensor, triples: Tensor) -> Tensor:
        """Sum the nouns out: scores (I, W) and (I, P) -> (I, W)."""
        slot = self.slot.expand_as(triples)
        shape = (len(triples), self.roles.numel())
        top = triples.new_full(shape, NEVER).scatter_reduce(1, slot, triples.detach(), "amax")  # (I, W * E)
        total = triples.new_zeros(shape).scatter_add(1, slot, (triples - top.gather(1, slot)).exp())
        each = torch.where(total > 0, total.clamp(min=1e-30).log() + top, 0.0)
        return verbs + each.view(-1, *self.roles.shape).sum(2)

    def of_verb(self, triples: Tensor, verb: Tensor) -> Tensor:
        """Scores of triples (I, P) as (I, E, V), for the roles of verbs (I,)."""
        padded = torch.cat([triples, triples.new_full((len(triples), 1), NEVER)], 1)
        place = self.place[verb]  # (I, E, V)
        return padded.gather(1, place.flatten(1)).view(place.shape)

    def loss(self, batch: SituationBatch) -> Tensor:
        """Minus the log probability that at least one annotator's situation is right, averaged over pictures."""
        verb, nouns = batch.frames.verb, batch.frames.nouns
        verbs, triples = self.scores(self.look(batch.regions))
        verb_log = self.marginals(verbs, triples).log_softmax(1).gather(1, verb[:, None])  # (I, 1)
        log_probs = self.of_verb(triples, verb).log_softmax(2)[:, None].expand(-1, nouns.shape[1], -1, -1)
        counted = (nouns >= 0) & (nouns != UNKNOWN)  # (I, A, E)
        each = log_probs.gather(3, nouns.where(counted, torch.zeros_like(nouns))[..., None])[..., 0]
        frame = verb_log + each.masked_fill(~counted, 0.0).sum(2)  # (I, A) log p(S)
        return -any_of(frame.masked_fill(~counted.any(2), -torch.inf)).mean()


def any_of(log_probs: Tensor) -> Tensor:
    """Logarithm of 1 - prod_j (1 - p_j), from log p (I, A) -> (I,); log p = -inf stands for p = 0.

    If all p are tiny it is the logarithm of their sum, which float32 can distinguish from 0.
    """
    tiny = log_probs.amax(1) < -12
    usual = log_probs.masked_fill(tiny[:, None], -1.0).clamp(max=-1e-6)
    exact = torch.log(-torch.expm1(torch.log1p(-usual.exp()).sum(1)))
    return torch.where(tiny, log_probs.logsumexp(1), exact)

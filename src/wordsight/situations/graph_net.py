"""Graph network of a situation: the verb and its roles are nodes that exchange messages (Li et al. 2017).

"Situation Recognition with Graph Neural Networks", ICCV 2017. Nodes: one for the verb, one for each of its roles. With
`full` all pairs of nodes are joined; with `tree` each role is joined only with the verb; with `chain` the verb and the
roles, in their order, are each joined with the next; with `none` no nodes are joined.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import LabelInfo, Regions, SituationBatch
from wordsight.situations.situation_model import UNKNOWN, Seen, SituationModel

SMOOTHING = 10  # occurrences


class GraphNet(SituationModel):
    """Gated graph network over a verb and its roles.

    Args:
        vocabulary: V, number of nouns.
        features: F, size of a region's features.
        frames: the verbs with their roles.
        glosses: name of each noun.
        average: also use the mean of all regions, besides the whole picture.
        graph: which nodes are joined: `full`, `tree`, `chain` or `none`.
        updates: T, number of rounds in which every node reads its neighbours; 0 for no messages.
        hidden: H, size of a node's state.
        attend: every role also attends to the regions, with its own attention weights.
        noun_weight: weight of the noun classifier's loss: which nouns any annotator named, in any role.
        dropout: dropout rate, 0 to 1.
    """

    prior: Tensor  # (W, E, V), log frequency of a noun in a role, see `fit`

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        frames: tuple[tuple[str, ...], ...],
        glosses: tuple[str, ...],
        average: bool = True,
        graph: Literal["full", "tree", "chain", "none"] = "full",
        updates: int = 2,
        hidden: int = 256,
        attend: bool = False,
        noun_weight: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(vocabulary, features, frames=frames, glosses=glosses, average=average)
        if updates < 0 or hidden < 1:
            raise ValueError(f"updates = {updates}, hidden = {hidden}: expected at least 0 and 1")
        self.graph, self.updates, self.noun_weight = graph, updates, noun_weight
        self.verb_features = nn.Linear(self.seen, hidden)  # phi_v
        self.verb_classifier = nn.Linear(hidden, len(frames))
        self.noun_features = nn.Linear(self.seen, hidden)  # phi_n
        self.noun_classifier = nn.Linear(hidden, vocabulary) if noun_weight else None
        self.verb = nn.Embedding(len(frames), hidden)  # W_v
        self.role = nn.Embedding(len(self.role_names), hidden)  # W_e
        for words in (self.verb, self.role):  # else products of small random numbers would hide the picture
            nn.init.normal_(words.weight, 1.0, 0.5)
        self.attention = Attention(features, hidden) if attend else None
        self.message = nn.Linear(hidden, hidden) if updates and graph != "none" else None  # W_p, b_p
        self.gate = nn.GRUCell(hidden, hidden) if updates else None
        self.output = nn.Linear(hidden, vocabulary)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("prior", torch.zeros(*self.roles.shape, vocabulary))

    def verb_logits(self, seen: Seen) -> Tensor:
        """Verb scores of I pictures: (I, W)."""
        logits: Tensor = self.verb_classifier(self.dropout(self.verb_features(seen.picture).relu()))
        return logits

    def noun_logits(self, seen: Seen, verb: Tensor) -> Tensor:
        """Noun scores for the roles of given verbs (I,): (I, E, V)."""
        return self.read(seen, verb, self.joined(verb))

    def read(self, seen: Seen, verb: Tensor, joined: Tensor) -> Tensor:
        """`noun_logits` over any graph (I, 1 + E, 1 + E), so that connections can be left out."""
        nodes = self.start(seen, verb)  # (I, 1 + E, H)
        for _ in range(self.updates):
            nodes = self.update(nodes, joined)
        return self.prior[verb] + self.output(self.dropout(nodes[:, 1:]))

    def start(self, seen: Seen, verb: Tensor) -> Tensor:
        """Initial states of the nodes: (I, 1 + E, H), the verb first.

        h_v = g(phi_v W_v v);  h_e = g(phi_n W_e e W_v v), elementwise (Li et al. 2017, section 3.2).
        """
        words = self.verb(verb)[:, None]  # (I, 1, H)
        roles = self.role(self.roles[verb].clamp(min=0)) * words  # (I, E, H)
        nouns = self.noun_features(seen.picture).relu()[:, None]  # (I, 1, H)
        if self.attention is not None:
            nouns = nouns + self.attention(self.standardised(seen.regions), seen.regions.mask, roles)  # (I, E, H)
        verb_node = self.verb_features(seen.picture).relu()[:, None] * words
        return torch.cat([self.dropout(verb_node), self.dropout(nouns * roles)], 1).tanh()

    def update(self, nodes: Tensor, joined: Tensor) -> Tensor:
        """Every node reads its neighbours: x_a = sum over neighbours of (W_p h + b_p) is the input of its GRU.

        The sum excludes absent roles, including their bias. Isolated nodes read zeros.
        """
        told = torch.zeros_like(nodes)
        if self.message is not None:
            told = joined.to(nodes.dtype) @ self.message(nodes)  # (I, 1 + E, H)
        assert self.gate is not None
        state: Tensor = self.gate(told.flatten(0, 1), nodes.flatten(0, 1))
        return state.view_as(nodes)

    def joined(self, verb: Tensor) -> Tensor:
        """Adjacency of the nodes for verbs (B,): (B, 1 + E, 1 + E) bool, symmetric."""
        there = functional.pad(self.there(verb), (1, 0), value=True)  # (B, 1 + E)
        place = torch.arange(there.shape[1], device=there.device)
        apart = (place[:, None] - place).abs()
        pattern = {
            "full": apart > 0,
            "tree": (apart > 0) & ((place == 0) | (place[:, None] == 0)),
            "chain": apart == 1,
            "none": apart < 0,
        }[self.graph]
        return pattern & there[:, None] & there[:, :, None]

    def standardised(self, regions: Regions) -> Tensor:
        """Features of regions, standardised like those of whole pictures: (I, R, F)."""
        return (regions.features - self.mean[: regions.features.shape[2]]) * self.scale

    def loss(self, batch: SituationBatch) -> Tensor:
        """The loss of verb and roles, plus the noun classifier's binary cross-entropy."""
        seen = self.look(batch.regions)
        loss = self.structured_loss(seen, batch.frames)
        if self.noun_classifier is None:
            return loss
        logits = self.noun_classifier(self.dropout(self.noun_features(seen.picture).relu()))
        named = self.named(batch.frames.nouns)
        each = functional.binary_cross_entropy_with_logits(logits.float(), named, reduction="none")
        return loss + self.noun_weight * each.sum(1).mean() / named.sum(1).mean().clamp(min=1)

    def fit(self, batches: Callable[[], Iterable[SituationBatch]], labels: LabelInfo | None = None) -> None:
        """Standardise features, and initialise the classifiers with the frequencies of verbs and nouns.

        A noun's frequency in a role of a verb is smoothed by `SMOOTHING` pseudo-counts of its frequency in all roles.
        """
        super().fit(batches, labels)
        count, named, filled = 0, torch.zeros(self.vocabulary), torch.zeros_like(self.prior)
        for batch in batches():
            seen, nouns = self.named(batch.frames.nouns), batch.frames.nouns
            count, named = count + len(seen), named + seen.sum(0)
            row, _, role = (good := (nouns >= 0) & (nouns != UNKNOWN)).nonzero(as_tuple=True)
            one = torch.ones(len(row), device=filled.device)
            filled.index_put_((batch.frames.verb[row], role, nouns[good]), one, accumulate=True)
        every = (filled.sum((0, 1)) + 0.01) / (filled.sum() + 0.01 * self.vocabulary)
        self.prior.copy_(((filled + SMOOTHING * every) / (filled.sum(2, keepdim=True) + SMOOTHING)).log())
        with torch.no_grad():
            self.output.bias.zero_()
            self.output.weight.mul_(0.1)  # so that initially the frequencies decide
            self.verb_classifier.bias.copy_((self.counts + 1).log())
            if self.noun_classifier is not None:
                self.noun_classifier.bias.copy_(((named + 1) / (count + 2)).logit())

    def named(self, nouns: Tensor) -> Tensor:
        """Known nouns that any annotator named, in any role: (I, A, E) -> (I, V) of 0 and 1, without the empty noun."""
        found = torch.zeros(len(nouns), self.vocabulary, device=nouns.device)
        found.scatter_(1, nouns.flatten(1).clamp(min=0), 1.0)
        found[:, : UNKNOWN + 1] = 0.0
        return found


class Attention(nn.Module):
    """Attention of roles to regions: softmax over regions of (W_q role) . (W_k region), averaging W_r region."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.key = nn.Linear(features, hidden, bias=False)
        self.value = nn.Linear(features, hidden)

    def forward(self, features: Tensor, mask: Tensor, roles: Tensor) -> Tensor:
        """Features (I, R, F), their mask (I, R), and roles (I, E, H) -> (I, E, H)."""
        scores = self.query(roles) @ self.key(features).transpose(1, 2) / roles.shape[2] ** 0.5  # (I, E, R)
        weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(2)
        seen: Tensor = (weights @ self.value(features)).relu()
        return seen

"""Base class of situation models: a verb for the picture, and for each role of a verb a distribution over nouns.

Noun id 0 is the empty noun, "", for a role that nothing fills: a class like any other. Noun id 1 stands for all unknown
nouns; it is neither learned nor predicted.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.batch import Frames, LabelInfo, Regions, SituationBatch
from wordsight.configured import Configured

EMPTY, UNKNOWN = 0, 1  # the same in every vocabulary of nouns
VERBS = 5  # number of predicted verbs


class Seen(NamedTuple):
    """Input of a model for I pictures.

    Attributes:
        picture: (I, S), standardised features of the whole picture and, with `average`, the mean of all regions.
        regions: (I, R, F), not standardised.
    """

    picture: Tensor
    regions: Regions


class Predicted(NamedTuple):
    """Predictions of a model for I pictures.

    Attributes:
        verbs: (I, K) int64, the likeliest verbs, best first.
        verb_shares: (I, K) their probabilities.
        nouns: (I, K, E) int64, for each of these verbs the likeliest noun of each role.
        noun_shares: (I, K, E) their probabilities.
    """

    verbs: Tensor
    verb_shares: Tensor
    nouns: Tensor
    noun_shares: Tensor


class SituationModel(Configured):
    """Base class of structured models of a verb and its roles.

    A subclass defines `verb_logits` and `noun_logits`, and inherits the rest. Its constructor's plain keywords are its
    hyper-parameters, which `config` holds.

    Args:
        vocabulary: V, number of nouns, including the empty and the unknown one.
        features: F, size of a region's features.
        frames: for each of the W verbs its name, its template, and the names of its roles in the template's order.
        glosses: (V) name of each noun.
        average: also use the mean of all regions, besides the whole picture.
    """

    task = "situation"  # a key of `runs.tasks.TASKS`
    roles: Tensor
    mean: Tensor
    scale: Tensor
    counts: Tensor

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        frames: tuple[tuple[str, ...], ...],
        glosses: tuple[str, ...],
        average: bool,
    ) -> None:
        super().__init__()
        if len(glosses) != vocabulary:
            raise ValueError(f"{len(glosses)} glosses: expected {vocabulary}, one a noun")
        if not frames or min(map(len, frames)) < 3:
            raise ValueError("expected verbs with a name, a template and at least one role each")
        self.verbs = [frame[0] for frame in frames]
        self.role_names = sorted({role for frame in frames for role in frame[2:]})
        self.vocabulary, self.average, self.seen = vocabulary, average, features * (1 + average)
        number = {role: place for place, role in enumerate(self.role_names)}
        most = max(map(len, frames)) - 2
        rows = [[number[role] for role in frame[2:]] + [-1] * (most + 2 - len(frame)) for frame in frames]
        self.register_buffer("roles", torch.tensor(rows))  # (W, E) indices into `role_names`; -1 for none
        self.register_buffer("mean", torch.zeros(self.seen))  # see `fit`
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("counts", torch.zeros(len(frames)))  # occurrences of each verb in the training split

    def verb_logits(self, seen: Seen) -> Tensor:
        """Verb scores of I pictures: (I, W), greater is likelier."""
        raise TypeError(f"{type(self).__name__} has no verb_logits")

    def noun_logits(self, seen: Seen, verb: Tensor) -> Tensor:
        """Noun scores for the roles of given verbs (I,): (I, E, V); rows of absent roles are meaningless."""
        raise TypeError(f"{type(self).__name__} has no noun_logits")

    def loss(self, batch: SituationBatch) -> Tensor:
        """What training minimises on this batch, a scalar."""
        return self.structured_loss(self.look(batch.regions), batch.frames)

    def structured_loss(self, seen: Seen, frames: Frames) -> Tensor:
        """-[log p(v) + 1/|E| sum_e log p(n_e | v)], averaged over annotators, then pictures (Li et al. 2017)."""
        verb = functional.cross_entropy(self.verb_logits(seen).float(), frames.verb)
        return verb + noun_loss(self.noun_logits(seen, frames.verb), frames.nouns)

    def fit(self, batches: Callable[[], Iterable[SituationBatch]], labels: LabelInfo | None = None) -> None:
        """Standardise features and count verbs, once, before the first step of training.

        Features get mean 0 and a variance of 1, averaged over all columns.

        Args:
            batches: each call gives every picture of the training split.
            labels: not used here.
        """
        count, total, squares = 0, torch.zeros_like(self.mean), torch.zeros_like(self.mean)
        verbs = torch.zeros_like(self.counts)
        for batch in batches():
            seen = self._view(batch.regions)
            count, total, squares = count + len(seen), total + seen.sum(0), squares + seen.square().sum(0)
            verbs += torch.bincount(batch.frames.verb, minlength=len(verbs))
        self.mean.copy_(total / count)
        self.scale.copy_((squares / count - self.mean.square()).mean().clamp(min=1e-12).rsqrt())
        self.counts.copy_(verbs)

    def look(self, regions: Regions) -> Seen:
        """Prepare a model's input from regions (I, R, F)."""
        return Seen((self._view(regions) - self.mean) * self.scale, regions)

    @torch.no_grad()
    def predict(self, regions: Regions, verbs: int = VERBS) -> Predicted:
        """The likeliest verbs of pictures (I, R, F), and for each of them the likeliest noun of each role."""
        seen = self.look(regions)
        shares, best = self.ranked(seen, verbs)  # (I, K)
        found = [self.fill(seen, verb) for verb in best.unbind(1)]
        return Predicted(best, shares, *(torch.stack(part, 1) for part in zip(*found, strict=True)))

    @torch.no_grad()
    def ranked(self, seen: Seen, verbs: int = VERBS) -> tuple[Tensor, Tensor]:
        """The probabilities of the likeliest verbs of I pictures, and these verbs: (I, K) each, best first."""
        shares, best = self.verb_logits(seen).float().softmax(1).topk(min(verbs, len(self.verbs)))
        return shares, best

    @torch.no_grad()
    def fill(self, seen: Seen, verb: Tensor) -> tuple[Tensor, Tensor]:
        """The likeliest noun of each role of given verbs (I,), and its probability: (I, E) each."""
        shares, nouns = known_only(self.noun_logits(seen, verb)).softmax(2).max(2)
        return nouns, shares

    def there(self, verb: Tensor) -> Tensor:
        """Mask of the roles that verbs (B,) have: (B, E) bool."""
        return self.roles[verb] >= 0

    @property
    def device(self) -> torch.device:
        """The model's device."""
        return self.mean.device

    def _view(self, regions: Regions) -> Tensor:
        """Regions (I, R, F) -> whole picture and, with `average`, mean of all regions: (I, S), not standardised."""
        if not self.average:
            return regions.whole
        weights = regions.mask / regions.mask.sum(1, keepdim=True).clamp(min=1)  # (I, R)
        mean = (weights[:, None] @ regions.features)[:, 0]
        return torch.cat([regions.whole, mean], 1)


def known_only(logits: Tensor) -> Tensor:
    """Logits (..., V) in float32, minus infinity for the unknown noun."""
    logits = logits.float()
    return torch.cat(
        [logits[..., :UNKNOWN], torch.full_like(logits[..., :1], -torch.inf), logits[..., UNKNOWN + 1 :]], -1
    )


def noun_loss(logits: Tensor, nouns: Tensor) -> Tensor:
    """Cross-entropy of nouns: the mean over all roles of a picture's annotators, then the mean over pictures.

    Args:
        logits: (I, E, V).
        nouns: (I, A, E); absent (-1) and unknown ones do not count.
    """
    counted = (nouns >= 0) & (nouns != UNKNOWN)  # (I, A, E)
    log_probs = known_only(logits).log_softmax(2)[:, None].expand(-1, nouns.shape[1], -1, -1)  # (I, A, E, V)
    found = log_probs.gather(3, nouns.where(counted, torch.zeros_like(nouns))[..., None])[..., 0]
    each = -(found.masked_fill(~counted, 0.0)).sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)
    return each.mean()

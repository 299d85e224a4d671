"""Base class of situation models: a verb for the picture, and for each role of a verb a distribution over nouns.

Id 0 of the nouns is the empty noun, "", which says that nothing fills the role: it is a class like any other. Id 1 is
every noun that is not known; nobody learns it, and it is never predicted.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.batch import Frames, LabelInfo, Regions, SituationBatch
from wordsight.configured import Configured

EMPTY, UNKNOWN = 0, 1  # the same in every vocabulary of nouns
VERBS = 5  # predicted verbs that are kept


class Seen(NamedTuple):
    """What a model sees of I pictures.

    Attributes:
        picture: (I, S), the whole picture and perhaps the mean of all regions, standardised.
        regions: (I, R, F), as they are.
    """

    picture: Tensor
    regions: Regions


class Predicted(NamedTuple):
    """What a model says of I pictures.

    Attributes:
        verbs: (I, K) int64, the likeliest verbs, best first.
        verb_shares: (I, K) their probabilities.
        nouns: (I, K, E) int64, for each of these verbs the noun of each role.
        noun_shares: (I, K, E) their probabilities.
    """

    verbs: Tensor
    verb_shares: Tensor
    nouns: Tensor
    noun_shares: Tensor


class SituationModel(Configured):
    """Base class of structured models of a verb and its roles.

    A subclass writes `verb_logits` and `noun_logits`, and inherits the rest. Its constructor's plain keywords are its
    hyper-parameters, which `config` holds.

    Args:
        vocabulary: V, how many nouns there are, the empty and the unknown one among them.
        features: F, size of a region's features.
        frames: of each of the W verbs its name, its template, and the names of its roles in the template's order.
        glosses: (V) what each noun is called.
        average: see the mean of all regions beside the whole picture.
    """

    task = "situation"  # its kind, a key of `runs.tasks.TASKS`
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
        self.register_buffer("roles", torch.tensor(rows))  # (W, E) names of roles, by number; -1 for none
        self.register_buffer("mean", torch.zeros(self.seen))  # see `fit`
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("counts", torch.zeros(len(frames)))  # of each verb in training

    def verb_logits(self, seen: Seen) -> Tensor:
        """I pictures -> (I, W), greater is likelier."""
        raise TypeError(f"{type(self).__name__} has no verb_logits")

    def noun_logits(self, seen: Seen, verb: Tensor) -> Tensor:
        """For the roles of a given verb of each picture (I,) -> (I, E, V); rows of absent roles mean nothing."""
        raise TypeError(f"{type(self).__name__} has no noun_logits")

    def loss(self, batch: SituationBatch) -> Tensor:
        """What training minimises on this batch, a scalar."""
        return self.structured_loss(self.look(batch.regions), batch.frames)

    def structured_loss(self, seen: Seen, frames: Frames) -> Tensor:
        """Minus log p(v) + 1/|E| sum_e log p(n_e | v), averaged over the annotators (Li et al. 2017), then pictures."""
        verb = functional.cross_entropy(self.verb_logits(seen).float(), frames.verb)
        return verb + noun_loss(self.noun_logits(seen, frames.verb), frames.nouns)

    def fit(self, batches: Callable[[], Iterable[SituationBatch]], labels: LabelInfo | None = None) -> None:
        """Standardise features and count verbs, once, before the first step of training.

        Features get mean 0 and, over all columns together, variance 1.

        Args:
            batches: gives every picture of the training split, whenever it is called.
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
        """Regions (I, R, F), and the standardised view of each picture."""
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
        """Which roles verbs (B,) have: (B, E) bool."""
        return self.roles[verb] >= 0

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.mean.device

    def _view(self, regions: Regions) -> Tensor:
        """Regions (I, R, F) -> the whole picture and the mean of all regions (I, S), not standardised."""
        if not self.average:
            return regions.whole
        weights = regions.mask / regions.mask.sum(1, keepdim=True).clamp(min=1)  # (I, R)
        mean = (weights[:, None] @ regions.features)[:, 0]
        return torch.cat([regions.whole, mean], 1)


def known_only(logits: Tensor) -> Tensor:
    """Logits (..., V) in float32 with the unknown noun out of the question."""
    logits = logits.float()
    return torch.cat(
        [logits[..., :UNKNOWN], torch.full_like(logits[..., :1], -torch.inf), logits[..., UNKNOWN + 1 :]], -1
    )


def noun_loss(logits: Tensor, nouns: Tensor) -> Tensor:
    """The cross-entropy of nouns: of each picture the mean over its annotators' roles, then the mean over pictures.

    Args:
        logits: (I, E, V).
        nouns: (I, A, E); absent (-1) and unknown ones do not count.
    """
    counted = (nouns >= 0) & (nouns != UNKNOWN)  # (I, A, E)
    log_probs = known_only(logits).log_softmax(2)[:, None].expand(-1, nouns.shape[1], -1, -1)  # (I, A, E, V)
    found = log_probs.gather(3, nouns.where(counted, torch.zeros_like(nouns))[..., None])[..., 0]
    each = -(found.masked_fill(~counted, 0.0)).sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)
    return each.mean()

"""Nearest situation: the frame of the most similar training picture, without training."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.batch import LabelInfo, SituationBatch
from wordsight.situations.situation_model import UNKNOWN, Seen, SituationModel


class NearestSituation(SituationModel):
    """Nearest situation: copies the verb and nouns of the nearest of M training pictures, by centred features' cosine.

    Verbs are ranked by their nearest picture, and the nouns of a verb are those of its nearest picture: for each role
    the noun that most annotators gave, the first in a tie.

    Args:
        vocabulary: V, number of nouns.
        features: F, size of a region's features.
        frames: the verbs with their roles.
        glosses: name of each noun.
        average: also use the mean of all regions, besides the whole picture.
    """

    pictures: Tensor  # (M, S) in half precision, of length 1
    verb: Tensor  # (M,) int64
    nouns: Tensor  # (M, E) int64, -1 for absent roles

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        frames: tuple[tuple[str, ...], ...],
        glosses: tuple[str, ...],
        average: bool = False,
    ) -> None:
        super().__init__(vocabulary, features, frames=frames, glosses=glosses, average=average)
        self.register_buffer("pictures", torch.zeros(0, self.seen, dtype=torch.half))
        self.register_buffer("verb", torch.zeros(0, dtype=torch.long))
        self.register_buffer("nouns", torch.zeros(0, self.roles.shape[1], dtype=torch.long))

    def fit(self, batches: Callable[[], Iterable[SituationBatch]], labels: LabelInfo | None = None) -> None:
        """Keep the training pictures."""
        super().fit(batches, labels)
        kept = []
        for batch in batches():
            pictures = functional.normalize(self.look(batch.regions).picture, dim=1).half()
            kept.append((pictures, batch.frames.verb, _agreed(batch)))
        self.pictures, self.verb, self.nouns = (torch.cat(part) for part in zip(*kept, strict=True))

    def verb_logits(self, seen: Seen) -> Tensor:
        """20 x the greatest cosine with a training picture of each verb: (I, W); verbs without pictures come last."""
        like = self._likeness(seen)  # (I, M)
        lowest = like.new_full((len(like), len(self.verbs)), -1.0)
        return 20 * lowest.scatter_reduce(1, self.verb.expand_as(like), like, "amax")

    def noun_logits(self, seen: Seen, verb: Tensor) -> Tensor:
        """The nouns of the nearest training picture of given verbs (I,): (I, E, V), 20 for these nouns, else 0."""
        like = self._likeness(seen).masked_fill(self.verb != verb[:, None], -2.0)
        nouns = self.nouns[like.argmax(1)].clamp(min=0)  # (I, E)
        return 20.0 * functional.one_hot(nouns, self.vocabulary)

    def _likeness(self, seen: Seen) -> Tensor:
        return functional.normalize(seen.picture, dim=1) @ self.pictures.float().T

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        """Resize the buffers to the saved ones."""
        for name in ("pictures", "verb", "nouns"):
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name], device=self._buffers[name].device))  # type: ignore[union-attr]
        super()._load_from_state_dict(state, prefix, *rest)
        if not len(self.pictures) == len(self.verb) == len(self.nouns):
            raise RuntimeError("expected a verb and nouns for each picture")


def _agreed(batch: SituationBatch) -> Tensor:
    """The known noun that most annotators gave each role: (I, E); the first in a tie, 0 for none."""
    nouns = batch.frames.nouns  # (I, A, E)
    good = (nouns >= 0) & (nouns != UNKNOWN)
    same = ((nouns[:, :, None] == nouns[:, None]) & good[:, None]).sum(2)  # (I, A, E): number of annotators who agree
    best = same.masked_fill(~good, -1).argmax(1, keepdim=True)  # argmax gives the first in a tie
    return nouns.gather(1, best)[:, 0].masked_fill(~good.any(1), 0)

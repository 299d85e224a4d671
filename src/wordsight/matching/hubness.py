"""Hubs: pictures and sentences that score high with everything, and so crowd out the right ones.

In a space of many dimensions some points are near to all others (Radovanovic et al. 2010). What a picture scores with
sentences that were said about other pictures says how much of a hub it is, and it is taken away from its scores;
sentences likewise. The strangers they are held against are of the training split, so that a score depends on no
gallery and an index stays an index. (A picture that is itself one of them meets its own sentences there, and is
lowered a little too much: search among the training pictures suffers for it.) This is the idea of querybank
normalisation (Bogolin et al. 2022) and of CSLS (Conneau et al. 2018), for both sides:

    S'(k, l) = S(k, l) - h(k) - h(l),    h(k) = tau log mean over strange sentences q of exp(S(k, q) / tau)
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from wordsight.batch import Vectors

Score = Callable[[Vectors, Vectors], Tensor]  # I pictures and N sentences -> (I, N)
ROWS = 64  # pictures or sentences held against all strangers at once
LONGEST = 16  # words of a strange sentence that are kept: enough for most, and all take the same room


class Strangers(nn.Module):
    """Encoded pictures and sentences of the training split, kept with the model in half precision.

    Args:
        temperature: tau, in units of the score; the smaller, the more only the best of them count. > 0.
    """

    seen: Tensor  # (I, R, D)
    seen_mask: Tensor
    said: Tensor  # (N, T, D)
    said_mask: Tensor

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        for name in ("seen", "said"):
            self.register_buffer(name, None)
            self.register_buffer(f"{name}_mask", None)
        self.forget()

    def forget(self) -> None:
        """Know nobody; then nothing has a hubness."""
        self.seen = self.said = torch.zeros(0, 0, 0, dtype=torch.float16)
        self.seen_mask = self.said_mask = torch.zeros(0, 0, dtype=torch.bool)

    def meet(self, images: Sequence[Vectors], texts: Sequence[Vectors]) -> None:
        """Keep these in place of those there were; every picture of as many regions, sentences of any length."""
        self.seen = torch.cat([some.values for some in images]).half()
        self.seen_mask = torch.cat([some.mask for some in images])
        more = [LONGEST - some.mask.shape[1] for some in texts]  # below zero it cuts
        said = [pad(some.values, (0, 0, 0, room)) for some, room in zip(texts, more, strict=True)]
        self.said = torch.cat(said).half()
        self.said_mask = torch.cat([pad(some.mask, (0, room)) for some, room in zip(texts, more, strict=True)])

    def of_images(self, images: Vectors, score: Score) -> Vectors:
        """The same pictures with their hubness beside them."""
        return self._with_hubness(images, lambda some: score(some, _bare(self.said, self.said_mask)))

    def of_texts(self, texts: Vectors, score: Score) -> Vectors:
        """The same sentences with their hubness beside them."""
        return self._with_hubness(texts, lambda some: score(_bare(self.seen, self.seen_mask), some).T)

    def _with_hubness(self, some: Vectors, scores: Callable[[Vectors], Tensor]) -> Vectors:
        if not len(self.seen):
            return some
        blocks = [scores(some[first : first + ROWS]) for first in range(0, len(some.mask), ROWS)]
        met = torch.cat(blocks) / self.temperature  # (B, strangers)
        hubness = self.temperature * (met.logsumexp(dim=1) - math.log(met.shape[1]))
        return Vectors(some.values, some.mask, some.places, hubness)

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        """As many strangers as were saved."""
        for name in self._buffers:
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name], device=self.seen.device))
        super()._load_from_state_dict(state, prefix, *rest)


def _bare(values: Tensor, mask: Tensor) -> Vectors:
    """Vectors that stand nowhere."""
    return Vectors(values.float(), mask, mask)

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
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from wordsight.batch import Vectors

Score = Callable[[Vectors, Vectors], Tensor]  # I pictures and N sentences -> (I, N)
ROWS = 64  # strangers met at once: what they score is reduced while the processor still has it at hand
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
        return self._with_hubness(images, [score(images, some) for some in _blocks(self.said, self.said_mask)])

    def of_texts(self, texts: Vectors, score: Score) -> Vectors:
        """The same sentences with their hubness beside them."""
        return self._with_hubness(texts, [score(some, texts).T for some in _blocks(self.seen, self.seen_mask)])

    def _with_hubness(self, some: Vectors, scores: list[Tensor]) -> Vectors:
        """With the hubness that follows from their scores (B, strangers), which come in blocks of strangers."""
        if not scores:
            return some
        met = torch.cat(scores, dim=1) / self.temperature  # (B, strangers)
        hubness = self.temperature * (met.logsumexp(dim=1) - math.log(met.shape[1]))
        return Vectors(some.values, some.mask, some.places, hubness)

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        """As many strangers as were saved."""
        for name in self._buffers:
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name], device=self.seen.device))
        super()._load_from_state_dict(state, prefix, *rest)


def _blocks(values: Tensor, mask: Tensor) -> Iterator[Vectors]:
    """Strangers in blocks, standing nowhere; none where there are none."""
    for some, known in zip(values.split(ROWS), mask.split(ROWS), strict=True):
        if len(some):
            yield Vectors(some.float(), known, known)

"""Hubs: pictures and sentences that score high with everything, and so crowd out the right ones.

In a space of many dimensions some points are near to all others (Radovanovic et al. 2010). What a picture scores with
sentences that were said about other pictures says how much of a hub it is, and it is taken away from its scores;
sentences likewise. They are held against a query bank: pictures and sentences of the training split, so that a score
depends on no gallery and an index stays an index. (A picture that is in the bank meets its own sentences there, and is
lowered a little too much: search among the training pictures suffers for it.) This is the idea of querybank
normalisation (Bogolin et al. 2022) and of CSLS (Conneau et al. 2018), for both sides:

    S'(k, l) = S(k, l) - a (h(k) + h(l)),    h(k) = tau log mean over sentences q of the bank of exp(S(k, q) / tau)

A share a = 0.6 of it, as val chose: what is common in the training split is common in other pictures too, and with all
of it taken away, the best picture of "a dog" would be one that looks like little else in the training split.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from wordsight.batch import Vectors, Words

Score = Callable[[Vectors, Vectors], Tensor]  # I pictures and N sentences -> (I, N)
Encode = Callable[[Words], Vectors]
ROWS = 64  # queries scored at once: what they score is reduced while the processor still has it at hand
SHARE = 0.6  # a, of the hubness: how much is taken from a score
LONGEST = 16  # words of a sentence in the bank that count: enough for most, and all take the same room


class QueryBank(nn.Module):
    """Query bank: pictures and sentences of the training split, kept with the model.

    Pictures are kept encoded, a byte a number. Sentences are kept as they were said, which takes next to no room, and
    encoded when the first picture asks.

    Args:
        size: how many pictures are asked for, with two sentences each.
        temperature: tau, in units of the score; the smaller, the more only the best of them count. > 0.
        regions: how many of a picture are kept, the first; 0 for all.
    """

    image_codes: Tensor  # (I, R, D) int8, each region's numbers in units of
    scale: Tensor  # (I, R, 1) float16; 0 where there is no region
    sentences: Tensor  # (N, T) int32, numbers of words; 0 in the padding

    def __init__(self, size: int, temperature: float, regions: int = 0) -> None:
        super().__init__()
        self.size, self.temperature, self.regions = size, temperature, regions or None
        for name in ("image_codes", "scale", "sentences"):
            self.register_buffer(name, None)
        self.clear()

    def clear(self) -> None:
        """Empty the query bank; no hubness correction is applied."""
        self.image_codes, self.scale = torch.zeros(0, 0, 0, dtype=torch.int8), torch.zeros(0, 0, 1, dtype=torch.float16)
        self.sentences = torch.zeros(0, 0, dtype=torch.int32)
        self._encoded: list[Vectors] = []

    def fill(self, images: Sequence[Vectors], texts: Sequence[Words]) -> None:
        """Keep these in place of those there were; every picture of as many regions, sentences of any length."""
        values = torch.cat([(some.values * some.mask[..., None])[:, : self.regions] for some in images])  # (I, R, D)
        self.scale = (values.abs().amax(2, keepdim=True) / 127).half()
        self.image_codes = (values / self.scale.float().clamp(min=1e-6)).round().clamp(-127, 127).to(torch.int8)
        self.fill_sentences(texts)

    def fill_sentences(self, texts: Sequence[Words]) -> None:
        """Keep these sentences in place of those there were."""
        longest = max(some.ids.shape[1] for some in texts)
        self.sentences = torch.cat([pad(some.ids, (0, longest - some.ids.shape[1])) for some in texts]).int()
        self._encoded = []

    def of_images(self, images: Vectors, score: Score, encode: Encode) -> Vectors:
        """The same pictures with their hubness beside them.

        Args:
            images: without it.
            score: pictures with sentences.
            encode: sentences, without their hubness.
        """
        if not self._encoded or self._encoded[0].values.device != self.sentences.device:
            with torch.inference_mode(mode=False), torch.no_grad():  # kept for pictures that come later
                sentences = [encode(Words(some, some != 0)) for some in self.sentences.long().split(ROWS) if len(some)]
            self._encoded = [_standing_nowhere(some.values[:, :LONGEST], some.mask[:, :LONGEST]) for some in sentences]
        return self._with_hubness(images, [score(images, some) for some in self._encoded])

    def of_texts(self, texts: Vectors, score: Score) -> Vectors:
        """The same sentences with their hubness beside them."""
        blocks = zip(self.image_codes.split(ROWS), self.scale.float().split(ROWS), strict=True)
        seen = (_standing_nowhere(some * unit, unit[..., 0] > 0) for some, unit in blocks if len(some))
        return self._with_hubness(texts, [score(some, texts).T for some in seen])

    def _with_hubness(self, some: Vectors, scores: list[Tensor]) -> Vectors:
        """With the hubness that follows from their scores (B, bank), which come in blocks of the bank."""
        if not scores:
            return some
        met = torch.cat(scores, dim=1) / self.temperature  # (B, bank)
        hubness = self.temperature * (met.logsumexp(dim=1) - math.log(met.shape[1]))
        return Vectors(some.values, some.mask, some.places, hubness)

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        """As many as were saved."""
        for name in self._buffers:
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name], device=self.image_codes.device))
        self._encoded = []
        super()._load_from_state_dict(state, prefix, *rest)


def _standing_nowhere(values: Tensor, mask: Tensor) -> Vectors:
    """Entries of the bank, whose places are not asked for."""
    return Vectors(values, mask, mask)

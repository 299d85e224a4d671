"""Querybank normalisation: correct the scores of hubs, pictures and sentences that score high with everything.

In a space of many dimensions some points are near to all others (Radovanovic et al. 2010). A picture's scores with
sentences of other pictures measure its hubness, which is subtracted from its scores; sentences likewise. The others
form a query bank: pictures and sentences of the training split, so a score does not depend on the gallery and can be
indexed. (A picture in the bank is scored with its own sentences too, which lowers its scores a little too much: search
among training pictures suffers.) This follows Bogolin et al. 2022 and CSLS (Conneau et al. 2018), for both sides:

    S'(k, l) = S(k, l) - a (h(k) + h(l)),    h(k) = tau log mean over sentences q of the bank of exp(S(k, q) / tau)

a = 0.6 was chosen on val: what is common in the training split is common elsewhere too, and with a = 1 the best
picture of "a dog" would be one that looks like little else in the training split.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from wordsight.batch import Vectors, Words

Score = Callable[[Vectors, Vectors], Tensor]  # I pictures and N sentences -> (I, N)
Encode = Callable[[Words], Vectors]
ROWS = 64  # bank entries scored at once, so that their scores stay in the processor's cache
SHARE = 0.6  # a: share of the hubness that is subtracted
LONGEST = 16  # words used of a sentence in the bank: enough for most


class QueryBank(nn.Module):
    """Query bank: pictures and sentences of the training split, kept with the model.

    Pictures are kept encoded, one byte per number. Sentences are kept as word ids, and encoded at first use.

    Args:
        size: number of pictures, with two sentences each.
        temperature: tau > 0, in units of the score; the smaller, the more the greatest scores dominate.
        regions: number of regions kept of a picture, the first ones; 0 for all.
    """

    image_codes: Tensor  # (I, R, D) int8, in units of `scale`
    scale: Tensor  # (I, R, 1) float16, of each region; 0 where there is no region
    sentences: Tensor  # (N, T) int32, word ids; 0 in the padding

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
        """Replace the bank's contents; all pictures have the same number of regions, sentences any length."""
        values = torch.cat([(some.values * some.mask[..., None])[:, : self.regions] for some in images])  # (I, R, D)
        self.scale = (values.abs().amax(2, keepdim=True) / 127).half()
        self.image_codes = (values / self.scale.float().clamp(min=1e-6)).round().clamp(-127, 127).to(torch.int8)
        self.fill_sentences(texts)

    def fill_sentences(self, texts: Sequence[Words]) -> None:
        """Replace the bank's sentences."""
        longest = max(some.ids.shape[1] for some in texts)
        self.sentences = torch.cat([pad(some.ids, (0, longest - some.ids.shape[1])) for some in texts]).int()
        self._encoded = []

    def of_images(self, images: Vectors, score: Score, encode: Encode) -> Vectors:
        """Add their hubness to pictures.

        Args:
            images: without hubness.
            score: scores pictures with sentences.
            encode: encodes sentences, without hubness.
        """
        if not self._encoded or self._encoded[0].values.device != self.sentences.device:
            with torch.inference_mode(mode=False), torch.no_grad():  # cached for later pictures
                sentences = [encode(Words(some, some != 0)) for some in self.sentences.long().split(ROWS) if len(some)]
            self._encoded = [_standing_nowhere(some.values[:, :LONGEST], some.mask[:, :LONGEST]) for some in sentences]
        return self._with_hubness(images, [score(images, some) for some in self._encoded])

    def of_texts(self, texts: Vectors, score: Score) -> Vectors:
        """Add their hubness to sentences."""
        blocks = zip(self.image_codes.split(ROWS), self.scale.float().split(ROWS), strict=True)
        seen = (_standing_nowhere(some * unit, unit[..., 0] > 0) for some, unit in blocks if len(some))
        return self._with_hubness(texts, [score(some, texts).T for some in seen])

    def _with_hubness(self, some: Vectors, scores: list[Tensor]) -> Vectors:
        """Add the hubness computed from scores (B, bank), given block by block of the bank."""
        if not scores:
            return some
        return Vectors(some.values, some.mask, some.places, hubness(torch.cat(scores, dim=1), self.temperature))

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
        """Resize the buffers to the saved ones."""
        for name in self._buffers:
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name], device=self.image_codes.device))
        self._encoded = []
        super()._load_from_state_dict(state, prefix, *rest)


def hubness(scores: Tensor, temperature: float) -> Tensor:
    """Hubness h of pictures or sentences, from their scores with a query bank: (B, bank) -> (B,)."""
    met = scores / temperature
    return temperature * (met.logsumexp(dim=1) - math.log(met.shape[1]))


def _standing_nowhere(values: Tensor, mask: Tensor) -> Vectors:
    """Entries of the bank as vectors; their `places` are a placeholder, without boxes or spans."""
    return Vectors(values, mask, mask)

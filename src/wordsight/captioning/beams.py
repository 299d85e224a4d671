"""Beams of a beam search: the best texts of every picture in one tensor, and their extension by a word."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Beams:
    """K texts of each of P pictures.

    Attributes:
        ids: (P, K, longest), 0 after the last word.
        log_prob: (P, K), natural logarithms of their probabilities, -inf where there is no text.
    """

    ids: Tensor
    log_prob: Tensor

    @classmethod
    def blank(cls, pictures: int, count: int, longest: int, log_prob: float, device: torch.device) -> Self:
        """Texts without a word."""
        ids = torch.zeros(pictures, count, longest, dtype=torch.long, device=device)
        return cls(ids, torch.full((pictures, count), log_prob, device=device))

    def __getitem__(self, pictures: Tensor) -> "Beams":
        return Beams(self.ids[pictures], self.log_prob[pictures])

    def pick(self, order: Tensor) -> "Beams":
        """Texts `order` (P, k) of each picture."""
        ids = self.ids.gather(1, order[..., None].expand(-1, -1, self.ids.shape[2]))
        return Beams(ids, self.log_prob.gather(1, order))

    def only(self, chosen: Tensor) -> "Beams":
        """Keep the `chosen` (P, K) texts, and empty the others."""
        return Beams(self.ids, self.log_prob.masked_fill(~chosen, -torch.inf))

    def joined(self, other: "Beams") -> "Beams":
        """Concatenate with others."""
        return Beams(torch.cat([self.ids, other.ids], dim=1), torch.cat([self.log_prob, other.log_prob], dim=1))

    def score(self, power: float) -> Tensor:
        """Log-probability / words^power -> (P, K), "<end>" counted as a word."""
        return self.log_prob / ((self.ids > 0).sum(dim=2) + 1) ** power


def extend(live: Beams, log_probs: Tensor, t: int, width: int) -> tuple[Beams, Tensor]:
    """The 2W best texts that are one word longer; at least W of them are unfinished, as a text ends in one way only.

    Args:
        live: (P, K) texts of t words.
        log_probs: (P * K, V), of the word after each.
        t: where that word goes.
        width: W.

    Returns:
        (P, 2W) texts, best first, and (P, 2W) which of the P * K rows each comes from.

    Raises:
        ValueError: W is greater than V.
    """
    pictures, beams = live.log_prob.shape
    if width > log_probs.shape[1]:
        raise ValueError(f"beam width = {width}: wider than the vocabulary, which has {log_probs.shape[1]} words")
    value, word = log_probs.topk(min(width + 1, log_probs.shape[1]))  # (P * K, k): W unfinished and one finished
    parent = torch.arange(beams, device=word.device).repeat_interleave(word.shape[1])  # (K * k,)
    value = (value.view(pictures, beams, word.shape[1]) + live.log_prob[..., None]).view(pictures, len(parent))
    missing = max(0, 2 * width - len(parent))
    value, place = functional.pad(value, (0, missing), value=-torch.inf).topk(2 * width)  # (P, 2W)
    place = place.clamp(max=len(parent) - 1)  # padding, no text
    longer = live.pick(parent[place])
    longer.ids[..., t] = word.view(pictures, len(parent)).gather(1, place)
    first = beams * torch.arange(pictures, device=word.device)[:, None]
    return Beams(longer.ids, value), first + parent[place]

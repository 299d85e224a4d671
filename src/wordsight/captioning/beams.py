"""Beams of a beam search: the best texts of every picture in one tensor, and their extension by one word."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

_GROUP = 8  # words per group, see `best_words`


@dataclass(frozen=True)
class Beams:
    """K texts of each of P pictures.

    Attributes:
        ids: (P, K, longest), 0 after the last word.
        log_prob: (P, K), natural log-probabilities, -inf where there is no text.
    """

    ids: Tensor
    log_prob: Tensor

    @classmethod
    def blank(cls, pictures: int, count: int, longest: int, log_prob: float, device: torch.device) -> Self:
        """Texts without words."""
        ids = torch.zeros(pictures, count, longest, dtype=torch.long, device=device)
        return cls(ids, torch.full((pictures, count), log_prob, device=device))

    def __getitem__(self, pictures: Tensor) -> "Beams":
        return Beams(self.ids[pictures], self.log_prob[pictures])

    def pick(self, order: Tensor) -> "Beams":
        """Texts `order` (P, k) of each picture."""
        ids = self.ids.gather(1, order[..., None].expand(-1, -1, self.ids.shape[2]))
        return Beams(ids, self.log_prob.gather(1, order))

    def only(self, chosen: Tensor) -> "Beams":
        """Keep the `chosen` (P, K) texts, and mark the others as absent."""
        return Beams(self.ids, self.log_prob.masked_fill(~chosen, -torch.inf))

    def joined(self, other: "Beams") -> "Beams":
        """Concatenate with the texts of other beams."""
        return Beams(torch.cat([self.ids, other.ids], dim=1), torch.cat([self.log_prob, other.log_prob], dim=1))

    def score(self, power: float) -> Tensor:
        """Log-probability / words^power, (P, K); "<end>" counts as a word."""
        if not power:
            return self.log_prob
        return self.log_prob / ((self.ids > 0).sum(dim=2) + 1) ** power


def extend(live: Beams, log_probs: Tensor, t: int, width: int) -> tuple[Beams, Tensor]:
    """The 2W best texts that are one word longer; at least W of them are unfinished, as each text ends in one way only.

    Args:
        live: (P, K) texts of t words.
        log_probs: (P * K, V), of the word after each text.
        t: index of that word.
        width: W.

    Returns:
        (P, 2W) texts, best first, and (P, 2W) the row, of P * K, that each comes from.

    Raises:
        ValueError: W is greater than V.
    """
    pictures, beams = live.log_prob.shape
    vocabulary = log_probs.shape[1]
    if width > vocabulary:
        raise ValueError(f"beam width = {width}: wider than the vocabulary, which has {vocabulary} words")
    value, place = best_words(log_probs.view(pictures, beams, vocabulary), live.log_prob, 2 * width)
    parent = place // vocabulary  # (P, 2W)
    longer = live.pick(parent)
    longer.ids[..., t] = place - parent * vocabulary
    first = beams * torch.arange(pictures, device=place.device)[:, None]
    return Beams(longer.ids, value), first + parent


def best_words(log_probs: Tensor, so_far: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The most probable continuations of each picture's texts, found without sorting the vocabulary.

    The words are split into groups, and one pass finds the best word of each group. The `count` best words must be in
    the `count` groups whose best words are most probable.

    Args:
        log_probs: (P, K, V), of the next word of each text.
        so_far: (P, K), log-probabilities of the texts.
        count: number of continuations.

    Returns:
        (P, count) log-probabilities, greatest first, -inf if there are no more; and (P, count) text x V + word.
    """
    beams, vocabulary = log_probs.shape[1:]
    members = min(_GROUP, vocabulary)
    groups = vocabulary // members  # G; group g has the words g, g + G, g + 2 G, ...
    grouped = log_probs[..., : members * groups].unflatten(2, (members, groups))
    peaks = (grouped.amax(dim=2) + so_far[..., None]).flatten(1)  # (P, K * G)
    chosen = peaks.topk(min(count, peaks.shape[1])).indices  # (P, c)
    first = chosen // groups * vocabulary + chosen % groups
    steps = groups * torch.arange(members, device=first.device)
    over = torch.arange(members * groups, vocabulary, device=first.device)  # in no group
    rest = (vocabulary * torch.arange(beams, device=first.device)[:, None] + over).flatten()
    places = torch.cat([(first[..., None] + steps).flatten(1), rest.expand(len(first), -1)], dim=1)
    values = log_probs.flatten(1).gather(1, places) + so_far.gather(1, places // vocabulary)
    missing = max(0, count - places.shape[1])
    value, at = functional.pad(values, (0, missing), value=-torch.inf).topk(count)
    return value, places.gather(1, at.clamp(max=places.shape[1] - 1))

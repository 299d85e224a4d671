"""Ensemble: several matchers used as one."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from wordsight.batch import Batch, Regions, Vectors, Words
from wordsight.matching.matcher import Matcher


class Ensemble(Matcher):
    """Ensemble of separately trained matchers: a word-region score is the sum of the members' scores.

    The members' vectors are concatenated. So all members choose a word's region together, and an ensemble is searched
    and explained like a single model. Its `rule` is the first member's; its hubness is the sum of the members'.

    Args:
        members: at least one trained matcher; all of the same vocabulary and features.
    """

    def __init__(self, members: Sequence[Matcher]) -> None:
        super().__init__()
        self.config = {"members": [dict(member.config) for member in members]}
        self.members = nn.ModuleList(members)
        self.rule = members[0].rule if members else None
        self.parsed = any(member.parsed for member in members)

    def clear_query_bank(self) -> None:
        """Empty every member's query bank."""
        for member in self._all():
            member.clear_query_bank()

    def encode_images(self, regions: Regions) -> Vectors:
        """Regions (I, R, F) -> vectors (I, R, sum of D)."""
        return _joined([member.encode_images(regions) for member in self._all()])

    def encode_texts(self, words: Words) -> Vectors:
        """Words (N, T) -> vectors (N, T, sum of D)."""
        return _joined([member.encode_texts(words) for member in self._all()])

    def image_vectors(self, regions: Regions) -> Vectors:
        """Encode, with the sum of the members' hubness if they have query banks."""
        return _joined([member.image_vectors(regions) for member in self._all()])

    def text_vectors(self, words: Words) -> Vectors:
        """Encode, with the sum of the members' hubness if they have query banks."""
        return _joined([member.text_vectors(words) for member in self._all()])

    def loss(self, batch: Batch) -> Tensor:
        """The mean of the members' losses, for validation; members are trained one by one."""
        return torch.stack([member.loss(batch) for member in self._all()]).mean()

    def _all(self) -> Iterable[Matcher]:
        return (member for member in self.members if isinstance(member, Matcher))


def _joined(several: Sequence[Vectors]) -> Vectors:
    first, known = several[0], [one.hubness for one in several if one.hubness is not None]
    hubness = torch.stack(known).sum(dim=0) if known else None
    return Vectors(torch.cat([one.values for one in several], dim=-1), first.mask, first.places, hubness)

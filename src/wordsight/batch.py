"""Batched tensors: `Regions` of pictures, `Words` of sentences, `Vectors` (either side, encoded), `Batch`, `Frames`.

Shape letters, the same everywhere: `I` pictures, `N` sentences, `R` regions of a picture, `T` words of a
sentence, `B` either I or N, `K` parts of an encoded side (its regions or words), `D` embedding size,
`F` feature size, `V` vocabulary size; for situations `W` verbs, `E` the most roles of a verb, `A` annotators.
"""

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor


class Tensors:
    """A dataclass of tensors that moves between devices as one."""

    def to(self, device: torch.device | str) -> Self:
        """The same values on another device."""
        parts = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return type(self)(*(part if part is None else part.to(device) for part in parts))


@dataclass(frozen=True)
class Regions(Tensors):
    """Regions of pictures.

    Attributes:
        features: (I, R, F) float32, one row per region.
        mask: (I, R) bool, False where a picture has fewer regions than the others (padding).
        boxes: (I, R, 4) float32, `xyxy` as fractions of the picture's width and height, 0 to 1.
    """

    features: Tensor
    mask: Tensor
    boxes: Tensor

    @property
    def whole(self) -> Tensor:
        """The features (I, F) of the whole pictures: every encoder puts them first."""
        return self.features[:, 0]


@dataclass(frozen=True)
class Words(Tensors):
    """Words of sentences.

    Attributes:
        ids: (N, T) int64, ids of words in the vocabulary; 0 in the padding.
        mask: (N, T) bool, False in the padding, which is always at the end.
        tree: (N, T, 2) int64, each word's head and relation, see `text/trees.py`; None without parses.
        spelling: (N, L) int32, code points of the sentences as written, then zeros; None for models that read ids
            alone.
    """

    ids: Tensor
    mask: Tensor
    tree: Tensor | None = None
    spelling: Tensor | None = None

    def __getitem__(self, rows: Tensor | slice) -> "Words":
        """Select sentences."""
        return Words(*(None if part is None else part[rows] for part in self._parts()))  # type: ignore[arg-type]

    def _parts(self) -> tuple[Tensor | None, ...]:
        return self.ids, self.mask, self.tree, self.spelling

    def trimmed(self) -> "Words":
        """The same sentences, padded to the longest."""
        longest = int(self.mask.sum(dim=1).max())
        tree = None if self.tree is None else self.tree[:, :longest]
        return Words(self.ids[:, :longest], self.mask[:, :longest], tree, self.spelling)


@dataclass(frozen=True)
class Vectors(Tensors):
    """Encoded pictures or sentences.

    Attributes:
        values: (B, K, D) float32.
        mask: (B, K) bool, False in the padding.
        places: where each part is: (B, K, 4) boxes in a picture (`xyxy` fractions), or (B, K, 2) spans of a sentence's
            words (first word, one past the last).
        hubness: (B,), a fixed share of which is subtracted from scores; None without correction. See
            `matching/query_bank.py`.
    """

    values: Tensor
    mask: Tensor
    places: Tensor
    hubness: Tensor | None = None

    def __getitem__(self, rows: Tensor | slice) -> "Vectors":
        """Select rows."""
        hubness = None if self.hubness is None else self.hubness[rows]
        return Vectors(self.values[rows], self.mask[rows], self.places[rows], hubness)


@dataclass(frozen=True)
class Batch(Tensors):
    """A training batch of pictures and sentences.

    Attributes:
        regions: of the I distinct pictures.
        words: of the N sentences.
        picture: (N,) int64, which of the I pictures each sentence belongs to.
    """

    regions: Regions
    words: Words
    picture: Tensor


@dataclass(frozen=True)
class Frames(Tensors):
    """Situations of pictures: a verb, and for each of its roles the noun that each annotator gave.

    Attributes:
        verb: (I,) int64; -1 for an unknown verb.
        nouns: (I, A, E) int64, 0 where nothing fills the role; -1 where the verb has no such role, or the picture has
            fewer annotators.
    """

    verb: Tensor
    nouns: Tensor

    def __getitem__(self, rows: Tensor | slice) -> "Frames":
        """Select pictures."""
        return Frames(self.verb[rows], self.nouns[rows])


@dataclass(frozen=True)
class SituationBatch(Tensors):
    """A training batch of pictures and their situations.

    Attributes:
        regions: of I pictures.
        frames: of the same pictures.
    """

    regions: Regions
    frames: Frames


@dataclass(frozen=True)
class LabelInfo:
    """The L labels of a detector.

    Attributes:
        presence: (L,) bool, labels whose presence varies independently between pictures; False for heads, torsos and
            legs, which come with every person.
        similarity: (L, V) cosine between the names of labels and words of the vocabulary, 0 where unknown; None without
            word vectors.
    """

    presence: Tensor
    similarity: Tensor | None = None

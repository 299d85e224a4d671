"""Shared by the benchmarks of search: a run's own pictures and sentences, encoded from the feature cache."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wordsight.batch import Vectors
from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.data.records import Picture
from wordsight.progress import Progress
from wordsight.runs.aligner import Aligner
from wordsight.runs.features import featured, pictures_of
from wordsight.runs.pairs import Pairs, encode, pairs
from wordsight.vision.regions import FeatureTable, Row


class Split(NamedTuple):
    """Pictures of a dataset with their sentences, and a run's features of them."""

    root: Path
    pictures: list[Picture]
    table: FeatureTable
    pairs: Pairs

    @property
    def paths(self) -> list[Path]:
        """The files of the pictures."""
        return [picture.path for picture in self.pictures]

    @property
    def sentences(self) -> list[str]:
        """All sentences, in the order of the pictures."""
        return [sentence for picture in self.pictures for sentence in picture.sentences]


def split_of(run: Aligner, data: Path | None, split: str, most: int | None = None) -> Split:
    """The first pictures of a split of `data`, by default the data that the run was trained on."""
    dataset = load_dataset(find(data or run.checkpoint.recipe.data.path, "dataset"))
    wanted = pictures_of(dataset, split, run.checkpoint.recipe.data)[:most]
    pictures, table = featured(run.encoder, wanted, Progress(), split)
    return Split(dataset.root, pictures, table, pairs(pictures, table, run.vocabulary))


def encoded(run: Aligner, known: Split) -> tuple[list[Vectors], list[Vectors]]:
    """The pictures and the sentences of a split, in blocks."""
    return encode(run.model, known.pairs)


class Cached:
    """A region encoder that takes everything from the feature cache."""

    def __init__(self, encoder: Any, table: FeatureTable, paths: Sequence[Path]) -> None:
        self.size, self.table, self.at = encoder.size, table, {path: row for row, path in enumerate(paths)}

    def stream(self, paths: Iterator[Path]) -> Iterator[Row]:
        """The rows of pictures, in order."""
        for path in paths:
            seen = self.table.gather(torch.tensor([self.at[path]]))
            mask = seen.mask[0]
            yield Row(seen.features[0, mask].numpy(), seen.boxes[0, mask].numpy(), np.zeros(int(mask.sum()), np.int8))


def more(values: Tensor, count: int, noise: float = 0.1, seed: int = 0) -> Iterator[Tensor]:
    """`count` pictures, in blocks as large as `values`: (I, R, D), each block with noise of its own.

    Args:
        values: (I, R, D), repeated.
        count: number of pictures.
        noise: length of the noise as a share of the vector's.
        seed: seed of the noise.
    """
    random = torch.Generator().manual_seed(seed)
    length = noise * values.norm(dim=2, keepdim=True) / values.shape[2] ** 0.5
    for first in range(0, count, len(values)):
        some = values[: count - first]
        yield some + length[: len(some)] * torch.randn(some.shape, generator=random)

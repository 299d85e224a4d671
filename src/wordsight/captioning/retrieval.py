"""Retrieval baselines of captioning: they copy captions.

Nearest neighbour: the first sentence of the most similar training picture, by L2 distance of whole-picture features
(Karpathy & Fei-Fei 2015, section 4.2). Consensus: of all sentences of the k nearest pictures, the one most similar to
the others (Devlin et al. 2015, "Exploring Nearest Neighbor Approaches for Image Captioning"). Ranking: of all training
sentences, or of all snippets for a region, the one with the greatest alignment score.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.batch import Regions, Vectors, Words
from wordsight.text.tokens import tokenise

N = 4  # the longest n-gram
NEIGHBOURS = 60  # for the consensus; on Flickr8K val 30 to 90 are within half a point of CIDEr
ROWS = 256  # pictures, or sentences, per block
NO_PICTURE = ("place", "labels")  # blocks of features that are not appearance


class Scores(Protocol):
    """What ranking needs of a model; a `Matcher` in evaluation mode has it."""

    def encode_texts(self, words: Words) -> Vectors:
        """Words (N, T) -> vectors (N, T, D)."""

    def score(self, images: Vectors, texts: Vectors) -> Tensor:
        """Scores of every picture with every sentence, (I, N); greater fits better."""


def appearance(regions: Regions, blocks: Mapping[str, slice]) -> Tensor:
    """Appearance features of whole pictures, without box and labels: (I, R, F) -> (I, S).

    Args:
        regions: the first region of each picture is the whole picture.
        blocks: columns of the features by name, as in `RegionEncoder`.
    """
    parts = [regions.whole[:, columns] for name, columns in blocks.items() if name not in NO_PICTURE]
    return torch.cat(parts, dim=1)


def neighbours(pictures: Tensor, known: Tensor, count: int = 1) -> Tensor:
    """Nearest neighbours of pictures.

    Args:
        pictures: (I, S).
        known: (M, S).
        count: number of neighbours, 1 to M.

    Returns:
        (I, count) int64 rows of `known`, by L2 distance, nearest first.

    Raises:
        ValueError: `count` is out of its range.
    """
    if not 1 <= count <= len(known):
        raise ValueError(f"count = {count}: expected from 1 to {len(known)}, the number of known pictures")
    blocks = [torch.cdist(some, known).topk(count, largest=False).indices for some in pictures.split(ROWS)]
    return torch.cat(blocks)


def nearest_captions(pictures: Tensor, known: Tensor, sentences: Sequence[Sequence[str]]) -> list[str]:
    """The first sentence of each picture's nearest neighbour.

    Args:
        pictures: (I, S), as `appearance` gives them.
        known: (M, S), the training pictures.
        sentences: sentences of each training picture, at least one.
    """
    return [sentences[row][0] for row in neighbours(pictures, known)[:, 0].tolist()]


def consensus_captions(
    pictures: Tensor, known: Tensor, sentences: Sequence[Sequence[str]], count: int = NEIGHBOURS
) -> list[str]:
    """Consensus captions: of all sentences of a picture's nearest neighbours, the one most similar to the others.

    Args:
        pictures: (I, S), as `appearance` gives them.
        known: (M, S), the training pictures.
        sentences: sentences of each training picture, at least one.
        count: number of neighbours, 1 to M.

    Raises:
        ValueError: `count` is out of its range.
    """
    likeness = Likeness([[tokenise(sentence) for sentence in some] for some in sentences])
    best = [likeness.ranked(rows)[0] for rows in neighbours(pictures, known, count).tolist()]
    return [sentences[picture][place] for picture, place, _ in best]


class Likeness:
    """Similarity of sentences: CIDEr without the changes of CIDEr-D (Vedantam et al. 2015, equation 2).

    The cosine of tf-idf vectors of n-grams, summed over n = 1 to 4: a dot product of two sentences' vectors, so the sum
    of similarities to many sentences is one product with the sum of their vectors.
    """

    def __init__(self, sentences: Sequence[Sequence[Sequence[Hashable]]]) -> None:
        """Make the vectors; document frequencies count pictures.

        Args:
            sentences: at least one for each picture, each as words or ids.
        """
        number = dict[tuple[Hashable, ...], int]()
        grams = [[_numbers(sentence, number) for sentence in some] for some in sentences]
        pictures = np.bincount(np.concatenate([np.unique(np.concatenate(some)) for some in grams]))  # with each n-gram
        self.rarity = np.log(len(sentences) / pictures)
        self.n = np.array([len(gram) for gram in number], dtype=np.int64)
        self.vectors = [[self._vector(ids) for ids in some] for some in grams]

    def ranked(self, pictures: Sequence[int]) -> list[tuple[int, int, float]]:
        """The sentences of these pictures by mean similarity to the others, greatest first; ties in order.

        Returns:
            The picture, the sentence's index among its sentences, and its mean similarity to the others, 0 to 1.
        """
        places = [(picture, place) for picture in pictures for place in range(len(self.vectors[picture]))]
        columns, weights = (
            np.concatenate(parts) for parts in zip(*(self.vectors[picture][n] for picture, n in places), strict=True)
        )
        total = np.bincount(columns, weights, minlength=len(self.n))
        text = np.repeat(np.arange(len(places)), [len(self.vectors[picture][n][0]) for picture, n in places])
        likeness = np.bincount(text, weights * (total[columns] - weights), minlength=len(places))
        mean = (likeness / (N * max(1, len(places) - 1))).clip(0, 1)
        return [(*places[row], float(mean[row])) for row in np.argsort(-likeness, kind="stable")]

    def _vector(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Columns and weights of a sentence's n-grams; those of each n have length 1, or are 0."""
        columns, counts = np.unique(ids, return_counts=True)
        weights, n = counts * self.rarity[columns], self.n[columns]
        squares = np.bincount(n, weights**2, minlength=N + 1)
        return columns, weights / np.sqrt(np.where(squares > 0, squares, 1.0))[n]


def _numbers(words: Sequence[Hashable], number: dict[tuple[Hashable, ...], int]) -> NDArray[np.int64]:
    """Ids of a sentence's n-grams, with repetitions; new ones get the next id."""
    grams = (gram for n in range(1, N + 1) for gram in zip(*(words[first:] for first in range(n)), strict=False))
    return np.array([number.setdefault(gram, len(number)) for gram in grams], dtype=np.int64)


@torch.no_grad()
def best_sentences(model: Scores, images: Sequence[Vectors], sentences: Words) -> Tensor:
    """The sentence with the greatest score for each picture; sentences are encoded in batches.

    Args:
        model: encodes sentences and scores them.
        images: I encoded pictures, in blocks; or regions, each as a picture.
        sentences: (N, T), of the model's vocabulary, on any device.

    Returns:
        (I,) int64 rows of `sentences`; of equal sentences, the first.
    """
    device = images[0].values.device
    best = torch.full((sum(len(some.mask) for some in images),), -torch.inf, device=device)
    found = torch.zeros_like(best, dtype=torch.long)
    for rows in torch.arange(len(sentences.ids)).split(ROWS):
        texts = model.encode_texts(sentences[rows].trimmed().to(device))
        score, place = torch.cat([model.score(some, texts) for some in images]).max(dim=1)  # (I,) each
        better = score > best
        best, found = torch.where(better, score, best), torch.where(better, place + rows[0].to(device), found)
    return _first_alike(sentences.ids.cpu())[found.cpu()]


def _first_alike(ids: Tensor) -> Tensor:
    """The row (N,) of the first sentence with the same words as each (N, T): their scores may differ a little."""
    _, kind = ids.unique(dim=0, return_inverse=True)  # (N,)
    rows = torch.arange(len(ids))
    return torch.full_like(rows, len(ids)).scatter_reduce(0, kind, rows, "amin")[kind]

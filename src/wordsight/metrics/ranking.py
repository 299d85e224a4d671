"""Retrieval metrics: R@K and Med r, picture to text and text to picture.

Picture to text counts a hit if any of a picture's sentences is among the top K, and Med r uses the best-ranked of
them. Text to picture ranks all pictures for each sentence. Ties count against the model. Galleries may be large (5,000
pictures with 25,000 sentences): only the matrix of scores is kept whole.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import comb
from typing import NamedTuple

import torch
from torch import Tensor

from wordsight.batch import Vectors
from wordsight.errors import InputError
from wordsight.matching.matcher import Matcher

KS = (1, 5, 10)
Blocks = Vectors | Iterable[Vectors]  # all at once, or in blocks of rows, in order


class Ranks(NamedTuple):
    """Ranks of the right answers, 1 is best.

    Attributes:
        images: for each picture that has a sentence, the rank of its best-ranked right sentence; int64.
        texts: (N,) for each sentence, the rank of its picture; int64.
    """

    images: Tensor
    texts: Tensor


@torch.no_grad()
def score_matrix(model: Matcher, images: Blocks, texts: Blocks, *, rows: int = 128) -> Tensor:
    """Score matrix: every picture with every sentence.

    Args:
        model: in evaluation mode.
        images: I encoded pictures.
        texts: N encoded sentences; given as blocks, only one block is held at a time.
        rows: the number of pictures, and of sentences, scored at once.

    Returns:
        (I, N) float32 on the CPU.
    """
    pictures = list(_blocks(images, rows))
    columns = [
        torch.cat([model.score(some, sentences).float().cpu() for some in pictures])
        for sentences in _blocks(texts, rows)
    ]
    return torch.cat(columns, dim=1)  # (I, N)


def _blocks(vectors: Blocks, rows: int) -> Iterator[Vectors]:
    """The same rows, at most `rows` at a time."""
    for block in [vectors] if isinstance(vectors, Vectors) else vectors:
        yield from (block[first : first + rows] for first in range(0, len(block.mask), rows))


def ranks(scores: Tensor, picture: Tensor, *, rows: int = 128) -> Ranks:
    """The ranks of the right answers; other answers that tie, and NaN, rank before them.

    Args:
        scores: (I, N), greater fits better.
        picture: (N,) the right picture of each sentence.
        rows: the number of pictures, or of sentences, compared at once.
    """
    images, texts = [], []
    numbers = torch.arange(len(scores))
    for some in numbers.split(rows):
        part, right = scores[some], picture[None] == some[:, None]  # (rows, N)
        best = part.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
        ahead = (~(part < best) & ~right).sum(1)
        images.append(ahead[right.any(1)] + 1)
    for sentences in torch.arange(len(picture)).split(rows):
        part, right = scores[:, sentences], numbers[:, None] == picture[sentences]  # (I, rows)
        own = part.gather(0, picture[sentences][None])
        texts.append((~(part < own) & ~right).sum(0) + 1)
    return Ranks(torch.cat(images), torch.cat(texts))


def metrics(found: Ranks, pictures: int) -> dict[str, float]:
    """R@1, 5, 10 in percent and Med r of both directions, beside the size of the gallery.

    Args:
        found: the ranks.
        pictures: I, the number of pictures ranked.

    Returns:
        `i2t_R@1`, `i2t_R@5`, `i2t_R@10`, `i2t_medr`, the same with `t2i_`, `pictures`, `sentences`.
    """
    flat: dict[str, float] = {}
    for way, rank in (("i2t", found.images), ("t2i", found.texts)):
        flat |= {f"{way}_R@{k}": round(100 * (rank <= k).double().mean().item(), 4) for k in KS}
        flat[f"{way}_medr"] = rank.double().quantile(0.5).item()
    return flat | {"pictures": pictures, "sentences": len(found.texts)}


def fold_metrics(scores: Tensor, picture: Tensor, folds: int) -> dict[str, float]:
    """Means over folds of the gallery, as for COCO's "1K": each fold is ranked with its own sentences alone.

    Args:
        scores: (I, N), greater fits better.
        picture: (N,) the right picture of each sentence.
        folds: the number of folds, in the order of the pictures; five for COCO's 5,000.

    Returns:
        The keys of `metrics` with means, `pictures` and `sentences` of the largest fold, `rsum`, and `count`.

    Raises:
        InputError: there is no fold, or there are fewer than two pictures for each.
    """
    return fold_means(fold_ranks(scores, picture, folds), len(scores)) | {"count": folds}


def fold_means(parts: Sequence[Ranks], pictures: int) -> dict[str, float]:
    """`fold_metrics`, without `count`, from the ranks of `fold_ranks`; `pictures` counts those of all folds."""
    sizes = [len(some) for some in torch.arange(pictures).tensor_split(len(parts))]
    found = [metrics(part, size) for part, size in zip(parts, sizes, strict=True)]
    means = {key: round(sum(one[key] for one in found) / len(found), 4) for key in found[0]}
    largest = {key: max(int(one[key]) for one in found) for key in ("pictures", "sentences")}
    return means | largest | {"rsum": round(rsum(means), 4)}


def fold_ranks(scores: Tensor, picture: Tensor, folds: int) -> list[Ranks]:
    """The ranks of the right answers in each fold; arguments and errors are those of `fold_metrics`."""
    check_folds(folds, len(scores))
    found = []
    for some in torch.arange(len(scores)).tensor_split(folds):
        own = (picture >= some[0]) & (picture <= some[-1])
        found.append(ranks(scores[some][:, own], picture[own] - some[0]))
    return found


def check_folds(folds: int, pictures: int) -> None:
    """Check a number of folds.

    Raises:
        InputError: there is no fold, or there are fewer than two pictures for each.
    """
    if folds < 1 or pictures < 2 * folds:
        raise InputError(f"{folds} folds of {pictures} pictures: expected 1 or more, of two pictures at least.")


def ranking_metrics(model: Matcher, images: Blocks, texts: Blocks, picture: Tensor) -> dict[str, float]:
    """Score every pair and compute retrieval metrics; see `metrics` for the keys.

    Args:
        model: in evaluation mode.
        images: I encoded pictures, whole or in blocks.
        texts: N encoded sentences, whole or in blocks.
        picture: (N,) the right picture of each sentence.
    """
    scores = score_matrix(model, images, texts)
    return metrics(ranks(scores, picture), len(scores))


def rsum(flat: Mapping[str, float]) -> float:
    """Rsum, for model selection: the sum of R@1, 5 and 10 in both directions, 0 to 600."""
    return sum(flat[f"{way}_R@{k}"] for way in ("i2t", "t2i") for k in KS)


def chance(picture: Tensor, pictures: int) -> dict[str, float]:
    """Expected metrics of a random ranking, with the keys of `metrics`; Med r is the median of the expected ranks.

    Args:
        picture: (N,) the right picture of each sentence.
        pictures: I, the number of pictures.
    """
    sentences = len(picture)
    own = torch.bincount(picture, minlength=pictures)
    amounts = own[own > 0].unique(return_counts=True)
    flat: dict[str, float] = {}
    for k in KS:
        hits = [
            1 - comb(max(sentences - mine, 0), k) / comb(sentences, k) if k <= sentences else 1.0
            for mine in amounts[0].tolist()
        ]
        share = sum(hit * count for hit, count in zip(hits, amounts[1].tolist(), strict=True))
        flat[f"i2t_R@{k}"] = round(100 * share / int(amounts[1].sum()), 4)
        flat[f"t2i_R@{k}"] = round(100 * min(k / pictures, 1), 4)
    flat["i2t_medr"] = ((sentences + 1) / (own[own > 0].double() + 1)).quantile(0.5).item()
    flat["t2i_medr"] = (pictures + 1) / 2
    return flat | {"pictures": pictures, "sentences": sentences}

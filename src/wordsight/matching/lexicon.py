"""Word-region lexicon: two tables in closed form, fitted before training.

Labels to words. A detector says "person", "several persons", "dog"; sentences say "man", "men", "puppy". Which goes
with which is a translation problem, solved by IBM model 1 (Brown et al. 1993): each word is aligned with one label of
the picture; the alignment is latent, and expectation-maximisation infers it from many pairs.

Features to words. Ridge regression from a whole picture's features to the words of its sentences. Pooling is linear,
so the same weights applied to a region measure the word *there* (class activation maps, Zhou et al. 2016).

Both need only pictures and sentences. A ranking loss does not say *which* region a word should take; the tables do.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from wordsight.batch import Batch, LabelInfo, Regions, Words

SMOOTHING = 200.0  # pseudo-counts: words of the average sentence added to every label
NEAR, NAMED = 0.35, 8.0  # least cosine of a word near a label's name, and the weight of the excess
RIDGE, SEEN = 3.0, 2.0  # penalty of the regression, and its weight relative to the labels


class Lexicon(nn.Module):
    """Word-region lexicon: both tables, as extra columns of each region's and each word's vector.

    The product of these columns is the log-odds of the word at the region, so scores, evidence and indexes work as
    before. One extra number prefers large boxes near the middle, where nothing else decides.

    Args:
        features: F, of which the last `labels` columns are a region's label values.
        labels: L, 0 without a detector that knows classes.
        vocabulary: V.
        weight: of the tables; halved in training, as the learned weights would otherwise cancel part of them.
        rank: K, number of directions kept of the regression.
    """

    named: Tensor  # (L, V), log-odds of words under labels, >= 0
    mean: Tensor  # (F - L,), mean features of a whole picture
    seen: Tensor  # (F - L, K)
    said: Tensor  # (K, V)

    def __init__(self, features: int, labels: int, vocabulary: int, weight: float = 1.0, rank: int = 128) -> None:
        super().__init__()
        self.weight = weight
        self.looks, rank = features - labels, min(rank, features - labels)
        self.register_buffer("named", torch.zeros(labels, vocabulary))
        self.register_buffer("mean", torch.zeros(self.looks))
        self.register_buffer("seen", torch.zeros(self.looks, rank))
        self.register_buffer("said", torch.zeros(rank, vocabulary))

    def encode_images(self, regions: Regions) -> Tensor:
        """Regions (I, R, F) -> (I, R, L + K + 1)."""
        looks, labels = regions.features.split([self.looks, len(self.named)], dim=-1)
        weight = self.weight / 2 if self.training else self.weight
        columns = [labels, (looks - self.mean) @ self.seen, prominence(regions.boxes)[..., None]]
        return weight * torch.cat(columns, dim=-1)

    def encode_texts(self, words: Words) -> Tensor:
        """Words (N, T) -> (N, T, L + K + 1); 0 for words beyond the table, except the last column."""
        columns = torch.cat([self.named, self.said])  # (L + K, V)
        known = words.ids < columns.shape[1]
        told = columns.T[words.ids * known] * known[..., None]
        return torch.cat([told, torch.ones_like(told[..., :1])], dim=-1)

    def fit(self, batches: Iterable[Batch], labels: LabelInfo | None = None) -> None:
        """Fit both tables.

        Args:
            batches: every picture of the training split, first region the whole picture, with all its sentences.
            labels: words are counted only under its labels of independent presence; None for all, without similarities.
        """
        looks, held, ids, spoken = [], [], [], []
        for batch in batches:
            looks.append(batch.regions.whole[:, : self.looks])
            present = batch.regions.features[:, :, self.looks :].amax(dim=1)  # (I, L)
            if labels is not None:
                present = present * labels.presence
            for row, mask, picture in zip(batch.words.ids, batch.words.mask, batch.picture, strict=True):
                ids.append(row[mask & (row < self.said.shape[1])])
                held.append(present[picture])
                spoken.append(sum(map(len, looks[:-1])) + int(picture))
        self._regress(torch.cat(looks), ids, spoken)
        if len(self.named):
            self._translate(held, ids, labels.similarity if labels else None)

    def _translate(self, held: Sequence[Tensor], ids: Sequence[Tensor], similarity: Tensor | None) -> None:
        counts = translate(held, ids, *self.named.shape)
        frequency = counts.sum(0) / counts.sum()  # (V,)
        smoothed = counts + SMOOTHING * frequency
        odds = (smoothed / smoothed.sum(1, keepdim=True) / frequency.clamp(min=1e-12)).clamp(min=1e-12).log()
        odds = torch.where(frequency > 0, odds, 0.0)
        if similarity is not None:
            odds = odds + NAMED * (similarity - NEAR).clamp(min=0)
        self.named.copy_(odds.clamp(min=0))

    def _regress(self, looks: Tensor, ids: Sequence[Tensor], spoken: Sequence[int]) -> None:
        """Ridge regression of standardised word counts, truncated to its strongest directions."""
        said = torch.zeros(len(looks), self.said.shape[1])  # (I, V): share of a picture's sentences that have the word
        sentences = torch.bincount(torch.tensor(spoken), minlength=len(looks)).clamp(min=1)
        for row, words in zip(spoken, ids, strict=True):
            said[row, words.unique()] += 1 / sentences[row]
        often = said.mean(0)
        said = (said - often) / (often * (1 - often.clamp(max=0.9)) + 1e-4).sqrt()
        self.mean.copy_(looks.mean(0))
        looks = looks - self.mean
        gram = looks.T @ looks + RIDGE * torch.eye(self.looks)
        weights = torch.linalg.solve(gram, looks.T @ said)  # (F - L, V)
        rank = min(len(self.said), len(often))  # with a small vocabulary the other columns stay 0
        left, strength, right = torch.svd_lowrank(weights, q=rank, niter=4)
        self.seen[:, :rank] = SEEN * left * strength.sqrt()
        self.said[:rank] = strength.sqrt()[:, None] * right.T


def translate(labels: Sequence[Tensor], ids: Sequence[Tensor], kinds: int, vocabulary: int, rounds: int = 8) -> Tensor:
    """IBM model 1: expected counts of (label, word) pairs after expectation-maximisation.

    Args:
        labels: for each sentence, its picture's label values (L,), >= 0.
        ids: the words (T,) of each sentence.
        kinds: L.
        vocabulary: V.
        rounds: number of EM iterations.

    Returns:
        (L, V), >= 0.
    """
    blocks = list(_blocks(labels, ids))
    table = torch.full((kinds, vocabulary), 1 / vocabulary)
    counts = torch.zeros_like(table)
    for _ in range(rounds):
        counts = torch.zeros_like(table)
        for held, words in blocks:
            share = table[:, words] * held  # (L, words)
            share /= share.sum(dim=0).clamp(min=1e-12)
            counts.index_add_(1, words, share)
        table = (counts + 1e-4) / (counts + 1e-4).sum(dim=1, keepdim=True)
    return counts


def _blocks(labels: Sequence[Tensor], ids: Sequence[Tensor], size: int = 100) -> Iterator[tuple[Tensor, Tensor]]:
    """The words (W,) of `size` sentences at a time, and the label values (L, W) of each word's picture."""
    for first in range(0, len(ids), size):
        some = ids[first : first + size]
        lengths = torch.tensor([len(words) for words in some])
        yield (
            torch.stack(list(labels[first : first + size]), dim=1).repeat_interleave(lengths, dim=1),
            torch.cat(list(some)),
        )


def prominence(boxes: Tensor) -> Tensor:
    """Prominence of boxes (..., 4) -> (...): greatest for large boxes near the middle, 0 for the whole picture."""
    area = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)
    off = ((boxes[..., :2] + boxes[..., 2:]) / 2 - 0.5).abs().sum(dim=-1)
    return 0.045 * (area + 1e-3).log() - 0.15 * off

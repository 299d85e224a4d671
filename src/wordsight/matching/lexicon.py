"""What can be known about words and regions by counting alone, before any training: two tables in closed form.

Labels to words. A detector says "person", "several persons", "dog"; sentences say "man", "men", "puppy". Which goes
with which is a translation problem, and IBM's first model solves it (Brown et al. 1993): each word was said because of
one label in the picture, nobody knows which, and expectation-maximisation finds out from many pairs.

Features to words. Ridge regression from a whole picture's features to the words said about it. Pooling is linear, so
the same weights read on a region say how much of the word is *there* (class activation maps, Zhou et al. 2016).

Nothing but pictures and sentences is needed. Training a ranking says nothing about *which* region a word should take;
these tables do.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from wordsight.batch import Batch, LabelInfo, Regions, Words

SMOOTHING = 200.0  # words of the average sentence that every label is given before it is judged
NEAR, NAMED = 0.35, 8.0  # cosine from which a word counts as near a label's name, and how much that counts
RIDGE, SEEN = 3.0, 2.0  # penalty of the regression, and its weight beside the labels


class Lexicon(nn.Module):
    """Both tables, as one more piece of each region's and each word's vector.

    Their product is a log-odds of the word at the region, so scores, evidence and any index work as before. One more
    number prefers large boxes near the middle, where nothing else decides.

    Args:
        features: F, of which the last `labels` columns say how much a region holds of each label.
        labels: L, 0 where there is no detector that knows classes.
        vocabulary: V.
        weight: how much the tables count beside what is trained; while training half, as training cancels part of them.
        rank: K, how many directions of the regression are kept.
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
        """Words (N, T) -> (N, T, L + K + 1); of words beyond the table nothing is known."""
        columns = torch.cat([self.named, self.said])  # (L + K, V)
        known = words.ids < columns.shape[1]
        told = columns.T[words.ids * known] * known[..., None]
        return torch.cat([told, torch.ones_like(told[..., :1])], dim=-1)

    def fit(self, batches: Iterable[Batch], labels: LabelInfo | None = None) -> None:
        """Learn both tables.

        Args:
            batches: every picture of the training split, first region the whole picture, with all its sentences.
            labels: words are counted under those whose presence varies by itself; None for all, without names.
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
        """Ridge regression of standardised word counts, kept to its strongest directions."""
        said = torch.zeros(len(looks), self.said.shape[1])  # (I, V): the share of the sentences with the word
        sentences = torch.bincount(torch.tensor(spoken), minlength=len(looks)).clamp(min=1)
        for row, words in zip(spoken, ids, strict=True):
            said[row, words.unique()] += 1 / sentences[row]
        often = said.mean(0)
        said = (said - often) / (often * (1 - often.clamp(max=0.9)) + 1e-4).sqrt()
        self.mean.copy_(looks.mean(0))
        looks = looks - self.mean
        gram = looks.T @ looks + RIDGE * torch.eye(self.looks)
        weights = torch.linalg.solve(gram, looks.T @ said)  # (F - L, V)
        rank = min(len(self.said), len(often))  # a small vocabulary leaves the others 0
        left, strength, right = torch.svd_lowrank(weights, q=rank, niter=4)
        self.seen[:, :rank] = SEEN * left * strength.sqrt()
        self.said[:rank] = strength.sqrt()[:, None] * right.T


def translate(labels: Sequence[Tensor], ids: Sequence[Tensor], kinds: int, vocabulary: int, rounds: int = 8) -> Tensor:
    """Expected counts of (label, word) after some rounds of expectation-maximisation (IBM model 1).

    Args:
        labels: of each sentence how much its picture holds of each label (L,), >= 0.
        ids: of each sentence its words (T,).
        kinds: L.
        vocabulary: V.
        rounds: of expectation and maximisation.

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
    """The words (W,) of `size` sentences at a time, and how much the picture of each holds of each label (L, W)."""
    for first in range(0, len(ids), size):
        some = ids[first : first + size]
        lengths = torch.tensor([len(words) for words in some])
        yield (
            torch.stack(list(labels[first : first + size]), dim=1).repeat_interleave(lengths, dim=1),
            torch.cat(list(some)),
        )


def prominence(boxes: Tensor) -> Tensor:
    """How prominent boxes (..., 4) are -> (...): large ones near the middle most, the whole picture 0."""
    area = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)
    off = ((boxes[..., :2] + boxes[..., 2:]) / 2 - 0.5).abs().sum(dim=-1)
    return 0.045 * (area + 1e-3).log() - 0.15 * off

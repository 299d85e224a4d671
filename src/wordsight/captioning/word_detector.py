"""Word detector: the probability of each of the commonest words in a picture's captions, by regression.

Fang et al. 2015, "From captions to visual concepts and back", train a net for it. Here each word w has a logistic
regression on two inputs:

    ridge   a ridge regression on the whole picture's features and each detector label's greatest value in any region
    naming  the greatest cosine over regions of the region's `meaning` (the mixture of its classes' names) with the
            word's vector, so that rare words are found, too

Probabilities are too good for pictures that the regression was fitted on. So that a captioner learns from the errors
of new pictures, those of training pictures come from a ridge regression fitted without them (cross-fitting).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from wordsight.batch import Regions

FOLDS = 4
RIDGE = 3.0  # penalty of the regression
PRIOR = 20.0  # strength of the prior that words share weights, in pictures
ROUNDS, STEP = 16, 1.0  # Newton's method: number of rounds, the first half for shared weights; maximum step


class WordDetector(nn.Module):
    """Log-odds of words in pictures.

    Args:
        features: F, size of a region's features; the last ones are `meanings`, then `labels`.
        labels: L, number of columns of label values; 0 for none.
        meanings: M, size of a region's word vector; 0 for none.
        words: K, number of words.
        rank: number of directions of the regression that are kept.
    """

    mean: Tensor  # (D,), mean input
    seen: Tensor  # (D, rank)
    told: Tensor  # (rank, K)
    names: Tensor  # (K, M), the words' vectors, of length 1 or 0
    naming: Tensor  # (K,)
    bias: Tensor  # (K,)

    def __init__(self, features: int, labels: int, meanings: int, words: int, rank: int) -> None:
        super().__init__()
        self.size, self.labels = features + labels, labels
        self.columns = slice(features - labels - meanings, features - labels)
        rank = min(rank, self.size, words)
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("seen", torch.zeros(self.size, rank))
        self.register_buffer("told", torch.zeros(rank, words))
        self.register_buffer("names", torch.zeros(words, meanings))
        self.register_buffer("naming", torch.zeros(words))
        self.register_buffer("bias", torch.zeros(words))

    def look(self, regions: Regions) -> Tensor:
        """Inputs of the ridge regression: regions (I, R, F) -> (I, D), D = F + L."""
        features = regions.features.masked_fill(~regions.mask[..., None], 0.0)
        held = features[..., features.shape[-1] - self.labels :].amax(dim=1)
        return torch.cat([features[:, 0], held], dim=1)

    def resemblance(self, regions: Regions) -> Tensor:
        """Greatest cosine of each word with a region's word vector: regions (I, R, F) -> (I, K), -1 to 1."""
        if not self.names.shape[1]:
            return self.names.new_zeros(len(regions.mask), len(self.names))
        features = regions.features.masked_fill(~regions.mask[..., None], 0.0)
        return (features[..., self.columns] @ self.names.T).amax(dim=1)

    def forward(self, looks: Tensor, alike: Tensor) -> Tensor:
        """The log-odds of the words (I, K), from `look` (I, D) and `resemblance` (I, K)."""
        return (looks - self.mean) @ self.seen @ self.told + alike * self.naming + self.bias

    def fit(self, looks: Tensor, alike: Tensor, said: Tensor) -> Tensor:
        """Fit on pictures and the words of their sentences.

        Args:
            looks: (I, D), see `look`.
            alike: (I, K), see `resemblance`.
            said: (I, K), the share of a picture's sentences that have the word.

        Returns:
            (I, K) cross-fitted log-odds of the words in these pictures.
        """
        often = said.mean(dim=0)
        deviation = (often * (1 - often.clamp(max=0.9)) + 1e-3).sqrt()
        self.mean.copy_(looks.mean(dim=0))
        centred = looks - self.mean
        *parts, whole = _regressions(centred, (said - often) / deviation)
        fold = torch.arange(len(looks)) % FOLDS
        blind = torch.zeros_like(said)
        for number, weights in enumerate(parts):
            blind[fold == number] = centred[fold == number] @ weights
        given = torch.stack([torch.ones_like(blind), blind, alike], dim=2)  # (I, K, 3)
        bias, trust, naming = logistic(given, said).unbind(dim=1)
        left, strength, right = torch.svd_lowrank(whole * trust, q=len(self.told), niter=4)
        self.seen.copy_(left * strength.sqrt())
        self.told.copy_(strength.sqrt()[:, None] * right.T)
        self.naming.copy_(naming)
        self.bias.copy_(bias)
        return blind * trust + alike * naming + bias


def _regressions(looks: Tensor, said: Tensor) -> Iterator[Tensor]:
    """Ridge regressions (D, K) from all pictures except those of each fold, then from all."""
    gram, moment = looks.T @ looks, looks.T @ said
    penalty = RIDGE * torch.eye(looks.shape[1], dtype=looks.dtype)
    fold = torch.arange(len(looks)) % FOLDS
    for number in range(FOLDS):
        some, spoken = looks[fold == number], said[fold == number]
        yield torch.linalg.solve(gram - some.T @ some + penalty, moment - some.T @ spoken)
    yield torch.linalg.solve(gram + penalty, moment)


def logistic(given: Tensor, said: Tensor) -> Tensor:
    """Logistic regressions, one per word, shrunk towards weights shared by all words.

    Args:
        given: (I, K, P); the first of the P inputs is 1.
        said: (I, K), 0 to 1.

    Returns:
        (K, P) weights.
    """
    often = said.mean(dim=0).clamp(1e-4, 1 - 1e-4)
    weights = torch.zeros(given.shape[1:], dtype=given.dtype)
    weights[:, 0] = (often / (1 - often)).log()
    shared, pull = weights, PRIOR * torch.eye(given.shape[2], dtype=given.dtype)
    pull[0, 0] = 1.0
    for turn in range(ROUNDS):
        likely = (given * weights).sum(dim=2).sigmoid()
        slope = torch.einsum("ikp,ik->kp", given, said - likely)
        curve = torch.einsum("ikp,ik,ikq->kpq", given, likely * (1 - likely), given)
        if turn >= ROUNDS // 2:
            step = torch.linalg.solve(curve + pull, slope - (weights - shared) @ pull)
            weights = weights + step.clamp(-STEP, STEP)  # else separable words diverge
            continue
        own, cross = curve[:, 0, 0] + 1.0, curve[:, 0, 1:]  # eliminate a word's own bias from the shared part
        rest = (slope - slope[:, :1] * curve[:, 0] / own[:, None])[:, 1:].sum(dim=0)
        bend = (curve[:, 1:, 1:] - cross[:, :, None] * cross[:, None] / own[:, None, None]).sum(dim=0)
        step = torch.linalg.solve(bend + torch.eye(len(bend), dtype=bend.dtype), rest)
        moved = torch.cat([((slope[:, 0] - cross @ step) / own)[:, None], step.expand_as(cross)], dim=1)
        weights = weights + moved.clamp(-STEP, STEP)
        shared = weights
    return weights

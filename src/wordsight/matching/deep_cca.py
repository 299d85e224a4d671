"""Deep CCA: two networks trained to maximise the canonical correlations of their outputs.

Andrew et al. 2013, "Deep Canonical Correlation Analysis"; for pictures and sentences Yan & Mikolajczyk 2015. The
objective depends on the whole batch, not on single pairs, so batches must be large: several times the output size.
"""

import sys
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from wordsight.batch import Batch, LabelInfo, Regions, Vectors, Words
from wordsight.matching import pooled
from wordsight.matching.cca import canonical, root, whitened
from wordsight.matching.matcher import Matcher
from wordsight.text.tfidf import TfIdf
from wordsight.vision.standardise import mean_and_scale


class DeepCCA(Matcher):
    """Deep CCA: one network on a picture's pooled features, one on a sentence's tf-idf counts, and linear CCA on both.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        embedding: D, size of both networks' outputs.
        hidden: H, size of their hidden layers.
        top: number of greatest correlations that the objective sums; 0 for all.
        ridge: added to every variance before whitening, in units of each side's mean variance.
        power: directions of the linear CCA are weighted by their correlation to this power; 0 weights all equally.
        dropout: on inputs and hidden layers of both networks, 0 to 1.
        pool: image features: those of the `whole` picture, or the `mean` over its regions.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        embedding: int = 128,
        hidden: int = 1024,
        top: int = 0,
        ridge: float = 0.01,
        power: float = 1.0,
        dropout: float = 0.0,
        pool: pooled.Pool = "whole",
    ) -> None:
        super().__init__()
        if not (ridge > 0 and power >= 0 and 0 <= top <= embedding):
            found = f"ridge = {ridge}, power = {power}, top = {top}"
            raise ValueError(f"{found}: expected a ridge above 0, a power of at least 0, and a top of 0 to {embedding}")
        self.register_buffer("mean", torch.zeros(features))  # see `fit`
        self.register_buffer("scale", torch.ones(()))
        self.counts = TfIdf(vocabulary)
        self.picture, self.sentence = (
            network(features, hidden, embedding, dropout),
            network(vocabulary, hidden, embedding, dropout),
        )
        self.a, self.b = (nn.Linear(embedding, embedding).requires_grad_(False) for _ in range(2))  # see `refresh`
        for linear in (self.a, self.b):
            nn.init.eye_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.top, self.ridge, self.power, self.pool = top, ridge, power, pool

    def encode_images(self, regions: Regions) -> Vectors:
        """Pictures as A' (f(x) - mean), at length 1: regions (I, R, F) -> vectors (I, 1, D)."""
        return pooled.of_pictures(normalize(self.a(self._seen(regions)), dim=-1), regions)

    def encode_texts(self, words: Words) -> Vectors:
        """Sentences as B' (g(y) - mean), at length 1: words (N, T) -> vectors (N, 1, D)."""
        return pooled.of_sentences(normalize(self.b(self.sentence(self.counts(words))), dim=-1), words)

    def loss(self, batch: Batch) -> Tensor:
        """Minus the sum of the correlations of f(x) and g(y), always computed in full precision."""
        with torch.autocast(self.mean.device.type, enabled=False):
            x, y = self._seen(batch.regions)[batch.picture], self.sentence(self.counts(batch.words))  # (N, D) each
            return -correlations(x, y, self.ridge)[: self.top or None].sum()

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Standardise features (mean 0, length 1 on average); count document frequencies."""
        whole = (pooled.pooled(batch.regions, self.pool) for batch in batches())
        self.mean, self.scale = mean_and_scale(whole)
        self.counts.fit(batch.words for batch in batches())

    @torch.no_grad()
    def refresh(self, pictures: Callable[[int], Iterable[Batch]]) -> None:
        """Fit the linear CCA to the networks' current outputs on the training split; in evaluation mode."""
        here = (batch.to(self.mean.device) for batch in pictures(sys.maxsize))
        pairs = ((self._seen(one.regions), self.sentence(self.counts(one.words)), one.picture) for one in here)
        canonical(pairs, self.a.out_features, self.ridge).onto(self.a, self.b, self.power)

    def _seen(self, regions: Regions) -> Tensor:
        """f(x): regions (I, R, F) -> (I, D)."""
        return self.picture((pooled.pooled(regions, self.pool) - self.mean) * self.scale)


def network(told: int, hidden: int, out: int, dropout: float) -> nn.Sequential:
    """A network with one hidden layer of rectified linear units: (B, told) -> (B, out)."""
    first = nn.Linear(told, hidden)
    nn.init.zeros_(first.bias)  # inputs have length 1: else the bias would decide which units are active at first
    return nn.Sequential(nn.Dropout(dropout), first, nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, out))


def correlations(x: Tensor, y: Tensor, ridge: float) -> Tensor:
    """Canonical correlations of pairs x, y, (N, D) each -> (D,), 0 to 1, greatest first; differentiable.

    In float64 on the CPU, as not every device has float64. It uses only Cholesky factors and singular values: unlike
    eigenvectors, their gradients do not divide by gaps between eigenvalues, so they stay finite where some are equal.

    Args:
        x: (N, D).
        y: (N, D).
        ridge: added to every variance, in units of the mean variance of its side; > 0.
    """
    x, y = (side.cpu().double() - side.cpu().double().mean(dim=0) for side in (x, y))
    xx, xy, yy = (first.T @ second / len(x) for first, second in ((x, x), (x, y), (y, y)))  # (D, D) each
    return torch.linalg.svdvals(whitened(xy, root(xx, ridge), root(yy, ridge)))

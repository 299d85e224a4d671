"""Canonical correlation analysis: the directions in which pictures and their sentences vary together.

Hotelling 1936; Hodosh et al. 2013 rank Flickr8K by it; Gong et al. 2014, "A Multi-View Embedding Space for Modeling
Internet Images, Tags, and Their Semantics", weight each direction by its correlation and compare by cosine. There is no
gradient descent: covariances are summed once over the training pairs, and the rest is linear algebra.
"""

import math
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from wordsight.batch import Batch, LabelInfo, Regions, Vectors, Words
from wordsight.errors import InputError
from wordsight.matching import pooled
from wordsight.matching.matcher import Matcher
from wordsight.text.tfidf import TfIdf
from wordsight.vision.standardise import mean_and_scale


class CCA(Matcher):
    """Regularised linear CCA of pooled features and the words of a sentence, in closed form.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        embedding: D, number of directions kept, the most correlated ones.
        words: E, size of a word vector.
        sentence: what represents a sentence: `tfidf`, its tf-idf counts (V; their covariance is V x V), or `vectors`,
            the sum of its word vectors weighted by these counts (E).
        ridge: added to every variance before whitening, in units of each side's mean variance.
        power: directions are weighted by their correlation to this power; 0 weights all equally.
        kernel: number of random Fourier features that replace the picture's features, which approximates CCA with a
            Gaussian kernel (Rahimi & Recht 2007); 0 for the features themselves.
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
        words: int = 300,
        sentence: Literal["tfidf", "vectors"] = "tfidf",
        ridge: float = 1.0,
        power: float = 1.0,
        kernel: int = 0,
        pool: pooled.Pool = "whole",
    ) -> None:
        super().__init__()
        if not (ridge > 0 and power >= 0 and kernel >= 0):
            found = f"ridge = {ridge}, power = {power}, kernel = {kernel}"
            raise ValueError(f"{found}: expected a ridge above 0, the others at least 0")
        self.counts = TfIdf(vocabulary)
        self.words = nn.Embedding(vocabulary, words) if sentence == "vectors" else None
        self.register_buffer("mean", torch.zeros(features))  # see `fit`
        self.register_buffer("scale", torch.ones(()))
        self.waves = nn.Linear(features, kernel) if kernel else None
        seen, said = kernel or features, vocabulary if sentence == "tfidf" else words
        self.size = min(embedding, seen, said)
        self.picture, self.sentence = nn.Linear(seen, self.size), nn.Linear(said, self.size)  # a and b
        self.ridge, self.power, self.pool = ridge, power, pool
        self.requires_grad_(False)

    def encode_images(self, regions: Regions) -> Vectors:
        """Pictures as A' (x - mean), at length 1: regions (I, R, F) -> vectors (I, 1, D)."""
        return pooled.of_pictures(normalize(self.picture(self._seen(regions)), dim=-1), regions)

    def encode_texts(self, words: Words) -> Vectors:
        """Sentences as B' (y - mean), at length 1: words (N, T) -> vectors (N, 1, D)."""
        return pooled.of_sentences(normalize(self.sentence(self._said(words)), dim=-1), words)

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Fit everything: feature standardisation, document frequencies, then CCA."""
        whole = (pooled.pooled(batch.regions, self.pool) for batch in batches())
        self.mean, self.scale = mean_and_scale(whole)
        self.counts.fit(batch.words for batch in batches())
        if self.waves is not None:  # a Gaussian kernel of variance 2, the pictures' mean squared distance
            nn.init.normal_(self.waves.weight, std=math.sqrt(0.5))
            nn.init.uniform_(self.waves.bias, 0, 2 * math.pi)
        pairs = ((self._seen(batch.regions), self._said(batch.words), batch.picture) for batch in batches())
        found = canonical(pairs, self.size, self.ridge)
        found.onto(self.picture, self.sentence, self.power)

    def _seen(self, regions: Regions) -> Tensor:
        """CCA's input of pictures, x (I, P)."""
        features = (pooled.pooled(regions, self.pool) - self.mean) * self.scale
        if self.waves is None:
            return features
        return math.sqrt(2 / self.waves.out_features) * self.waves(features).cos()

    def _said(self, words: Words) -> Tensor:
        """CCA's input of sentences, y (N, Q)."""
        counts: Tensor = self.counts(words)  # (N, V)
        return counts if self.words is None else counts @ self.words.weight


class Canonical(NamedTuple):
    """The result of CCA, in float64.

    Attributes:
        seen: (P,) the mean of x.
        said: (Q,) the mean of y.
        a: (P, D) directions of x; on the training pairs, a' (x - seen) has variances of at most 1 and no covariances.
        b: (Q, D) directions of y, likewise.
        correlations: (D,) of the two in each direction, 0 to 1, greatest first.
    """

    seen: Tensor
    said: Tensor
    a: Tensor
    b: Tensor
    correlations: Tensor

    def onto(self, picture: nn.Linear, sentence: nn.Linear, power: float) -> None:
        """Set two linear maps to project onto the directions, each weighted by its correlation to a power."""
        weights = self.correlations.clamp(0, 1) ** power  # (D,)
        for linear, middle, directions in ((picture, self.seen, self.a), (sentence, self.said, self.b)):
            directions = directions * weights
            with torch.no_grad():
                linear.weight.copy_(directions.T)
                linear.bias.copy_(-middle @ directions)


def canonical(pairs: Iterable[tuple[Tensor, Tensor, Tensor]], size: int, ridge: float) -> Canonical:
    """The pairs of directions a, b in which two sides are most correlated, each uncorrelated with those before.

    They maximise a' Sxy b / sqrt(a' Sxx a  b' Syy b), with a ridge on Sxx and Syy (Hotelling 1936): with the Cholesky
    factors Sxx = Lx Lx' and Syy = Ly Ly' they are Lx^-T u and Ly^-T v for the singular vectors u, v of Lx^-1 Sxy Ly^-T,
    whose singular values are the correlations. (The symmetric roots Sxx^-1/2 and Syy^-1/2 give the same a and b.)

    Args:
        pairs: blocks of pictures x (I, P), their sentences y (N, Q), and the picture (N,) of each sentence; read once,
            with moments summed in float64.
        size: D, at most the smaller of P and Q.
        ridge: added to every variance, in units of the mean variance of its side; > 0.
    """
    count, (seen, said, xx, xy, yy) = 0, torch.zeros(5, 1, dtype=torch.float64)
    for some in pairs:
        x, y, picture = some[0].cpu().double(), some[1].cpu().double(), some[2].cpu()
        often = torch.bincount(picture, minlength=len(x)).double()  # (I,): number of sentences of each picture
        sums = y.new_zeros(len(x), y.shape[1]).index_add(0, picture, y)  # (I, Q)
        count, seen, said = count + len(y), seen + often @ x, said + y.sum(dim=0)
        xx, xy, yy = xx + (x * often[:, None]).T @ x, xy + x.T @ sums, yy + y.T @ y
    seen, said = seen / count, said / count
    x_root = root(xx / count - torch.outer(seen, seen), ridge)
    y_root = root(yy / count - torch.outer(said, said), ridge)
    u, s, v = torch.linalg.svd(whitened(xy / count - torch.outer(seen, said), x_root, y_root), full_matrices=False)
    a = torch.linalg.solve_triangular(x_root.T, u[:, :size], upper=True)
    b = torch.linalg.solve_triangular(y_root.T, v[:size].T, upper=True)
    return Canonical(seen, said, a, b, s[:size])


def root(covariance: Tensor, ridge: float) -> Tensor:
    """The Cholesky factor (P, P), lower, of a covariance with a ridge in units of its mean variance.

    Raises:
        InputError: no factor exists: the ridge is too small, or the covariance is not finite.
    """
    variance = covariance.diagonal().mean().clamp(min=1e-12)
    try:
        return torch.linalg.cholesky(covariance + ridge * variance * torch.eye(len(covariance), dtype=covariance.dtype))
    except torch.linalg.LinAlgError:
        why = "a covariance cannot be inverted; make it greater or, where weights learn by steps, train.lr smaller"
        raise InputError(f"model.ridge = {ridge:g}: {why}.") from None


def whitened(xy: Tensor, x_root: Tensor, y_root: Tensor) -> Tensor:
    """Lx^-1 Sxy Ly^-T (P, Q), whose singular values are the correlations."""
    half = torch.linalg.solve_triangular(x_root, xy, upper=False)  # (P, Q)
    return torch.linalg.solve_triangular(y_root, half.T, upper=False).T

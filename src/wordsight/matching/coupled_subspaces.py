"""Coupled subspaces: projections of sketches and photos into one space, learned from pairs, with view selection.

Our own variant in the family of Xu et al. 2016, "Instance-Level Coupled Subspace Learning for Fine-Grained Sketch-Based
Image Retrieval", whose objective we have not seen. It is LCFS (Wang et al. 2013) with the identity of the photo as the
target of both sides, and a group norm over whole views instead of a norm over single columns.

Photos X_p and sketches X_s, with each view centred on its side and scaled, are projected by W_p = U + V_p and
W_s = U + V_s: U is shared, since a view means the same on both sides, and V_p and V_s are each side's own. With Y the
centred identity of each row's photo, the learned parts minimise

    |X_p W_p - Y|^2 + |X_s W_s - Y|^2 + penalty (sum over views v of c_v |U_v| + d_v |V_v|)^2        (1)

(Frobenius norms; V_v is the view's part of V_p and V_s). The sum of norms keeps few views. Alternating solution: with
shares b of the norms, (sum c |U|)^2 = min over b of sum c^2 |U|^2 / b. So for fixed shares, (1) is ridge regression
with the kernel sum over blocks of b / c^2 K; for fixed projections, the best shares are proportional to c |U|. This is
iteratively reweighted least squares. It stops when no share changes by more than `TOLERANCE`, or after `ROUNDS`.

The weights c are those of an adaptive group norm (Wang & Leng 2008): 1 / agreement^power. The agreement of a block is
the mean reciprocal rank of each sketch's own photo by this block alone, with all rows of that photo left out of the
training (in closed form). Finally the projections are reduced in rank: the singular values of [X_p W_p; X_s W_s] are
shrunk (the proximal step of its trace norm), and the first `rank` directions are kept.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from wordsight.configured import Configured

TOLERANCE, ROUNDS = 2e-3, 20
BOTH = (True, False)  # kinds of blocks: the shared part, and each side's own part
KEPT = 1e-2  # blocks with a smaller share of the kernel are dropped
PENALTIES = (1.0, 2.0, 4.0)
SAMPLED = 2  # sketches of each photo used to select views


class Fit(NamedTuple):
    """Result of training: the selected views and the penalty.

    Attributes:
        shared: view -> its share of the kernel in the part that both sides share; 0 if it was dropped.
        own: view -> likewise in each side's own part; all shares add up to 1.
        agreement: view -> mean reciprocal rank by the view alone, photos left out of training; 0 without selection.
        rounds: number of reweightings.
        change: the largest change of a share in the last round.
        penalty: the one with the best agreement.
        score: mean reciprocal rank with all kept views, photos left out of training.
    """

    shared: dict[str, float]
    own: dict[str, float]
    agreement: dict[str, float]
    rounds: int
    change: float
    penalty: float
    score: float


class CoupledSubspaces(Configured):
    """Coupled subspaces of sketches and photos; see the module.

    Args:
        size: F, columns of all views together.
        rank: D, size of the common space.
        power: exponent of the agreement in the weights of the group norm; 0 for a plain group norm.
        select: select views; else all have the same share.
        shared: both sides share a part.
        trace: amount by which singular values are shrunk, as a fraction of the greatest.
    """

    means: Tensor
    scales: Tensor
    photo: Tensor
    sketch: Tensor

    def __init__(
        self,
        size: int,
        *,
        rank: int = 128,
        power: float = 1.0,
        select: bool = True,
        shared: bool = True,
        trace: float = 0.0,
    ) -> None:
        super().__init__()
        self.rank, self.power, self.select, self.shared, self.trace = rank, power, select, shared, trace
        self.register_buffer("means", torch.zeros(2, size))
        self.register_buffer("scales", torch.ones(2, size))
        self.register_buffer("photo", torch.zeros(size, rank))
        self.register_buffer("sketch", torch.zeros(size, rank))

    def encode_photos(self, views: Tensor) -> Tensor:
        """Views of photos (P, F) -> vectors (P, D) of length 1."""
        return normalize(((views - self.means[0]) * self.scales[0]) @ self.photo, dim=-1)

    def encode_sketches(self, views: Tensor) -> Tensor:
        """Views of sketches (N, F) -> vectors (N, D) of length 1."""
        return normalize(((views - self.means[1]) * self.scales[1]) @ self.sketch, dim=-1)

    @torch.no_grad()
    def fit(self, photos: Tensor, sketches: Tensor, photo: Tensor, views: Mapping[str, slice]) -> Fit:
        """Learn the projections.

        Args:
            photos: (P, F) views of photos.
            sketches: (N, F) views of sketches.
            photo: (N,) the photo of each sketch.
            views: the columns of each view.
        """
        for side, x in enumerate((photos, sketches)):
            self.means[side] = x.mean(0)
            for block in views.values():
                centred = x[:, block] - self.means[side, block]
                self.scales[side, block] = centred.square().sum(1).mean().clamp(min=1e-12).rsqrt()
        x_p, x_s = ((x - self.means[i]) * self.scales[i] for i, x in enumerate((photos, sketches)))
        few = sampled(photo)
        grams = [Gram.of(torch.cat((x_p[:, block], x_s[few][:, block])), len(x_p)) for block in views.values()]
        found = self._selected(grams, photo[few], list(views))
        self._solve(x_p, x_s, photo, views, found)
        return found

    def _selected(self, grams: Sequence["Gram"], photo: Tensor, names: Sequence[str]) -> Fit:
        """Select views: their shares, and the penalty."""
        kinds = BOTH if self.shared else BOTH[1:]
        blocks = [(gram, kind) for kind in kinds for gram in grams]
        rounds, change, middle = 0, 0.0, PENALTIES[len(PENALTIES) // 2]
        alone, shares = torch.zeros(len(blocks)), torch.full((len(blocks),), 1 / len(blocks))
        if self.select:
            alone = torch.tensor([agreement(gram.kernel(kind), photo, middle) for gram, kind in blocks])
            weights = alone.clamp(min=1e-3) ** -self.power
            shares, rounds, change = reweighted(blocks, photo, weights / weights.mean(), middle)
            shares = torch.where(shares < KEPT, 0, shares)
            shares /= shares.sum()
        kernel = mixed(blocks, shares)
        scores = {penalty: agreement(kernel, photo, penalty) for penalty in PENALTIES}
        best = max(scores, key=lambda penalty: scores[penalty])
        by_kind = dict(zip(kinds, shares.split(len(grams)), strict=True))
        parts = [dict(zip(names, by_kind[kind].tolist(), strict=True)) if kind in kinds else {} for kind in BOTH]
        agreements = dict(zip(names, alone[: len(grams)].tolist(), strict=True))
        return Fit(parts[0], parts[1], agreements, rounds, change, best, scores[best])

    def _solve(self, x_p: Tensor, x_s: Tensor, photo: Tensor, views: Mapping[str, slice], found: Fit) -> None:
        """Solve the ridge regression with the selected shares, and reduce its rank."""
        count, x = len(x_p), torch.cat((x_p, x_s))
        kernel = torch.zeros(len(x), len(x))
        for name, block in views.items():
            gram = Gram.of(x[:, block], count)
            kernel += found.shared.get(name, 0.0) * gram.kernel(True) + found.own[name] * gram.kernel(False)
        dual = ridge(kernel, targets(count, photo), found.penalty)  # (P + N, P)
        _, values, directions = torch.linalg.svd(kernel @ dual, full_matrices=False)
        shrunk = (1 - self.trace * values[0] / values.clamp(min=1e-12)).clamp(min=0)[: self.rank]
        dual = dual @ (directions[: self.rank].T * shrunk)  # (P + N, D)
        self.photo.zero_(), self.sketch.zero_()
        width = dual.shape[1]
        for name, block in views.items():
            own = (x_p[:, block].T @ dual[:count], x_s[:, block].T @ dual[count:])
            both = found.shared.get(name, 0.0) * (own[0] + own[1])
            for side, part in zip((self.photo, self.sketch), own, strict=True):
                side[block, :width] = both + found.own[name] * part


class Gram(NamedTuple):
    """Gram matrix of a view: inner products of its rows, photos first, then sketches.

    Attributes:
        whole: (P + N, P + N).
        photos: P.
    """

    whole: Tensor
    photos: int

    @classmethod
    def of(cls, rows: Tensor, photos: int) -> "Gram":
        """The Gram matrix of rows (P + N, columns)."""
        return cls(rows @ rows.T, photos)

    def kernel(self, shared: bool) -> Tensor:
        """The kernel of the shared part, or of each side's own part, which is 0 between photos and sketches."""
        if shared:
            return self.whole
        own = self.whole.clone()
        own[: self.photos, self.photos :] = own[self.photos :, : self.photos] = 0
        return own


Blocks = Sequence[tuple[Gram, bool]]  # a view's Gram matrix, and whether the block is of the shared part


def reweighted(blocks: Blocks, photo: Tensor, weights: Tensor, penalty: float) -> tuple[Tensor, int, float]:
    """Minimise (1): the shares (B,) of blocks in the kernel, the number of rounds, and the last change."""
    goal = targets(blocks[0][0].photos, photo)
    norms, rounds, change = torch.full((len(blocks),), 1 / len(blocks)), 0, 1.0
    while rounds < ROUNDS and change > TOLERANCE:
        scale = norms / weights**2  # factor of each block in the kernel
        dual = ridge(mixed(blocks, scale), goal, penalty)
        squares = torch.tensor([(dual * (gram.kernel(kind) @ dual)).sum() for gram, kind in blocks])
        now = weights * scale * squares.clamp(min=0).sqrt()  # c |U|
        now /= now.sum()
        rounds, change, norms = rounds + 1, float((now - norms).abs().max()), now
    scale = norms / weights**2
    return scale / scale.sum(), rounds, change


def mixed(blocks: Blocks, shares: Tensor) -> Tensor:
    """The sum of the blocks' kernels, weighted by their shares."""
    kernel = torch.zeros_like(blocks[0][0].whole)
    for (gram, kind), share in zip(blocks, shares.tolist(), strict=True):
        if share:
            kernel += share * gram.kernel(kind)
    return kernel


def targets(count: int, photo: Tensor) -> Tensor:
    """Y (P + N, P): the photo of each row, one-hot and centred."""
    one = torch.eye(count) - 1 / count
    return torch.cat((one, one[photo]))


def ridge(kernel: Tensor, goal: Tensor, penalty: float) -> Tensor:
    """Dual weights of kernel ridge regression."""
    return torch.linalg.solve(kernel + penalty * torch.eye(len(kernel)), goal)


def agreement(kernel: Tensor, photo: Tensor, penalty: float) -> float:
    """Mean reciprocal rank of each sketch's photo among all photos, all rows of that photo left out of training.

    Ridge regression without the rows g predicts Y_g - G_gg^-1 (G Y)_g for them, with G = (K + penalty)^-1.
    """
    count = kernel.shape[0] - len(photo)
    goal, rows = targets(count, photo), torch.cat((torch.arange(count), photo))
    inverse = torch.linalg.inv(kernel + penalty * torch.eye(len(kernel)))
    dual, left_out = inverse @ goal, goal.clone()
    for one in range(count):
        own = (rows == one).nonzero()[:, 0]
        left_out[own] -= torch.linalg.solve(inverse[own][:, own], dual[own])
    found = normalize(left_out, dim=-1)
    scores = found[count:] @ found[:count].T
    ranks = (scores >= scores.gather(1, photo[:, None])).sum(1)
    return float((1 / ranks).mean())


def sampled(photo: Tensor) -> Tensor:
    """Indices of the first sketches of each photo, at most `SAMPLED` of each."""
    seen: dict[int, int] = {}
    kept = []
    for place, one in enumerate(photo.tolist()):
        seen[one] = seen.get(one, 0) + 1
        if seen[one] <= SAMPLED:
            kept.append(place)
    return torch.tensor(kept)

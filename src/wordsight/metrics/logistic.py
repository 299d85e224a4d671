"""Logistic regression on few inputs by Newton's method, for calibration (Platt 1999)."""

import torch
from torch import Tensor

STEPS = 60
PRIOR = 1.0  # weight of a normal prior on standardised weights: keeps them finite for separable examples
TINY = 1e-9


def logistic(inputs: Tensor, right: Tensor, rising: int = 0, counts: Tensor | None = None) -> Tensor:
    """Fit a logistic regression.

    Args:
        inputs: (M, P), the last column all 1.
        right: (M,) bool.
        rising: the number of weights, from the first, that are constrained to be >= 0.
        counts: (M,) weight of each example; None for 1.

    Returns:
        (P,) float64 weights: log odds are the sum of inputs times weights.
    """
    inputs, counts = inputs.double(), torch.ones(len(inputs)).double() if counts is None else counts.double()
    middle, spread = inputs.mean(dim=0), inputs.std(dim=0).clamp(min=TINY)
    middle[-1], spread[-1] = 0, 1
    scaled, used = (inputs - middle) / spread, torch.ones(inputs.shape[1], dtype=torch.bool)
    while True:
        weights = torch.zeros(inputs.shape[1], dtype=torch.double)
        weights[used] = _newton(scaled[:, used], right.double(), counts)
        if not (weights[:rising] < 0).any():
            break
        used[:rising] &= weights[:rising] >= 0
    weights = weights / spread
    weights[-1] -= weights[:-1] @ middle[:-1]
    return weights


def _newton(scaled: Tensor, right: Tensor, counts: Tensor) -> Tensor:
    """The unconstrained weights (P,) for standardised inputs."""
    weights = torch.zeros(scaled.shape[1], dtype=torch.double)
    prior = torch.full_like(weights, PRIOR) + TINY
    prior[-1] = TINY
    for _ in range(STEPS):
        guess = torch.sigmoid(scaled @ weights)
        uphill = scaled.T @ (counts * (right - guess)) - prior * weights
        curve = (scaled * (counts * guess * (1 - guess))[:, None]).T @ scaled + prior.diag()
        step = torch.linalg.solve(curve, uphill).clamp(-2, 2)
        weights = weights + step
        if step.abs().max() < 1e-7:
            break
    return weights

"""Optimiser, learning rate schedule and gradient clipping."""

import math

import torch
from torch import nn
from torch.optim import Optimizer

from wordsight.runs.recipe import TrainSettings


def optimiser(model: nn.Module, settings: TrainSettings) -> Optimizer:
    """AdamW, SGD with momentum, or RMSprop. Weight decay applies to matrices, not to biases."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
    ]
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum)
    if settings.optimiser == "rmsprop":
        return torch.optim.RMSprop(groups, lr=settings.lr)
    return torch.optim.AdamW(groups, lr=settings.lr)


def rate(settings: TrainSettings, step: int, steps: int) -> float:
    """The learning rate of one step.

    Args:
        settings: `lr`, `schedule`, `warmup`.
        step: 0 for the first.
        steps: the total.

    Returns:
        A rate from 0 to `lr`.
    """
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, steps - settings.warmup)
    if settings.schedule == "cosine":
        return settings.lr * (1 + math.cos(math.pi * done)) / 2
    if settings.schedule == "step":
        return settings.lr * (1.0 if done < 0.5 else 0.1)
    return settings.lr


def clip(model: nn.Module, settings: TrainSettings) -> None:
    """Clip the gradients by value (`clip_value`), then by global norm (`clip_norm`)."""
    if settings.clip_value:
        nn.utils.clip_grad_value_(model.parameters(), settings.clip_value)
    if settings.clip_norm:
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)

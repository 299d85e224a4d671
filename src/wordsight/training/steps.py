"""What happens to the weights in one step: which optimiser, at which rate, with which gradients cut."""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.optim import Optimizer

from wordsight.errors import InputError
from wordsight.training.recipe import TrainSettings


def optimiser(model: nn.Module, settings: TrainSettings) -> Optimizer:
    """AdamW, SGD with momentum, or RMSprop. Weight decay pulls on matrices, not on biases."""
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
        steps: how many there will be in all.

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
    """Cut the gradients: each number (`clip_value`), then the whole (`clip_norm`)."""
    if settings.clip_value:
        nn.utils.clip_grad_value_(model.parameters(), settings.clip_value)
    if settings.clip_norm:
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)


def device(name: str) -> torch.device:
    """The device of that name; `auto` is the fastest there is.

    Raises:
        InputError: this machine has no such device.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not isinstance(name, str):
        raise InputError(f"device: expected a name such as 'auto' or 'cpu', found {type(name).__name__}.")
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there.get(name, False):
        raise InputError(f"device {name!r}: this machine has {', '.join(kind for kind in there if there[kind])}.")
    return torch.device(name)


def autocast(precision: str, where: torch.device) -> AbstractContextManager[object]:
    """Compute in bf16 if asked, or with `auto` where that is fast: see `is_fast_at_bf16`."""
    if precision == "auto":
        precision = "bf16" if is_fast_at_bf16(where) else "float32"
    return torch.autocast(where.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def is_fast_at_bf16(where: torch.device) -> bool:
    """Whether bf16 is known to be faster than float32 there: CUDA with bf16, CPUs with AMX, AMD's with AVX-512 BF16.

    Intel's CPUs that have AVX-512 BF16 but no AMX are slower in it, others many times so.
    """
    if where.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if where.type != "cpu":
        return False
    has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and "AMD" in str(has.get("cpu_name"))))

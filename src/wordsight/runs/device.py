"""Device and precision of a model's computations."""

from contextlib import AbstractContextManager, nullcontext

import torch

from wordsight.errors import InputError


def device_named(name: str) -> torch.device:
    """The device of that name; `auto` is the first of CUDA, MPS and CPU that this machine has.

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
    """A context that computes in bf16 if asked, or with `auto` where bf16 is fast (`is_fast_at_bf16`)."""
    if precision == "auto":
        precision = "bf16" if is_fast_at_bf16(where) else "float32"
    return torch.autocast(where.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def is_fast_at_bf16(where: torch.device) -> bool:
    """Whether bf16 is known to be faster than float32 there: CUDA with bf16, CPUs with AMX, AMD's with AVX-512 BF16.

    Intel's CPUs with AVX-512 BF16 but without AMX are slower in bf16; other CPUs are many times slower.
    """
    if where.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if where.type != "cpu":
        return False
    has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and "AMD" in str(has.get("cpu_name"))))

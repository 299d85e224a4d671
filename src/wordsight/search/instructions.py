"""Instructions of the fused scan: which ones numba and the processor allow, and what they need to run."""

import ctypes
import platform
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wordsight.search.codes import CHUNK, GROUP, MIDDLE, ROWS, WordCodes
from wordsight.search.rows import Ints, empty
from wordsight.search.threads import in_threads

Instructions = Literal["amx", "vnni"]
HALF = 7.5  # the middle of half a byte
MOST_VNNI = 64  # words; with more, ONNX Runtime is as fast, as it multiplies larger blocks
_ARCH_PRCTL, _REQUEST, _TILES = 158, 0x1023, 18  # of Linux on x86-64: a process must ask for AMX's registers


@cache
def instructions() -> tuple[Instructions, ...]:
    """The instructions that `fused.py` can use here, the fastest first; none without numba (the extra `fast`)."""
    if find_spec("numba") is None or platform.machine() not in ("x86_64", "AMD64"):
        return ()
    from llvmlite import binding

    has = binding.get_host_cpu_features()
    found: list[Instructions] = []
    if has.get("avx512vnni") and has.get("avx512bw"):
        if has.get("amx-int8") and has.get("amx-tile") and _may_use_tiles():
            found.append("amx")
        found.append("vnni")
    return tuple(found)


def chosen(words: int) -> Instructions | None:
    """The fastest instructions for `words` words; None if ONNX Runtime is to multiply."""
    for way in instructions():
        if way == "amx" or words <= MOST_VNNI:
            return way
    return None


def fused_scores(
    way: Instructions,
    rows: NDArray[np.uint8],
    first: Ints,
    count: Ints,
    steps: NDArray[np.float32],
    words: WordCodes,
    shares: Tensor,
    *,
    halves: bool = False,
) -> NDArray[np.float32]:
    """Scores of the rounded vectors of I pictures with Q queries, computed in torch's number of threads.

    Args:
        way: one of `instructions()`.
        rows: (rows, D) of a segment, in memory.
        first: (I,) each picture's first row, ascending.
        count: (I,) the number of rows of each.
        steps: (I,) the step length of each.
        words: W words.
        shares: (W, Q) the weight of each word in each query.
        halves: whether a number takes half a byte, so that `rows` is (rows, D / 2), and 7.5 stands for 0.

    Returns:
        (Q, I) float32.
    """
    owned = [np.flatnonzero(column) for column in shares.numpy().T]  # the words of each query
    order, ends = np.concatenate(owned), np.cumsum([0, *map(len, owned)])
    query = np.repeat(np.arange(len(owned)), np.diff(ends))
    values = words.values[order]
    weights = (words.steps.numpy()[order] * shares.numpy()[order, query]).astype(np.float32)
    middle = (HALF if halves else MIDDLE) * values.sum(axis=1, dtype=np.int32)
    found = np.empty((len(owned), len(first)), np.float32)
    planes = 2 if halves else 1
    matrix, flat, size = packed(values, way, planes), rows.reshape(-1), values.shape[1] // planes

    def work(part: slice) -> None:
        from wordsight.search.fused import score

        some = np.empty((len(owned), part.stop - part.start), np.float32)
        of = (first[part], count[part], matrix, ends, weights, middle, steps[part])
        spread = empty((planes * ROWS * size + CHUNK,), np.uint8) if halves else None
        score(_shape(way), spread, flat, size, *of, _buffers(len(values), size), some)
        found[:, part] = some

    in_threads(work, count)
    return found


def packed(words: NDArray[np.int8], way: Instructions, planes: int = 1) -> NDArray[np.int8]:
    """Pack words (W, D) for multiplication, in groups of 16 and steps of 64 bytes of each plane, padded with 0.

    VNNI takes word after word; AMX takes, of each step, 4 bytes of each word in turn.
    """
    size = words.shape[1] // planes
    groups, steps = -(-len(words) // GROUP), -(-size // CHUNK)
    padded = np.zeros((groups * GROUP, planes, steps * CHUNK), np.int8)
    padded[: len(words), :, :size] = words.reshape(len(words), planes, size)
    if way == "amx":
        padded = padded.reshape(groups, GROUP, planes * steps, CHUNK // 4, 4).transpose(0, 2, 3, 1, 4)
    found = empty((padded.size,), np.int8)
    found[:] = padded.reshape(-1)
    return found


@cache
def _shape(way: Instructions) -> NDArray[np.uint8] | None:
    """Configuration of AMX's tiles, 16 rows of 64 bytes each (palette 1 of Intel's manual); None for VNNI."""
    if way == "vnni":
        return None
    told = np.zeros(64, np.uint8)
    told[0], told[48:56] = 1, 16
    told[16:32].view(np.uint16)[:] = 64
    return told


def _buffers(words: int, size: int) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int32]]:
    groups = -(-words // GROUP)
    kinds: Sequence[tuple[int, type]] = (
        (groups * ROWS * GROUP, np.int32),
        (ROWS * size + CHUNK, np.uint8),
        (groups * GROUP, np.int32),
    )
    products, tail, best = (empty((length,), kind) for length, kind in kinds)
    return products, tail, best


def _may_use_tiles() -> bool:
    """Ask the system for AMX's registers, for all threads of this process; returns whether it grants them."""
    if not sys.platform.startswith("linux"):
        return False
    return ctypes.CDLL(None, use_errno=True).syscall(_ARCH_PRCTL, _REQUEST, _TILES) == 0

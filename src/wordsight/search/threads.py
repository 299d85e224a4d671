"""Threads: work on many pictures in as many threads as torch has; numba and zlib release Python's lock (GIL)."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import torch

from wordsight.search.rows import Ints


def in_threads(work: Callable[[slice], None], sizes: Ints) -> None:
    """Split pictures into parts with about as many rows each, and work on each part in a thread.

    Args:
        work: receives the slice of the pictures of a part.
        sizes: (I,) how many rows each picture has.
    """
    threads = max(1, min(torch.get_num_threads(), len(sizes)))
    cuts = np.searchsorted(np.cumsum(sizes), sizes.sum() * np.arange(1, threads) / threads)
    parts = [slice(int(a), int(b)) for a, b in pairwise([0, *cuts, len(sizes)])]
    if threads > 1:
        list(_pool(threads, os.getpid()).map(work, parts))
    else:
        work(parts[0])


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)

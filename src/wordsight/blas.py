"""BLAS limited to one thread, for numpy's matrix products in parallel workers, each with a core of its own.

By default OpenBLAS splits every product, however small, among all cores. Parallel workers then wait for each other's
shares, spinning: on two cores, encoding takes half as long again.
"""

from functools import cache
from threading import Lock
from types import TracebackType

from threadpoolctl import ThreadpoolController


class _OneThread:
    """Context manager that limits the process's BLAS to one thread until every thread that entered it has left."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._limits = _libraries().limit(limits=1, user_api="blas")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limits.restore_original_limits()


@cache
def _libraries() -> ThreadpoolController:
    """The BLAS libraries loaded at the first call, numpy's among them; finding them takes a millisecond."""
    return ThreadpoolController()


one_thread = _OneThread()

"""Worker threads beside the event loop: they end with the process, and their queues are bounded."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar, cast

from starlette.requests import Request

P = ParamSpec("P")
R = TypeVar("R")


class Busy(Exception):
    """Too many calls are waiting already."""


class Left(Exception):
    """The client has disconnected before the answer."""


class Workers:
    """Threads and the calls that wait for them.

    The threads are daemons: a call that hangs does not keep the process from ending.

    Attributes:
        most: maximum number of calls, running and waiting.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self.threads, self.most = threads, threads + waiting
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._there, self._lock, self._begun = 0, Lock(), False

    async def run(self, request: Request, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call in one of the threads and return its result.

        The call is dropped if the client disconnects before it has begun.

        Raises:
            Busy: `most` calls are running or waiting already.
            Left: the client has disconnected.
        """
        job = self._put(lambda: work(*args, **kwargs))
        answer = asyncio.wrap_future(job)
        gone = asyncio.ensure_future(_gone(request.receive))
        gone.add_done_callback(lambda task: task.cancelled() or task.exception())  # else asyncio prints it
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise Left
            return cast(R, answer.result())
        finally:
            gone.cancel()
            answer.cancel()  # cancels the call too, if it has not begun

    def _put(self, work: Callable[[], object]) -> "Future[Any]":
        job: Future[Any] = Future()
        with self._lock:
            if self._there >= self.most:
                raise Busy
            self._there += 1
            if not self._begun:
                self._begun = True
                for _ in range(self.threads):
                    Thread(target=self._work, daemon=True).start()
        job.add_done_callback(self._left)
        self._calls.put(lambda: _do(job, work))
        return job

    def _left(self, job: "Future[Any]") -> None:
        with self._lock:
            self._there -= 1

    def _work(self) -> None:
        while True:
            self._calls.get()()


def _do(job: "Future[Any]", work: Callable[[], object]) -> None:
    if not job.set_running_or_notify_cancel():
        return
    try:
        job.set_result(work())
    except BaseException as error:
        job.set_exception(error)


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    """Return once the client has disconnected; its whole request was received before."""
    while (await receive())["type"] != "http.disconnect":
        pass

"""Progress of many workers: each reports to a Ray actor, which the command polls."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wordsight.progress import Count, Progress

EVERY = 1.0  # shortest time between two reports of a worker, in seconds


class Relay:
    """Ray actor that collects the reports of workers."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[int, int]] = {}
        self._said: list[str] = []
        self._refusal: tuple[str, str] | None = None

    def count(self, worker: int, done: int, total: int) -> None:
        """Report how many parts a worker has done, and how many it has in all."""
        self._done[worker] = done, total

    def say(self, text: str) -> None:
        """Report a line for the user."""
        self._said.append(text)

    def refuse(self, kind: str, why: str) -> None:
        """Report why the work cannot be done: the name of an error, and its message."""
        self._refusal = kind, why

    def refusal(self) -> tuple[str, str] | None:
        """What `refuse` has reported; None if it was not called."""
        return self._refusal

    def news(self) -> tuple[dict[int, tuple[int, int]], list[str]]:
        """For each worker, how many parts are done and how many there are; and the lines since the last call."""
        said, self._said = self._said, []
        return dict(self._done), said


class Relayed(Progress):
    """Progress of one worker, sent to the relay.

    Args:
        relay: the handle of the actor.
        worker: the worker's number.
        task: name of the only task whose counts are reported.
        says: whether lines are reported.
    """

    def __init__(self, relay: Any, worker: int, task: str, *, says: bool = False) -> None:
        super().__init__(quiet=True)
        self._relay, self._worker, self._task, self._says = relay, worker, task, says

    def say(self, text: str) -> None:
        """Report a line."""
        if self._says:
            self._relay.say.remote(text)

    @contextmanager
    def task(self, name: str) -> Iterator[Count]:
        """Start a task; yields a function that receives its progress."""
        last = 0.0

        def count(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if name == self._task and (now - last >= EVERY or done == total):
                last = now
                self._relay.count.remote(self._worker, done, total)

        yield count

"""Progress of many workers, told to one: each reports to a Ray actor, which the command asks now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wordsight.progress import Count, Progress

EVERY = 1.0  # seconds between two reports of a worker


class Relay:
    """What workers have reported; a Ray actor."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[int, int]] = {}
        self._said: list[str] = []
        self._refusal: tuple[str, str] | None = None

    def count(self, worker: int, done: int, total: int) -> None:
        """How many parts a worker has done, of how many."""
        self._done[worker] = done, total

    def say(self, text: str) -> None:
        """A line for the person who waits."""
        self._said.append(text)

    def refuse(self, kind: str, why: str) -> None:
        """Why the work cannot be done, as the name of an error and its sentence."""
        self._refusal = kind, why

    def refusal(self) -> tuple[str, str] | None:
        """What `refuse` was told, if anything."""
        return self._refusal

    def news(self) -> tuple[dict[int, tuple[int, int]], list[str]]:
        """How many parts each worker has done, of how many, and the lines since the last call."""
        said, self._said = self._said, []
        return dict(self._done), said


class Relayed(Progress):
    """The progress of one worker, for the relay.

    Args:
        relay: the handle of the actor.
        worker: the worker's number.
        task: the task whose counts are reported; others are not.
        says: whether its lines are reported.
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

"""Progress on stderr: bars with a rate and a time estimate on a terminal, occasional lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wordsight.errors import printable

Count = Callable[[int, int], None]
"""Told how many parts are done, and how many there are."""


class Progress:
    """Reports progress.

    Attributes:
        quiet: print nothing.
        every: seconds between two lines if stderr is not a terminal.
    """

    def __init__(self, *, quiet: bool = False, every: float = 10.0) -> None:
        self.quiet, self.every = quiet, every

    def say(self, text: str) -> None:
        """Print one line."""
        if not self.quiet:
            print(printable(text, lines=True), file=sys.stderr, flush=True)

    @contextmanager
    def task(self, name: str) -> Iterator[Count]:
        """Start a task; yields a function that receives its progress."""
        if self.quiet:
            yield lambda done, total: None
        elif sys.stderr.isatty():
            with _bar(name) as count:
                yield count
        else:
            yield self._lines(name)

    def _lines(self, name: str) -> Count:
        began = said = time.monotonic()
        start = -1

        def count(done: int, total: int) -> None:
            nonlocal start, said
            start = done if start < 0 else start
            now = time.monotonic()
            if now - said >= self.every and done > start:
                said = now
                speed = (done - start) / max(now - began, 1e-9)
                left = clock((total - done) / speed)
                self.say(f"{name}: {done:,} of {total:,}, {rate(speed)}, {left} left")

        return count


@contextmanager
def _bar(name: str) -> Iterator[Count]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(rate(task.speed) if task.speed else "")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def rate(speed: float) -> str:
    """A speed in parts per second as `12 a second`, `1.5 a second` or `20 a minute`."""
    if speed < 1:
        return f"{60 * speed:.0f} a minute"
    return f"{speed:.0f} a second" if speed >= 10 else f"{speed:.1f} a second"


def clock(seconds: float) -> str:
    """Seconds as `1:23:45` or `2:05`."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"

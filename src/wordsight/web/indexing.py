"""Indexing from the page: one build at a time, in a thread of its own, from allowed folders."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Literal

from wordsight.data.pictures import Listing
from wordsight.errors import InputError
from wordsight.files import reason
from wordsight.progress import Count, Progress
from wordsight.search.index import Index
from wordsight.search.listing import listed_files

OUTSIDE = "a link out of the folders that may be indexed"


class Forbidden(Exception):
    """The server was not started for this; the message says how it would be."""


class Conflict(Exception):
    """The index cannot be written now, because something else writes to it; the message says what."""


class Stopped(Exception):
    """The user has stopped the build; pictures added so far are kept."""


class Indexing(Progress):
    """The builds of an index, one at a time.

    Attributes:
        folders: paths of the folders that may be indexed, with all below, by their names on the page.
        state: state of the last build.
        message: the last message about it, a sentence.
        done: number of files done.
        total: number of files in all.
    """

    def __init__(self, index: Index, folders: Sequence[Path], show_paths: bool) -> None:
        super().__init__()
        self.index, self.folders = index, _named(folders, show_paths)
        self.state: Literal["idle", "running", "done", "failed"] = "idle"
        self.message, self.done, self.total = "", 0, 0
        self._stop, self._lock, self._since = Event(), Lock(), (0.0, 0)

    @property
    def running(self) -> bool:
        """Whether a build of this process is running."""
        return self.state == "running"

    @property
    def seconds_left(self) -> float | None:
        """Estimated time until the build ends; None if unknown."""
        began, start = self._since
        if not self.running or self.done <= start:
            return None
        return round((time.monotonic() - began) / (self.done - start) * (self.total - self.done), 1)

    def start(self, name: str) -> None:
        """Start to index a folder.

        Raises:
            Forbidden: the folder may not be indexed.
            InputError: there is no such folder.
            Conflict: a build is running.
        """
        folder = self._allowed(name)
        with self._lock:
            if self.running:
                raise Conflict("Pictures are being indexed already; stop that, or wait until it is done.")
            self.state, self.message, self.done, self.total = "running", "", 0, 0
            self._since = time.monotonic(), 0
            self._stop.clear()
            Thread(target=self._build, args=(folder,), daemon=True).start()

    def stop(self) -> None:
        """Stop the running build, if any; pictures added so far are kept."""
        self._stop.set()

    def say(self, text: str) -> None:
        """Set `message`."""
        self.message = text

    @contextmanager
    def task(self, name: str) -> Iterator[Count]:
        """Start a task; yields a function that receives its progress."""

        def count(done: int, total: int) -> None:
            if not self.done and not self.total:
                self._since = time.monotonic(), done
            self.done, self.total = done, total
            if self._stop.is_set():
                raise Stopped

        yield count

    def _build(self, folder: str) -> None:
        try:
            listing = self._listed(folder)
            built = self.index.build(listing, progress=self)
            told = f"{len(built.added):,} added, {len(built.refreshed):,} refreshed, {built.unchanged:,} unchanged"
            self.message = f"{told}, {len(built.broken):,} left out."
            self.state = "done"
        except Stopped:
            self.message = "Stopped; what was added is kept."
            self.state = "done"
        except InputError as error:
            self.message, self.state = str(error), "failed"
        except OSError as error:
            self.message, self.state = f"{folder}: {reason(error)}.", "failed"
        except BaseException:
            self.message, self.state = "Something went wrong in the server; its terminal says what.", "failed"
            raise

    def _allowed(self, name: str) -> str:
        """The path of the folder with a name, if it may be indexed."""
        if not self.folders:
            raise Forbidden("This server was started without --photos FOLDER, so nothing can be indexed from here.")
        first = next((one for one in self.folders if name == one or name.startswith(one.rstrip("/") + "/")), None)
        if first is None or ".." in name.split("/") or "\0" in name:
            raise Forbidden("This folder is not among those that the server was started with (--photos).")
        folder = os.path.join(self.folders[first], name[len(first) :].lstrip("/"))
        if not self._is_inside(os.path.realpath(folder)):
            raise Forbidden(f"{name}: {OUTSIDE}.")
        if not os.path.isdir(folder):
            raise InputError(f"{name}: no such folder.")
        return folder

    def _is_inside(self, real: str) -> bool:
        return any(
            real == top or real.startswith(top.rstrip(os.sep) + os.sep)
            for top in map(os.path.realpath, self.folders.values())
        )

    def _listed(self, folder: str) -> Listing:
        """The pictures in a folder, except those behind links out of the allowed folders."""
        found = listed_files(folder)
        inside: dict[str, bool] = {}
        kept, left = [], dict(found.left_out)
        for path in found:
            place = str(path) if path.is_symlink() else str(path.parent)
            if place not in inside:
                inside[place] = self._is_inside(os.path.realpath(place))
            if inside[place]:
                kept.append(path)
            else:
                left[path] = f"{path}: {OUTSIDE}"
        if not kept:
            raise InputError(f"{folder}: no picture in this folder but behind links out of it.")
        return Listing(kept, left)


def _named(folders: Sequence[Path], show_paths: bool) -> dict[str, str]:
    """The paths of folders by their own names, made unique, or by their whole paths."""
    found: dict[str, str] = {}
    for folder in folders:
        full = os.path.abspath(folder)
        base = full if show_paths else os.path.basename(full) or "drive"
        name, again = base, 2
        while name in found and found[name] != full:
            name, again = f"{base} ({again})", again + 1
        found[name] = full
    return found

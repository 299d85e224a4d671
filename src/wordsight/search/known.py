"""Pictures of an index with the same content as a file, which was moved, has another name too, or is a copy."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from wordsight.search.catalog import Entry
from wordsight.search.paths import Paths


class Known:
    """The pictures of an index that have rows, by name and by content.

    Attributes:
        entries: their entries, by name.
    """

    def __init__(self, entries: Iterable[Entry], paths: Paths) -> None:
        self.entries: dict[str, Entry] = {}
        self._paths = paths
        self._same: dict[bytes, dict[str, Entry]] = {}  # content -> name -> entry
        self._gone: dict[bytes, dict[str, Entry]] = {}  # likewise, if its file is gone; filled on demand
        self._real: dict[bytes, dict[str, Entry]] = {}  # content -> path without links -> entry; filled on demand
        for entry in entries:
            self.put(entry)

    def put(self, entry: Entry) -> None:
        """Add a picture, or replace its entry."""
        old = self.entries.get(entry.path)
        if old:
            self.drop(old)
        self.entries[entry.path] = entry
        self._same.setdefault(entry.hash, {})[entry.path] = entry

    def drop(self, entry: Entry) -> None:
        """Remove a picture that has another name or other content now."""
        self.entries.pop(entry.path, None)
        for found in (self._same, self._gone):
            found.get(entry.hash, {}).pop(entry.path, None)

    def copy_of(self, content: bytes) -> Entry | None:
        """A picture of this content; None if there is none."""
        return next(iter(self._same.get(content, {}).values()), None)

    def permuted(self, now: Mapping[str, Entry]) -> dict[str, str]:
        """The pictures that now have the names of others, which have moved as well: old name -> new name.

        Args:
            now: by name, the files that are new or whose content may have changed.
        """
        left = {key for key, new in now.items() if key in self.entries and self.entries[key].hash != new.hash}
        sources: dict[bytes, list[str]] = {}
        for key in sorted(left):
            sources.setdefault(self.entries[key].hash, []).append(key)
        pairs: dict[str, str] = {}
        for new in sorted(left | (now.keys() - self.entries.keys())):
            if same := sources.get(now[new].hash):
                pairs[same.pop(0)] = new
        for new in sorted(left & pairs.keys() - set(pairs.values())):  # the first of a chain: its name has no file now
            known = self._same.get(now[new].hash, {})
            if gone := [key for key in known if key not in pairs and self._paths.is_gone(key)]:
                pairs[gone[0]] = new
        while over := [old for old, new in pairs.items() if new in self.entries and new not in pairs]:
            for old in over:  # the picture that had the new name is nowhere else: its content has changed
                del pairs[old]
        return pairs

    def moved_to(self, new: Entry, path: Path) -> Entry | None:
        """The picture that a file was before it was moved: one of the same content whose file is gone.

        If there is none, it is the picture that was known by a link to this file.
        """
        if new.hash not in self._same:
            return None
        if new.hash not in self._gone:
            same = self._same[new.hash]
            self._gone[new.hash] = {key: one for key, one in same.items() if self._paths.is_gone(key)}
            self._real[new.hash] = {os.path.realpath(self._paths.path(key)): one for key, one in same.items()}
        gone = self._gone[new.hash].values()
        name = new.path.rpartition("/")[2]
        best = next((one for one in gone if one.path.rpartition("/")[2] == name), None)
        real = os.path.realpath(path)
        linked = self._real[new.hash].get(real) if real == os.path.abspath(path) else None
        if linked and linked.path not in self.entries:  # it has been moved itself
            linked = None
        return best or next(iter(gone), None) or linked

"""Which pictures of an index have the same content as a file: it was moved, is the same by another name, or a copy."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from wordsight.search.catalog import Entry
from wordsight.search.paths import Paths


class Known:
    """The pictures of an index whose rows hold, by name and by content.

    Attributes:
        entries: by name.
    """

    def __init__(self, entries: Iterable[Entry], paths: Paths) -> None:
        self.entries: dict[str, Entry] = {}
        self._paths = paths
        self._same: dict[bytes, dict[str, Entry]] = {}  # content -> name -> entry
        self._gone: dict[bytes, dict[str, Entry]] = {}  # those of a content whose files are gone, once looked at
        self._real: dict[bytes, dict[str, Entry]] = {}  # and by the paths that no link is in
        for entry in entries:
            self.put(entry)

    def put(self, entry: Entry) -> None:
        """A picture, new or as it is now."""
        old = self.entries.get(entry.path)
        if old:
            self.drop(old)
        self.entries[entry.path] = entry
        self._same.setdefault(entry.hash, {})[entry.path] = entry

    def drop(self, entry: Entry) -> None:
        """A picture is not called so any more, or has other content."""
        self.entries.pop(entry.path, None)
        for found in (self._same, self._gone):
            found.get(entry.hash, {}).pop(entry.path, None)

    def copy_of(self, content: bytes) -> Entry | None:
        """A picture of this content."""
        return next(iter(self._same.get(content, {}).values()), None)

    def permuted(self, now: Mapping[str, Entry]) -> dict[str, str]:
        """Which pictures have the names of others now, whose own pictures are elsewhere too: old name -> new name.

        Args:
            now: by name, files that are new or whose content may be another.
        """
        left = {key for key, new in now.items() if key in self.entries and self.entries[key].hash != new.hash}
        sources: dict[bytes, list[str]] = {}
        for key in sorted(left):
            sources.setdefault(self.entries[key].hash, []).append(key)
        pairs: dict[str, str] = {}
        for new in sorted(left | (now.keys() - self.entries.keys())):
            if same := sources.get(now[new].hash):
                pairs[same.pop(0)] = new
        for new in sorted(left & pairs.keys() - set(pairs.values())):  # the first of a chain: its own name is gone
            known = self._same.get(now[new].hash, {})
            if gone := [key for key in known if key not in pairs and self._paths.is_gone(key)]:
                pairs[gone[0]] = new
        while over := [old for old, new in pairs.items() if new in self.entries and new not in pairs]:
            for old in over:  # what had the name is no more: the name's picture has changed
                del pairs[old]
        return pairs

    def moved_to(self, new: Entry, path: Path) -> Entry | None:
        """The picture that a file has been until it was moved: of the same content, and its file is gone.

        It is also what was known by a link to this file.
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

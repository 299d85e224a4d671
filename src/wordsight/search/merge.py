"""One index into another: rows are copied as they are, nothing is computed again."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wordsight.errors import InputError
from wordsight.search.catalog import Catalog, Entry

if TYPE_CHECKING:
    from wordsight.search.index import Index

PICTURES = 256  # committed together


def merge(into: "Index", other: "Index") -> tuple[int, int]:
    """Add the pictures of another index, with what is known of them.

    Pictures that are in both stay as they are. Interrupted, what was committed is kept, and the same call goes on.

    Returns:
        How many pictures were added, and how many were there already.

    Raises:
        InputError: the indexes are of different models or the same folder, another process is writing, or files are
            damaged or cannot be written.
    """
    if into.folder.resolve() == other.folder.resolve():
        raise InputError(f"{other.folder}: expected another index than the one that it goes into.")
    if into.facts["model"] != other.facts["model"]:
        raise InputError(f"{other.folder}: of another model than {into.folder}; build it again with that model.")
    with into.writing() as catalog, Catalog(other.folder) as theirs:
        snapshot = other.snapshot(theirs)
        known = {entry.path for entry in catalog.entries()}
        every = [(entry, into.places.key(other.places.path(entry.path))) for entry in theirs.entries()]
        new = [(entry, key) for entry, key in every if key not in known]
        for part in _parts(new):
            entries = [entry for entry, _ in part]
            vectors, boxes = (
                np.concatenate([maps[entry.segment][entry.first : entry.first + entry.rows] for entry in entries])
                for maps in (snapshot.vectors, snapshot.boxes)
            )
            batch = into.segments.append(catalog.segments(), vectors, boxes)
            firsts = batch.first + np.cumsum([0, *(entry.rows for entry in entries)])
            moved = [
                entry._replace(path=key, segment=batch.segment, first=int(first))
                for (entry, key), first in zip(part, firsts, strict=False)
            ]
            with catalog.change():
                catalog.put(batch, moved)
        return len(new), len(every) - len(new)


def _parts(new: Sequence[tuple[Entry, str]]) -> Iterator[Sequence[tuple[Entry, str]]]:
    return (new[first : first + PICTURES] for first in range(0, len(new), PICTURES))

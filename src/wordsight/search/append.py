"""Append vectors of pictures to the files on disk, and write their location into the entries."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from wordsight.batch import Vectors
from wordsight.search.catalog import Batch, Catalog, Entry
from wordsight.search.codes import quantise
from wordsight.search.halves import Halved
from wordsight.search.opened import Opened
from wordsight.search.rows import Ints, Readable
from wordsight.search.scan import Floats
from wordsight.search.vectors import Segments


def append(
    index: Opened, catalog: Catalog, encoded: Sequence[Entry], images: Vectors
) -> tuple[Batch | None, list[Entry]]:
    """Write encoded pictures to disk; returns their batch (None without pictures), and entries that locate their rows.

    Args:
        index: the index to write to.
        catalog: its catalogue.
        encoded: entries of I pictures, without rows.
        images: (I, R, D) their vectors.
    """
    if not encoded:
        return None, []
    values, places = images.values[images.mask].numpy(), images.places[images.mask].numpy()
    counts = images.mask.sum(dim=1)
    batch, length, blur = _written(index.segments, catalog.segments(), values, places, counts.numpy())
    hubness = torch.zeros(len(encoded)) if images.hubness is None else images.hubness
    entries, first = [], batch.first
    each = (part.tolist() for part in (counts, hubness, length, blur))
    for entry, rows, hub, length, blur in zip(encoded, *each, strict=True):
        known = entry._replace(rows=rows, hubness=hub, length=length, blur=blur)
        entries.append(known._replace(segment=batch.segment, first=first))
        first += rows
    return batch, entries


def like(new: Entry, same: Entry) -> Entry:
    """The entry of a picture with the rows of another picture of the same content."""
    places = {name: getattr(same, name) for name in ("segment", "first", "rows", "hubness", "length", "blur")}
    return new._replace(**places)


def copy_rows(
    vectors: Mapping[int, Readable],
    boxes: Mapping[int, Readable],
    entries: Sequence[Entry],
    segments: Segments,
    committed: Mapping[int, int],
) -> tuple[Batch, list[Entry]]:
    """Copy rows from other segments; returns their batch, and the entries with the new location of their rows.

    Pictures that share rows still share them afterwards.

    Args:
        vectors: the vectors of each source segment.
        boxes: the boxes of each source segment.
        entries: pictures with rows.
        segments: the segments to write to.
        committed: the number of committed rows of each of these segments.
    """
    shared = list(dict.fromkeys((one.segment, one.first, one.rows) for one in entries))
    values, places = (
        np.concatenate([files[segment][first : first + rows] for segment, first, rows in shared])
        for files in (vectors, boxes)
    )
    counts = np.array([rows for _, _, rows in shared])
    batch, _, blur = _written(segments, committed, values, places, counts)
    firsts = batch.first + np.cumsum(counts) - counts
    found = dict(zip(shared, zip(firsts.tolist(), blur.tolist(), strict=True), strict=True))
    moved = []
    for one in entries:
        first, blur = found[one.segment, one.first, one.rows]
        moved.append(one._replace(segment=batch.segment, first=first, blur=blur))
    return batch, moved


def _written(
    segments: Segments, committed: Mapping[int, int], values: Floats, places: Floats, counts: Ints
) -> tuple[Batch, Floats, Floats]:
    """Write rows in the index's format; returns their batch, and each picture's greatest vector length and blur.

    A compact index keeps no exact vectors from which a blur could be measured; there it is 0.
    """
    if segments.codebook is not None:
        length = np.maximum.reduceat(np.linalg.norm(values, axis=1), np.cumsum(counts) - counts)
        return segments.append_coded(committed, values, places, counts), length, np.zeros_like(length)
    halved = Halved.of(values)
    codes = quantise(halved.vectors, counts)
    return segments.append(committed, halved, places, codes), codes.length, codes.blur

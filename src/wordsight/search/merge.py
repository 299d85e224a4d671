"""Merge one index into another: rows are copied, and no picture is encoded again."""

from collections.abc import Iterator, Mapping, Sequence

from wordsight.errors import InputError
from wordsight.search import damage, frames, sketch_view, texts
from wordsight.search.append import copy_rows
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.frames import file_of, frame_key, split
from wordsight.search.opened import Opened
from wordsight.search.seal import Seal
from wordsight.search.snapshot import Snapshot

PICTURES = 256  # committed together


def check_match(mine: Opened, source: Opened) -> None:
    """Require that one index can be merged into another.

    Raises:
        InputError: they are of different models, or the same index.
    """
    if mine.folder.resolve() == source.folder.resolve() or mine.identity == source.identity:
        raise InputError(f"{source.folder}: expected another index than the one that it goes into.")
    if mine.facts["model"] != source.facts["model"]:
        raise InputError(f"{source.folder}: of another model than {mine.folder}; build it again with that model.")


def merge(mine: Opened, catalog: Catalog, source: Opened) -> tuple[int, int]:
    """Add the pictures and videos of another index, with what is known of them.

    Those in both indexes stay as they are. After an interruption, the same call continues from what was committed.

    Args:
        mine: the index to add to.
        catalog: its catalogue, open for writing.
        source: the other index.

    Returns:
        The number of pictures and videos added, and of those that were there already.

    Raises:
        InputError: files are damaged or cannot be written.
    """
    seal = Seal.read(source.folder)  # read before the catalogue, lest it be of a later commit
    with Catalog(source.folder) as theirs:
        _require_sound(theirs, source, seal)
        snapshot = source.snapshot(theirs)
        source.check()
        # a video counts as known once it has a row: an interrupted merge leaves frames of one without a row
        known = {entry.path for entry in catalog.entries()} | frames.videos(catalog).keys()
        every = [(entry, _name(entry, source, mine)) for entry in theirs.entries() if entry.rows]
        new = [(entry, key) for entry, key in every if not known & {file_of(key), key}]
        for part in _parts(new):
            mine.check()
            _copy(part, snapshot, theirs, catalog, mine)
        added = {file_of(key) for _, key in new}
        _copy_videos(
            theirs, catalog, {file_of(entry.path): file_of(key) for entry, key in every if file_of(key) not in known}
        )
        return len(added), len({file_of(key) for _, key in every} - added)


def unknown(index: Opened) -> list[str]:
    """What is known of only some pictures of an index (text, sketch view), each in a sentence.

    Raises:
        InputError: the index is damaged.
    """
    with Catalog(index.folder) as catalog:
        counts = {"text": texts.unread(catalog), "sketch view": sketch_view.missing(index)}
    return [
        f"{index.folder}: {count:,} of its pictures have no {what} yet; the next `wordsight index build` makes it."
        for what, count in counts.items()
        if count
    ]


def _name(entry: Entry, source: Opened, mine: Opened) -> str:
    """The name in this index of a picture or frame of another."""
    file, time = split(entry.path)
    key = mine.paths.key(source.paths.path(file))
    return key if time is None else frame_key(key, time)


def _copy_videos(theirs: Catalog, catalog: Catalog, names: Mapping[str, str]) -> None:
    """Copy how far videos are indexed, once all their frames are here; `names` are those there -> those here."""
    rows = [(one._replace(path=names[name]), name) for name, one in frames.videos(theirs).items() if name in names]
    if rows:
        with catalog.change():
            for video, name in rows:
                frames.put(catalog, video, frames.frames(theirs, name))


def _require_sound(theirs: Catalog, source: Opened, seal: Seal | None) -> None:
    """Require that nothing damaged is copied: its checksum here would be that of the damaged data.

    Raises:
        InputError: something is damaged, except pictures that wait to be encoded again, which are left out.
    """
    found = damage.find(theirs, source.segments, seal)
    if found.others:
        raise theirs.damage(found.others[0])
    waiting = {entry.path for _, entry, sound, told in theirs.pictures("rows = 0") if sound and told}
    if lost := [key for key in found.pictures if key not in waiting]:
        raise InputError(
            f"{source.folder}: {len(lost):,} of its pictures are damaged, the first is {source.paths.path(lost[0])}; "
            "`wordsight index build` repairs them. Nothing was merged."
        )


def _copy(
    part: Sequence[tuple[Entry, str]], snapshot: Snapshot, theirs: Catalog, catalog: Catalog, into: Opened
) -> None:
    """Copy entries of another index under new names, with their rows; those that share rows there share them here."""
    batch, copied = copy_rows(
        snapshot.vectors, snapshot.boxes, [entry for entry, _ in part], into.segments, catalog.segments()
    )
    moved = [entry._replace(path=key) for entry, (_, key) in zip(copied, part, strict=True)]
    with catalog.change():
        catalog.put(batch, moved)  # the next build reads which cameras took them
        texts.copy(theirs, catalog, {entry.path: key for entry, key in part})


def _parts(new: Sequence[tuple[Entry, str]]) -> Iterator[Sequence[tuple[Entry, str]]]:
    return (new[first : first + PICTURES] for first in range(0, len(new), PICTURES))

"""Damage of an index, where something is not as it was written: `verify` finds it, `build` repairs it.

Each row of the catalogue and each batch of vectors has the checksum of what was meant to be written, and the whole
catalogue has a seal (`seal.py`). A picture whose row or vectors are damaged keeps its name and metadata, and is encoded
again. A catalogue that SQLite cannot read is a matter for `salvage.py`.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wordsight.errors import InputError
from wordsight.search.catalog import Batch, Catalog
from wordsight.search.records import Entry, is_name, whole
from wordsight.search.schema import ADDED, CHECKED, tables_of
from wordsight.search.seal import Seal
from wordsight.search.vectors import Segments

NEEDED = ("size", "model", "made", "home")  # facts without which an index cannot be used
REBUILD = "it is beyond repair: move the index away and build it again"


@dataclass
class Damage:
    """Damage that was found in an index.

    Attributes:
        pictures: the names of the pictures that must be encoded again.
        others: other damage in the catalogue, each a noun phrase that says where it is.
        batches: the batches whose vectors are as they were written.
    """

    pictures: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)


def find(catalog: Catalog, segments: Segments, seal: Seal | None) -> Damage:
    """Check the whole index for damage.

    Args:
        catalog: the catalogue of the index.
        segments: its vectors.
        seal: its seal, read before the catalogue was opened; read afterwards, it may be of a later commit.

    Raises:
        InputError: SQLite cannot read the catalogue.
    """
    found = Damage()
    (said,) = catalog.db.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        found.others.append(f"a page ({said.splitlines()[0]})")
    for table in tables_of(catalog.version):
        found.others += [f"a row of the table {table}" for sound, *_ in catalog.rows(table) if not sound]
    found.others += _unsealed(catalog, seal)
    sizes = _sizes(catalog)
    found.batches = [one for one in _batches(catalog, sizes) if segments.is_sound(one)]
    inside = _Inside(found.batches)
    for number, entry, sound, told in catalog.pictures():
        if not is_name(entry.path):
            found.others.append(f"the name of picture {number}")
        elif not (sound and told and inside.holds(entry)):
            found.pictures.append(entry.path)
    return found


def _batches(catalog: Catalog, sizes: dict[int, int]) -> Iterator[Batch]:
    """The batches whose rows in the catalogue are sound and lead to committed rows of vectors."""
    for sound, *row in catalog.rows("batches"):
        one = Batch(*row)
        if (
            sound
            and all(isinstance(value, int) for value in one)
            and one.first >= 0
            and one.rows > 0
            and one.first + one.rows <= sizes.get(one.segment, 0)
        ):
            yield one


def _sizes(catalog: Catalog) -> dict[int, int]:
    """The number of committed rows of each segment whose own row in the catalogue is sound."""
    return {number: rows for sound, number, rows in catalog.rows("segments") if sound and isinstance(rows, int)}


def _unsealed(catalog: Catalog, seal: Seal | None) -> Iterator[str]:
    """What in the catalogue does not agree with the seal."""
    if seal is None:
        return
    if catalog.version < max(CHECKED, *(ADDED.get(name, 0) for name in seal.rows)):
        yield "the number of its version"
        return
    now = catalog.seal()
    now = replace(now, rows={name: rows for name, rows in now.rows.items() if name in seal.rows})  # as in the seal
    if now.generation < seal.generation:
        yield f"its end (commits {now.generation + 1} to {seal.generation} are lost): it"
    elif now.generation == seal.generation and now != seal:
        tables = [name for name, rows in now.rows.items() if rows != seal.rows.get(name)] or ["facts"]
        yield f"the content of the table {', '.join(tables)}"


class _Inside:
    """Sound batches; `holds` says whether one of them has all rows of a picture."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = sorted(batches)
        self.keys = [(one.segment, one.first) for one in self.batches]

    def holds(self, entry: Entry) -> bool:
        if entry.rows == 0:
            return False
        at = bisect_right(self.keys, (entry.segment, entry.first)) - 1
        one = self.batches[at] if at >= 0 else None
        return one is not None and one.segment == entry.segment and entry.first + entry.rows <= one.first + one.rows


def repair(catalog: Catalog, segments: Segments, is_gone: Callable[[str], bool]) -> list[str]:
    """Make the catalogue sound; returns the names of the pictures that must be encoded again.

    Args:
        catalog: the catalogue of the index.
        segments: its vectors.
        is_gone: whether no file has a name; if so, and nothing else of its row is sound, the name itself is damaged.

    Raises:
        InputError: the catalogue is beyond repair, or cannot be written.
    """
    seal = Seal.read(catalog.path.parent)
    found = find(catalog, segments, seal)
    segments.drop_damaged_codebook()
    if seal and not (found.pictures or found.others):
        return []
    with catalog.change():
        for name, value in restored(_facts(catalog), seal, catalog.path).items():
            catalog.set_fact(name, value)
        _repair_tables(catalog, found.batches)
        inside, lost = _Inside(found.batches), set[str]()
        for number, entry, sound, told in list(catalog.pictures()):
            if not is_name(entry.path) or not (sound or told or not is_gone(entry.path)):
                lost.add(entry.path)
                catalog.db.execute("DELETE FROM pictures WHERE number = ?", (number,))
            elif not (sound and told and inside.holds(entry)):
                catalog.set_numbered([(number, entry.blank(entry.meta if told else "{}"))])
        catalog.db.execute("REINDEX")
    return [key for key in found.pictures if key not in lost]


def _repair_tables(catalog: Catalog, batches: list[Batch]) -> None:
    """Rewrite the tables other than `facts` and `pictures` from the sound batches and rows."""
    broken = [(path, why) for sound, path, why in catalog.rows("broken") if sound]
    sizes = _sizes(catalog)
    for one in batches:
        sizes[one.segment] = max(sizes.get(one.segment, 0), one.first + one.rows)
    for table in ("batches", "segments", "broken"):
        catalog.db.execute(f"DELETE FROM {table}")
    catalog.restore(batches, sizes, broken)
    later = later_rows(catalog.rows)
    for table, rows in later.items():
        catalog.db.execute(f"DELETE FROM {table}")
        catalog.put_rows(table, rows)


def later_rows(read: Callable[[str], Iterable[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """The sound rows of the tables in `ADDED`; an album whose name is lost is called by its number.

    Args:
        read: returns the rows of a table, each preceded by whether it is sound.
    """
    found = {table: [tuple(row) for sound, *row in read(table) if sound] for table in ADDED}
    named = {row[0] for row in found["albums"]}
    lost = {album for album, _ in found["album_pictures"]} - named
    found["albums"] += [(album, f"Album {album}", "") for album in sorted(lost)]
    return found


def _facts(catalog: Catalog) -> dict[str, str]:
    """The facts whose rows are sound."""
    return {name: value for sound, name, value in catalog.rows("facts") if sound and isinstance(value, str)}


def restored(facts: Mapping[str, str], seal: Seal | None, path: Path) -> dict[str, str]:
    """All facts: those that are legible and those of the seal; where they differ, the later ones count.

    Raises:
        InputError: a fact is missing without which the index cannot be used.
    """
    sealed = seal.facts if seal else {}
    later = seal is not None and whole(facts.get("generation", "")) <= seal.generation
    kept = {**facts, **sealed} if later else {**sealed, **facts}
    for name in NEEDED:
        if not kept.get(name):
            raise InputError(f"{path}: the record of its {name} is missing or damaged; {REBUILD}.")
    return kept

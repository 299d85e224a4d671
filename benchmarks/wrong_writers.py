"""Writers of an index that are wrong on purpose: controls that `kills.py` must notice."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wordsight.search.catalog import Batch, Catalog
from wordsight.search.records import whole
from wordsight.search.vectors import Segments


@contextmanager
def catalogue_first() -> Iterator[None]:
    """A writer that writes vectors to the disk only after the catalogue refers to them."""
    append, put = Segments.append, Catalog.change
    late: list[Callable[[], object]] = []

    def later(segments: Segments, *rows: Any) -> Batch:
        home = Path(tempfile.mkdtemp())
        if segments.folder.exists():
            shutil.copytree(segments.folder, home / "vectors", dirs_exist_ok=True)
        batch = append(Segments(home / "vectors", segments.size), *rows)
        late.append(lambda: shutil.copytree(home / "vectors", segments.folder, dirs_exist_ok=True))
        return batch

    @contextmanager
    def changed(catalog: Catalog) -> Iterator[None]:
        with put(catalog):
            yield
        while late:
            late.pop()()

    with _instead((Segments, "append", later), (Catalog, "change", changed)):
        yield


@contextmanager
def not_at_once() -> Iterator[None]:
    """A writer that commits each statement separately."""

    @contextmanager
    def changed(catalog: Catalog) -> Iterator[None]:
        yield
        catalog.set_fact("generation", str(1 + whole(catalog.fact("generation"))))
        catalog.seal().write(catalog.path.parent)

    with _instead((Catalog, "change", changed)):
        yield


@contextmanager
def wrong_rows() -> Iterator[None]:
    """A writer that exchanges the vectors of the first two pictures of a batch."""
    entries = Catalog.set_entries

    def swapped(catalog: Catalog, found: Iterable[Any]) -> None:
        some = list(found)
        if len(some) > 1:
            some[0], some[1] = some[0]._replace(first=some[1].first), some[1]._replace(first=some[0].first)
        entries(catalog, some)

    with _instead((Catalog, "set_entries", swapped)):
        yield


@contextmanager
def _instead(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


CONTROLS = {"catalogue first": catalogue_first, "not at once": not_at_once, "rows exchanged": wrong_rows}

"""Vector databases on the command line: `wordsight index export`, and `wordsight search --store`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wordsight.cli.options import IndexFolder, Json, command, opened, print_result, refuse

if TYPE_CHECKING:
    from wordsight.search.stores.find import StoredIndex

To = Annotated[str, typer.Option(metavar="KIND", help="The vector database: qdrant or lancedb.")]
Place = Annotated[
    str | None,
    typer.Option(metavar="PLACE", help="Its URL or folder; else http://localhost:6333, or the folder INDEX.lancedb."),
]
Collection = Annotated[str, typer.Option(metavar="NAME", help="The name of the collection or table.")]
Searched = Annotated[
    str | None,
    typer.Option(metavar="PLACE", help="Search what `wordsight index export` wrote, at this URL or in this folder."),
]
Candidates = Annotated[
    int, typer.Option(min=1, metavar="N", help="With --store: the least number of pictures that the database returns.")
]


@command
def export(
    index: IndexFolder,
    to: To,
    store: Place = None,
    collection: Collection = "wordsight",
    as_json: Json = False,
) -> None:
    """Write an index into a vector database, or update it there; `search --store` searches it."""
    from wordsight.search.index import Index
    from wordsight.search.stores.export import export_index

    done = export_index(opened(Index(index)), to, store, collection=collection)
    print_result(done, export_text(done), as_json)


def export_text(done: dict[str, Any]) -> str:
    """Summary of an export, in one line."""
    parts = [f"{done[key]:,} {key}" for key in ("added", "updated", "removed", "unchanged") if done[key]]
    return (
        f"{done['store']} ({done['collection']}): {done['pictures']:,} pictures ({', '.join(parts) or 'nothing to do'})"
    )


@contextmanager
def open_stored(
    place: str, collection: str, index: Path | None, sentences: list[str], device: str, without: Mapping[str, object]
) -> Iterator[tuple["StoredIndex", list[str]]]:
    """Open a collection to search; yields it and the sentences.

    Args:
        place: URL or folder of the database.
        collection: name of the collection.
        index: the first argument of the command line: the index that the collection was made from, or a sentence.
        sentences: the other arguments.
        device: where sentences are encoded.
        without: the options that a database does not support, by name, with the values given.

    Raises:
        InputError: an option of `without` was given, or the collection cannot be opened.
    """
    from wordsight.search.stores.find import StoredIndex

    refuse(f"--store {place}", without, "; search the index itself with that")
    if index is not None and not index.is_dir():
        index, sentences = None, [str(index), *sentences]
    with StoredIndex(place, collection=collection, index=index, device=device) as stored:
        yield stored, sentences

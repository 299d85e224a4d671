"""Places of vector databases: which database a URL or a folder belongs to."""

from collections.abc import Callable
from pathlib import Path

from wordsight.errors import InputError
from wordsight.search.stores import lance, qdrant
from wordsight.search.stores.lance import Lance
from wordsight.search.stores.qdrant import Qdrant
from wordsight.search.stores.store import COLLECTION, Store

KINDS: dict[str, Callable[[str, str], Store]] = {"qdrant": Qdrant, "lancedb": Lance}


def place_for(kind: str, place: str | None, index: Path) -> str:
    """Where to export an index: `place` if given, else a Qdrant server on this machine, or a folder beside the index.

    Raises:
        InputError: the kind is unknown, or the place belongs to another database or to something else.
    """
    if kind not in KINDS:
        raise InputError(f"--to {kind}: expected {' or '.join(KINDS)}.")
    if place is None:
        return qdrant.DEFAULT if kind == "qdrant" else f"{index.absolute()}.lancedb"
    own, other = (qdrant, lance) if kind == "qdrant" else (lance, qdrant)
    if place.startswith(own.URLS):
        return place
    if "://" in place:
        raise InputError(f"{place}: expected a folder, or a URL that begins with {' or '.join(own.URLS)} for {kind}.")
    folder = Path(place)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{place}: expected a folder, or a URL.")
    if folder.is_dir() and any(folder.iterdir()) and not own.is_there(folder):
        what = "a database of another kind" if other.is_there(folder) else "something else"
        raise InputError(f"{place}: holds {what}; expected a folder of {kind}, or one that is empty or new.")
    return place


def open_store(kind: str, place: str, collection: str = COLLECTION) -> Store:
    """Open a collection of a database; it need not exist yet.

    Raises:
        InputError: the name is not allowed, the package is missing, or the database cannot be opened.
    """
    if not collection or not all(one.isalnum() or one in "-_." for one in collection) or collection.startswith("."):
        raise InputError(f"--collection {collection!r}: expected a name of letters, digits, -, _ and dots.")
    return KINDS[kind](place, collection)


def existing_store(place: str, collection: str = COLLECTION) -> Store:
    """Open a collection of an existing database, of whichever kind.

    Raises:
        InputError: there is no database, the package is missing, or the database cannot be opened.
    """
    folder = Path(place)
    if place.startswith(qdrant.URLS) or ("://" not in place and qdrant.is_there(folder)):
        return open_store("qdrant", place, collection)
    if place.startswith(lance.URLS) or ("://" not in place and lance.is_there(folder)):
        return open_store("lancedb", place, collection)
    raise InputError(
        f"{place}: no vector database; expected the URL of a Qdrant server, such as {qdrant.DEFAULT}, or a folder that "
        "`wordsight index export` wrote."
    )

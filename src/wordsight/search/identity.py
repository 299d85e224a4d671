"""Identity of an index: whether a folder is one, and the model that travels in it.

An index is recognised by its mark, the file `index.id` with a random id, which is written before anything else. Names
such as `catalog.sqlite` or `model` prove nothing: a folder without the mark is never changed. An index that was made
before there were marks is recognised by the tables and facts of its catalogue, and is marked when it is written to.
"""

import contextlib
import os
import re
import secrets
import shutil
import sqlite3
from hashlib import blake2b
from pathlib import Path

from wordsight.errors import InputError
from wordsight.files import open_regular, read_bytes, reason, sync_folder
from wordsight.runs.aligner import Aligner
from wordsight.search import thumbnails
from wordsight.search.catalog import FILE, Catalog
from wordsight.vision.dual_source import content_of, find_dual, is_dual

MARK = "index.id"
MODEL = ("config.json", "model.safetensors", "vocabulary.json", "recipe.toml", "metrics.json", "README.md")
KNOWN_BY = MODEL[:3]  # the files that identify a model
_MARKED = re.compile(rb"wordsight index ([0-9a-f]{32})\n")
_TABLES = {"facts", "segments", "batches", "pictures", "broken"}
_FACTS = {"size", "model", "made", "home"}


def read_id(folder: Path) -> str:
    """The id in an index's mark; empty if there is no mark.

    Raises:
        InputError: the mark cannot be read.
    """
    try:
        with open_regular(folder / MARK) as file:
            found = _MARKED.fullmatch(file.read(100))
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError) or "regular" in str(error):
            return ""
        raise InputError(f"{folder}: cannot be read ({reason(error)}).") from None
    return found[1].decode() if found else ""


def is_ours(folder: Path) -> bool:
    """Whether a folder is an index, finished or not; the check changes nothing in it.

    Raises:
        InputError: the mark cannot be read.
    """
    return bool(read_id(folder)) or _is_unmarked(folder / FILE)


def _is_unmarked(path: Path) -> bool:
    """Whether a file is the catalogue of an index that was made before there were marks."""
    try:
        with open_regular(path) as file:
            if file.read(16) != b"SQLite format 3\0":
                return False
        uri = f"{path.absolute().as_uri()}?immutable=1"  # else SQLite would put files of its own beside it
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            facts = dict(db.execute("SELECT name, value FROM facts")) if tables >= _TABLES else {}
        return facts.keys() >= _FACTS and bool(re.fullmatch("[0-9a-f]{32}", str(facts["model"])))
    except (OSError, sqlite3.Error):
        return False


def is_index(folder: Path) -> bool:
    """Whether a folder is a finished index.

    Raises:
        InputError: the folder cannot be read, or the index is damaged.
    """
    if not is_ours(folder) or not os.path.lexists(folder / FILE):
        return False
    with Catalog(folder, write=os.access(folder, os.W_OK)) as catalog:
        return bool(catalog.fact("model"))


def check_free(folder: Path) -> None:
    """Require that an index may be made in a folder.

    Raises:
        InputError: the folder holds something else, or cannot be read.
    """
    try:
        there = os.listdir(folder)
        begun = there == [MARK] and (folder / MARK).stat().st_size == 0  # stopped while the mark was written
    except FileNotFoundError:
        if not os.path.lexists(folder):
            return
        raise InputError(f"{folder}: a link that leads nowhere; expected an index, or a new folder.") from None
    except NotADirectoryError:
        raise InputError(f"{folder}: expected an index, or a folder that is empty or new; this is no folder.") from None
    except ValueError:
        raise InputError(f"{folder}: no folder can have this name.") from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({reason(error)}).") from None
    if there and not begun and not read_id(folder):
        raise InputError(
            f"{folder}: expected an index, or a folder that is empty or new; this one holds {sorted(there)[0]}."
        )


def mark(folder: Path) -> None:
    """Write the mark of an index, if there is none, into a free folder or an index without one.

    Raises:
        OSError: it cannot be written.
    """
    if read_id(folder):
        return
    text = f"wordsight index {secrets.token_hex(16)}\n".encode()
    handle = os.open(folder / MARK, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    with open(handle, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)


def copy_model(run: Path, folder: Path) -> None:
    """Copy a model into a marked index, without what only training needs; the copy is moved into place when complete.

    Raises:
        InputError: another model is there, from an index that was never finished.
        OSError: it cannot be written.
    """
    home, part = folder / "model", _part(folder)
    if os.path.lexists(home):
        if fingerprint(home) != fingerprint(run):
            raise InputError(
                f"{home}: not the model {run}; an index with another one was begun here, delete {folder} to begin anew."
            )
        return
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name in MODEL:
        if (run / name).exists():
            shutil.copyfile(run / name, part / name)
            with open(part / name, "r+b") as file:
                os.fsync(file.fileno())
    sync_folder(part)
    os.rename(part, home)
    sync_folder(folder)


def _part(folder: Path) -> Path:
    """The folder in which a model is put together; no other process uses this name."""
    return folder / f".model.{read_id(folder)}.part"


def discard(folder: Path) -> None:
    """Delete an index: the files that wordsight writes, and its folders if nothing else is in them.

    Raises:
        OSError: a file cannot be deleted.
    """
    shutil.rmtree(_part(folder), ignore_errors=True)
    kinds = re.compile(r"\d+\.(halves|scales|boxes|codes|steps|vectors|rough|fine|coarse|places)|codebook\.npz")
    rows = [path for path in (folder / "vectors").glob("*") if kinds.fullmatch(path.name)]
    own = [f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal", FILE, "lock", "broken.txt", "seal.json", MARK]
    thumbnails.prune(folder, set())
    for path in [*rows, *(folder / "model" / name for name in MODEL), *(folder / name for name in own)]:
        path.unlink(missing_ok=True)
    for one in (folder / "vectors", folder / "model", folder):
        with contextlib.suppress(OSError):
            one.rmdir()


def fingerprint(run: Path) -> str:
    """Fingerprint of a model: a hash of its weights, vocabulary and hyper-parameters, wherever it is.

    Raises:
        InputError: the file of one of them is missing or cannot be read.
    """
    if is_dual(run):
        return content_of(find_dual(run))
    found = blake2b(digest_size=16)
    for name in KNOWN_BY:
        try:
            found.update(blake2b(read_bytes(run / name)).digest())
        except OSError as error:
            raise InputError(f"{run / name}: cannot be read ({reason(error)}).") from None
    return found.hexdigest()


def size_of(run: Aligner) -> int:
    """D, the size of a model's vectors.

    Raises:
        InputError: its scores are not sums over words of the best region.
    """
    if run.model.rule is None:
        raise InputError(f"{run.folder}: a model that looks at pictures and sentences together cannot be indexed.")
    return run.encode_texts(["a"]).values.shape[2]

"""An index's folder: whether it is one, the model that travels in it, and who may write."""

import hashlib
import os
import shutil
from pathlib import Path

from wordsight.errors import InputError
from wordsight.run import Run
from wordsight.search.catalog import FILE, Catalog

MODEL = ("config.json", "model.safetensors", "vocabulary.json", "recipe.toml", "metrics.json", "README.md")
KNOWN_BY = MODEL[:3]  # the files that say which model it is
_OURS = {"model", "lock", FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal"}  # of an index that was never finished


def check_free(folder: Path) -> None:
    """Whether an index may be made here.

    Raises:
        InputError: there is something else.
    """
    if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - _OURS):
        raise InputError(f"{folder}: expected an index, or a folder that is empty or new.")


def copy_model(run: Path, folder: Path) -> None:
    """Put a model into an index, without what only training needs."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in MODEL:
        if (run / name).exists():
            shutil.copyfile(run / name, folder / name)


def is_index(folder: Path) -> bool:
    """Whether an index was made here, to its end."""
    if not (folder / FILE).exists():
        return False
    with Catalog(folder, write=os.access(folder, os.W_OK)) as catalog:
        return bool(catalog.fact("model"))


def fingerprint(run: Path) -> str:
    """What a model is known by: its weights, vocabulary and hyper-parameters, wherever it is.

    Raises:
        InputError: one of them is missing.
    """
    found = hashlib.blake2b(digest_size=16)
    for name in KNOWN_BY:
        try:
            with (run / name).open("rb") as file:
                found.update(hashlib.file_digest(file, "blake2b").digest())
        except OSError as error:
            raise InputError(f"{run / name}: cannot be read ({error.strerror}).") from None
    return found.hexdigest()


def size_of(run: Run) -> int:
    """D of a model's vectors.

    Raises:
        InputError: its scores are no sum over words of the best region.
    """
    if run.model.rule is None:
        raise InputError(f"{run.folder}: a model that looks at pictures and sentences together cannot be indexed.")
    return run.encode_texts(["a"]).values.shape[2]

"""Create an index: first its mark, then its model, and at the end the facts that complete it."""

import contextlib
import os
from pathlib import Path

from wordsight.bundled import CALIBRATION, in_the_box
from wordsight.errors import InputError
from wordsight.files import read_text, reason
from wordsight.locks import locked
from wordsight.progress import Progress
from wordsight.runs.aligner import load
from wordsight.search.catalog import FILE, Catalog
from wordsight.search.identity import (
    MARK,
    check_free,
    copy_model,
    discard,
    fingerprint,
    is_index,
    is_ours,
    mark,
    size_of,
)
from wordsight.search.salvage import mend
from wordsight.vision.dual_source import find_dual, is_dual

BUSY = "another process is writing to this index"


def mend_damage(folder: Path, progress: Progress) -> None:
    """Repair the catalogue of an index if SQLite cannot read it, and say so; a folder that is none is left as it is.

    Raises:
        InputError: the folder cannot be read, or the catalogue is beyond repair.
    """
    if is_ours(folder) and (said := mend(folder, BUSY)):
        progress.say(said)


def create(folder: Path, run: Path | None, device: str) -> None:
    """Make an index without pictures, or finish one that was begun; after a failure a new folder is as it was.

    Args:
        folder: a new or empty folder, or that of an index that was begun.
        run: the folder of an alignment model, or a dual encoder; None for the bundled model.
        device: the device on which to try the model.

    Raises:
        InputError: an index cannot use the model or its nets cannot be loaded, the folder holds something else, or it
            cannot be written.
    """
    check_free(folder)
    opened = load(run, device)
    size = size_of(opened)
    _ = opened.encoder  # fails here, before anything is made, if its nets cannot be loaded
    new, begun = not folder.exists(), False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_free(folder)
        if os.path.lexists(folder / "vectors") and not os.path.lexists(folder / FILE):
            raise InputError(
                f"{folder}: an index without its {FILE}, copied in part perhaps; copy that too, or delete the folder "
                "to build the index anew."
            )
        begun = set(os.listdir(folder)) <= {MARK}
        mark(folder)
        with locked(folder, BUSY):
            if not is_index(folder):  # another process may have finished it
                _fill(folder, run, size)
    except (OSError, InputError) as error:
        if begun:
            _take_back(folder, new)
        if isinstance(error, OSError):
            raise InputError(f"{folder}: cannot make an index here ({reason(error)}).") from None
        raise


def _fill(folder: Path, run: Path | None, size: int) -> None:
    dual = find_dual(run) if run is not None and is_dual(run) else None
    if run is not None and dual is None:
        copy_model(run, folder)
    home = in_the_box("align") if run is None else Path(dual.home) if dual else folder / "model"
    with Catalog(folder, write=True) as catalog, catalog.change():
        catalog.set_fact("size", str(size))
        catalog.set_fact("model", fingerprint(home))
        catalog.set_fact("home", "box" if run is None else dual.home if dual else "model")
        if run is None:
            catalog.set_fact("calibration", read_text(home / CALIBRATION).strip())
        catalog.set_fact("made", os.path.dirname(os.path.abspath(folder)))


def _take_back(folder: Path, new: bool) -> None:
    """Delete a half-made index."""
    with contextlib.suppress(OSError):
        discard(folder)
        if not new:
            folder.mkdir(exist_ok=True)

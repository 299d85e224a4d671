"""Summary of an index, and the list of what cannot be read."""

import contextlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wordsight.errors import InputError, printable
from wordsight.files import read_bytes, reason, write_text
from wordsight.search.built import Built
from wordsight.search.calibrate import Calibration
from wordsight.search.catalog import Catalog
from wordsight.search.former import with_former
from wordsight.search.frames import FRAME, VIDEO
from wordsight.search.gone import only_broken
from wordsight.search.opened import Opened
from wordsight.search.records import whole

BROKEN = "broken.txt"
_HEAD = "# Pictures and folders that could not be read when this index was last built.\n"


def info(index: Opened) -> dict[str, Any]:
    """Summary of an index, as plain values: counts, sizes, the model, and the pictures that cannot be read."""
    with Catalog(index.folder) as catalog:
        (every,) = catalog.db.execute("SELECT count(*) FROM pictures").fetchone()
        of_videos = f"SELECT count(*), count(DISTINCT {VIDEO}) FROM pictures WHERE {FRAME}"
        frames, videos = catalog.db.execute(of_videos).fetchone()
        rows = "SELECT DISTINCT segment, first, rows FROM pictures"  # equal pictures share them
        (used,) = catalog.db.execute(f"SELECT coalesce(sum(rows), 0) FROM ({rows})").fetchone()
        kept = sum(catalog.segments().values())
        broken = {str(index.paths.path(key)): why for key, why in catalog.broken().items()}
        calibration = Calibration.parse(catalog.fact("calibration"))
        compact = whole(catalog.fact("compact")) or None
    return with_former(
        {
            "index": str(index.folder),
            "pictures": every - frames,
            "videos": videos,
            "frames": frames,
            "regions": used,
            "unused_regions": kept - used,
            "size": index.segments.size,
            "compact": compact,
            "bytes": sum(map(_bytes, index.folder.rglob("*"))),
            "model": index.facts["model"],
            "bundled": index.bundled,
            "calibration": calibration and asdict(calibration),
            "broken": broken,
        }
    )


def _bytes(path: Path) -> int:
    with contextlib.suppress(OSError):  # a writer may just have deleted it
        return path.lstat().st_size if path.is_file() else 0
    return 0


def write_broken(index: Opened, catalog: Catalog, built: Built) -> None:
    """Write what cannot be read to `broken.txt`, a line each; if there is nothing, delete that file.

    Files that are gone, and of which the index knows nothing else, are forgotten, unless their drive may be missing;
    those named now are in the file once more.

    Raises:
        InputError: it cannot be written.
    """
    gone = [
        key
        for key in only_broken(catalog)
        if key in built.gone or (key not in built.broken and index.paths.is_deleted(key))
    ]
    if gone:
        with catalog.change():
            catalog.forget(gone)
    path, lines = index.folder / BROKEN, dict.fromkeys([*catalog.broken().values(), *built.broken.values()])
    if os.path.lexists(path) and not _is_own(path):
        return
    if lines:
        write_text(path, _HEAD + "".join(f"{printable(line)}\n" for line in lines))
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be removed ({reason(error)}).") from None


def _is_own(path: Path) -> bool:
    """Whether this `broken.txt` was written by wordsight, and not by the user."""
    try:
        return read_bytes(path).startswith(_HEAD.encode())
    except OSError:
        return False

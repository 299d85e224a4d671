"""The sketch view of an index: vectors by which photos are compared with drawings, in files of their own.

INDEX/sketch/model/       the run that made it; missing if nothing was learned
INDEX/sketch/pictures.bin one record per content: its hash, vector, and edges by cell and orientation; then a checksum

Records are found by the hash of a picture's content, so moved files and copies keep theirs; the catalogue has none.
"""

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import read_bytes, reason, write_bytes
from wordsight.locks import locked
from wordsight.progress import Progress
from wordsight.runs.sketcher import FILES, Sketcher
from wordsight.search.catalog import Catalog
from wordsight.search.create import BUSY
from wordsight.search.frames import split
from wordsight.search.opened import Opened
from wordsight.search.snapshot import Snapshot
from wordsight.vision.drawings import Floats
from wordsight.vision.sketch_views import BINS, orientations
from wordsight.vision.video_frames import frame_at

FOLDER, FILE = "sketch", "pictures.bin"
GRID = 8  # cells across and down, of the edges that are kept for evidence
TOGETHER = 500  # new pictures between two writes
_LARGEST = 1 << 34  # bytes
_HEAD = b"wordsight sketches 1 "  # then D, and a line feed
Ints = NDArray[np.int64]
Records = NDArray[Any]


class SketchView:
    """The sketch view of an index, read into memory.

    Attributes:
        sketcher: encodes drawings.
        records: one per content: `hash`, `vector`, `cells`.
        stamp: time and size of the file, which tell whether it has changed.
    """

    def __init__(self, index: Path) -> None:
        """Read the sketch view of an index.

        Raises:
            InputError: the index has none, or it is damaged.
        """
        path = index / FOLDER / FILE
        if not path.is_file():
            raise InputError(f"{index}: has no sketch view; `wordsight index sketch {index}` makes one.")
        self.stamp = stamp(index)
        model = path.parent / "model"
        self.sketcher = Sketcher(model if model.is_dir() else None)
        self.records = _read(path, self.sketcher.size)
        self.vectors = self.records["vector"].astype(np.float32)
        self._of: tuple[Snapshot, Ints] | None = None  # the rows of the pictures of one snapshot

    def rows(self, catalog: Catalog, snapshot: Snapshot) -> Ints:
        """The record of each picture of a snapshot, -1 if it has none: (I,); cached for the next search."""
        if self._of is None or self._of[0] is not snapshot:
            rows = {one.tobytes(): row for row, one in enumerate(self.records["hash"])}
            contents = dict(catalog.db.execute("SELECT number, hash FROM pictures"))
            found = [rows.get(contents.get(number, b""), -1) for number in snapshot.numbers.tolist()]
            self._of = snapshot, np.array(found, np.int64)
        return self._of[1]

    @classmethod
    def of(cls, index: Path, last: "SketchView | None") -> "SketchView":
        """The current sketch view of an index; `last` if that is still current."""
        return last if last is not None and last.stamp == stamp(index) else cls(index)


def stamp(index: Path) -> tuple[int, int]:
    """Time and size of the file of an index's sketch view; zeros if it has none."""
    try:
        found = os.stat(index / FOLDER / FILE)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def make(index: Opened, run: Path | None, progress: Progress) -> dict[str, int]:
    """Give an index a sketch view, or bring it up to date.

    Args:
        index: the index.
        run: a run for sketches, which is copied into the index; None for the one there, or for views without learning.
        progress: receives updates.

    Returns:
        Numbers: `added`, `pictures` (contents that have a view now) and `broken` (pictures that could not be read).

    Raises:
        InputError: the run cannot be used, or another process is writing, or the index cannot be written.
    """
    folder = index.folder / FOLDER
    if run is not None:
        Sketcher(run)  # fails before anything is written
    with locked(index.folder, BUSY):
        home = folder / "model"
        if run is not None and not _same(run, home):
            _remove(folder / FILE)
            _copy_model(run, home)
        sketcher = Sketcher(home if home.is_dir() else None)
        old = empty_records(0, sketcher.size)
        if (folder / FILE).is_file():
            try:
                old = _read(folder / FILE, sketcher.size)
            except InputError as error:
                progress.say(f"{error} It is made anew.")
        return _extend(index, folder / FILE, sketcher, old, progress)


def _extend(index: Opened, path: Path, sketcher: Sketcher, old: Records, progress: Progress) -> dict[str, int]:
    """Add records of contents that only the catalogue has, and drop those of contents that it lacks."""
    with Catalog(index.folder) as catalog:
        wanted: Mapping[bytes, str] = {entry.hash: entry.path for entry in catalog.entries()}
    known = {one.tobytes() for one in old["hash"]}
    kept = old[[one.tobytes() in wanted for one in old["hash"]]] if len(old) else old
    missing = [(content, name) for content, name in wanted.items() if content not in known]
    new, broken = [], 0
    with progress.task("sketch view") as count:
        for done, (content, name) in enumerate(missing, 1):
            try:
                shown, time = index.paths.path(name), split(name)[1]
                vector, ink = sketcher.encode_photo(shown if time is None else frame_at(shown, time))
            except InputError as error:
                broken += 1
                progress.say(str(error))
            else:
                row = empty_records(1, sketcher.size)
                row["hash"], row["vector"], row["cells"] = np.frombuffer(content, "u1"), vector.numpy(), cells(ink)
                new.append(row)
            count(done, len(missing))
            if done % TOGETHER == 0:
                write_records(path, np.concatenate([kept, *new]))
    if new or len(kept) < len(old) or not path.is_file():
        write_records(path, np.concatenate([kept, *new]))
    return {"added": len(new), "pictures": len(kept) + len(new), "broken": broken}


def cells(ink: Floats) -> NDArray[np.uint8]:
    """Edges by cell and orientation, as square roots scaled to 255 for the strongest: (BINS, GRID, GRID)."""
    found = np.sqrt(orientations(ink, GRID))
    return np.asarray(255 * found / max(float(found.max()), 1e-9), np.uint8)


def check(index: Path) -> None:
    """Check that the sketch view of an index, if it has one, is as it was written.

    Raises:
        InputError: it is damaged.
    """
    if (index / FOLDER / FILE).is_file():
        _read(index / FOLDER / FILE)


def missing(index: Opened) -> int:
    """How many contents lack a record in the sketch view of an index; 0 if it has no sketch view.

    Raises:
        InputError: it is damaged.
    """
    path = index.folder / FOLDER / FILE
    if not path.is_file():
        return 0
    with Catalog(index.folder) as catalog:
        return len({entry.hash for entry in catalog.entries()} - {one.tobytes() for one in _read(path)["hash"]})


def take_over(index: Opened, source: Path) -> None:
    """Copy from another index the records of pictures that lack one in this index.

    If the other view is of another model, nothing is copied, as records cannot be compared; `make` makes new ones.

    Raises:
        InputError: a sketch view is damaged, or this index cannot be written.
    """
    theirs, folder = source / FOLDER, index.folder / FOLDER
    if not (theirs / FILE).is_file():
        return
    new = _read(theirs / FILE)
    with locked(index.folder, BUSY):
        path = folder / FILE
        if not path.is_file():
            _copy_model(theirs / "model", folder / "model")
        elif not _same(theirs / "model", folder / "model"):
            return
        old = _read(path) if path.is_file() else new[:0]
        with Catalog(index.folder) as catalog:
            wanted = {entry.hash for entry in catalog.entries()} - {one.tobytes() for one in old["hash"]}
        taken = new[[one.tobytes() in wanted for one in new["hash"]]]
        if len(taken):
            write_records(path, np.concatenate([old, taken]))


def _copy_model(run: Path, home: Path) -> None:
    for name in (one for one in FILES if (run / one).is_file()):
        write_bytes(home / name, read_bytes(run / name))


def empty_records(count: int, size: int) -> Records:
    """Records filled with zeros: `hash`, `vector` (`size` numbers), `cells`."""
    return np.zeros(count, [("hash", "u1", (16,)), ("vector", "<f2", (size,)), ("cells", "u1", (BINS, GRID, GRID))])


def write_records(path: Path, records: Records) -> None:
    """Write the file of a sketch view; it replaces an existing one once it is complete.

    Raises:
        InputError: it cannot be written.
    """
    content = _HEAD + b"%d\n" % records.dtype["vector"].shape[0] + records.tobytes()
    write_bytes(path, content + zlib.crc32(content).to_bytes(4, "little"))


def _read(path: Path, size: int | None = None) -> Records:
    """Read the records of a file; their vectors must have `size` numbers, if it is given."""
    try:
        content = read_bytes(path, _LARGEST)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}).") from None
    head, number = content.partition(b"\n")[0] + b"\n", content[len(_HEAD) : 40].partition(b"\n")[0]
    found = int(number) if content.startswith(_HEAD) and number.isdigit() else 0
    width = empty_records(0, found).itemsize
    sound = found == (size or found) > 0 and (len(content) - len(head) - 4) % width == 0
    if not sound or zlib.crc32(content[:-4]).to_bytes(4, "little") != content[-4:]:
        raise InputError(f"{path}: damaged; `wordsight index sketch {path.parents[1]}` makes it anew.")
    return np.frombuffer(content[len(head) : -4], empty_records(0, found).dtype)


def _same(run: Path, home: Path) -> bool:
    """Whether two folders have the same model, or both have none."""
    try:
        return run.is_dir() == home.is_dir() and all(
            read_bytes(run / name) == read_bytes(home / name) for name in FILES[:2] if run.is_dir()
        )
    except OSError:
        return False


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be removed ({reason(error)}).") from None

"""Where datasets, weights and pictures are."""

import os
from functools import cached_property
from pathlib import Path

from wordsight.errors import InputError

PICTURE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif")
)


def find(name: str | Path, what: str) -> Path:
    """A file or folder that a recipe or a user names.

    Args:
        name: a path, or a name in the folder of shared data: $WORDSIGHT_SHARED, or else `shared` beside the project.
        what: what it is, for the message: "dataset", "weights".

    Returns:
        The path as given if it exists, else the one in the folder of shared data.

    Raises:
        InputError: it is in neither place; the message says which were tried.
    """
    given = Path(name).expanduser()
    if str(name) and given.exists():
        return given
    tried = [Path.cwd() / given]
    if str(name) and not given.is_absolute() and (shared := _shared()):
        tried.append(shared / given)
        if tried[-1].exists():
            return tried[-1]
    places = " nor ".join(str(place) for place in tried)
    raise InputError(
        f"No {what} '{name}': it is not {places}; give another path, or set WORDSIGHT_SHARED to the folder that has it."
    )


def _shared() -> Path | None:
    if folder := os.environ.get("WORDSIGHT_SHARED"):
        return Path(folder).expanduser()
    source = Path(__file__).resolve().parents[2]  # <project>/src when it is a checkout
    beside = source.parent.parent / "shared"
    return beside if source.name == "src" and beside.is_dir() else None


class PictureFiles:
    """The picture files of a dataset, found wherever their folder usually is.

    Looked at, in turn: the dataset's folder, the folders in it ("images" first), and the folders in "images".
    Each is listed once, so that thousands of pictures cost no more than a few.
    """

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.listings: dict[str, frozenset[str]] = {}
        self.last = ""

    def find(self, *names: str) -> Path:
        """The first of some paths, relative to the dataset or absolute, that exists; a likely place when none does."""
        for name in names:
            if os.path.isabs(name):
                if os.path.exists(name):
                    return Path(name)
                continue
            folder, base = os.path.split(os.path.normpath(name))
            for place in self.places:
                if base in self._listing(os.path.join(place, folder) if folder else place):
                    self.last = place
                    return Path(place, folder, base)
        return Path(self.last or self.root, names[0])

    @cached_property
    def places(self) -> list[str]:
        """The folders where pictures are looked for."""
        inside = _folders(self.root)
        inside.sort(key=lambda folder: os.path.basename(folder).lower() not in ("images", "imgs"))
        images = [folder for folder in inside if os.path.basename(folder).lower() in ("images", "imgs")]
        return [self.root, *inside, *(deeper for folder in images for deeper in _folders(folder))]

    def _listing(self, folder: str) -> frozenset[str]:
        if folder not in self.listings:
            try:
                self.listings[folder] = frozenset(os.listdir(folder))
            except OSError:
                self.listings[folder] = frozenset()
        return self.listings[folder]


def _folders(folder: str) -> list[str]:
    """The folders in a folder, by name, without the hidden ones."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []

"""Locate datasets, weights and pictures."""

import os
from pathlib import Path

from wordsight.errors import InputError
from wordsight.vision.fragments import is_video

PICTURE_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "jp2", "j2k", "png", "apng", "webp", "bmp", "gif", "tif", "tiff"),
        *("tga", "ppm", "pgm", "pbm", "pnm", "heic", "heif", "avif"),
        *("dng", "cr2", "cr3", "crw", "nef", "nrw", "arw", "sr2", "srf", "raf", "orf", "rw2", "rwl", "pef", "srw"),
        *("3fr", "iiq", "mrw", "x3f"),
    )
)


def is_picture(name: str) -> bool:
    """Whether a file name has a picture's suffix, in any case."""
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def is_media(name: str) -> bool:
    """Whether a file name has a picture's or a video's suffix, in any case."""
    return is_picture(name) or is_video(name)


def find(name: str | Path, what: str) -> Path:
    """Find a file or folder that a recipe or a user names.

    Args:
        name: a path, or a name in the folder of shared data: $WORDSIGHT_SHARED, or else `shared` beside the project.
        what: its kind, for the message: "dataset", "weights".

    Returns:
        The path as given if it exists, else the one in the folder of shared data.

    Raises:
        InputError: it is in neither place; the message lists both.
    """
    given = Path(os.path.expanduser(name))
    if str(name) and os.path.exists(given):
        return given
    tried = [Path.cwd() / given]
    if str(name) and not given.is_absolute() and (shared := _shared()):
        tried.append(shared / given)
        if os.path.exists(tried[-1]):
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

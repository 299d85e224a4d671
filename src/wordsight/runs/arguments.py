"""What callers of the Python functions may give: a picture or several, a sentence or several, a path."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from PIL import Image

from wordsight.errors import InputError

Picture = str | Path | bytes | Image.Image
Pictures = Picture | Sequence[Picture]
Sentences = str | Sequence[str]
OnBroken = Literal["raise", "skip"]


def path_of(given: object, what: str) -> Path:
    """A path that was given as text or as a path.

    Raises:
        InputError: it is something else.
    """
    if isinstance(given, str | os.PathLike):
        path = os.fspath(given)
        if isinstance(path, str):
            return Path(path)
    raise InputError(f"expected {what}, as text or a path, found {_kind(given)}.")


def picture_of(given: object) -> Picture:
    """A picture, and not several.

    Raises:
        InputError: it is something else.
    """
    if isinstance(given, os.PathLike):
        return path_of(given, "a picture")
    if not isinstance(given, str | bytes | Image.Image):
        raise InputError(f"expected a picture (a path, the bytes of a file, or a PIL picture), found {_kind(given)}.")
    return given


def pictures_of(given: object) -> list[Picture]:
    """Pictures as a list; a single one is a list of one.

    Raises:
        InputError: one of them is something else.
    """
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | os.PathLike | Image.Image):
        return [picture_of(one) for one in given]
    return [picture_of(given)]


def sentences_of(given: object) -> list[str]:
    """Sentences as a list; a single one is a list of one.

    Raises:
        InputError: one of them is no text.
    """
    found = []
    for one in given if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given]:
        if not isinstance(one, str):
            raise InputError(f"expected a sentence or a list of sentences, found {_kind(one)}.")
        found.append(one)
    return found


def _kind(value: object) -> str:
    return "nothing (None)" if value is None else type(value).__name__

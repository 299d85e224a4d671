"""Arguments of the Python API, checked: one picture or several, one sentence or several, a path."""

import functools
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from io import BufferedIOBase, RawIOBase
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.errors import InputError
from wordsight.vision.arrays import EXPECTED

Picture = str | Path | bytes | Image.Image | NDArray[Any]
Pictures = Picture | Iterable[Picture]
Sentences = str | Sequence[str]
Errors = Literal["raise", "skip"]
P = ParamSpec("P")
R = TypeVar("R")


def path_of(given: object, what: str) -> Path:
    """A path, given as text or as a path object.

    Raises:
        InputError: it is something else; `what` names what was expected.
    """
    if isinstance(given, str | os.PathLike):
        path = os.fspath(given)
        if isinstance(path, str):
            return Path(path)
    raise InputError(f"expected {what}, as text or a path, found {kind_of(given)}.")


def picture_of(given: object) -> Picture:
    """A single picture, as `images.open_image` takes it.

    Raises:
        InputError: it is something else.
    """
    if isinstance(given, os.PathLike):
        return path_of(given, "a picture")
    if isinstance(given, bytearray | memoryview):
        return bytes(given)
    if isinstance(given, BufferedIOBase | RawIOBase):
        return given.read() or b""
    if isinstance(given, str | bytes | Image.Image) or _is_pixels(given):
        return given
    raise InputError(
        "expected a picture (a path, a file opened to read bytes, its bytes, a PIL picture, "
        f"or {EXPECTED}), found {kind_of(given)}."
    )


def is_single(given: object) -> bool:
    """Whether something is a single picture or sentence rather than several."""
    single = str | bytes | bytearray | memoryview | os.PathLike | Image.Image | BufferedIOBase | RawIOBase
    return isinstance(given, single) or not isinstance(given, Iterable) or (_is_pixels(given) and given.ndim < 4)


def _is_pixels(given: object) -> TypeGuard[NDArray[Any]]:
    """Whether something is an array of numbers; an array of texts or objects counts as a list of them."""
    return isinstance(given, np.ndarray) and given.dtype.kind in "buifc"


def pictures_of(given: object) -> list[Picture]:
    """Pictures as a list; a single one becomes a list of one, and an array of four axes is several.

    Raises:
        InputError: one of them is something else.
    """
    return [picture_of(given)] if is_single(given) else [picture_of(one) for one in given]  # type: ignore[attr-defined]


def sentences_of(given: object) -> list[str]:
    """Sentences as a list; a single one becomes a list of one.

    Raises:
        InputError: one of them is not text.
    """
    found = []
    for one in [given] if is_single(given) else given:  # type: ignore[attr-defined]
        if not isinstance(one, str):
            raise InputError(f"expected a sentence or a list of sentences, found {kind_of(one)}.")
        found.append(one)
    return found


def kind_of(value: object) -> str:
    """The type of a value, for a message."""
    return "nothing (None)" if value is None else type(value).__name__


def formerly_on_broken(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator that accepts the former name `on_broken` of the argument `errors`, until 0.3."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if "on_broken" in kwargs:
            warnings.warn("on_broken is now errors", FutureWarning, stacklevel=2)
            kwargs["errors"] = kwargs.pop("on_broken")
        return function(*args, **kwargs)

    return call

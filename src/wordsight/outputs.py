"""Where results may be written: over no file that was read, and over no file of the user's in a new folder."""

import os
from collections.abc import Iterable
from pathlib import Path

from wordsight.errors import InputError

RUN = frozenset(("certain.json", "config.json", "metrics.json", "vocabulary.json"))


def require_unread(out: Path, read: Iterable[Path]) -> None:
    """Check that a file to write is none of those that were read, under any name, and no part of a run.

    Raises:
        InputError: it is one of them.
    """
    if out.name in RUN and os.path.exists(out.parent / "model.safetensors"):
        raise InputError(f"{out}: is a part of a run; expected another file to write.")
    if not os.path.exists(out):  # unlike pathlib, no name is too long for it
        return
    for path in read:
        if os.path.exists(path) and os.path.samefile(out, path):
            raise InputError(f"{out}: is itself read, and would be replaced; expected another file to write.")


def require_free(folder: Path, names: Iterable[str]) -> None:
    """Check that a new folder of results has no files yet that would be replaced.

    Raises:
        InputError: it has one.
    """
    for name in names:
        if os.path.lexists(folder / name):
            raise InputError(f"{folder}: has a file {name} already, which would be replaced; name another folder.")

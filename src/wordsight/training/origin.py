"""Origin of a training: its recipe and checksums of its data, which must be the same when it resumes."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from wordsight.bundled import checksum
from wordsight.data.parses import Parses, tree_of
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs.checkpoint import WEIGHTS
from wordsight.runs.recipe import Recipe, to_dict
from wordsight.text.vocabulary import Vocabulary

MAY_CHANGE = (
    ("data", "path"),
    ("data", "sentences"),
    ("regions", "weights"),
    ("train", "device"),
)  # keys of a recipe that may change when a run resumes
Origin = Mapping[str, str]
"""A checksum of each part of the data, by what the part is called."""


def origin_of(
    splits: Mapping[str, Sequence[Picture]],
    parses: Parses,
    vocabulary: Vocabulary,
    vectors: Path | None = None,
    alignment: Path | None = None,
    start: Path | None = None,
    told: Sequence[Sequence[str]] = (),
) -> Origin:
    """Checksums of the training data.

    Args:
        splits: the pictures of each, without those left out.
        parses: of their sentences, where the model reads them.
        vocabulary: the words.
        vectors: the file of word vectors.
        alignment: the folder of the run that infers region captions.
        start: the folder of the run to start from.
        told: sentences without pictures.
    """
    found = {f"the split '{name}'": _of_pictures(pictures, parses) for name, pictures in splits.items()}
    found["the vocabulary"] = hashlib.sha256("\n".join(vocabulary.words).encode("utf-8", "replace")).hexdigest()
    if vectors:
        found["the file of text.vectors"] = checksum(vectors)
    if alignment:
        found["the run of data.alignment"] = checksum(alignment / WEIGHTS)
    if start:
        found["the run of train.start"] = checksum(start / WEIGHTS)
    if told:
        found["the file of data.sentences"] = hashlib.sha256(repr(told).encode("utf-8", "replace")).hexdigest()
    return found


def check_origin(before: object, now: Origin, folder: Path, progress: Progress) -> None:
    """Check that a run resumes with the data it began with; its location may change.

    Args:
        before: from the training state; None for a state of an older version.
        now: of the current data.
        folder: of the run.
        progress: receives a warning if there is nothing to check against.

    Raises:
        InputError: naming what differs.
    """
    if before is None:
        progress.say(f"{folder}: an older wordsight began this and did not note its data; it may be other data now")
        return
    for what in now:
        if not isinstance(before, dict) or before.get(what) != now[what]:
            raise InputError(f"{folder}: was begun with other data: {what} has changed since; use another folder.")


def _of_pictures(pictures: Sequence[Picture], parses: Parses) -> str:
    """Checksum of pictures' names and sizes in bytes, their sentences, and the parses of these."""
    found = hashlib.sha256()
    for picture in pictures:
        trees = [str(tree_of(sentence, parses)) for sentence in picture.sentences] if parses else []
        said = (picture.name, _bytes(picture.path), picture.sentences, trees)
        found.update(repr(said).encode("utf-8", "replace"))
    return found.hexdigest()


def _bytes(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return -1


def check_same(before: Recipe, now: Recipe, folder: Path) -> None:
    """Check that a run resumes with the recipe it began with; paths may change.

    Raises:
        InputError: naming the first key that differs.
    """
    first, second = to_dict(before), to_dict(now)
    keys = [(table, key) for table, values in first.items() for key in {**values, **second[table]}]
    for table, key in keys:
        was, is_now = first[table].get(key), second[table].get(key)
        if was != is_now and (table, key) not in MAY_CHANGE:
            raise InputError(f"{folder}: was begun with {table}.{key} = {was!r}, not {is_now!r}; use another folder.")

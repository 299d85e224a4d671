"""Many-to-many relevance between COCO's pictures and sentences, from files.

ECCV Caption (Chun et al. 2022): two JSON objects with lists of COCO's ids, `eccv_image_to_caption.json` (picture ->
sentences) and `eccv_caption_to_image.json` beside it (sentence -> pictures), which hold different pairs. CxC (Parekh et
al. 2021): `sits_val.csv`, `sits_test.csv`, with the columns caption, image, score from 0 to 5, and how the pair was
sampled; pairs with a score of at least 3 are relevant.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.files import describe, read_json, read_text

RELEVANT = 3.0  # minimum score of a relevant pair in CxC
I2T, T2I = "image_to_caption", "caption_to_image"
HIGHEST = 5.0
_NUMBER = re.compile(r"(?<!\d)(\d{1,18})\D*$")
_ID = re.compile(r"\d{1,18}", re.ASCII)


class Relevant(NamedTuple):
    """Relevance: which sentences are relevant for which pictures.

    Attributes:
        i2t: (I, N) bool, with pictures as queries.
        t2i: (I, N) bool, with sentences as queries.
    """

    i2t: Tensor
    t2i: Tensor


def relevant_pairs(path: Path, pictures: Sequence[Picture]) -> Relevant:
    """The relevant pairs in a file, and in the one beside it for the other direction.

    Args:
        path: a CSV file of CxC, or either file of ECCV Caption; pairs with other pictures or sentences are left out.
        pictures: I pictures of COCO with ids, if only at the end of their file names, and N sentences with ids.

    Raises:
        InputError: a file is missing or malformed, the sentences have no ids, or a file has no pair among these
            pictures and sentences.
    """
    numbers = [_id_of(picture) for picture in pictures]
    rows = {number: row for row, number in enumerate(numbers) if number is not None}
    ids = [one for picture in pictures for one in (picture.ids or [None] * len(picture.sentences))]
    columns = {one: column for column, one in enumerate(ids) if one is not None}
    if not columns:
        raise InputError(f"{path}: relevance goes by COCO's ids, and the sentences of this dataset have none.")
    if path.suffix.lower() == ".csv":
        ways = [(path, list(_from_csv(path)))] * 2
    else:
        ways = [(one, _from_json(one)) for one in _both(path)]
    found = []
    for file, pairs in ways:
        some = torch.zeros(len(pictures), len(ids), dtype=torch.bool)
        for picture, sentence in pairs:
            if picture in rows and sentence in columns:
                some[rows[picture], columns[sentence]] = True
        if not some.any():
            raise InputError(f"{file}: none of its pairs is of these {len(pictures):,} pictures and their sentences.")
        found.append(some)
    return Relevant(found[0], found[1])


def _both(path: Path) -> tuple[Path, Path]:
    """ECCV Caption's file from pictures to sentences, and that from sentences to pictures, given either."""
    for here, there in ((I2T, T2I), (T2I, I2T)):
        if here in path.name:
            other = path.with_name(path.name.replace(here, there))
            return (path, other) if here == I2T else (other, path)
    raise InputError(f"{path}: expected {I2T} or {T2I} in the file's name, or a .csv file of CxC.")


def _id_of(picture: Picture) -> int | None:
    """COCO's id of a picture: the data's, else the one in its file's name."""
    return picture.image_id if isinstance(picture.image_id, int) else _picture_number(picture.name)


def _picture_number(name: str) -> int | None:
    """COCO's id of a picture, the last number in its file's name."""
    number = _NUMBER.search(Path(name).stem)
    return int(number[1]) if number else None


def _from_json(path: Path) -> list[tuple[int, int]]:
    """(picture, sentence) pairs in a file of ECCV Caption; the file's name says which of the two is the key."""
    content = read_json(path, strict=True)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected lists of ids by id, found {describe(content)}.")
    turned = T2I in path.name
    pairs = []
    for key, some in content.items():
        if not isinstance(some, list) or not _ID.fullmatch(key) or not all(map(_is_id, some)):
            raise InputError(f"{path}, key {key!r}: expected a number with a list of numbers, found {describe(some)}.")
        pairs += [(int(one), int(key)) if turned else (int(key), int(one)) for one in some]
    return pairs


def _is_id(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and bool(_ID.fullmatch(value))
    )


def _from_csv(path: Path) -> Iterable[tuple[int, int]]:
    """Relevant (picture, sentence) pairs in a file of CxC; its files of picture or sentence pairs are refused."""
    expected = "COCO_val2014:sentid:1,COCO_val2014_000000000001.jpg,3.2,c2i_intrasim"
    lines = csv.reader(io.StringIO(read_text(path)))
    number, first = 0, True
    try:
        for number, line in enumerate(lines, 1):
            if not any(map(str.strip, line)):
                continue
            told = _pair(line)
            if told is None and not first:  # the first names the columns
                raise InputError(
                    f"{path}, line {number}: expected a line as in {expected}, found {','.join(line)[:80]!r}."
                )
            if told is not None and told[2] >= RELEVANT:
                yield told[:2]
            first = False
    except csv.Error as error:
        raise InputError(f"{path}, line {number + 1}: expected a line as in {expected} ({error}).") from None


def _pair(line: Sequence[str]) -> tuple[int, int, float] | None:
    """Picture, sentence and score of a line; None for any other line."""
    try:
        sentence, file, told, _ = line
        picture, number, score = _picture_number(file), int(sentence.rpartition(":")[2]), float(told)
    except ValueError:
        return None
    if picture is None or ":" in file or ":" not in sentence or not 0 <= score <= HIGHEST:
        return None
    return picture, number, score

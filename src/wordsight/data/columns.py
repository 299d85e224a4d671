"""Columns of pictures, captions and splits in a table of any file format."""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from wordsight.data.find import is_media
from wordsight.data.records import split_name
from wordsight.errors import InputError, printable
from wordsight.files import describe

PICTURE_COLUMNS = ("filepath", "file_name", "filename", "file_path", "file", "path", "image", "image_name")
ALSO_PICTURES = ("image_path", "image_file", "img", "img_path", "img_name", "picture", "photo", "jpg", "png", "webp")
CAPTION_COLUMNS = ("caption", "captions", "text", "title", "sentence", "sentences", "comment")
ALSO_CAPTIONS = ("raw", "description", "descriptions", "sentences_raw", "caption_text", "alt_text", "txt", "label")
CONVERSATIONS = "conversations"  # as in LLaVA
_NUMBERED = re.compile(r"(?:caption|text|title|sentence|comment|raw|description)s?[ _-]?\d+")
_LISTED = 20  # maximum number of columns that a message lists
_LONGEST = 1 << 16  # maximum characters of a cell that is parsed as a list of captions

Row = tuple[str, dict[str, Any]]  # (location for messages, lower-case column -> value)


def pictures_in(columns: Iterable[str]) -> list[str]:
    """The columns that may name pictures, the most common first."""
    return _pictures_in(tuple(columns))


def captions_in(columns: Iterable[str]) -> list[str]:
    """The columns of captions: the one with the most common name, and all numbered ones ("caption_0")."""
    return _captions_in(tuple(columns))


@lru_cache  # a table has the same columns in all its rows
def _pictures_in(columns: tuple[str, ...]) -> list[str]:
    return [column for column in (*PICTURE_COLUMNS, *ALSO_PICTURES) if column in columns]


@lru_cache
def _captions_in(columns: tuple[str, ...]) -> list[str]:
    there = dict.fromkeys(columns)
    first = [column for column in (*CAPTION_COLUMNS, *ALSO_CAPTIONS, CONVERSATIONS) if column in there][:1]
    return [*first, *(column for column in there if _NUMBERED.fullmatch(column))]


def suitable(columns: Iterable[str]) -> bool:
    """Whether columns include pictures and captions."""
    columns = list(columns)
    return bool(pictures_in(columns) and captions_in(columns))


def lowered(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row with lower-case column names."""
    return {str(column).strip().lower(): value for column, value in row.items()}


def picture_of(row: Mapping[str, Any], where: str) -> str | Path:
    """A row's picture: a path in the dataset, or (as a `Path`) an unpacked file.

    Raises:
        InputError: no column is for pictures, or its value is not a file name.
    """
    columns = pictures_in(row)
    if not columns:
        raise InputError(_missing(where, PICTURE_COLUMNS, row))
    column = columns[0]
    if len(columns) > 1:
        named = (one for one in columns if isinstance(row[one], str | Path) and is_media(str(row[one])))
        column = next(named, column)
    value = row[column]
    if isinstance(value, dict) and isinstance(value.get("path"), str):  # as Hugging Face writes it, without bytes
        value = value["path"]
    if isinstance(value, Path):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}: expected the name of a picture's file, found {describe(value)}.")
    folder = row.get("filepath")
    if column == "filename" and isinstance(folder, str) and folder.strip():  # as in Karpathy JSON
        return f"{folder.strip()}/{value.strip()}"
    return value.strip()


def captions_of(row: Mapping[str, Any], where: str) -> tuple[list[str], list[InputError]]:
    """The captions of a row, and the errors of malformed ones.

    Raises:
        InputError: no column has captions.
    """
    columns = captions_in(row)
    if not columns:
        raise InputError(_missing(where, CAPTION_COLUMNS, row))
    said: dict[str, None] = {}
    wrong: list[InputError] = []
    for column in columns:
        for value in _listed(row[column], column):
            sentence = _sentence(value)
            if sentence is None:
                if len(columns) == 1 or value is not None:  # a picture may have fewer captions than there are columns
                    wrong.append(
                        InputError(f"{where}: expected a caption, or a list of them, found {describe(value)}.")
                    )
            else:
                said[sentence.strip()] = None
    return list(said), wrong


def split_of(row: Mapping[str, Any], where: str) -> str:
    """The split of a row; "" without one.

    Raises:
        InputError: it is not text.
    """
    value = row.get("split")
    if value is None or value != value:  # None, or NaN for missing
        return ""
    if not isinstance(value, str):
        raise InputError(f"{where}, column 'split': expected text, found {describe(value)}.")
    return split_name(value)


def _listed(value: Any, column: str) -> list[Any]:
    """The captions in a cell; as text, it may be a list in JSON or Python syntax."""
    if column == CONVERSATIONS:
        return [_answer(value)]
    if isinstance(value, str) and len(value) < _LONGEST and value.startswith("[") and value.endswith("]"):
        for parse in (json.loads, ast.literal_eval):
            try:
                found = parse(value)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(found, list) and all(isinstance(one, str) for one in found):
                return found
    return value if isinstance(value, list) else [value]


def _answer(conversations: Any) -> Any:
    """The first answer in a conversation, which is the caption."""
    turns = [turn for turn in conversations if isinstance(turn, dict)] if isinstance(conversations, list) else []
    return next((turn.get("value") for turn in turns if turn.get("from") in ("gpt", "assistant")), None)


def _sentence(value: Any) -> str | None:
    if isinstance(value, dict):
        if isinstance(tokens := value.get("tokens"), list) and "raw" not in value:
            return " ".join(map(str, tokens))
        value = next((value[column] for column in ("raw", *CAPTION_COLUMNS) if column in value), None)
    return value if isinstance(value, str) else None


def _missing(where: str, columns: Iterable[str], row: Iterable[str]) -> str:
    first, *others = columns
    there = ", ".join(printable(column[:40]) for column in islice(row, _LISTED))
    return (
        f"{where}: expected a column '{first}' (or {', '.join(others)}), found {f'only {there}' if there else 'none'}."
    )

"""Tables of pictures and captions: Hugging Face's imagefolder `metadata.jsonl`, CSV, and Parquet."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wordsight.data.find import PictureFiles
from wordsight.data.records import Dataset, Picture, split_in, split_name
from wordsight.errors import InputError
from wordsight.files import describe, parse_json, read_text

PICTURE_COLUMNS = ("filepath", "file_name", "filename", "file_path", "file", "path", "image", "image_name")
CAPTION_COLUMNS = ("caption", "captions", "text", "title", "sentence", "sentences", "comment")
SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")

Row = tuple[str, dict[str, Any]]  # where it stands, for messages; column -> value


def recognised(path: Path) -> bool:
    """Whether a text file is a table with a header that names pictures and captions."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline()
    columns = _split_header(header.rstrip("\r\n"))[1]
    return bool(set(PICTURE_COLUMNS) & set(columns)) and bool(set(CAPTION_COLUMNS) & set(columns))


def find_tables(root: Path) -> list[Path]:
    """The tables that make up a dataset folder: `metadata.*` in it and its folders, else all the tables in it."""
    metadata = [path for path in sorted(root.glob("metadata.*")) + sorted(root.glob("*/metadata.*"))]
    tables = [path for path in metadata if path.suffix in SUFFIXES]
    return tables or sorted(path for path in root.iterdir() if path.suffix in SUFFIXES and path.is_file())


def read(root: Path, tables: Sequence[Path]) -> Dataset:
    """The dataset in some tables: a row has a picture's file and a caption, or a list of captions, and maybe a split.

    Rows with the same file are one picture. Without a column `split`, the split is what the table's name or folder says
    ("val.csv", "test/metadata.jsonl"), or the first folder of the picture's file ("val/7.jpg"), or train.

    Args:
        root: the dataset's folder.
        tables: JSON lines, CSV (comma, semicolon, tab or bar) or Parquet.

    Raises:
        InputError: a column is missing or a value is of the wrong type; the message names the line or row.
    """
    said: dict[str, list[str]] = {}
    splits: dict[str, str] = {}
    paths: dict[str, Path] = {}
    for table in tables:
        files = PictureFiles(table.parent)
        within = table.parent.relative_to(root).as_posix() if table.is_relative_to(root) else "."
        place = split_in(table.stem, "") or split_in(within, "")
        for where, row in _rows(table):
            file = _value(row, PICTURE_COLUMNS, where)
            if not isinstance(file, str) or not file.strip():
                raise InputError(f"{where}: expected the name of a picture's file, found {describe(file)}.")
            name = file if within == "." else f"{within}/{file}"
            split = _split(row, where) or place or split_in(name.partition("/")[0] if "/" in name else "")
            if splits.setdefault(name, split) != split:
                raise InputError(f"{where}: {file} is already in the split '{splits[name]}', not in '{split}'.")
            if name not in paths:
                paths[name] = files.find(file)
            said.setdefault(name, []).extend(_captions(_value(row, CAPTION_COLUMNS, where), where))
    pictures = tuple(Picture(name, paths[name], splits[name], tuple(said[name])) for name in said)
    imagefolder = bool(tables) and tables[0].stem == "metadata"
    return Dataset(root.name, root, "imagefolder" if imagefolder else "table", pictures)


def _value(row: dict[str, Any], columns: Sequence[str], where: str) -> Any:
    for column in columns:
        if column in row:
            return row[column]
    there = ", ".join(row) or "none"
    raise InputError(f"{where}: expected a column '{columns[0]}' (or {', '.join(columns[1:])}), found only {there}.")


def _split(row: dict[str, Any], where: str) -> str:
    value = row.get("split") or ""
    if not isinstance(value, str):
        raise InputError(f"{where}, column 'split': expected text, found {describe(value)}.")
    return split_name(value)


def _captions(value: Any, where: str) -> list[str]:
    captions = value if isinstance(value, list) else [value]
    for caption in captions:
        if not isinstance(caption, str):
            raise InputError(f"{where}: expected a caption, or a list of them, found {describe(caption)}.")
    return [caption.strip() for caption in captions]


def _rows(path: Path) -> Iterator[Row]:
    if path.suffix == ".jsonl":
        return _json_lines(path)
    return _parquet(path) if path.suffix == ".parquet" else _csv(path)


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            row = parse_json(line, str(path), number)
            if not isinstance(row, dict):
                raise InputError(f"{path}, line {number}: expected an object, found {describe(row)}.")
            yield f"{path}, line {number}", row


def _csv(path: Path) -> Iterator[Row]:
    text = read_text(path)
    delimiter, columns = _split_header(text.partition("\n")[0])
    lines = io.StringIO(text, newline="")
    if delimiter == "|":  # Flickr30k's results.csv: quotes are part of the captions
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        next(reader, None)
        for values in reader:
            where = f"{path}, line {reader.line_num}"
            if values and len(values) != len(columns):
                raise InputError(f"{where}: expected {len(columns)} columns, as in the header, found {len(values)}.")
            if values:
                yield where, dict(zip(columns, (value.strip() for value in values), strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not valid CSV ({error}).") from error


def _split_header(header: str) -> tuple[str, list[str]]:
    """The delimiter of a CSV header, and its columns."""
    delimiter = max(",;\t|", key=header.count)
    return delimiter, [re.sub(r'^"|"$', "", column.strip()).strip().lower() for column in header.split(delimiter)]


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"{path} needs a reader of Parquet: pip install 'wordsight[parquet]' (pyarrow).") from error
    try:
        wanted = {*PICTURE_COLUMNS, *CAPTION_COLUMNS, "split"}
        names = pyarrow.parquet.read_schema(path).names
        table = pyarrow.parquet.read_table(path, columns=[name for name in names if name in wanted])
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path} cannot be read: expected a Parquet file.") from error
    if not table.num_columns:
        raise InputError(f"{path}: expected the columns filepath and caption, found only {', '.join(names) or 'none'}.")
    for number, row in enumerate(table.to_pylist()):
        yield f"{path}, row {number}", row

"""Tables of pictures and captions: Hugging Face's imagefolder `metadata.jsonl`, CSV, JSON, and Parquet."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from wordsight.data import columns, comma, decode, json_rows, parquet
from wordsight.data.columns import Row
from wordsight.data.faults import Faults
from wordsight.data.lookup import PictureFiles
from wordsight.data.records import Dataset, Picture, split_of_file, split_of_folder
from wordsight.errors import InputError

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")  # of tables that say the same, the first is read
JSON = (".json", ".jsonl")


def recognised(path: Path) -> bool:
    """Whether a file is a table with columns for pictures and captions.

    Raises:
        InputError: it cannot be read.
    """
    return columns.suitable(_columns(path))


def require(path: Path) -> None:
    """Make sure that a file is a table with columns for pictures and captions.

    Raises:
        InputError: it cannot be read, or a column is missing; the message says which.
    """
    row = dict.fromkeys(_columns(path), "x.jpg")
    columns.picture_of(row, str(path))
    columns.captions_of(row, str(path))


def _columns(path: Path) -> list[str]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return parquet.columns(path)
    return (json_rows if suffix in JSON else comma).columns(decode.sniff(path))


def read(root: Path, tables: Sequence[Path], faults: Faults) -> Dataset:
    """The dataset in some tables: a row has a picture's file and a caption, or several, and maybe a split.

    Rows with the same file are one picture. Without a column `split`, the split is what the table's name or folder says
    ("val.csv", "test/metadata.jsonl"), or the first folder of the picture's file ("val/7.jpg"), or train.

    Args:
        root: the dataset's folder.
        tables: JSON lines, JSON, CSV (comma, semicolon, tab or bar) or Parquet.
        faults: told of rows that are not as they should be.

    Raises:
        InputError: a table cannot be read, or nearly all its rows are bad, or one is and reading is strict.
    """
    said: dict[Path, list[str]] = {}
    known: dict[Path, tuple[str, str]] = {}
    found: dict[tuple[str, str, Path], Path] = {}
    for path in tables:
        files, within = PictureFiles(faults, path.parent, root), _within(path.parent, root)
        place = split_of_file(path.stem, "") or next(filter(None, map(split_of_folder, reversed(within))), "")
        for where, row in _rows(path, faults):
            try:
                file = columns.picture_of(row, where)
                captions, wrong = columns.captions_of(row, where)
                first = file.partition("/")[0] if isinstance(file, str) and "/" in file else ""
                split = columns.split_of(row, where) or place or split_of_folder(first) or "train"
                key = (str(file), split, path.parent)
                if key not in found:
                    found[key] = file if isinstance(file, Path) else files.find(file, split=split)
                name = _name(file, found[key], path.parent, within)
                if known.setdefault(found[key], (name, split))[1] != split:
                    there = known[found[key]][1]
                    raise InputError(f"{where}: {file} is already in the split '{there}', not in '{split}'.")
            except InputError as error:
                faults.left_out(path, error)
                continue
            for one in wrong:
                faults.left_out(path, one)
            said.setdefault(found[key], []).extend(captions)
            faults.good(path, len(captions) or not wrong)
        faults.require(path)
    pictures = tuple(Picture(known[file][0], file, known[file][1], tuple(said[file])) for file in said)
    imagefolder = bool(tables) and tables[0].stem.lower() == "metadata"
    return Dataset(root.name, root, "imagefolder" if imagefolder else "table", pictures)


def _name(file: str | Path, found: Path, folder: Path, within: Sequence[str]) -> str:
    """What a picture is called: as in the table, behind the table's folder where the picture is in it."""
    if isinstance(file, Path):
        return file.name
    return "/".join((*within, file)) if within and str(found).startswith(f"{folder}/") else file


def _within(folder: Path, root: Path) -> tuple[str, ...]:
    return folder.relative_to(root).parts if folder.is_relative_to(root) else ()


def _rows(path: Path, faults: Faults) -> Iterator[Row]:
    if path.suffix.lower() == ".parquet":
        return parquet.rows(path, faults)
    return (json_rows if path.suffix.lower() in JSON else comma).rows(path, faults)

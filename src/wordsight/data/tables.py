"""Tables of pictures and captions: Hugging Face's imagefolder `metadata.jsonl`, CSV, JSON and Parquet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wordsight.data import columns, comma, decode, json_rows, parquet
from wordsight.data.columns import Row
from wordsight.data.faults import Faults
from wordsight.data.lookup import PictureFiles
from wordsight.data.records import Dataset, Picture, split_of_file, split_of_folder
from wordsight.errors import InputError

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")  # in order of preference
JSON = (".json", ".jsonl")


def recognised(path: Path) -> bool:
    """Whether a file is a table with columns for pictures and captions.

    Raises:
        InputError: it cannot be read.
    """
    return columns.suitable(_columns(path))


def require(path: Path) -> None:
    """Check that a file is a table with columns for pictures and captions.

    Raises:
        InputError: it cannot be read, or a column is missing; the message names it.
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
    """Read tables: a row has a picture's file, one or more captions, and optionally a split.

    Rows with the same file are one picture. Without a column `split`, the split is in the table's name or folder
    ("val.csv", "test/metadata.jsonl"), or the first folder of the picture's file ("val/7.jpg"), or train.

    Args:
        root: the dataset's folder.
        tables: JSON lines, JSON, CSV (comma, semicolon, tab or bar) or Parquet.
        faults: collects malformed rows.

    Raises:
        InputError: a table cannot be read, or nearly all its rows are bad; or reading is strict, and any row is bad.
    """
    found: dict[str, _Entry] = {}
    for path in tables:
        _read(path, root, found, faults)
    pictures = tuple(Picture(one.name, one.path, one.split, tuple(one.said)) for one in found.values())
    imagefolder = bool(tables) and tables[0].stem.lower() == "metadata"
    return Dataset(root.name, root, "imagefolder" if imagefolder else "table", pictures)


@dataclass
class _Entry:
    """A picture whose rows are still being read."""

    name: str
    path: Path
    split: str
    said: list[str]


def _read(path: Path, root: Path, found: dict[str, _Entry], faults: Faults) -> None:
    """Add the rows of a table to `found`: path -> picture."""
    files, within = PictureFiles(faults, path.parent, root), _within(path.parent, root)
    place = split_of_file(path.stem, "") or next(filter(None, map(split_of_folder, reversed(within))), "")
    known: dict[tuple[str | Path, str], _Entry] = {}
    good = 0
    for where, row in _rows(path, faults):
        try:
            file = columns.picture_of(row, where)
            captions, wrong = columns.captions_of(row, where)
            split = columns.split_of(row, where) or place
            entry = known.get((file, split))
            if entry is None:
                split_there = split or _first_folder(file) or "train"
                real = file if isinstance(file, Path) else files.find(file, split=split_there)
                new = _Entry(_name(file, real, path.parent, within), real, split_there, [])
                entry = found.setdefault(str(real), new)
                if entry.split != split_there:
                    what = f"{file} is already in the split '{entry.split}', not in '{split_there}'"
                    raise InputError(f"{where}: {what}.")
                known[file, split] = entry
        except InputError as error:
            faults.left_out(path, error)
            continue
        for one in wrong:
            faults.left_out(path, one)
        entry.said += captions
        good += len(captions) or not wrong
    faults.good(path, good)
    faults.require(path)


def _first_folder(file: str | Path) -> str:
    """The split in the first folder of a picture's name; "" without one."""
    first, slash, _ = file.partition("/") if isinstance(file, str) else ("", "", "")
    return split_of_folder(first) if slash else ""


def _name(file: str | Path, found: Path, folder: Path, within: Sequence[str]) -> str:
    """Name of a picture: as in the table, prefixed by the table's folder if the picture is in it."""
    if isinstance(file, Path):
        return file.name
    return "/".join((*within, file)) if within and str(found).startswith(f"{folder}/") else file


def _within(folder: Path, root: Path) -> tuple[str, ...]:
    return folder.relative_to(root).parts if folder.is_relative_to(root) else ()


def _rows(path: Path, faults: Faults) -> Iterator[Row]:
    if path.suffix.lower() == ".parquet":
        return parquet.rows(path, faults)
    return (json_rows if path.suffix.lower() in JSON else comma).rows(path, faults)

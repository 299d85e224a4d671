"""Rows of Parquet files; embedded pictures, as in Hugging Face's, are unpacked into the cache."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from wordsight.data import columns as table
from wordsight.data.columns import Row, lowered
from wordsight.data.faults import Faults
from wordsight.data.find import is_picture
from wordsight.data.unpack import LARGEST, remembered_list, safe_name, suffix_of, unpacked
from wordsight.errors import InputError, install
from wordsight.files import open_regular, reason

_BATCH = 256  # rows read at once
_NAMES = ("key", "image_id", "img_id", "id")  # columns that may name an embedded picture


def columns(path: Path) -> list[str]:
    """The lower-case column names of a Parquet file.

    Raises:
        InputError: no reader of Parquet is installed, or the file is not Parquet.
    """
    with _opened(path) as file:
        return [name.strip().lower() for name in _reader(path, file).schema_arrow.names]


def rows(path: Path, faults: Faults) -> Iterator[Row]:
    """The rows of a Parquet file, with lower-case column names.

    A row's picture is the value of its column, or the path of the unpacked file of an embedded picture.

    Raises:
        InputError: no reader of Parquet is installed, the file cannot be read, or its pictures cannot be unpacked.
    """
    with _opened(path) as file:
        reader = _reader(path, file)
        names = reader.schema_arrow.names
        used = [name for name in names if name.strip().lower() in _used(names)]
        if not used:
            there = f"only {', '.join(names)}" if names else "none"
            raise InputError(f"{path}: expected the columns filepath and caption, found {there}.")
        inside = _inside(reader)
        files: list[Any] = []
        if inside:
            folder, found = unpacked(path, lambda into: _unpack(path, reader, inside, into))
            files = [folder / str(name) if name else None for name in remembered_list(found, folder.parent)]
        plain, labels = [name for name in used if name != inside], _labels(reader, names)
        for number, row in enumerate(_batches(path, reader, plain)):
            values = lowered(row)
            if labels and values["split"] in range(len(labels)):
                values["split"] = labels[values["split"]]
            if inside:
                picture = files[number] if number < len(files) else None
                values = {**values, "filepath": picture or values.get("filepath")}
            yield f"{path}, row {number}", values


def _used(names: list[str]) -> set[str]:
    there = [name.strip().lower() for name in names]
    return {*table.pictures_in(there), *table.captions_in(there), "split"} & set(there)


def _labels(reader: Any, names: list[str]) -> list[str]:
    """Class names of the numbers in the column `split`, from Hugging Face's metadata; empty without any."""
    try:
        features = json.loads(reader.schema_arrow.metadata[b"huggingface"])["info"]["features"]
        labels = next(features[name]["names"] for name in names if name.strip().lower() == "split")
    except (TypeError, LookupError, ValueError, RecursionError, StopIteration):
        return []
    return labels if isinstance(labels, list) and all(isinstance(label, str) for label in labels) else []


def _inside(reader: Any) -> str:
    """The column of embedded pictures: bytes, or an object with `bytes` and `path`; "" without one."""
    import pyarrow

    def holds(kind: Any) -> bool:
        if pyarrow.types.is_struct(kind):
            return any(kind.field(place).name == "bytes" for place in range(kind.num_fields))
        return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))

    schema = reader.schema_arrow
    wanted = set(table.pictures_in(name.strip().lower() for name in schema.names))
    found = (part.name for part in schema if part.name.strip().lower() in wanted and holds(part.type))
    return next(found, "")


def _unpack(path: Path, reader: Any, column: str, into: Path) -> list[str]:
    """Unpack the pictures of a Parquet file; returns the file name for each row, "" without a picture."""
    names = reader.schema_arrow.names
    identity = next((name for name in names if name.strip().lower() in _NAMES), None)
    known: dict[tuple[str, bytes], str] = {}
    taken: set[str] = set()
    files = []
    for number, row in enumerate(_batches(path, reader, [column, *([identity] if identity else [])])):
        value = row[column]
        given = value.get("path") if isinstance(value, dict) else None
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes) or not content or len(content) > LARGEST:
            files.append("")
            continue
        called = given if isinstance(given, str) else str(row[identity]) if identity and row[identity] else ""
        key = (called, hashlib.blake2b(content, digest_size=16).digest())
        if key not in known:
            name = safe_name(called) or f"{number:07}"
            name = name if is_picture(name) else name + suffix_of(content)
            name = f"{number:07}-{name}" if name.casefold() in taken else name
            taken.add(name.casefold())
            (into / name).write_bytes(content)
            known[key] = name
        files.append(known[key])
    return files


def _batches(path: Path, reader: Any, names: list[str]) -> Iterator[dict[str, Any]]:
    try:
        for batch in reader.iter_batches(batch_size=_BATCH, columns=names):
            yield from batch.to_pylist() if names else ({} for _ in range(batch.num_rows))
    except _errors() as error:
        raise InputError(f"{path} cannot be read: the Parquet file is damaged.") from error


def _reader(path: Path, file: BinaryIO) -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"{path} needs a reader of Parquet, pyarrow: {install('parquet')}") from error
    try:
        return pyarrow.parquet.ParquetFile(file)
    except _errors() as error:
        raise InputError(f"{path} cannot be read: expected a Parquet file.") from error


def _errors() -> tuple[type[Exception], ...]:
    """The exceptions of a damaged file."""
    import pyarrow

    return (OSError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError, pyarrow.ArrowException)


def _opened(path: Path) -> BinaryIO:
    try:
        return open_regular(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error

"""Webdataset shards: tar archives of `x.jpg` with `x.txt`, `x.caption` or `x.json`."""

import gzip
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wordsight.data import folder
from wordsight.data.faults import Faults
from wordsight.data.find import find, is_picture
from wordsight.data.records import Dataset, Picture, split_of_file, split_of_folder
from wordsight.data.unpack import LARGEST, remembered_list, safe_name, unpacked
from wordsight.errors import InputError
from wordsight.files import open_regular, reason

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_DEEPEST = 8  # maximum levels of folders in an archive
_BRACES = re.compile(r"(.*)\{(\d+)\.\.(\d+)\}(.*)")
_MOST = 100_000  # maximum number of shards of one pattern
_EXPANDED = 100  # maximum expansion of a compressed archive


def recognised(path: Path) -> bool:
    """Whether a file is a tar archive, by its first block."""
    with _opened(path) as file:
        return file.read(512)[257:262] == b"ustar" or tarfile.is_tarfile(path)


def shards(name: Path) -> list[Path]:
    """The shards of a pattern such as `{00000..00007}.tar`; empty for any other name."""
    found = _BRACES.fullmatch(str(name))
    if not found or not 0 <= int(found[3]) - int(found[2]) < _MOST:
        return []
    numbers = range(int(found[2]), int(found[3]) + 1)
    return [Path(f"{found[1]}{number:0{len(found[2])}}{found[4]}") for number in numbers]


def first_file(name: str | Path) -> Path:
    """The folder or file of a dataset, or its first shard if the name is a pattern of shards; see `find`."""
    return find((shards(Path(name)) or [Path(name)])[0], "dataset")


def read(root: Path, archives: Sequence[Path], faults: Faults) -> Dataset:
    """Read shards, which are unpacked into the cache; a shard's name or its folder's gives the split, else train.

    Args:
        root: the dataset's folder.
        archives: the shards.
        faults: collects unreadable members.

    Raises:
        InputError: a shard is not a tar archive, or the cache cannot be written.
    """
    pictures: list[Picture] = []
    for path in archives:
        into, remembered = unpacked(path, lambda into, path=path: _unpack(path, into))  # type: ignore[misc]
        for sentence in remembered_list(remembered, into.parent):
            faults.note(str(sentence))
        stem = next(path.name[: -len(end)] for end in (*SUFFIXES, "") if path.name.lower().endswith(end))
        split = split_of_file(stem, "") or split_of_folder(path.parent.name) or "train"
        place = (path.relative_to(root) if path.is_relative_to(root) else Path(path.name)).with_name(stem).as_posix()
        for picture in folder.pictures(into, faults, split):
            pictures.append(replace(picture, name=f"{place}/{picture.name}"))
    return Dataset(root.name, root, "webdataset", tuple(pictures))


def _unpack(path: Path, into: Path) -> list[str]:
    """Unpack the pictures and captions of an archive; returns its faults, a sentence each."""
    wrong, left_out = [], 0
    with _opened(path) as file:
        most = os.fstat(file.fileno()).st_size * _EXPANDED + LARGEST
        try:
            with tarfile.open(fileobj=file, mode="r:*") as archive:
                for member in archive:
                    if member.offset_data + member.size > most:
                        raise tarfile.ReadError(f"it unpacks to more than {_EXPANDED} times its size")
                    if not _wanted(member):
                        continue
                    target = _target(member.name, into)
                    if target is None or target.exists() or member.size > LARGEST:
                        left_out += 1
                        continue
                    target.parent.mkdir(parents=True, exist_ok=True)
                    content: Any = archive.extractfile(member)
                    target.write_bytes(content.read())
        except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            why = str(error).partition("\n")[0].rstrip(":") or type(error).__name__  # without tarfile's list of formats
            if not any(into.iterdir()):
                raise InputError(f"{path}: expected a tar archive ({why}).") from error
            wrong.append(f"{path} is cut short or damaged ({why}); what comes before was read.")
        except (ValueError, ArithmeticError, LookupError, MemoryError) as error:
            raise InputError(f"{path}: expected a tar archive ({error or 'a part is too large'}).") from error
    if left_out:
        wrong.append(f"{path}: {left_out} files were left out (twice there, too large, or with names for no file).")
    return wrong


def _wanted(member: tarfile.TarInfo) -> bool:
    name = member.name.lower()
    return member.isreg() and not member.sparse and (is_picture(name) or name.endswith(folder.TEXTS))


def _target(name: str, into: Path) -> Path | None:
    """Target path of an archive's member, always inside the folder; None if its name gives none."""
    parts = [safe_name(part) for part in name.split("/") if part not in ("", ".")]
    return into.joinpath(*parts) if all(parts) and 0 < len(parts) <= _DEEPEST else None


def _opened(path: Path) -> Any:
    try:
        return open_regular(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error

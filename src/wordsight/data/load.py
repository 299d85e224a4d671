"""Loading a dataset of any format, which is detected from the files."""

import logging
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from wordsight.data import clips, coco, flickr, folder, karpathy, layout, subtitles, tables, webdataset
from wordsight.data.faults import Faults
from wordsight.data.find import find
from wordsight.data.layout import Json, Layout
from wordsight.data.records import Dataset, Picture
from wordsight.errors import InputError, printable
from wordsight.files import describe
from wordsight.text.tokens import without_surrogates
from wordsight.vision.fragments import fragment

FORMATS = (
    "Karpathy JSON (dataset_*.json), COCO captions JSON, a Flickr8k token file, imagefolder (metadata.jsonl), "
    "CSV, JSON or Parquet with filepath and caption, webdataset (*.tar), x.jpg or x.mp4 with x.txt, the CSV or text "
    "files of MSVD, MSR-VTT JSON, or x.mp4 with x.vtt or x.srt"
)


def load_dataset(path: str | Path, *, strict: bool = False) -> Dataset:
    """Read a dataset of any known format, and log warnings of faults in its files.

    Args:
        path: its folder, or one of its files (if a folder has several datasets), which `find` resolves; or a pattern of
            webdataset shards, such as `{00000..00007}.tar`.
        strict: refuse the first malformed row rather than leave it out or repair it.

    Returns:
        The dataset; some of its pictures may be missing, broken or without sentences. Faults are in `faults`, and are
        logged as warnings.

    Raises:
        InputError: the path does not exist, the format is unknown, nearly all of a file is malformed (the message names
            the line or key), there is no picture or no sentence, or every picture is missing.
    """
    dataset = read_dataset(path, strict=strict)
    for sentence in dataset.faults:
        _warn(sentence)
    return dataset


def read_dataset(path: str | Path, *, strict: bool = False) -> Dataset:
    """Like `load_dataset`, but logs no warnings: faults are only in `faults`."""
    if not isinstance(path, str | Path):
        raise InputError(f"expected a dataset's folder or one of its files, found {describe(path)}.")
    faults = Faults(strict=strict)
    if archives := [find(shard, "dataset").absolute() for shard in webdataset.shards(Path(path))]:
        place = archives[0].parent
        dataset = webdataset.read(place, archives, faults)
    else:
        place = find(path, "dataset").absolute()
        dataset = _from_folder(place, faults) if place.is_dir() else _from_file(place, faults)
    readable = tuple(_readable(place, picture, faults) for picture in dataset.pictures)
    pictures = _apart(place, dataset.root, readable, faults)
    if not pictures:
        raise InputError(f"{place} is an empty dataset: it lists no pictures.")
    if not any(picture.sentences for picture in pictures):
        raise InputError(f"{place} is an empty dataset: none of its {len(pictures)} pictures has a sentence.")
    if not any(os.path.exists(fragment(picture.path).file) for picture in pictures):
        first = f"the first was looked for at {printable(pictures[0].path)}"
        raise InputError(f"{place}: none of its {len(pictures)} pictures is there; {first}.")
    return replace(dataset, pictures=pictures, faults=faults.sentences())


@cache  # warn once in a process, however often the dataset is read
def _warn(sentence: str) -> None:
    logging.getLogger("wordsight").warning("%s", printable(sentence))


def _from_folder(root: Path, faults: Faults) -> Dataset:
    """Read a folder in the first format that its files match; JSON with an unusual name comes last."""
    files = Layout(root, faults)
    if dataset := _from_json(root, files.json(named=True), faults):
        return dataset
    if tokens := files.tokens():
        return flickr.read(tokens[0], faults)
    if corpora := files.corpora():
        return clips.read_msvd(root, corpora, faults)
    if found := files.tables():
        return tables.read(root, found, faults)
    if archives := files.archives():
        return webdataset.read(root, archives, faults)
    if folder.recognised(root, faults):
        return folder.read(root, faults)
    if subtitles.recognised(root):
        return subtitles.read(root, faults)
    if dataset := _from_json(root, files.json(named=False), faults):
        return dataset
    if files.passed:
        raise files.passed[0]
    raise InputError(f"{root} is no dataset, or an empty one: expected {FORMATS}.")


def _from_json(root: Path, files: Iterable[Json], faults: Faults) -> Dataset | None:
    """The dataset in JSON files: one in Karpathy format, else all of COCO, else of MSR-VTT, else lists of pictures."""
    found = list(files)
    one = [file for file in found if file.kind == "karpathy"]
    if len(one) > 1:
        names = ", ".join(file.path.name for file in one)
        raise InputError(f"{root} holds {len(one)} datasets: expected the name of one of them ({names}).")
    if one:
        return karpathy.read(root, one[0].path, one[0].content, faults)
    if some := [(file.path, file.content) for file in found if file.kind == "coco"]:
        return coco.read(root, some, faults)
    if some := [(file.path, file.content) for file in found if file.kind == "msr-vtt"]:
        return clips.read_msrvtt(root, some, faults)
    lists = [file.path for file in found if file.kind == "table"]
    return tables.read(root, lists, faults) if lists else None


def _from_file(path: Path, faults: Faults) -> Dataset:
    root, suffix = path.parent, path.suffix.lower()
    if suffix == ".json":
        root = root.parent if root.name.lower() == "annotations" else root
        dataset = _from_json(root, [layout.read_json(path, faults)], faults)
        if dataset:
            return dataset
    if suffix in (*clips.TABLES, ".txt") and clips.is_corpus(path):
        return clips.read_msvd(root, [path], faults)
    if suffix in subtitles.SUFFIXES:
        return subtitles.read_file(path, faults)
    if suffix in tables.SUFFIXES:
        return tables.read(root, [path], faults)
    if suffix in (".txt", ".token"):
        return tables.read(root, [path], faults) if tables.recognised(path) else flickr.read(path, faults)
    if path.name.lower().endswith(webdataset.SUFFIXES):
        return webdataset.read(root, [path], faults)
    raise InputError(f"{path} is no dataset: expected {FORMATS}.")


def _readable(place: Path, picture: Picture, faults: Faults) -> Picture:
    """A picture whose sentences can be written to any file; a cut emoji in JSON is half a surrogate pair.

    Raises:
        InputError: there is one, and reading is strict.
    """
    said = tuple(map(without_surrogates, picture.sentences))
    if said == picture.sentences:
        return picture
    faults.mended(place, f"'{printable(picture.name)}'", "half a surrogate pair in a sentence, as of a cut emoji")
    return replace(picture, sentences=said)


def _apart(place: Path, root: Path, pictures: tuple[Picture, ...], faults: Faults) -> tuple[Picture, ...]:
    """Merge pictures that are listed twice, and make names unique: repeated names get their folders as prefix.

    A picture belongs to the split that it is first listed in, so that no sentence of a test is learned from.

    Raises:
        InputError: a picture is repeated, and reading is strict.
    """
    found: dict[Path, Picture] = {}
    for picture in pictures:
        first = found.setdefault(picture.path, picture)
        if first.split != picture.split:
            what = f"{picture.name} is already in the split '{first.split}', not in '{picture.split}'"
            faults.left_out(place, InputError(f"{place}: {printable(what)}."))
        elif first is not picture:
            found[picture.path] = _merged(place, first, picture, faults)
    named = list(found.values())
    for rename in (partial(_with_folder, root), _with_split):
        names = Counter(picture.name for picture in named)
        if len(names) < len(named):
            named = [replace(one, name=rename(one)) if names[one.name] > 1 else one for one in named]
    return tuple(named)


def _merged(place: Path, first: Picture, again: Picture, faults: Faults) -> Picture:
    """A picture that is listed twice in a split, with the sentences of both places."""
    if faults.strict:
        raise InputError(f"{place} lists the picture '{printable(again.name)}' twice: expected each only once.")
    faults.mended(place, f"'{again.name}'", "listed twice; made one picture")
    return replace(first, sentences=tuple(dict.fromkeys((*first.sentences, *again.sentences))), ids=())


def _with_split(picture: Picture) -> str:
    """A picture's name with its split, where names and folders repeat, as in archives of several splits."""
    return f"{picture.split}/{picture.path.parent.parent.name}/{picture.name}"


def _with_folder(root: Path, picture: Picture) -> str:
    path = picture.path
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else f"{path.parent.name}/{path.name}"

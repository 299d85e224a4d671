"""Clips with sentences: MSVD (the corpus CSV or its text files) and MSR-VTT (JSON)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wordsight.data import comma, decode
from wordsight.data.faults import Faults
from wordsight.data.lookup import PictureFiles
from wordsight.data.records import Dataset, Picture, split_name
from wordsight.errors import InputError, printable
from wordsight.files import field
from wordsight.vision.fragments import VIDEO_SUFFIXES

CORPUS = ("videoid", "start", "end", "language", "description")  # columns of MSVD's CSV that are read
OFFICIAL = {"train": 1200, "val": 100, "test": 670}  # number of clips in each of MSVD's splits, in its order
MAPPING = "youtube_mapping.txt"  # each line: a clip, and its number in text files ("vid12")
TABLES = (".csv", ".tsv")
_NAME = re.compile(r"\S+_\d+_\d+|vid\d+")
_LINE = re.compile(rf"(?P<name>{_NAME.pattern})[ \t]+(?P<sentence>\S.*)")
_SPLIT = re.compile(r"(?:^|[^a-z])(train|val|valid|validation|dev|test|testing)(?=$|[^a-z])", re.IGNORECASE)
_LOOKED_AT = 10  # lines read to recognise a text file
_NAMED = 3  # maximum number of missing clips that a note names


def is_corpus(path: Path) -> bool:
    """Whether a file is MSVD's CSV, or a text file with a clip and a sentence on each line.

    Raises:
        InputError: it cannot be read.
    """
    if path.name.lower() == MAPPING:
        return False
    start = decode.sniff(path)
    if path.suffix.lower() in TABLES:
        return set(CORPUS) <= set(comma.columns(start))
    lines = [line for line in start.split("\n")[: 20 * _LOOKED_AT] if line.strip() and not line.startswith("#")]
    some = lines[:_LOOKED_AT]
    return 2 * sum(_LINE.fullmatch(line) is not None for line in some) > len(some)


def read_msvd(root: Path, paths: Sequence[Path], faults: Faults) -> Dataset:
    """Read MSVD: the English sentences about each clip `VIDEO_START_END`.

    The splits come from lists of clips beside the files (`train.txt`, `train_list.txt`), or else from the names of text
    files (`sents_train_lc_nopunc.txt`). Without either, all 1,970 clips together get the official splits by their order
    (1,200, 100 and 670); if clips are missing, all are for training.

    Args:
        root: the dataset's folder.
        paths: the CSV, or text files.
        faults: collects malformed rows and missing clips.

    Raises:
        InputError: nearly all rows of a file are malformed; or reading is strict, and any row is.
    """
    numbered = _mapping(root, faults)
    said: dict[str, list[str]] = {}
    splits: dict[str, str] = {}
    lists: dict[str, str] = {}
    for path in _lists(root, paths):
        for name, split in _of_list(path, numbered, faults):
            _joins(lists, name, split, path, str(path), faults)
    for path in paths:
        table = path.suffix.lower() in TABLES
        named = None if table or lists else _SPLIT.search(path.stem)
        for name, sentence in _of_table(path, faults) if table else _of_text(path, numbered, faults):
            if not named or _joins(splits, name, split_name(named[1]), path, str(path), faults):
                said.setdefault(name, []).append(sentence)
        faults.require(path)
    if lists:
        said = {name: some for name, some in said.items() if name in lists}
    splits = lists or splits or _official(list(said), list(numbered.values()), paths)
    clips = [(name, splits.get(name, "train"), tuple(some)) for name, some in said.items()]
    return Dataset(root.name, root, "msvd", tuple(_found(paths[0], root, clips, faults)))


def _joins(splits: dict[str, str], name: str, split: str, path: Path, where: str, faults: Faults) -> bool:
    """Put a clip into a split; False if it is in another already, which is reported."""
    if splits.setdefault(name, split) == split:
        return True
    what = f"{printable(name)} is already in the split '{splits[name]}', not in '{split}'"
    faults.left_out(path, InputError(f"{where}: {what}."))
    return False


def _official(there: list[str], mapped: list[str], paths: Sequence[Path]) -> dict[str, str]:
    """Clip -> official split, by order of the mapping, else of names (CSV) or text files; {} if clips are missing."""
    if len(there) != sum(OFFICIAL.values()):
        return {}
    if set(mapped) == set(there):
        there = mapped
    elif any(path.suffix.lower() in TABLES for path in paths):
        there = sorted(there)
    return dict(zip(there, (split for split, count in OFFICIAL.items() for _ in range(count)), strict=True))


def _of_table(path: Path, faults: Faults) -> Iterator[tuple[str, str]]:
    """The clip and the sentence of each English row."""
    for where, row in comma.rows(path, faults):
        if str(row.get("language") or "").strip().lower() != "english":
            continue
        try:
            name = _clip_name(row, where)
            sentence = " ".join(str(row.get("description") or "").split())
            if not sentence:
                raise InputError(f"{where}: expected a sentence in the column 'Description', found none.")
        except InputError as error:
            faults.left_out(path, error)
            continue
        faults.good(path)
        yield name, sentence


def _clip_name(row: dict[str, Any], where: str) -> str:
    """A clip's name, `VIDEO_START_END`, from its row.

    Raises:
        InputError: there is no video, or its times are not whole seconds, the start before the end.
    """
    video, start, end = (str(row.get(key) or "").strip() for key in ("videoid", "start", "end"))
    if not video:
        raise InputError(f"{where}: expected a video in the column 'VideoID', found none.")
    if not (start.isdecimal() and end.isdecimal()):
        raise InputError(f"{where}: expected 'Start' and 'End' in whole seconds, found {start!r} and {end!r}.")
    if int(end) <= int(start):
        raise InputError(f"{where}: the clip ends at second {end}, before it begins at {start}.")
    return f"{video}_{int(start)}_{int(end)}"


def _mapping(root: Path, faults: Faults) -> dict[str, str]:
    """Number such as `vid12` -> clip, from the mapping beside a corpus; empty without one."""
    path = root / MAPPING
    pairs = (line.split() for line in decode.read(path, faults).split("\n")) if path.is_file() else ()
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def _of_text(path: Path, numbered: dict[str, str], faults: Faults) -> Iterator[tuple[str, str]]:
    """The clip and the sentence of each line."""
    for number, line in enumerate(decode.read(path, faults).split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if match := _LINE.fullmatch(line):
            faults.good(path)
            yield numbered.get(match["name"], match["name"]), match["sentence"].strip()
        else:
            what = f"expected a clip such as 'mv89psg6zh4_33_46' and a sentence, found {line[:40]!r}"
            faults.left_out(path, InputError(f"{path}, line {number}: {what}."))


def _lists(root: Path, paths: Sequence[Path]) -> list[Path]:
    """The text files beside a corpus that are named like a split."""
    there = sorted(path for path in root.glob("*.txt") if path not in paths and path.is_file())
    return [path for path in there if _SPLIT.search(path.stem)]


def _of_list(path: Path, numbered: dict[str, str], faults: Faults) -> Iterator[tuple[str, str]]:
    """Each clip in a list, and its split; lines may have a video's suffix."""
    found = _SPLIT.search(path.stem)
    for line in decode.read(path, faults).split("\n") if found else ():
        name = line.strip()
        suffix = Path(name).suffix
        name = name.removesuffix(suffix) if suffix.lower() in VIDEO_SUFFIXES else name
        if found and _NAME.fullmatch(name):
            yield numbered.get(name, name), split_name(found[1])


def require_msrvtt(path: Path, content: object) -> None:
    """Check that a JSON file has the layout of MSR-VTT: videos and sentences.

    Raises:
        InputError: it has another layout; the message names what is missing.
    """
    videos = field(content, "videos", list, str(path))
    field(content, "sentences", list, str(path))
    if videos:
        field(videos[0], "video_id", str, f"{path}, videos[0]")


def read_msrvtt(root: Path, files: Sequence[tuple[Path, Any]], faults: Faults) -> Dataset:
    """Read MSR-VTT: the sentences about each video, whose split is `train`, `validate` or `test`.

    Each video is its own file, `VIDEO_ID.mp4`; times in the JSON refer to the source that it was cut from.

    Args:
        root: the dataset's folder.
        files: JSON files (path, content); several are read as one.
        faults: collects malformed entries and missing clips.

    Raises:
        InputError: nearly all of a file is malformed; or reading is strict, and any entry is.
    """
    splits: dict[str, str] = {}
    said: dict[str, list[str]] = {}
    for path, content in files:
        elsewhere = _videos(path, content["videos"], splits, faults)
        for number, sentence in enumerate(content["sentences"]):
            where = f"{path}, sentences[{number}]"
            try:
                name, text = (field(sentence, key, str, where) for key in ("video_id", "caption"))
                if name not in splits:
                    raise InputError(f"{where}: is about {name!r}, which is not in 'videos'.")
                if name in elsewhere:
                    raise InputError(f"{where}: is about {name!r}, which is in the split '{splits[name]}'.")
            except InputError as error:
                faults.left_out(path, error)
                continue
            faults.good(path)
            said.setdefault(name, []).append(text.strip())
        faults.require(path)
    clips = [(name, split, tuple(said.get(name, ()))) for name, split in splits.items()]
    return Dataset(root.name, root, "msr-vtt", tuple(_found(files[0][0], root, clips, faults)))


def _videos(path: Path, videos: Sequence[Any], splits: dict[str, str], faults: Faults) -> set[str]:
    """Put the videos of a file into their splits; returns those that another file has in another split."""
    before, elsewhere = set(splits), set()
    for number, video in enumerate(videos):
        where = f"{path}, videos[{number}]"
        try:
            name = field(video, "video_id", str, where)
            given = field(video, "split", str, where) if video.get("split") is not None else "train"
        except InputError as error:
            faults.left_out(path, error)
            continue
        if not _joins(splits, name, split_name(given) or "train", path, where, faults) and name in before:
            elsewhere.add(name)
    return elsewhere


def _found(
    path: Path, root: Path, clips: Iterable[tuple[str, str, tuple[str, ...]]], faults: Faults
) -> Iterator[Picture]:
    """Records of clips, given by name without suffix; `faults` notes the clips without a file."""
    files = PictureFiles(faults, path.parent, root)
    suffixes = sorted(VIDEO_SUFFIXES, key=lambda suffix: (suffix not in (".avi", ".mp4"), suffix))
    missing, count = [], 0
    for name, split, sentences in clips:
        file = files.find(*(name + suffix for suffix in suffixes), split=split)
        count += 1
        if not file.exists():
            missing.append(name)
        yield Picture(file.name, file, split, sentences)
    if missing:
        named = ", ".join(map(printable, missing[:_NAMED])) + (", ..." if len(missing) > _NAMED else "")
        faults.note(f"{path}: {len(missing):,} of its {count:,} clips have no video ({named}).")

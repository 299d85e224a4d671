"""Subtitles beside a video, WebVTT (`x.vtt`) or SubRip (`x.srt`): each cue is a part of the clip with its sentence."""

import html
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wordsight.data import decode
from wordsight.data.faults import Faults
from wordsight.data.lookup import files_below
from wordsight.data.records import Dataset, Picture, split_of_folder
from wordsight.errors import InputError
from wordsight.vision.fragments import Fragment, is_video

SUFFIXES = (".vtt", ".srt")  # in order of preference: only one file is read for a video
LARGEST = 1 << 26  # maximum bytes of a file
_ARROW = "-->"
_TIME = re.compile(r"(?:(\d{1,4}):)?([0-5]?\d):([0-5]?\d)(?:[.,](\d{1,3}))?")
_TAGS = re.compile(r"<[^<>]*>|\{[\\*][^{}]*\}")
_LANGUAGE = re.compile(r"\.[a-z]{2,3}(?:-\w{2,8})*", re.IGNORECASE)  # as in x.en.vtt


class Cue(NamedTuple):
    """A cue of subtitles: its start and end in seconds, and its text."""

    start: float
    end: float
    text: str


def recognised(root: Path) -> bool:
    """Whether any video below a folder has subtitles beside it."""
    return any(_beside(files) for _, files in files_below(root, Faults()))


def read(root: Path, faults: Faults) -> Dataset:
    """Read the subtitles of the videos below a folder; the first folder named like a split gives the split, else train.

    Args:
        root: the folder.
        faults: collects malformed cues and files.

    Raises:
        InputError: no file has a usable cue; or reading is strict, and a cue or file is malformed.
    """
    found: list[Picture] = []
    bad: list[InputError] = []
    for folder, files in files_below(root, faults):
        within = folder.relative_to(root)
        split = next(filter(None, map(split_of_folder, within.parts)), "train")
        for name, text in _beside(files).items():
            try:
                found += _pictures(folder / name, (within / name).as_posix(), split, folder / text, faults)
            except InputError as error:
                if faults.strict:
                    raise
                bad.append(error)
                faults.note(f"{folder / text} was passed over: {str(error).removeprefix(f'{folder / text}, ')}")
    if bad and not found:
        raise bad[0]
    return Dataset(root.name, root, "subtitles", tuple(found))


def read_file(path: Path, faults: Faults) -> Dataset:
    """Read one file of subtitles, and the video beside it.

    Raises:
        InputError: as for `read`; or there is no such video.
    """
    files = {entry.name for entry in os.scandir(path.parent) if entry.is_file()}
    name = next((name for name in sorted(filter(is_video, files)) if _is_of(path.name, name)), "")
    if not name:
        raise InputError(f"{path}: expected a video beside it, such as {path.with_suffix('.mp4').name}.")
    pictures = _pictures(path.with_name(name), name, "train", path, faults)
    return Dataset(path.stem, path.parent, "subtitles", tuple(pictures))


def _pictures(video: Path, name: str, split: str, path: Path, faults: Faults) -> list[Picture]:
    """One record for each distinct span of time in a file of subtitles."""
    said: dict[Fragment, list[str]] = {}
    for cue in _without_overlaps(path, list(cues(path, faults)), faults):
        said.setdefault(Fragment(video, cue.start, cue.end), []).append(cue.text)
    faults.require(path)
    if not said:
        raise InputError(f"{path}: has no subtitles; expected times such as 00:01:02.500 {_ARROW} 00:01:04.000.")
    folder = name.removesuffix(video.name)
    return [Picture(folder + part.path.name, part.path, split, tuple(texts)) for part, texts in said.items()]


def cues(path: Path, faults: Faults) -> Iterator[Cue]:
    """The cues of a file, in its order, without those that have no text or no usable times.

    Raises:
        InputError: the file cannot be read; or reading is strict, and a cue is not usable.
    """
    lines = decode.read(path, faults, LARGEST).split("\n")
    times = [place for place, line in enumerate(lines) if _ARROW in line]
    for place in times:
        try:
            start, end = _times(lines[place], f"{path}, line {place + 1}")
            text = _text(lines, place + 1)
            if not text:
                raise InputError(f"{path}, line {place + 1}: expected a sentence below the times, found none.")
        except InputError as error:
            faults.left_out(path, error)
            continue
        faults.good(path)
        yield Cue(start, end, text)


def _times(line: str, where: str) -> tuple[float, float]:
    """The start and end of a cue, seconds.

    Raises:
        InputError: the line has no such times, or the end is not after the start.
    """
    first, _, rest = line.partition(_ARROW)
    second = (rest.split() or [""])[0]  # settings may follow
    found = [_TIME.fullmatch(text.strip()) for text in (first, second)]
    if found[0] is None or found[1] is None:
        raise InputError(f"{where}: expected times such as 00:01:02.500 {_ARROW} 00:01:04.000, found {line[:60]!r}.")
    start, end = (
        3600 * int(one[1] or 0) + 60 * int(one[2]) + int(one[3]) + float(f"0.{one[4] or 0}") for one in found if one
    )
    if end <= start:
        raise InputError(f"{where}: ends at {second}, but begins at {first.strip()}; expected a later end.")
    return start, end


def _text(lines: Sequence[str], place: int) -> str:
    """The text below the times of a cue, up to an empty line, without tags."""
    said = []
    for number in range(place, len(lines)):
        line = lines[number].strip()
        ahead = lines[number + 1] if number + 1 < len(lines) else ""
        if not line or _ARROW in line or (_ARROW in ahead and line.isdecimal()):
            break
        said.append(line)
    return " ".join(html.unescape(_TAGS.sub("", " ".join(said))).split())


def _without_overlaps(path: Path, found: list[Cue], faults: Faults) -> list[Cue]:
    """The cues in order of time; one that lasts beyond the beginning of the next is cut there."""
    kept: list[Cue] = []
    following, later = math.inf, math.inf  # starts of the current cue, and of the next that begins later
    for cue in reversed(sorted(found, key=lambda cue: cue[:2])):
        if following > cue.start:
            following, later = cue.start, following
        if cue.end > later:
            what = f"lasts until {cue.end:g} s, over the next; cut where that begins, at {later:g} s"
            faults.mended(path, f"the cue at {cue.start:g} s", what)
            cue = cue._replace(end=later)
        kept.append(cue)
    return kept[::-1]


def _beside(files: set[str]) -> dict[str, str]:
    """Video -> its file of subtitles, for the videos of a folder that have one."""
    texts = sorted(name for name in files if name.lower().endswith(SUFFIXES))
    found: dict[str, str] = {}
    for name in sorted(filter(is_video, files)):
        own = [text for text in texts if _is_of(text, name)]
        if own:
            found[name] = min(
                own, key=lambda text: (SUFFIXES.index(os.path.splitext(text)[1].lower()), len(text), text)
            )
    return found


def _is_of(text: str, video: str) -> bool:
    """Whether subtitles are those of a video, by their names: `x.vtt`, `x.en.vtt` and `x.mp4.vtt` are of `x.mp4`."""
    stem, name = os.path.splitext(text)[0], os.path.splitext(video)[0]
    return stem in (name, video) or (stem.startswith(name) and bool(_LANGUAGE.fullmatch(stem[len(name) :])))

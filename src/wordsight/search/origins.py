"""Origins of pictures: the camera that took each, and what its date was read from.

A picture's row in the table `origins` is valid while the picture has the content from which the row was read.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from wordsight.errors import InputError
from wordsight.files import open_regular
from wordsight.search.catalog import Catalog
from wordsight.search.frames import split
from wordsight.search.paths import Paths
from wordsight.vision.headers import read_header
from wordsight.vision.video_frames import read_video_header

From = Literal["exif", "container", "name", "file"]
OF_PICTURE = (
    "FROM origins WHERE picture = pictures.number AND origins.hash = pictures.hash"  # within a query of pictures
)
TOGETHER = 1000  # pictures written in one commit
_IN_NAME = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)([-_.]?)(?P<month>\d\d)\2(?P<day>\d\d)"
    r"(?:(?:[-_ .T]| at )(?P<hour>\d\d)([-_.:]?)(?P<minute>\d\d)\6(?P<second>\d\d)\d{0,3})?(?!\d)"
)


class Origin(NamedTuple):
    """Origin of a picture: its date, the source of the date, and the camera.

    Attributes:
        taken: the date; None where only the file's own time is known.
        taken_from: the source of the date: EXIF, a video's container, the file's name, or the time of the file.
        camera: make and model, as one name; empty where it is not known.
    """

    taken: datetime | None
    taken_from: From
    camera: str


def origin(name: str, taken: datetime | None, make: str, model: str) -> Origin:
    """The origin of a picture, from its header and its name.

    Args:
        name: of its file, without folders.
        taken: the date in its EXIF data.
        make: of the camera, as EXIF has it.
        model: likewise.
    """
    camera = camera_name(make, model)
    if taken is not None:
        return Origin(taken, "exif", camera)
    named = date_in_name(name)
    return Origin(named, "name" if named else "file", camera)


def camera_name(make: str, model: str) -> str:
    """Make and model of a camera as one name: `NIKON CORPORATION` and `NIKON D90` give `Nikon D90`."""
    make, model = (" ".join(re.sub(r"[^\w\s.,:;+*/()&'-]", " ", text).split())[:60] for text in (make, model))
    short = re.sub(
        r"(?i)[ ,]+(corporation|corp|company|co|ltd|inc|optical|imaging|electronics|elec|camera)\b.*", "", make
    )
    if short.isupper() and len(short) > 3:  # LG and HTC stay in capitals; Sony itself writes Sony
        short = short.title()
    if model.lower().startswith(short.lower()):
        model = model[len(short) :].lstrip(" -_")
    return f"{short} {model}".strip()


def date_in_name(name: str) -> datetime | None:
    """The date in a file's name, as cameras and phones write it: `IMG_20240517_101010.jpg`; None if there is none."""
    for found in _IN_NAME.finditer(os.path.splitext(name)[0]):
        year, month, day, *time = (
            int(found[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")
        )
        for clock in (time, (0, 0, 0)):  # an impossible time of day is dropped
            with suppress(ValueError):
                return datetime(year, month, day, *clock)
    return None


def fill(catalog: Catalog, paths: Paths) -> int:
    """Read the origins that are not known yet from the headers of files; returns how many.

    Dates stored before file names were read for dates are corrected as well.

    Raises:
        InputError: the catalogue cannot be written.
    """
    query = (
        "SELECT number, path, hash, taken FROM pictures WHERE rows != 0 AND path NOT IN (SELECT path FROM broken) "
        f"AND NOT EXISTS (SELECT 1 {OF_PICTURE})"
    )
    found = list(_read(catalog.db.execute(query).fetchall(), paths))
    for first in range(0, len(found), TOGETHER):
        part = found[first : first + TOGETHER]
        with catalog.change():
            for key, _, taken in part:
                if taken:
                    catalog.change_entry(key, taken=taken)
            catalog.put_rows("origins", [row for _, row, _ in part])
    return len(found)


def of(catalog: Catalog, number: int, content: bytes) -> tuple[From, str]:
    """The source of a picture's date, and its camera; `file` and no camera if its origin was not read yet."""
    for sound, *_, camera, taken_from in catalog.rows("origins", "picture = ? AND hash = ?", (number, content)):
        if sound:
            return taken_from, camera
    return "file", ""


def _read(
    rows: list[tuple[int, str, bytes, str]], paths: Paths
) -> Iterator[tuple[str, tuple[int, bytes, str, str], str]]:
    """For each picture with a readable file: its name, its row, and its date if that differs from the stored one."""
    videos: dict[str, Origin | None] = {}
    for number, key, content, taken in rows:
        file, time = split(key)
        if time is None:
            found = _of_picture(paths.path(key), key)
        else:
            if file not in videos:
                videos[file] = _of_video(paths.path(file), file)
            found = videos[file]
        if found is not None:
            when = iso(found.taken) if found.taken else ""
            yield key, (number, content, found.camera, found.taken_from), "" if when == taken else when


def _of_picture(path: Path, key: str) -> Origin | None:
    try:
        with open_regular(path) as file:
            header = read_header(file)
    except OSError:
        return None
    return header and origin(key.rpartition("/")[2], header.taken, header.make, header.model)


def _of_video(path: Path, key: str) -> Origin | None:
    try:
        header = read_video_header(path)
    except InputError:
        return None
    found = origin(key.rpartition("/")[2], header.taken, header.make, header.model)
    return found._replace(taken_from="container") if header.taken else found


def iso(when: datetime) -> str:
    """A time as the catalogue stores it."""
    return when.isoformat(sep=" ", timespec="seconds")

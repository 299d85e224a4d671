"""Tesseract as a peer in reading text in pictures: its command, once per picture, on one thread."""

import csv
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.vision.cache import default_cache
from wordsight.vision.text_cache import TextCache
from wordsight.vision.text_lines import TextLines

WAYS = {
    "page": (3, 1),
    "sparse text": (11, 1),
    "sparse text, enlarged twice": (11, 2),
}  # page segmentation mode and scale


def version() -> str | None:
    """Tesseract's name and version; None if it is not installed."""
    if not shutil.which("tesseract"):
        return None
    return subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]


def tesseract_readings(paths: Sequence[Path], mode: int, scale: int = 1) -> Iterator[TextLines]:
    """The lines of each picture, enlarged `scale` times, from the cache if they are there."""
    cache = TextCache(default_cache(), f"{version()}, eng, {mode}" + f", x {scale}" * (scale > 1))
    for path in paths:
        yield cache.lines(path.read_bytes(), partial(_read, path, mode, scale))


def _read(path: Path, mode: int, scale: int) -> TextLines:
    command = ["tesseract", "-" if scale > 1 else str(path), "-", "-l", "eng", "--psm", str(mode), "tsv"]
    given = enlarged(path, scale) if scale > 1 else None
    one = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    return lines_of(subprocess.run(command, capture_output=True, input=given, check=True, env=one).stdout.decode())


def enlarged(path: Path, scale: int) -> bytes:
    """A picture enlarged `scale` times, as a PNG."""
    content = BytesIO()
    with Image.open(path) as image:
        sides = image.width * scale, image.height * scale
        image.convert("RGB").resize(sides, Image.Resampling.BICUBIC).save(content, "PNG", compress_level=1)
    return content.getvalue()


def lines_of(tsv: str) -> TextLines:
    """The lines of Tesseract's table of words; a line's confidence is the mean of its words'."""
    rows = list(csv.DictReader(tsv.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    size = np.array([1.0, 1.0])
    lines: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        if row["level"] == "1":
            size = np.array([float(row["width"]), float(row["height"])])
        elif row["level"] == "5" and row["text"].strip():
            place = tuple(row[name] for name in ("block_num", "par_num", "line_num"))
            lines.setdefault(place, []).append(row)
    if not lines:
        return TextLines.none()
    corners, sure = [], []
    for words in lines.values():
        left, top, wide, high = np.array(
            [[float(word[name]) for name in ("left", "top", "width", "height")] for word in words]
        ).T
        x, y, right, bottom = left.min(), top.min(), (left + wide).max(), (top + high).max()
        corners.append(np.array([[x, y], [right, y], [right, bottom], [x, bottom]]) / size)
        sure.append(np.mean([float(word["conf"]) for word in words]) / 100)
    texts = [" ".join(word["text"] for word in words) for words in lines.values()]
    return TextLines.of_texts(texts, np.array(corners, np.float32), np.array(sure, np.float32))

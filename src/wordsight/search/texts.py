"""The text in the pictures of an index: read by a build, kept in the catalogue, searched by `text_search.py`.

A picture's row in the table `texts` is valid while the picture has the content that was read.
"""

import time
from collections.abc import Mapping
from functools import partial
from io import BytesIO

import torch

from wordsight.errors import InputError
from wordsight.files import read_bytes, reason
from wordsight.matching.text_bounds import VERSION, rows_of
from wordsight.progress import Count
from wordsight.search.catalog import Catalog
from wordsight.search.frames import split
from wordsight.search.look import MOST
from wordsight.search.paths import Paths
from wordsight.vision.cache import default_cache
from wordsight.vision.ocr import text_reader
from wordsight.vision.text_cache import TextCache
from wordsight.vision.video_frames import frame_at

FACT = "text"  # the fact that names the recogniser and the version of the bounds; empty if no text was read
TOGETHER, SECONDS = 64, 5.0  # a commit comes after this many pictures, or this many seconds
OF_PICTURE = "FROM texts WHERE picture = pictures.number AND texts.hash = pictures.hash"  # within a query of pictures
NO_TEXT = "knows no text in its pictures; `wordsight index build --text` reads it"


def fill(catalog: Catalog, paths: Paths, count: Count = lambda done, total: None) -> list[str]:
    """Read the text of pictures that were not read yet; if this is interrupted, what was read is kept.

    Returns:
        A message for each picture that could not be read.

    Raises:
        InputError: the recogniser is not installed, or the catalogue cannot be written.
    """
    reader = text_reader(torch.get_num_threads())
    by = f"{reader.fingerprint}; {VERSION}"
    if catalog.fact(FACT) != by:  # read all again; from the cache if only the bounds' version changed
        with catalog.change():
            catalog.db.execute("DELETE FROM texts")
            catalog.set_fact(FACT, by)
    query = f"SELECT number, path, hash FROM pictures WHERE rows != 0 AND NOT EXISTS (SELECT 1 {OF_PICTURE})"
    wanted = catalog.db.execute(query).fetchall()
    cache = TextCache(default_cache(), reader.fingerprint)
    ready: list[tuple[int, bytes, bytes, bytes]] = []
    failed: list[str] = []
    since = time.monotonic()
    try:
        for done, (number, key, content) in enumerate(wanted, 1):
            path = paths.path(key)
            try:
                picture = _content(paths, key)
                lines = cache.lines(picture, partial(reader.read, picture))
                ready.append((number, content, rows_of(lines).tobytes(), lines.to_bytes()))
            except OSError as error:
                failed.append(f"{path}: {reason(error)}")
            except InputError as error:
                failed.append(str(error).replace("picture given in memory", str(path)))
            if len(ready) >= TOGETHER or time.monotonic() - since > SECONDS:
                since = time.monotonic()
                _keep(catalog, ready)
            count(done, len(wanted))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Stopped; the text read so far is kept, the same command goes on.") from None
    finally:
        _keep(catalog, ready)
    return failed


def copy(source: Catalog, into: Catalog, names: Mapping[str, str]) -> None:
    """Copy the text of pictures, by their `names` in the source and here; to be called within `Catalog.change`.

    An index without text becomes one with text. Nothing is copied from another recogniser; `fill` reads it again.
    """
    by = source.fact(FACT)
    if not by or into.fact(FACT) not in ("", by):
        return
    into.set_fact(FACT, by)
    joined = "pictures JOIN texts ON picture = number AND texts.hash = pictures.hash"
    query = f"SELECT texts.hash, bounds, lines FROM {joined} WHERE path = ?"
    for path, key in names.items():
        ((number,),) = into.db.execute("SELECT number FROM pictures WHERE path = ?", (key,))
        into.put_rows("texts", [(number, *row) for row in source.db.execute(query, (path,))])


def unread(catalog: Catalog) -> int:
    """How many pictures of an index with text were not read yet; 0 for an index without text."""
    query = f"SELECT count(*) FROM pictures WHERE rows != 0 AND NOT EXISTS (SELECT 1 {OF_PICTURE})"
    return int(catalog.db.execute(query).fetchone()[0]) if catalog.fact(FACT) else 0


def _content(paths: Paths, key: str) -> bytes:
    """The content of a picture's file; a frame of a video is encoded as PNG."""
    file, time = split(key)
    if time is None:
        return read_bytes(paths.path(key), MOST)
    content = BytesIO()
    frame_at(paths.path(file), time).save(content, "PNG", compress_level=1)
    return content.getvalue()


def _keep(catalog: Catalog, ready: list[tuple[int, bytes, bytes, bytes]]) -> None:
    if ready:
        with catalog.change():
            catalog.put_rows("texts", ready)
        ready.clear()

"""The text in the pictures of an index: read when it is built, kept in the catalogue; `text_search.py` looks in it.

The row of a picture in the table `texts` counts as long as the picture has the content that was read.
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

FACT = "text"  # of an index whose pictures are read: what by
TOGETHER, SECONDS = 64, 5.0  # pictures committed together, and after how long
OF_PICTURE = "FROM texts WHERE picture = pictures.number AND texts.hash = pictures.hash"  # within a query of pictures
NO_TEXT = "knows no text in its pictures; `wordsight index build --text` reads it"


def fill(catalog: Catalog, paths: Paths, count: Count = lambda done, total: None) -> list[str]:
    """Read the text of the pictures that it is not known of; what was read is kept when this is stopped.

    Returns:
        Why some could not be read.

    Raises:
        InputError: the recogniser is not installed, or the catalogue cannot be written.
    """
    reader = text_reader(torch.get_num_threads())
    by = f"{reader.fingerprint}; {VERSION}"
    if catalog.fact(FACT) != by:  # all are read anew, from the cache where only the bounds are others
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
    """Copy the text of pictures of another index, by their names there and here, within a change.

    An index that knows no text becomes one whose text is read. Text of another recogniser is left out; `fill` reads it.
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
    """How many pictures there are whose text is not known, in an index that knows text; else 0."""
    query = f"SELECT count(*) FROM pictures WHERE rows != 0 AND NOT EXISTS (SELECT 1 {OF_PICTURE})"
    return int(catalog.db.execute(query).fetchone()[0]) if catalog.fact(FACT) else 0


def _content(paths: Paths, key: str) -> bytes:
    """A picture as a file, or the frame of a video as one."""
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

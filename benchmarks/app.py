"""Response times of the photo app over many pictures, requested as by the page: from the server, by HTTP.

    python benchmarks/app.py [--pictures 100000] [--regions 4] [--rounds 3]

The catalogue is synthetic: dates of fifteen years, sixty folders, twelve cameras, metadata of one picture in ten,
random vectors. Only one photograph, of 12 megapixels, has a file, for the thumbnail. Prints milliseconds: of the first
request in this state of the index, and of the best of the rounds after it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from served import started

from wordsight.files import to_json
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.codes import quantise
from wordsight.search.halves import Halved
from wordsight.search.index import Index

TOGETHER = 5000
CAMERAS = [f"{make} {model}" for make in ("Nikon", "Apple", "Canon") for model in ("D90", "X", "EOS 80D", "M2")]


def drawn(folder: Path, pictures: int, regions: int, seed: int = 1) -> Index:
    """An index of many pictures without files, and one with a file: the newest."""
    rng = np.random.default_rng(seed)
    index = Index.create(folder / "index", None, "cpu")
    size = index.segments.size
    photo = folder / "photo.jpg"
    Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8)).resize((4000, 3000)).save(photo, quality=90)
    newest = datetime(2025, 1, 1)
    with index.writing() as catalog:
        for first in range(0, pictures, TOGETHER):
            count = min(TOGETHER, pictures - first)
            vectors = rng.standard_normal((count * regions, size), np.float32) / np.sqrt(size)
            boxes = np.tile(np.array([[0, 0, 1, 1]], np.float32), (count * regions, 1))
            halved = Halved.of(vectors)
            codes = quantise(halved.vectors, np.full(count, regions))
            batch = index.segments.append(catalog.segments(), halved, boxes, codes)
            days = np.sort(rng.integers(0, 15 * 365 * 86400, count))
            entries = [
                entry(first + row, batch.segment, batch.first + row * regions, regions, newest, int(days[row]))
                for row in range(count)
            ]
            extents = zip(codes.length.tolist(), codes.blur.tolist(), strict=True)
            entries = [
                one._replace(length=length, blur=blur) for one, (length, blur) in zip(entries, extents, strict=True)
            ]
            if first == 0:
                entries[0] = real(entries[0], photo, newest)
            with catalog.change():
                catalog.put(batch, entries)
                rows = [(first + row + 1, one.hash, CAMERAS[row % 12], "exif") for row, one in enumerate(entries)]
                catalog.put_rows("origins", rows)
    return index


def entry(number: int, segment: int, first: int, rows: int, newest: datetime, seconds: int) -> Entry:
    """The entry of a picture without a file."""
    width, height = ((4000, 3000), (3000, 4000), (4032, 3024), (1600, 900))[number % 4]
    return Entry(
        path=f"photos/{2010 + number % 15}/trip {number % 20:02}/IMG_{number:06}.jpg",
        hash=number.to_bytes(16, "big"),
        bytes=3_000_000,
        mtime_ns=0,
        width=width,
        height=height,
        taken=str(newest - timedelta(seconds=1 + seconds)),
        added="2025-01-01 00:00:00",
        segment=segment,
        first=first,
        rows=rows,
        hubness=0.0,
        length=0.0,
        blur=0.0,
        meta=to_json({"place": f"place {number % 40}", "stars": number % 6}) if number % 10 == 0 else "{}",
    )


def real(like: Entry, photo: Path, taken: datetime) -> Entry:
    """The entry of the one picture that has a file."""
    content, found = photo.read_bytes(), photo.stat()
    own = like._replace(path=photo.name, hash=blake2b(content, digest_size=16).digest(), bytes=len(content))
    return own._replace(mtime_ns=found.st_mtime_ns, width=4000, height=3000, taken=str(taken))


def measured(ask: Callable[[], httpx.Response], rounds: int) -> tuple[float, float, int]:
    """Milliseconds of the first request and of the best one after it, and the bytes of the answer."""
    times = []
    for _ in range(1 + rounds):
        began = time.perf_counter()
        answer = ask()
        times.append(1000 * (time.perf_counter() - began))
        assert answer.status_code == 200, answer.text
    return times[0], min(times[1:]), len(answer.content)


def figures(pictures: int, regions: int, rounds: int) -> dict[str, Any]:
    told: dict[str, Any] = {"pictures": pictures, "regions": regions}
    with tempfile.TemporaryDirectory() as folder:
        index = drawn(Path(folder), pictures, regions)
        with Catalog(index.folder) as catalog:
            (newest,) = catalog.db.execute("SELECT number FROM pictures WHERE path = 'photo.jpg'").fetchone()
        with started(index.folder) as server, httpx.Client(timeout=600) as web:
            web.base_url = httpx.URL(f"http://127.0.0.1:{server.port}/api/v1")
            query = {"sentences": [{"text": "a dog on the beach"}]}
            web.post("/search", json={"sentences": [{"text": "a cat"}]})  # the model is loaded
            asks: dict[str, Callable[[], httpx.Response]] = {
                "photos": lambda: web.get("/photos"),
                "photos, filtered": lambda: web.get("/photos?since=2020-01-01&camera=Nikon D90&orientation=landscape"),
                "facets": lambda: web.get("/facets"),
                "thumbnail": lambda: web.get(f"/pictures/{newest}/thumb"),
                "picture info": lambda: web.get(f"/pictures/{newest}/info"),
                "suggest": lambda: web.get("/suggest?q=a do"),
                "search": lambda: web.post("/search", json=query),
                "search, filtered": lambda: web.post("/search", json=query | {"since": "2020-01-01"}),
            }
            for name, ask in asks.items():
                first, best, size = measured(ask, rounds)
                told[name] = {"first_ms": round(first, 1), "again_ms": round(best, 1), "bytes": size}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--regions", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(json.dumps(figures(given.pictures, given.regions, given.rounds), indent=1))


if __name__ == "__main__":
    main()

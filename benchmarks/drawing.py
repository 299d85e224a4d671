"""Time from pen up to results: a drawing is sent to a served index, and the answer comes back with its evidence.

    python benchmarks/drawing.py [--pictures 10000] [--rounds 20]

The index has the bundled model, random vectors, and a sketch view of random vectors, as `wordsight index sketch` would
write it with a run of 128 dimensions. Each request sends a new drawing of straight lines, a PNG of 512 x 512 pixels as
the page sends it. Encoding the drawing alone, in this process, is timed as well.
"""

import argparse
import http.client
import io
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from served import Served, started
from start import drawn, fill

from wordsight.matching.coupled_subspaces import CoupledSubspaces, Fit
from wordsight.runs.sketcher import Sketcher, save
from wordsight.search.catalog import Catalog
from wordsight.search.index import Index
from wordsight.search.sketch_view import FILE, FOLDER, empty_records, write_records
from wordsight.vision.sketch_views import SketchViews

RANK = 128


def sketched(work: Path, pictures: int) -> Index:
    """An index of random vectors with a sketch view of random vectors."""
    index = Index.create(work / "index")
    fill(index, drawn(pictures, 20, index.segments.size))
    views = SketchViews("photo")
    model, random = CoupledSubspaces(views.size, rank=RANK), torch.Generator().manual_seed(0)
    for side in (model.photo, model.sketch):
        side.copy_(torch.randn(views.size, RANK, generator=random))
    none = dict.fromkeys(views.blocks, 0.0)
    told = {"data": "nothing", "photos": 1, "sketches": 1}
    save(index.folder / FOLDER / "model", model, views.blocks, Fit(none, none, none, 0, 0.0, 1.0, 0.0), told)
    with Catalog(index.folder) as catalog:
        hashes = [entry.hash for entry in catalog.entries()]
    records, chance = empty_records(len(hashes), RANK), np.random.default_rng(0)
    records["hash"] = np.frombuffer(b"".join(hashes), "u1").reshape(-1, 16)
    records["vector"] = chance.standard_normal((len(hashes), RANK)) / RANK**0.5
    records["cells"] = chance.integers(256, size=records["cells"].shape)
    write_records(index.folder / FOLDER / FILE, records)
    return index


def drawing(seed: int) -> bytes:
    """A polygon with two strokes inside, as a PNG."""
    chance, image = np.random.default_rng(seed), Image.new("RGB", (512, 512), "white")
    draw = ImageDraw.Draw(image)
    turns = np.sort(chance.random(7)) * 2 * np.pi
    corners = [tuple(one) for one in 256 + 180 * np.stack([np.cos(turns), np.sin(turns)], 1)]
    for points in ([*corners, corners[0]], corners[1:4], corners[3:6]):
        draw.line(points, "black", 5)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def asked(server: Served, picture: bytes) -> int:
    """Send a drawing; returns the number of hits on the page."""
    head = b'--b\r\nContent-Disposition: form-data; name="sketch"; filename="drawing.png"\r\n\r\n'
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        body = head + picture + b"\r\n--b--\r\n"
        client.request("POST", "/api/v1/search/sketch", body, {"Content-Type": "multipart/form-data; boundary=b"})
        answer = client.getresponse()
        told = json.loads(answer.read())
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {told}")
        return len(told["hits"])
    finally:
        client.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        index = sketched(Path(work), given.pictures)
        print(f"{given.pictures:,} pictures are indexed", file=sys.stderr, flush=True)
        spent, alone = [], []
        with started(index.folder) as server:
            for seed in range(given.rounds + 1):
                picture, start = drawing(seed), time.perf_counter()
                hits = asked(server, picture)
                spent.append(1000 * (time.perf_counter() - start))
        sketcher = Sketcher(index.folder / FOLDER / "model")
        for seed in range(given.rounds + 1):
            picture, start = drawing(seed), time.perf_counter()
            sketcher.encode_sketch(picture)
            alone.append(1000 * (time.perf_counter() - start))
    print(
        json.dumps(
            {
                "pictures": given.pictures,
                "hits on the page": hits,
                "first drawing, ms": round(spent[0], 1),
                "pen up to results, ms": round(float(np.median(spent[1:])), 1),
                "95 % below, ms": round(float(np.quantile(spent[1:], 0.95)), 1),
                "fastest, ms": round(min(spent[1:]), 1),
                "encoding the drawing alone, ms": round(float(np.median(alone[1:])), 1),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()

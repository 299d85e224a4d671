"""Search by the text in pictures: how well words are found, false hits, and speed.

    python benchmarks/scene_text.py icdar|iiit|coco|speed [--shared FOLDER] [--read]

icdar   160 pictures of ICDAR 2015, 960 x 540 pixels; each annotated word of at least 3 letters or digits is a query:
        mean average precision, ties against us
iiit    IIIT5K test, 3,000 crops of words; each distinct word is a query
coco    hits of the queries of ICDAR in COCO val pictures whose captions mention nothing that text is written on, at
        the threshold that keeps 95 % of the true hits
speed   one query in an index of 100,000 pictures of 5 lines each; the index is made of the words of IIIT5K

Peers score the most probable readings of the same run of the recogniser: equal, equal or within an edit distance of 1,
and the best of confidence x (1 - edit distance / length). For ICDAR, Tesseract's own readings are scored in the same
ways if its command is installed, also of pictures enlarged twice. Readings are kept in the feature cache; --read only
makes ours. Parameters were chosen on every other query of ICDAR, in alphabetical order from the first on.
"""

import argparse
import csv
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tesseract import WAYS, tesseract_readings, version

from wordsight.matching.scene_text import word_costs
from wordsight.matching.text_bounds import VERSION, rows_of
from wordsight.matching.written_words import written_words
from wordsight.search.catalog import Catalog, Entry
from wordsight.search.text_search import Texts
from wordsight.search.texts import FACT
from wordsight.vision.cache import default_cache
from wordsight.vision.ocr import TextReader, text_reader
from wordsight.vision.text_cache import TextCache
from wordsight.vision.text_lines import SEPARATOR, TextLines, fold

SHARED = Path(__file__).resolve().parents[2] / "shared"
SHOWN = re.compile(  # things that may have text on them; captions hardly mention text on others
    r"\b(sign|signs|word|words|text|letter|letters|clock|bus|buses|train|truck|van|car|cars|plane|airplane|jet|airport|"
    r"street|road|traffic|city|store|shop|market|building|tower|station|boat|motorcycle|motorcycles|bottle|bottles|can|"
    r"book|books|computer|laptop|screen|keyboard|phone|cellphone|tv|television|monitor|shirt|jersey|uniform|player|"
    r"players|baseball|tennis|soccer|game|skateboard|skateboarder|snowboard|snowboarder|skier|surfboard|racket|bat|"
    r"poster|logo|label|box|package|kitchen|refrigerator|stove|oven|microwave|desk|office|cup|mug|beer|wine|kite|"
    r"banner|flag|number|numbers|meter|hydrant|suitcase|bag|remote|wii|toilet|cake|restaurant|donut|donuts|pizza)\b"
)
PAGE = 24  # hits on a page
Scores = NDArray[np.float64]
Readings = Mapping[str, Sequence[TextLines]]


def folded(text: str) -> str:
    """Letters and digits without case and accents."""
    return "".join(chr(symbol) for symbol in fold(text) if symbol != SEPARATOR)


def readings(paths: Sequence[Path], *, crops: bool = False) -> Iterator[TextLines]:
    """The lines of each picture, from the cache if they are there."""
    cache = TextCache(default_cache(), TextReader.fingerprint + " crop" * crops)
    for path in paths:
        yield cache.lines(path.read_bytes(), partial(_read, path, crops))


def _read(path: Path, crop: bool) -> TextLines:
    return text_reader().read_crop(Image.open(path)) if crop else text_reader().read(path)


def icdar_words(folder: Path) -> dict[Path, set[str]]:
    """The legible words of each picture, folded."""
    found = {}
    for path in sorted(folder.glob("img_*.jpg")):
        lines = (folder / f"gt_{path.stem}.txt").read_text("utf-8-sig").splitlines()
        said = [line.split(",", 8)[8] for line in lines if line.strip()]
        found[path] = {folded(text) for text in said if text != "###"}
    return found


def iiit_words(shared: Path) -> dict[Path, set[str]]:
    """The word of each test crop, folded."""
    with open(shared / "iiit5k_words.csv", newline="") as file:
        rows = [(row["file"], row["word"]) for row in csv.DictReader(file)]
    return {shared / "iiit5k" / name: {folded(word)} for name, word in rows if name.startswith("test")}


def coco_pictures(folder: Path) -> list[Path]:
    """Pictures of COCO val whose captions mention nothing that text is written on."""
    images = json.loads((folder / "dataset_coco.json").read_text())["images"]
    said = {one["filename"]: " ".join(s["raw"].lower() for s in one["sentences"]) for one in images}
    kept = [one["filename"] for one in images if one["split"] == "val" and not SHOWN.search(said[one["filename"]])]
    return [folder / "images" / name for name in kept]


def average_precision(scores: Scores, right: NDArray[np.bool_]) -> float:
    """Average precision of pictures ranked by scores; among equal scores the wrong pictures come first."""
    places = np.flatnonzero(right[np.lexsort((right, -scores))])
    return float(np.mean((np.arange(len(places)) + 1) / (places + 1)))


def distance(one: str, other: str) -> int:
    """Levenshtein's edit distance."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


class Gallery:
    """Pictures whose text is read, and ways to score a word in them: (I,)."""

    def __init__(self, each: Sequence[TextLines]) -> None:
        self.lines, self.count = TextLines.join(each), len(each)
        self.owner = np.repeat(np.arange(len(each)), [len(one) for one in each])
        read = [[folded(part) for part in (text, *text.split())] for text in self.lines.texts]
        self.read = [list(dict.fromkeys(filter(None, parts))) for parts in read]
        self.confidence = self.lines.confidence.tolist()
        self.ways: dict[str, Callable[[str], Scores]] = {
            "equal": lambda word: self._of([float(word in parts) for parts in self.read]),
            "equal or one edit": lambda word: self._of([self._one_edit(word, parts) for parts in self.read]),
            "confidence x (1 - edits / length)": self.edits,
            "probability (wordsight)": lambda word: self._of(-word_costs(self.lines, [ord(one) for one in word])),
        }

    def edits(self, word: str) -> Scores:
        """The best of confidence x (1 - edit distance / length)."""
        return self._of(
            [
                sure * max((1 - distance(part, word) / max(len(part), len(word)) for part in parts), default=0.0)
                for parts, sure in zip(self.read, self.confidence, strict=True)
            ]
        )

    def _one_edit(self, word: str, parts: Sequence[str]) -> float:
        near = (2.0 if part == word else 1.0 * (distance(part, word) == 1) for part in parts if _near(part, word))
        return max(near, default=0.0)

    def _of(self, of_lines: Sequence[float] | NDArray[np.float32]) -> Scores:
        best = np.full(self.count, -np.inf)
        np.maximum.at(best, self.owner, np.asarray(of_lines, np.float64))
        return best


def _near(one: str, other: str) -> bool:
    return abs(len(one) - len(other)) <= 1


def spotting(words: dict[Path, set[str]], each: Sequence[TextLines], least: int, peers: Readings) -> None:
    """Print the mean average precision of each way, over all queries and over those that chose no parameter.

    Args:
        words: the true words of each picture.
        each: the lines of each picture, as we read them.
        least: minimum number of letters and digits of a query.
        peers: lines as other recognisers read them, without their alternative readings.
    """
    gallery, queries = Gallery(each), sorted({word for some in words.values() for word in some if len(word) >= least})
    right = {query: np.array([query in some for some in words.values()]) for query in queries}
    print(f"{len(words):,} pictures, {len(gallery.lines):,} lines, {len(queries):,} queries")
    print(f"{'':64}{'all':>7}{'kept':>7}  (kept apart: every other query)")
    ways = gallery.ways
    for peer, lines in peers.items():
        *plain, _ = Gallery(lines).ways.items()
        ways |= {f"{peer}, {name}": way for name, way in plain}
    for name, way in ways.items():
        found = np.array([average_precision(way(query), right[query]) for query in queries])
        print(f"{name:64}{found.mean():7.3f}{found[1::2].mean():7.3f}", flush=True)


def tesseract(paths: Sequence[Path]) -> Readings:
    """Tesseract's readings in each way; if it is not installed, print a line that says so and return none."""
    if version() is None:
        print("Tesseract is not installed (Debian: tesseract-ocr), and is left out")
        return {}
    return {f"{version()}, {name}": list(tesseract_readings(paths, *way)) for name, way in WAYS.items()}


def false_hits(shared: Path) -> None:
    """Print how many pictures without text are hits at thresholds that keep true ones."""
    words = icdar_words(shared / "scene_text" / "icdar2015")
    queries = sorted({word for some in words.values() for word in some if len(word) >= 3})
    symbols = [[ord(one) for one in query] for query in queries]
    true, other = (Gallery(list(readings(paths))) for paths in (list(words), coco_pictures(shared / "coco")))
    likely = {
        name: np.array(
            [np.exp(gallery._of(-word_costs(gallery.lines, word)) / len(word)) for word in symbols]
        )  # (Q, I)
        for name, gallery in (("true", true), ("other", other))
    }
    right = np.array([[query in some for some in words.values()] for query in queries])
    hits = likely["true"][right]
    read = hits[hits >= np.exp(-1.2)]  # pairs that were detected and read at all, if badly
    print(f"{right.sum():,} true pairs, {len(read):,} of them read; {other.count} pictures without text")
    with_lines = len(np.unique(other.owner))
    print(f"pictures in which the detector sees lines: {with_lines}")
    for name, some in (("all", hits), ("read", read)):
        threshold = float(np.quantile(some, 0.05))
        above = likely["other"] >= max(threshold, 1e-9)
        wrong = (likely["true"] >= max(threshold, 1e-9)) & ~right
        print(
            f"95 % of {name}: likelihood {threshold:.3f}; false hits {100 * above.mean():.3f} % of pairs of query and "
            f"picture, {100 * above.any(axis=0).mean():.1f} % of pictures for any of {len(queries)} queries; "
            f"{100 * wrong.sum() / (~right).sum():.3f} % of wrong pairs in pictures with text"
        )


def speed(shared: Path, pictures: int, lines: int) -> None:
    """Print how long a query takes in a catalogue of pictures made of the words of IIIT5K, shuffled."""
    pool = TextLines.join(list(readings(list(iiit_words(shared / "scene_text")), crops=True)))
    words = [folded(text) for text in pool.texts if len(folded(text)) >= 3][:: max(1, len(pool) // 60)]
    phrases = [f"{one} {other}" for one, other in zip(words[::4], words[1::4], strict=False)]
    with TemporaryDirectory() as folder:
        fill(Path(folder), pool, pictures, lines)
        with Catalog(Path(folder)) as catalog:
            start = time.perf_counter()
            texts = Texts.read(catalog)
            print(f"reading the bounds of {pictures:,} pictures x {lines} lines: {time.perf_counter() - start:.2f} s")
            for kind, queries in (("words", words), ("phrases of two", phrases)):
                texts = Texts(texts.numbers, texts.first, texts.columns)  # nothing is in memory yet
                for name in ("first time", "again"):
                    print(f"{kind}, {name}: {timed(texts, catalog, queries)}", flush=True)


def fill(folder: Path, pool: TextLines, pictures: int, lines: int) -> None:
    """Make a catalogue of pictures with `lines` lines each, drawn from a pool."""
    rows, chosen = rows_of(pool), np.random.default_rng(0).integers(len(pool), size=(pictures, lines))
    made = Entry("", b"", 1, 1, 1, 1, "", "", 0, 0, 1, 0.0, 0.0, 0.0, "{}")
    hashes = {number: number.to_bytes(16, "little") for number in range(1, pictures + 1)}
    with Catalog(folder, write=True) as catalog, catalog.change():
        catalog.set_fact(FACT, VERSION)
        catalog.set_entries(made._replace(path=f"{number}.jpg", hash=content) for number, content in hashes.items())
        catalog.put_rows(
            "texts",
            (
                (number, content, rows[some].tobytes(), pool.take(some).to_bytes())
                for (number, content), some in zip(hashes.items(), chosen, strict=True)
            ),
        )


def timed(texts: Texts, catalog: Catalog, queries: Sequence[str]) -> str:
    """Times of the queries for a page of hits, as text."""
    spent, used, found = [], [], []
    for query in queries:
        start, busy = time.perf_counter(), time.process_time()
        found.append(len(texts.search(catalog, written_words(query), PAGE)))
        spent.append(1000 * (time.perf_counter() - start))
        used.append(1000 * (time.process_time() - busy))
    (half, most, last), core = ([*np.quantile(some, (0.5, 0.95)), max(some)] for some in (spent, used))
    return (
        f"median {half:.1f} ms, 95 % below {most:.1f} ms, slowest {last:.1f} ms (of one core: {core[0]:.1f}, "
        f"{core[1]:.1f} and {core[2]:.1f} ms), {len(queries)} queries, {np.mean(found):.0f} pictures scored well enough"
    )


def main() -> None:
    """Run one of the four benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("icdar", "iiit", "coco", "speed"))
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("WORDSIGHT_SHARED", SHARED)))
    parser.add_argument("--read", action="store_true", help="only read the pictures into the cache")
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=5)
    given = parser.parse_args()
    scenes = given.shared / "scene_text"
    words = iiit_words(scenes) if given.what == "iiit" else icdar_words(scenes / "icdar2015")
    if given.read:
        paths = coco_pictures(given.shared / "coco") if given.what == "coco" else list(words)
        for done, _ in enumerate(readings(paths, crops=given.what == "iiit"), 1):
            print(f"{done:,} of {len(paths):,}", end="\r", file=sys.stderr, flush=True)
    elif given.what == "coco":
        false_hits(given.shared)
    elif given.what == "speed":
        speed(given.shared, given.pictures, given.lines)
    else:
        crops = given.what == "iiit"
        each = list(readings(list(words), crops=crops))
        spotting(words, each, 1 if crops else 3, {} if crops else tesseract(list(words)))


if __name__ == "__main__":
    main()

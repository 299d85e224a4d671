"""Weight of written words beside a sentence: recall@1 of both together, for several weights.

    python benchmarks/text_weight.py [--shared FOLDER] [--pictures 300] [--seed 0]

Words are painted into pictures of Flickr8K val, in a random place, size, colour, slant and sharpness: each picture once
with a word and once with a similar one (house, horse), so that two share a scene; each word is in many pictures. A
query is a sentence of a picture and its word, and one painted picture is right. Weights are compared on every other
scene (chosen) and on the others (kept), and with the words alone and the sentence alone.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from wordsight.search import find
from wordsight.search.index import Index

SHARED = Path(__file__).resolve().parents[2] / "shared"
ALIKE = (
    ("house", "horse"),
    ("coffee", "toffee"),
    ("hotel", "hostel"),
    ("bank", "bark"),
    ("market", "marker"),
    ("pizza", "piazza"),
    ("beach", "bench"),
    ("sale", "sail"),
    ("exit", "edit"),
    ("park", "parts"),
)
WEIGHTS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0)
SIDE = 448  # pixels of a painted picture


class Painted(NamedTuple):
    """A picture with a word in it, and a sentence about it."""

    path: Path
    scene: int
    sentence: str
    word: str


def paint(image: Image.Image, word: str, chance: np.random.Generator) -> Image.Image:
    """A picture with a word: in a random place, size, colour, slant and sharpness."""
    image = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    font = ImageFont.load_default(int(chance.integers(14, 56)))
    left, top, right, bottom = font.getbbox(word)
    size = int(right - left) + 16, int(bottom - top) + 12
    paper, ink = (tuple(int(one) for one in chance.integers(low, low + 90, 3)) for low in chance.permutation([0, 165]))
    sign = Image.new("RGBA", size, (*paper, 255 if chance.random() < 0.6 else 0))  # on a sign, or on the scene itself
    ImageDraw.Draw(sign).text((8 - left, 6 - top), word, (*ink, 255), font)
    sign = sign.rotate(chance.uniform(-15, 15), Image.Resampling.BICUBIC, expand=True)
    sign = sign.filter(ImageFilter.GaussianBlur(chance.uniform(0, 1.5)))
    place = [int(chance.integers(0, max(1, SIDE - side))) for side in sign.size]
    image.paste(sign, (place[0], place[1]), sign)
    return image


def painted(shared: Path, folder: Path, pictures: int, seed: int) -> list[Painted]:
    """Painted pictures, two of each scene."""
    data = json.loads((shared / "flickr8k" / "dataset_flickr8k.json").read_text())
    scenes = [one for one in data["images"] if one["split"] == "val"]
    chance, made = np.random.default_rng(seed), []
    for number, at in enumerate(chance.permutation(len(scenes))[: pictures // 2].tolist()):
        scene = scenes[at]
        with Image.open(shared / "flickr8k" / "images" / scene["filename"]) as image:
            for word in ALIKE[number % len(ALIKE)]:
                path = folder / f"{number}-{word}.png"
                paint(image, str(chance.choice([word, word.upper(), word.title()])), chance).save(path)
                made.append(Painted(path, number, scene["sentences"][0]["raw"], word))
    return made


def firsts(index: Index, queries: Sequence[Painted], sentence: bool, word: bool) -> np.ndarray:
    """Whether the first hit of each query is its picture."""
    found = []
    for one in queries:
        hits = index.search(one.sentence if sentence else None, text=one.word if word else None, top=1).hits
        found.append(bool(hits) and hits[0].path.name == one.path.name)
    return np.array(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("WORDSIGHT_SHARED", SHARED)))
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        (folder := Path(work) / "pictures").mkdir()
        queries = painted(given.shared, folder, given.pictures, given.seed)
        index = Index.create(Path(work) / "index")
        index.build(folder, text=True)
        chosen = np.array([one.scene % 2 == 0 for one in queries])
        print(f"{len(queries)} pictures of {len(queries) // 2} scenes, seed {given.seed}", file=sys.stderr)
        print(f"{'recall@1, %':28}{'chosen':>8}{'kept':>8}{'all':>8}")
        rows = {"the sentence alone": (None, True, False), "the word alone": (None, False, True)}
        for name, (weight, sentence, word) in {**rows, **{f"weight {w}": (w, True, True) for w in WEIGHTS}}.items():
            find.TEXT_WEIGHT = weight or find.TEXT_WEIGHT
            right = 100 * firsts(index, queries, sentence, word)
            print(f"{name:28}{right[chosen].mean():8.1f}{right[~chosen].mean():8.1f}{right.mean():8.1f}", flush=True)


if __name__ == "__main__":
    main()

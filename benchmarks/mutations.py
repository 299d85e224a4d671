"""Corrupts picture files in many ways and indexes them; each must be added or listed, and nothing may crash.

    .venv/bin/python benchmarks/mutations.py RUN PICTURES [--files 2000]

Files are cut short, bits are flipped, zeros and random bytes are put in, headers claim huge sizes, text takes the
place of a picture, and extensions name another format.
"""

import argparse
import io
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from wordsight.data.pictures import picture_files
from wordsight.search.index import Index

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
Spoil = Callable[[bytearray, random.Random], bytes]


def cut(content: bytearray, chance: random.Random) -> bytes:
    return bytes(content[: chance.randrange(len(content))])


def flip(content: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 10, 100))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def blank(content: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    return bytes(content[:start]) + bytes(min(500, len(content) - start)) + bytes(content[start + 500 :])


def mix(content: bytearray, chance: random.Random) -> bytes:
    return bytes(content[: chance.randrange(len(content))]) + chance.randbytes(300)


def enlarge(content: bytearray, chance: random.Random) -> bytes:
    """Claim a huge size in the header: write 0xFF over some of the first bytes."""
    start = chance.randrange(4, 200)
    return bytes(content[:start]) + b"\xff" * chance.randrange(1, 5) + bytes(content[start + 4 :])


def text(content: bytearray, chance: random.Random) -> bytes:
    return b"no picture at all " * chance.randrange(5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--files", type=int, default=2000)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chance, sources = random.Random(0), picture_files(chosen.pictures)
    ways: tuple[Spoil, ...] = (cut, flip, blank, mix, enlarge, text)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number in range(chosen.files):
            kind, content = chance.choice(FORMATS), io.BytesIO()
            Image.open(chance.choice(sources)).convert("RGB").resize((96, 96)).save(content, kind)
            ending = chance.choice((kind, kind, chance.choice(FORMATS))).lower()
            paths.append(Path(folder, f"{number}.{ending}"))
            paths[-1].write_bytes(ways[number % len(ways)](bytearray(content.getvalue()), chance))
        index = Index.create(Path(folder, "index"), chosen.run, "cpu")
        done = index.build(paths)
        told = {"files": len(paths), "added": len(done.added), "broken": len(done.broken)}
        told["unaccounted"] = len(paths) - len(done.added) - len(done.broken)
        told["pictures in the index"] = len(index.search(index.run.vocabulary.words[2], top=len(paths)).hits)
        print(json.dumps(told))


if __name__ == "__main__":
    main()

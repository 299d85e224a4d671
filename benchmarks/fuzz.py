"""Fuzz test of every reader of data: damaged files, JSON of nearly the right form, random bytes.

    python benchmarks/fuzz.py --seconds 120

A reader may return a dataset or raise `InputError`; anything else is a crash, which is printed and makes the exit code
1. `tests/test_fuzz.py` does the same for a moment.
"""

import argparse
import io
import json
import os
import random
import shutil
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from wordsight.data.check import check
from wordsight.data.convert import write_karpathy
from wordsight.data.entities import load_phrases
from wordsight.data.load import read_dataset
from wordsight.data.parses import load_parses
from wordsight.data.records import Dataset
from wordsight.errors import InputError
from wordsight.search.annotations import read_meta
from wordsight.text.vocabulary import Vocabulary

SLOW = 10.0  # seconds that every input must stay below
ODD: Sequence[Any] = (
    *("../0.jpg", "C:\\0.jpg", "/0.jpg", "0.JPG", "0", "a\nb\x1b[2J"),
    *(
        None,
        True,
        0,
        -1,
        1.5,
        10**30,
        float("nan"),
        float("inf"),
        "",
        " ",
        "0.jpg",
        "train",
        "\0",
        "\ud800",
        "[1",
        "a" * 300,
    ),
    *([], {}, [[]], [None], {"raw": None}, ["a", 3], {"": ""}, {"images": []}, [{"image": "0.jpg", "caption": 1}]),
)
PIECES = (
    *(
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b'"',
        b"'",
        b",",
        b";",
        b"\t",
        b"|",
        b"\n",
        b"\r",
        b"\r\n",
    ),
    *(b"{", b"}", b"[", b"]", b":", b"null", b"NaN", b"1e999", b"9" * 5000, b"[" * 3000, b"\\ud800", b"\\", b"#", b"-"),
    *(b"sep=;\n", b"0.jpg", b"caption", b"image", b"\xe2\x80\xa8", b"\x85", b"\x1b[2J", b"../..", b"ustar"),
)


@dataclass
class Parser:
    """A reader, and a file that it reads.

    Attributes:
        name: name in the table.
        file: name of the file in its folder.
        good: valid content of the file.
        read: reads the folder.
    """

    name: str
    file: str
    good: bytes
    read: Callable[[Path], object]
    inputs: int = field(default=0)
    read_well: int = field(default=0)
    refused: int = field(default=0)
    crashes: int = field(default=0)
    slowest: float = field(default=0.0)


def parsers() -> list[Parser]:
    """All readers of data, each with a valid file."""
    images = [{"filename": f"{n}.jpg", "split": "train", "sentences": [{"raw": f"a dog {n}"}]} for n in range(3)]
    listed = [{"id": n, "file_name": f"{n}.jpg"} for n in range(3)]
    said = [{"id": n, "image_id": n, "caption": f"a dog {n}"} for n in range(3)]
    rows = [{"file_name": f"{n}.jpg", "text": [f"a dog {n}", "x"], "split": "val"} for n in range(3)]
    phrase = {"chain": "1", "types": ["people"], "start": 0, "len": 1, "text": "Dogs"}
    record = {"w": 9, "h": 9, "boxes_xyxy_1based": {"1": [[1, 1, 5, 5]]}}
    entities = {"0.jpg": {**record, "sentences": [{"text": "Dogs run", "phrases": [phrase]}]}}
    known = [{"path": f"{n}.jpg", "place": "Oslo", "n": n, "tags": ["a", {"b": 1.5}]} for n in range(3)]
    csv = 'image,caption,split\n0.jpg,"a dog, ""big""",train\n1.jpg,a cat,val\n2.jpg,"two\nlines",test\n'
    tree = "".join(f"{n}\tw{n}\t_\t_\t_\t_\t{n - 1}\tdet\t_\t_\n" for n in range(1, 4))
    folder: Callable[[Path], object] = read_dataset
    return [
        Parser("karpathy", "dataset_x.json", as_json({"images": images, "dataset": "x"}), folder),
        Parser("coco", "captions_val2014.json", as_json({"images": listed, "annotations": said}), folder),
        Parser("json list", "data.json", as_json(rows), folder),
        Parser("json lines", "metadata.jsonl", b"\n".join(map(as_json, rows)), folder),
        Parser("csv", "captions.csv", csv.encode(), folder),
        Parser("bars", "results.csv", b"image_name| n| comment\n0.jpg| 0| A dog\n1.jpg| 0| A cat\n", folder),
        Parser("tokens", "Flickr8k.token.txt", b"0.jpg#0\tA dog\n1.jpg#0\tA cat\n1.jpg#1\tThe cat\n", folder),
        Parser("lists", "Flickr_8k.trainImages.txt", b"0.jpg\n1.jpg\n", tokens_beside),
        Parser("pairs", "0.txt", b"a dog\nthe dog\n", folder),
        Parser("pairs, json", "0.json", as_json({"caption": "a dog", "width": 3}), folder),
        Parser("tar", "00000.tar", archive(), folder),
        Parser("parquet", "x.parquet", parquet(), folder),
        Parser("entities", "entities.json", as_json(entities), lambda root: load_phrases(root, ["0.jpg"])),
        Parser("parses", "captions.conllu", f"# x\n{tree}\n{tree}".encode(), load_parses),
        Parser("vocabulary", "v.json", as_json({"format": 1, "words": ["<end>", "<unk>", "a"]}), vocabulary),
        Parser("meta, json", "m.json", as_json(known), lambda root: read_meta(root / "m.json")),
        Parser("meta, csv", "m.csv", b"path;place;n\n0.jpg;Oslo;1\n1.jpg;Rome;007\n", meta_table),
    ]


def as_json(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def tokens_beside(root: Path) -> object:
    (root / "Flickr8k.token.txt").write_bytes(b"0.jpg#0\tA dog\n1.jpg#0\tA cat\n")
    return read_dataset(root)


def vocabulary(root: Path) -> object:
    return Vocabulary.load(root / "v.json")


def meta_table(root: Path) -> object:
    return read_meta(root / "m.csv")


def archive() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name, content in (
            ("0.jpg", picture()),
            ("0.txt", b"a dog"),
            ("1.jpg", picture()),
            ("1.json", b'{"caption":"x"}'),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return held.getvalue()


def parquet() -> bytes:
    import pyarrow
    import pyarrow.parquet

    held = io.BytesIO()
    images = [{"bytes": picture(), "path": f"{number}.png"} for number in range(3)]
    pyarrow.parquet.write_table(pyarrow.table({"image": images, "caption": ["a", None, "c"]}), held)
    return held.getvalue()


def picture() -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (4, 4)).save(held, "PNG")
    return held.getvalue()


def mutated(good: bytes, chance: random.Random) -> bytes:
    """A damaged version of a file, or random bytes."""
    kind = chance.random()
    if kind < 0.1:
        return chance.randbytes(chance.choice((0, 1, 10, 1000)))
    if kind < 0.45 and good[:1] in b"[{":
        return b"\n".join(odd_json(line, chance) for line in good.split(b"\n"))
    content = bytearray(good)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        start = chance.randrange(len(content) + 1)
        end = min(len(content), start + chance.choice((0, 0, 1, 4, 40)))
        content[start:end] = chance.choice(
            (b"", chance.choice(PIECES), chance.randbytes(2), bytes(content[end : end + 30]))
        )
    if chance.random() < 0.15:
        content = content[: chance.randrange(len(content) + 1)]
    encoding = chance.choice(("", "", "", "", "utf-16", "utf-16-be", "cp1252", "utf-32"))
    return bytes(content).decode("latin-1").encode(encoding, "replace") if encoding else bytes(content)


def odd_json(line: bytes, chance: random.Random) -> bytes:
    """JSON of nearly the right form: some values are replaced, some keys are removed."""
    try:
        value = json.loads(line)
    except ValueError:
        return line
    for _ in range(chance.choice((1, 1, 2, 4))):
        value = odd(value, chance)
    return as_json(value)


def odd(value: Any, chance: random.Random) -> Any:
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(ODD)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = chance.choice(keys)
    if chance.random() < 0.15:
        if isinstance(value, dict):
            return {one: value[one] for one in value if one != key}
        return [*value, chance.choice([*value, *ODD])]
    changed = odd(value[key], chance)
    if isinstance(value, dict):
        return {**value, key: changed}
    return [*value[:key], changed, *value[key + 1 :]]


def attempt(parser: Parser, content: bytes, *, strict: bool = False) -> None:
    """Read one file; any error other than `InputError` is a crash.

    Raises:
        Exception: the reader's error, or it was too slow or its message was not one sentence.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for number in range(3):
            (root / f"{number}.jpg").write_bytes(picture())
        (root / parser.file).write_bytes(content)
        parser.inputs += 1
        began = time.monotonic()
        try:
            found = read_dataset(root, strict=strict) if parser.read is read_dataset else parser.read(root)
            if isinstance(found, Dataset):
                check(found).to_json()
                write_karpathy(found, root / "out.json")
                json.loads((root / "out.json").read_text(encoding="utf-8"))
            parser.read_well += 1
        except InputError as error:
            assert str(error).strip() and "\n" not in str(error), f"not one sentence: {error}"
            parser.refused += 1
        finally:
            parser.slowest = max(parser.slowest, time.monotonic() - began)
        assert parser.slowest < SLOW, f"{parser.name}: {parser.slowest:.0f} s"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    os.environ["WORDSIGHT_CACHE"] = tempfile.mkdtemp(prefix="wordsight-fuzz-")
    chance, every = random.Random(given.seed), parsers()
    end = time.monotonic() + given.seconds
    while time.monotonic() < end:
        for parser in every:
            content = mutated(parser.good, chance)
            try:
                attempt(parser, content, strict=chance.random() < 0.2)
            except Exception:
                parser.crashes += 1
                print(f"{parser.name}: {content[:2000]!r}\n{traceback.format_exc()}", file=sys.stderr)
    shutil.rmtree(os.environ["WORDSIGHT_CACHE"], ignore_errors=True)
    print(f"{'parser':12} {'inputs':>8} {'read':>8} {'refused':>8} {'crashes':>8} {'slowest':>8}")
    for one in every:
        print(f"{one.name:12} {one.inputs:8} {one.read_well:8} {one.refused:8} {one.crashes:8} {one.slowest:6.2f} s")
    return int(any(one.crashes for one in every))


if __name__ == "__main__":
    sys.exit(main())

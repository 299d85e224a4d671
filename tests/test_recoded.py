"""Vectors in float16 and 8 bits, and indexes of an older wordsight, which have them in float32, and bfloat16 beside."""

import sqlite3
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.data.pictures import picture_files
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search import recoded
from wordsight.search.catalog import FILE
from wordsight.search.codes import agree, quantise, quantise_words, turn
from wordsight.search.halves import Halved
from wordsight.search.index import Index
from wordsight.search.records import checksum
from wordsight.search.seal import FILE as SEAL

QUIET = Progress(quiet=True)
ASKED = ("a red circle", "a blue square above a star")


FORMER = {5: {".vectors", ".boxes", ".rough"}, 7: {".vectors", ".boxes", ".codes", ".steps"}}  # by version
NOW = {".halves", ".scales", ".boxes", ".codes", ".steps"}


@pytest.fixture
def index(trained: Path, world: Path, tmp_path: Path) -> Index:
    made = Index.create(tmp_path / "index", trained, "cpu")
    made.build(picture_files([world / "images"])[:10], progress=QUIET)
    return made


@pytest.fixture(params=FORMER)
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def make_former(index: Index, version: int) -> None:
    """What that version of the catalogue had: vectors in float32, and in version 5 bfloat16, by its bits, for codes."""
    size, folder = index.segments.size, index.folder / "vectors"
    for path in folder.glob("*.halves"):
        scales = np.fromfile(path.with_suffix(".scales"), "<f4")
        values = np.fromfile(path, "<f2").reshape(-1, size).astype(np.float32) * scales[:, None]
        path.with_suffix(".vectors").write_bytes(values.astype("<f4").tobytes())
        if version == 5:
            low = torch.from_numpy(values).bfloat16().view(torch.int16).numpy()
            path.with_suffix(".rough").write_bytes(low.astype("<i2").tobytes())
        for kind in NOW - FORMER[version]:
            path.with_suffix(kind).unlink()
    widths = {"vectors": 4 * size, "boxes": 16, "rough": 2 * size, "codes": size, "steps": 4}
    with sqlite3.connect(index.folder / FILE) as db:
        for segment, first, rows, _, _ in db.execute("SELECT * FROM batches").fetchall():
            found = 0
            for kind, width in ((kind, width) for kind, width in widths.items() if f".{kind}" in FORMER[version]):
                content = (folder / f"{segment:05}.{kind}").read_bytes()[first * width : (first + rows) * width]
                found = zlib.crc32(content, found)
            said = checksum(segment, first, rows, found)
            where = "WHERE segment = ? AND first = ?"
            db.execute(f"UPDATE batches SET checksum = ?, row_checksum = ? {where}", (found, said, segment, first))
        db.execute(f"PRAGMA user_version = {version}")
    (index.folder / SEAL).unlink()


def answers(folder: Path) -> list[list[tuple[str, float]]]:
    index = Index(folder, "cpu")
    return [[(hit.path.name, pytest.approx(hit.score, abs=1e-5)) for hit in index.search(ask).hits] for ask in ASKED]


def kinds(folder: Path) -> set[str]:
    return {path.suffix for path in (folder / "vectors").iterdir()}


def test_codes_keep_products_within_what_they_say() -> None:
    random = np.random.default_rng(0)
    counts = np.array([3, 1, 5, 2])
    vectors = (random.standard_normal((11, 40)) * 10.0 ** random.integers(-3, 3, (11, 1))).astype(np.float32)
    vectors[3] = 0  # the only one of its picture
    codes = quantise(vectors, counts)
    assert agree(vectors, codes.values, codes.steps) and not agree(vectors[::-1].copy(), codes.values, codes.steps)
    words = torch.from_numpy(random.standard_normal((6, 40)).astype(np.float32))
    words[5] = 0
    coded = quantise_words(words)
    rough = (
        (codes.values.astype(np.float64) - 128) * codes.steps[:, None] @ (coded.values * coded.steps.numpy()[:, None]).T
    )
    blur, length = (np.repeat(some, counts)[:, None] for some in (codes.blur, codes.length))
    allowed = blur * coded.length.numpy() + length * (coded.blur.numpy() + 1e-5 * words.norm(dim=1).numpy())
    assert (np.abs(rough - vectors @ words.numpy().T) <= allowed).all() and (rough[3] == 0).all()
    assert (np.abs(turn(vectors) @ turn(words.numpy()).T - vectors @ words.numpy().T) <= 1e-5 * 40 * length).all()


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1.0, 1e6, 1e30])
def test_float16_keeps_vectors_of_any_size(size: float) -> None:
    random = np.random.default_rng(0)
    vectors = (size * random.standard_normal((7, 40)) * 10.0 ** random.integers(-3, 3, (7, 1))).astype(np.float32)
    vectors[3] = 0
    kept = Halved.of(vectors).vectors
    assert (np.abs(kept - vectors) <= 2.0**-11 * np.abs(vectors).max(axis=1, keepdims=True)).all()
    again = Halved.of(kept)
    assert np.array_equal(again.vectors, kept) and not kept[3].any()


def test_a_former_index_is_read_as_it_is(index: Index, version: int) -> None:
    before = answers(index.folder)
    make_former(index, version)
    assert answers(index.folder) == before and Index(index.folder, "cpu").verify() == []
    assert kinds(index.folder) == FORMER[version]


def rebuilt(folder: Path, world: Path, count: int = 10) -> Index:
    index = Index(folder, "cpu")
    index.build(picture_files([world / "images"])[:count], progress=QUIET)
    return index


def test_a_build_writes_former_segments_anew(
    index: Index, version: int, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(index.folder)
    make_former(index, version)
    monkeypatch.setattr(recoded, "TOGETHER", 3)
    monkeypatch.setattr("wordsight.search.prefilter.LEAST", 0)
    assert rebuilt(index.folder, world).verify() == []
    assert kinds(index.folder) == NOW
    assert answers(index.folder) == before


def test_a_build_that_is_interrupted_goes_on(
    index: Index, version: int, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(index.folder)
    make_former(index, version)
    move, moved = recoded._move, []

    def stopped(*arguments: object) -> None:
        if len(moved) == 2:
            raise InputError("stopped")
        moved.append(move(*arguments))  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(recoded, "TOGETHER", 3)
        patch.setattr(recoded, "_move", stopped)
        with pytest.raises(InputError, match="stopped"):
            rebuilt(index.folder, world)
    monkeypatch.setattr("wordsight.search.prefilter.LEAST", 0)
    assert kinds(index.folder) == NOW | FORMER[version]
    assert answers(index.folder) == before and Index(index.folder, "cpu").verify() == []
    assert rebuilt(index.folder, world, 12).info()["pictures"] == 12
    assert kinds(index.folder) == NOW
    assert Index(index.folder, "cpu").verify() == []


def test_what_is_damaged_is_not_copied(index: Index, version: int, world: Path) -> None:
    before = answers(index.folder)
    make_former(index, version)
    path = index.folder / "vectors" / "00001.vectors"
    content = bytearray(path.read_bytes())
    content[3] ^= 0x10
    path.write_bytes(content)
    assert Index(index.folder, "cpu").verify()
    assert rebuilt(index.folder, world).verify() == [] and answers(index.folder) == before


def test_a_former_index_is_merged(index: Index, version: int, trained: Path, tmp_path: Path) -> None:
    before = answers(index.folder)
    make_former(index, version)
    other = Index.create(tmp_path / "other", trained, "cpu")
    assert other.merge(index.folder) == (10, 0) and other.verify() == []
    assert kinds(other.folder) == NOW and answers(other.folder) == before

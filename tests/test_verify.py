"""Damage of every kind is noticed or harmless, never a traceback and never called sound; `build` repairs it."""

import shutil
import sqlite3
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from forked import forked
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search import schema, vectors
from wordsight.search.catalog import FILE, Catalog
from wordsight.search.codes import quantise
from wordsight.search.halves import Halved
from wordsight.search.index import Index
from wordsight.search.records import Entry, checksum
from wordsight.search.seal import FILE as SEAL
from wordsight.search.seal import Seal

QUIET = Progress(quiet=True)
TORN = Path(__file__).resolve().parents[1] / "benchmarks" / "torn.py"
ASK = "a red circle and a blue square"


@pytest.fixture(scope="module")
def made(world: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of an index of eight pictures, in `photos` beside it; not to be changed."""
    home = tmp_path_factory.mktemp("verify")
    (home / "photos").mkdir()
    for path in sorted((world / "images").iterdir())[:8]:
        shutil.copy2(path, home / "photos" / path.name)
    index = Index.create(home / "index", trained, "cpu")
    index.build(sorted((home / "photos").iterdir()), progress=QUIET)
    table = home / "meta.csv"
    table.write_text("path,who\n" + "".join(f"{path},Ann\n" for path in sorted((home / "photos").iterdir())))
    assert index.annotate(table) == []
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


def answers(home: Path) -> list[tuple[str, float, str]]:
    hits = Index(home / "index", "cpu").search(ASK, top=100).hits
    return sorted((hit.path.name, round(hit.score, 5), str(hit.meta)) for hit in hits)


def rebuilt(home: Path) -> Index:
    Index.create(home / "index", None, "cpu").build(sorted((home / "photos").iterdir()), progress=QUIET)
    return Index(home / "index", "cpu")


def sql(home: Path, *statements: str) -> None:
    with sqlite3.connect(home / "index" / FILE) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    "change",
    [
        "hash = zeroblob(16)",
        "hash = 'text'",
        "width = width + 1",
        "first = first + 40",
        "first = -40",
        "rows = 0",
        "rows = 'many'",
        "rows = rows - 1",
        "segment = 7",
        "segment = 9e18",
        "hubness = 9e999",
        "hubness = 'x'",
        "length = length / 2",
        "taken = x'ff'",
        "mtime_ns = mtime_ns + 1",
        "path = 'photos/nobody.jpg'",
        "path = CAST(x'ff00' AS TEXT)",
        "path = x'00'",
    ],
)
def test_a_row_that_is_not_as_it_was_meant_is_found_and_repaired(home: Path, change: str) -> None:
    before = answers(home)
    sql(home, f"UPDATE pictures SET {change} WHERE number = 3")
    index = Index(home / "index", "cpu")
    try:
        assert len(index.verify()) == 1
    except InputError as error:
        assert "the name of picture 3 is damaged" in str(error) and "path" in change
    assert rebuilt(home).verify() == []
    lost = "path" in change  # then the metadata are not known to be this picture's
    assert [one[:2] for one in answers(home)] == [one[:2] for one in before]
    assert sum(one[2] != "{}" for one in answers(home)) == (7 if lost else 8)


def test_metadata_that_are_damaged_are_found_and_left_out(home: Path) -> None:
    for text in ('{"who": "Bob"}', "{", "[1]"):
        sql(home, f"UPDATE pictures SET meta = '{text}' WHERE number = 2")
        with pytest.raises(InputError, match=r"row of picture 2 is damaged; .*index build"):
            answers(home)
        index = Index(home / "index", "cpu")
        assert len(index.verify()) == 1
        rebuilt(home)
        assert index.verify() == [] and sum(one[2] == "{}" for one in answers(home)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE facts SET value = '32' WHERE name = 'size'",
        "UPDATE facts SET value = 'another' WHERE name = 'model'",
        "DELETE FROM facts WHERE name = 'size'",
        "DELETE FROM facts",
        "UPDATE facts SET value = 'x' WHERE name = 'generation'",
        "UPDATE segments SET rows = 40",
        "DELETE FROM segments",
        "UPDATE batches SET rows = rows - 40",
        "UPDATE batches SET checksum = 1",
        "DELETE FROM batches",
        "DELETE FROM pictures WHERE number = 4",
        "INSERT INTO broken VALUES ('x.jpg', 'why', 1)",
        "PRAGMA user_version = 1",
        "PRAGMA user_version = 0",
        "PRAGMA user_version = 2",
        "UPDATE origins SET camera = 'another' WHERE picture = 3",
        "DELETE FROM origins WHERE picture = 3",
        "INSERT INTO album_pictures VALUES (7, 3, 1)",
        "DROP TABLE batches",
        "DROP TABLE albums",
        "DROP INDEX pictures_in_files",
    ],
)
def test_what_the_catalogue_says_of_the_whole_is_checked_and_restored(home: Path, statement: str) -> None:
    before = answers(home)
    sql(home, statement)
    if "DROP INDEX" in statement:  # nothing is missing
        assert answers(home) == before
        return
    try:
        assert len(Index(home / "index", "cpu").verify()) > 0
    except InputError as error:
        assert "index build" in str(error)
    try:
        answers(home)
    except InputError as error:
        assert "index build" in str(error) or "not the model" in str(error)
    index = rebuilt(home)
    assert index.verify() == []
    assert [one[:2] for one in answers(home)] == [one[:2] for one in before]
    if "pictures" not in statement:
        assert answers(home) == before


def test_commits_that_were_lost_are_noticed(home: Path) -> None:
    shutil.copy(home / "index" / FILE, home / "old.sqlite")
    gone = min((home / "photos").iterdir())
    assert Index(home / "index", "cpu").remove([gone]) == 1
    before = answers(home)
    shutil.copy(home / "old.sqlite", home / "index" / FILE)
    with pytest.raises(InputError, match=r"commits . to . are lost"):
        Index(home / "index", "cpu").verify()
    assert rebuilt(home).verify() == []
    assert len(answers(home)) == len(before) + 1


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000, b"SQLite format 3\0" + bytes(5000)])
def test_a_catalogue_that_is_no_more_is_made_anew(home: Path, content: bytes) -> None:
    before = answers(home)
    (home / "index" / FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"catalog\.sqlite.*index build"):
        Index(home / "index", "cpu")
    assert rebuilt(home).verify() == []
    assert [one[:2] for one in answers(home)] == [one[:2] for one in before]
    assert (home / "index" / f"{FILE}.damaged").read_bytes() == content


def test_a_catalogue_beyond_repair_is_said_in_a_sentence(home: Path) -> None:
    (home / "index" / SEAL).unlink()
    (home / "index" / FILE).write_bytes(b"nonsense" * 1000)
    with pytest.raises(InputError, match="beyond repair: move the index away and build it again"):
        rebuilt(home)
    assert (home / "index" / FILE).read_bytes() == b"nonsense" * 1000


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 10000, b"\xff", b'{"seal": {}, "checksum": 1}'])
def test_a_damaged_seal_is_as_none(home: Path, content: bytes) -> None:
    before = answers(home)
    (home / "index" / SEAL).write_bytes(content)
    assert Index(home / "index", "cpu").verify() == [] and answers(home) == before
    sql(home, "UPDATE pictures SET width = 1 WHERE number = 1")
    assert rebuilt(home).verify() == [] and answers(home) == before
    assert Seal.read(home / "index") is not None


def as_version_1(home: Path) -> None:
    """What an older wordsight has made."""
    (home / "index" / SEAL).unlink()
    tables = (*schema.tables_of(1), "pictures")
    sql(
        home,
        *(f"DROP TABLE {table}" for table in schema.ADDED),
        *(f"ALTER TABLE {table} DROP COLUMN row_checksum" for table in tables),
        "ALTER TABLE pictures DROP COLUMN meta_checksum",
        "PRAGMA user_version = 1",
    )


def test_version_1_is_read_as_it_is_and_brought_up_to_date_by_a_writer(home: Path) -> None:
    before = answers(home)
    as_version_1(home)
    content = (home / "index" / FILE).read_bytes()
    index = Index(home / "index", "cpu")
    assert answers(home) == before and index.verify() == [] and index.info()["pictures"] == 8
    assert (home / "index" / FILE).read_bytes() == content
    rebuilt(home)
    with Catalog(home / "index") as catalog:
        assert catalog.version == len(schema.MIGRATIONS) and all(
            sound and told for _, _, sound, told in catalog.pictures()
        )
    assert answers(home) == before and index.verify() == []


def test_files_of_the_user_in_an_index_stay_as_they_are(home: Path) -> None:
    """Of an older wordsight, which wrote none of these names; also where the catalogue is made anew."""
    before, index = answers(home), home / "index"
    as_version_1(home)
    mine = ["seal.json", "broken.txt", "catalog.sqlite.damaged", "salvage/mine.txt", ".salvage/mine.txt", "notes/x.txt"]
    for name in mine:
        (index / name).parent.mkdir(exist_ok=True)
        (index / name).write_bytes(b"\xff mine")
    (home / "photos" / "broken.jpg").write_text("none")
    assert rebuilt(home).verify() == [] and answers(home) == before
    sql(home, "UPDATE pictures SET width = 1 WHERE number = 1")
    assert rebuilt(home).verify() == [] and answers(home) == before
    (index / FILE).write_bytes(b"nonsense" * 1000)
    assert rebuilt(home).verify() == [] and [one[:2] for one in answers(home)] == [one[:2] for one in before]
    assert (index / f"{FILE}.damaged-2").read_bytes() == b"nonsense" * 1000
    assert {name: (index / name).read_bytes() for name in mine} == dict.fromkeys(mine, b"\xff mine")


@pytest.mark.parametrize("kind", ["halves", "scales", "boxes", "row"])
def test_what_is_damaged_is_not_merged(home: Path, trained: Path, tmp_path: Path, kind: str) -> None:
    if kind == "row":
        sql(home, "UPDATE pictures SET hubness = 1.5 WHERE number = 3")
    else:
        path = home / "index" / "vectors" / f"00001.{kind}"
        content = bytearray(path.read_bytes())
        content[3] ^= 0x10
        path.write_bytes(content)
    other = Index.create(tmp_path / "other", trained, "cpu")
    with pytest.raises(InputError, match=r"pictures are damaged, the first is .*index build.*Nothing was merged"):
        other.merge(home / "index")
    assert other.info()["pictures"] == 0
    rebuilt(home)
    assert other.merge(home / "index") == (8, 0) and other.verify() == []


@pytest.mark.parametrize("change", ["first = 9999", "rows = 'x'", "hubness = 9e999", "hash = x'00'", "meta = '{'"])
def test_version_1_has_bounds_too(home: Path, change: str) -> None:
    before = answers(home)
    as_version_1(home)
    sql(home, f"UPDATE pictures SET {change} WHERE number = 5")
    assert len(Index(home / "index", "cpu").verify()) == 1
    assert rebuilt(home).verify() == []
    assert [one[:2] for one in answers(home)] == [one[:2] for one in before]


def test_a_migration_that_is_killed_is_done_again(home: Path) -> None:
    before = answers(home)
    as_version_1(home)
    script = f"""
import os, signal
from pathlib import Path
from wordsight.search import records, schema
calls = 0
def stop(*values):
    global calls
    calls += 1
    if calls == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return records.checksum(*values)
schema.checksum = stop
from wordsight.search.catalog import Catalog
Catalog(Path({str(home / "index")!r}), write=True)"""
    assert forked([sys.executable, "-c", script]).returncode == -9
    with Catalog(home / "index") as catalog:
        assert catalog.version == 1
    assert answers(home) == before
    assert rebuilt(home).verify() == [] and answers(home) == before


def test_checksums_are_of_what_was_meant(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that goes wrong on its way to the disk is found, though nobody has touched the file since."""
    write = vectors.write_at
    monkeypatch.setattr(vectors, "write_at", lambda path, start, content: write(path, start, content[:-1] + b"\x01"))
    (home / "photos" / "new.jpg").write_bytes(min((home / "photos").iterdir()).read_bytes() + b"\0")
    index = rebuilt(home)
    assert [path.name for path in index.verify()] == ["new.jpg"]


def test_vectors_that_are_no_numbers_are_refused(home: Path) -> None:
    index = Index(home / "index", "cpu")
    values = np.full((2, index.segments.size), np.nan, np.float32)
    with pytest.raises(InputError, match="no numbers; nothing was written"):
        index.segments.append(
            {1: 320}, Halved.of(values), np.zeros((2, 4), np.float32), quantise(values, np.array([1, 1]))
        )


def test_the_checksum_of_a_row_is_the_same_for_ever() -> None:
    entry = Entry("a/ü😀.jpg", bytes(16), 1, -2, 3, 4, "t", "a", 1, 0, 5, 0.1, 2.0, 3e-9, '{"a": 1}')
    assert entry._replace(first=np.int64(0), hubness=np.float64(0.1)).typed().checksums() == entry.checksums()
    assert checksum("ü", 1, 0.1, b"\0") == zlib.crc32(b"('\\xfc', 1, 0.1, b'\\x00')")


def test_torn_pieces_are_noticed_or_change_nothing(trained: Path, world: Path) -> None:
    command = [sys.executable, str(TORN), str(trained), str(world / "images"), "-n", "18", "--most", "12"]
    done = forked(command, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    names, *_, last = (line.split() for line in done.stdout.splitlines())
    told = dict(zip(names, map(int, last[1:]), strict=True))
    assert told["noticed"] > 5 and told["noticed"] + told["harmless"] == 18
    assert [told[name] for name in ("missed", "crashed", "left")] == [0, 0, 0]

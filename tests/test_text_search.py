"""An index knows the text in its pictures: it is read once, found by its words, and mended where it is damaged."""

import importlib.util
import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner

from wordsight.cli.main import app
from wordsight.errors import InputError
from wordsight.matching.text_bounds import rows_of
from wordsight.matching.written_words import match, written_words
from wordsight.progress import Progress
from wordsight.search import texts
from wordsight.search.catalog import FILE, Catalog
from wordsight.search.index import Index
from wordsight.search.query import Written
from wordsight.search.text_search import LEAST, MOST_SCORED, Texts
from wordsight.vision import ocr
from wordsight.vision.images import open_image
from wordsight.vision.text_lines import TextLines
from wordsight.web.app import create_app

QUIET = Progress(quiet=True)
needs_rapidocr = pytest.mark.skipif(not ocr.is_installed(), reason="RapidOCR is not installed")
WORDS = {"red": "LONDON", "lime": "LONDOM 24", "blue": "NO EXIT", "white": ""}


class Stub:
    """Reads a picture's text off the colour of its corner."""

    fingerprint = "stub"

    def __init__(self) -> None:
        self.reads = 0

    def read(self, picture: bytes) -> TextLines:
        self.reads += 1
        red, green, blue = open_image(picture).getpixel((0, 0))
        name = "white" if red and blue else "red" if red else "lime" if green else "blue"
        if not WORDS[name]:
            return TextLines.none()
        corners = np.array([[[0.2, 0.4], [0.8, 0.4], [0.8, 0.6], [0.2, 0.6]]], np.float32)
        return TextLines.of_texts([WORDS[name]], corners, np.array([0.9], np.float32))


def read_by(stub: Stub, cache: Path, patch: pytest.MonkeyPatch) -> Stub:
    """Text is read by the stub, and kept in that cache."""
    patch.setattr(texts, "text_reader", lambda threads=1: stub)
    patch.setattr("wordsight.search.index.text_reader", lambda: stub)
    patch.setenv("WORDSIGHT_CACHE", str(cache))
    return stub


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stub:
    return read_by(Stub(), tmp_path / "cache", monkeypatch)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """An index with text, its pictures and its cache beside it; not to be changed."""
    home = tmp_path_factory.mktemp("template")
    (home / "photos").mkdir()
    for name in WORDS:
        Image.new("RGB", (64, 48), name).save(home / "photos" / f"{name}.png")
    with pytest.MonkeyPatch.context() as patch:
        stub = read_by(Stub(), home / "cache", patch)
        made = Index.create(home / "index")
        made.build(home / "photos", text=True, progress=QUIET)
        assert stub.reads == len(WORDS)
    return made


@pytest.fixture
def index(reader: Stub, template: Index, tmp_path: Path) -> Index:
    """A copy that a test may change."""
    shutil.copytree(template.folder.parent, tmp_path, dirs_exist_ok=True)
    copy = Index(tmp_path / "index")
    copy.paths.roots = copy.paths.roots[:1]  # pictures that are gone are not looked for where they were copied from
    copy.opened.run = template.run
    return copy


def names(found: object) -> list[str]:
    return [hit.path.stem for hit in found.hits]  # type: ignore[attr-defined]


def test_pictures_are_found_by_what_is_written_in_them(index: Index) -> None:
    found = index.search(text="london")
    assert names(found) == ["red", "lime"] and found.total == 2  # the misread one behind
    assert 1 > found.hits[0].score > found.hits[1].score > LEAST
    (phrase,) = found.hits[0].phrases
    assert (phrase.text, phrase.written) == ("london", True)
    assert phrase.box == pytest.approx((0.2, 0.4, 0.8, 0.6), abs=0.05)
    assert names(index.search(text="exit")) == names(index.search(text="no exit")) == ["blue"]
    assert set(names(index.search(text="lond*"))) == {"red", "lime"} and names(index.search(text="24")) == ["lime"]
    assert names(index.search(text=["24", "london"])) == ["lime"] and not index.search(text="zebra").hits
    assert index.search(text="london").to_json()["hits"][0]["phrases"][0]["written"]


def test_text_goes_with_sentences_pictures_and_filters(index: Index) -> None:
    both = index.search("a red picture", text="london")
    assert set(names(both)) == {"red", "lime"}
    quoted = index.search('a red picture with "london"')
    assert names(quoted) == names(both) and [word.text for word in quoted.hits[0].words][-1] == "london"
    assert quoted.hits[0].phrases[-1].written and not quoted.hits[0].phrases[0].written
    assert names(index.search('"exit"')) == ["blue"]  # nothing else is asked
    assert names(index.search([Written("london")], where='path ~ "*lime*"')) == ["lime"]
    assert names(index.search_many(["a red picture", Written("exit")])[1]) == ["blue"]
    assert names(index.search(text="london", top=1, page=2)) == ["lime"]
    assert names(index.search(text="london", min_score=0.8)) == ["red"]


def test_text_is_read_once_also_for_what_is_added_later(index: Index, reader: Stub, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "red.png").rename(photos / "moved.png")
    Image.new("RGB", (32, 32), "red").save(photos / "new.png")
    index.build(photos, progress=QUIET)  # once is enough to say it
    assert reader.reads == 1 and set(names(index.search(text="london"))) == {"moved", "new", "lime"}
    other = Index.create(tmp_path / "other")
    other.build(photos, text=True, progress=QUIET)
    assert reader.reads == 1 and set(names(other.search(text="london"))) == {"moved", "new", "lime"}  # from the cache
    index.remove([str(photos / "lime.png")])
    assert set(names(index.search(text="london"))) == {"moved", "new"}


def test_damaged_text_is_never_shown_and_read_again(index: Index, tmp_path: Path) -> None:
    with closing(sqlite3.connect(index.folder / FILE)) as db, db:
        db.execute("UPDATE texts SET lines = zeroblob(20) WHERE length(bounds) > 0")
    with pytest.raises(InputError, match="damaged; `wordsight index build` repairs"):
        index.search(text="london")
    index.build(tmp_path / "photos", progress=QUIET)
    assert names(index.search(text="london")) == ["red", "lime"]


def test_a_merge_carries_the_text(index: Index, reader: Stub, tmp_path: Path) -> None:
    other = Index.create(tmp_path / "other")
    assert other.merge(index) == (4, 0)
    assert names(other.search(text="london")) == names(index.search(text="london")) == ["red", "lime"]
    assert other.verify() == []
    Image.new("RGB", (64, 48), "red").save(tmp_path / "late.png")
    plain = Index.create(tmp_path / "plain")
    plain.build(tmp_path / "late.png", progress=QUIET)
    done = CliRunner().invoke(app, ["index", "merge", str(other.folder), str(plain.folder)])
    assert "other: 1 of its pictures have no text yet; the next `wordsight index build` makes it." in done.stderr
    reads = reader.reads
    other.build(tmp_path / "late.png", progress=QUIET)
    assert reader.reads == reads  # it has the content of one that was read
    assert set(names(other.search(text="london"))) == {"red", "lime", "late"}


def test_text_of_another_recogniser_is_not_merged(index: Index, tmp_path: Path) -> None:
    other = Index.create(tmp_path / "other")
    with other.writing() as catalog, catalog.change():
        catalog.set_fact(texts.FACT, f"another; {texts.VERSION}")
    assert other.merge(index) == (4, 0)
    assert other.search(text="london").total == 0
    other.build(tmp_path / "photos", progress=QUIET)
    assert names(other.search(text="london")) == ["red", "lime"]


def test_text_goes_with_a_picture_that_is_left_out(index: Index, tmp_path: Path) -> None:
    index.remove(tmp_path / "photos" / "red.png")
    assert names(index.search(text="london")) == ["lime"]
    (tmp_path / "photos" / "lime.png").unlink()
    index.build(tmp_path / "photos" / "blue.png", prune=True, progress=QUIET)
    assert index.search(text="london").total == 0 and index.verify() == []
    with Catalog(index.folder) as catalog:
        assert catalog.db.execute("SELECT count(*) FROM texts").fetchone() == (2,)


def test_a_quoted_word_is_a_plain_one_where_no_text_is_known(reader: Stub, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "red.png")
    made = Index.create(tmp_path / "index")
    made.build(tmp_path / "red.png", progress=QUIET)
    assert (
        names(made.search('a "red" picture')) == ["red"]
        and not made.search('a "red" picture').hits[0].phrases[-1].written
    )
    with pytest.raises(InputError, match="knows no text in its pictures; `wordsight index build --text`"):
        made.search(text="london")


def test_the_command_line_says_it_in_one_sentence(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = CliRunner()
    found = run.invoke(app, ["search", str(index.folder), "--text", "london", "--json"])
    assert [Path(hit["path"]).stem for hit in json.loads(found.stdout)["hits"]] == ["red", "lime"]
    empty = run.invoke(app, ["search", str(index.folder), "--text", ""])
    assert empty.exit_code == 2 and "at least one letter or digit" in empty.stderr
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    ocr.text_reader.cache_clear()
    none = run.invoke(app, ["index", "build", str(tmp_path / "x"), str(tmp_path / "photos"), "--text"])
    assert none.exit_code == 2 and "install RapidOCR" in none.stderr and not (tmp_path / "x").exists()


def test_the_page_finds_text_and_lights_its_box(index: Index) -> None:
    with TestClient(create_app(index, None, None), base_url="http://127.0.0.1") as client:
        assert client.get("/api/v1/info").json()["text"]
        asked = {"sentences": [{"text": 'a picture with "no exit"'}]}
        found = client.post("/api/v1/search", json=asked).json()
        assert [word["text"] for word in found["words"]] == ["a", "picture", "with", "no", "exit"]
        assert [hit["name"] for hit in found["hits"]] == ["blue.png"]
        last = found["hits"][0]["phrases"][-1]
        assert last["written"] and (last["start"], last["end"]) == (4, 5)
        found = client.post("/api/v1/search", json={"texts": ["london"]}).json()
        assert [hit["name"] for hit in found["hits"]] == ["red.png", "lime.png"]
        assert client.post("/api/v1/search", json={"texts": ["?"]}).status_code == 400


def drawn(text: str, size: int = 40, turn: int = 0) -> Image.Image:
    picture = Image.new("RGB", (420, 160), "white")
    ImageDraw.Draw(picture).text((30, 50), text, "black", font=ImageFont.load_default(size))
    return picture.rotate(turn, expand=True)


@needs_rapidocr
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_drawn_words_are_read_in_any_direction(turn: int) -> None:
    lines = ocr.text_reader().read(drawn("LONDON 24", turn=turn))
    assert " ".join(lines.texts).replace(" ", "") == "LONDON24"
    assert (lines.confidence > 0.8).all() and (lines.boxes() >= 0).all() and (lines.boxes() <= 1).all()
    start, end = lines.corners[0, 0], lines.corners[-1, 1]
    ahead = {0: end[0] - start[0], 90: start[1] - end[1], 180: start[0] - end[0], 270: end[1] - start[1]}[turn]
    assert ahead > 0.3  # the corners go with the text


def test_holes_in_the_mark_of_a_line_are_no_lines() -> None:
    sides = [(0, 0, 100, 20), (40, 8, 44, 12), (10, 2, 60, 18), (90, 15, 104, 19)]  # a line, a hole, a word, beside
    corners = np.array([[[a, b], [c, b], [c, d], [a, d]] for a, b, c, d in sides], np.float32)
    kept, scores = ocr.outer(corners, np.arange(4.0))
    assert scores.tolist() == [0, 2, 3] and np.array_equal(kept, corners[[0, 2, 3]])


@pytest.mark.slow
@needs_rapidocr
def test_a_picture_without_text_and_one_full_of_it() -> None:
    reader = ocr.text_reader()
    assert len(reader.read(Image.new("RGB", (300, 20), "grey"))) == 0
    page = Image.new("RGB", (1200, 1600), "white")
    ImageDraw.Draw(page).multiline_text((20, 20), "\n".join(["word " * 20] * 60), "black")
    assert 0 < len(reader.read(page)) <= ocr.MOST_LINES


def test_whether_the_recogniser_is_there_is_seen_without_loading_it() -> None:
    assert ocr.is_installed() == (importlib.util.find_spec("rapidocr") is not None)


def test_a_search_finds_the_same_as_scoring_every_picture(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    words = ["exit", "exits", "ex1t", "no", "note", "the", "other", "there", "london", "lond0n", "24"]
    each = []
    for _ in range(400):  # more than are scored at first
        texts_ = [" ".join(chance.choice(words, size=chance.integers(1, 4))) for _ in range(chance.integers(1, 6))]
        top, left = np.arange(len(texts_)) / 8, chance.random(len(texts_)) / 2
        corners = np.stack([left, top, left + 0.4, top, left + 0.4, top + 0.1, left, top + 0.1], axis=1)
        sure = chance.choice([1.0, 0.8, 0.6], size=len(texts_))  # so that many are as good as each other
        each.append(TextLines.of_texts(texts_, corners.reshape(-1, 4, 2).astype(np.float32), sure.astype(np.float32)))
    with Catalog(tmp_path, write=True) as catalog:
        with catalog.change():
            kept = [rows_of(lines).tobytes() for lines in each]
            rows = zip(range(1, 401), [bytes(16)] * 400, kept, (lines.to_bytes() for lines in each), strict=True)
            catalog.put_rows("texts", rows)
        columns = np.ascontiguousarray(np.concatenate([rows_of(lines) for lines in each]).T)
        first, numbers = np.cumsum([0, *map(len, each)]), np.arange(1, 401)
        odd = numbers % 2 == 1
        for text in ("exit", "the", "lond*", "no exit", "no no", "the london 24"):
            wanted = written_words(text)
            costs = [found.cost for lines in each if (found := match(lines, wanted))]
            limit = -np.log(LEAST) * sum(len(word.symbols) for word in wanted)
            for allowed in (None, odd):
                every = [(cost, number) for cost, number in zip(costs, numbers.tolist(), strict=True) if cost <= limit]
                every = sorted(one for one in every if allowed is None or allowed[one[1] - 1])
                for count in (1, 24, 130, MOST_SCORED):
                    search = Texts(numbers, first, columns).search(catalog, wanted, count, allowed)
                    found = [(one.cost, one.number) for one in search[:count]]
                    assert [number for _, number in found] == [number for _, number in every[:count]]
                    assert np.allclose([cost for cost, _ in found], [cost for cost, _ in every[:count]])

"""Photos without a query: by date, folder, camera and shape; where each date is from; what older indexes know."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search.catalog import Catalog
from wordsight.search.folders import Folders
from wordsight.search.index import Index
from wordsight.search.origins import camera_name, date_in_name
from wordsight.search.schema import MIGRATIONS
from wordsight.web import photos
from wordsight.web.app import create_app
from wordsight.web.filter_fields import ChosenQuery
from wordsight.web.photos import Library

API = "/api/v1"
QUIET = Progress(quiet=True)
FORMAT1 = Path(__file__).with_name("format1")
SHAPES = {  # name, width, height, EXIF date, make, model
    "trip/a.jpg": (60, 40, "2024:05:17 10:10:10", "NIKON CORPORATION", "NIKON D90"),
    "trip/b.jpg": (40, 60, "2024:05:17 09:00:00", "Apple", "iPhone 12"),
    "trip/lake/IMG_20230102_030405.jpg": (50, 50, "", "Apple", "iPhone 12"),
    "old.png": (64, 32, "", "", ""),
}


def save(path: Path, width: int, height: int, taken: str, make: str, model: str) -> None:
    """A picture with EXIF data, of a colour of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    for tag, text in ((0x010F, make), (0x0110, model), (0x0132, taken)):
        if text:
            exif[tag] = text
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    Image.new("RGB", (width, height), (width, height, len(path.name))).save(path, exif=exif)


@pytest.fixture(scope="module")
def home(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four pictures with an index of them."""
    home = tmp_path_factory.mktemp("photos")
    for name, told in SHAPES.items():
        save(home / "pictures" / name, *told)
    os.utime(home / "pictures" / "old.png", (1_000_000_000, 1_000_000_000))
    index = Index.create(home / "index", trained, "cpu")
    index.build(home / "pictures", progress=QUIET)
    (home / "meta.csv").write_text("path,place,stars\ntrip/a.jpg,lake,5\ntrip/b.jpg,town,3\nold.png,lake,1\n")
    shutil.move(home / "meta.csv", home / "pictures" / "meta.csv")
    assert index.annotate(home / "pictures" / "meta.csv") == []
    return home


@pytest.fixture(scope="module")
def index(home: Path) -> Index:
    return Index(home / "index", "cpu")


@pytest.fixture(scope="module")
def web(index: Index) -> Iterator[TestClient]:
    with TestClient(create_app(index), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


def names(index: Index, numbers: list[int]) -> list[str]:
    with Catalog(index.folder) as catalog:
        return [entry.path.removeprefix("pictures/") for entry in catalog.numbered(numbers)]


def number(index: Index, name: str) -> int:
    with Catalog(index.folder) as catalog:
        return next(number for number, entry, *_ in catalog.pictures() if entry.path.endswith(name))


# Where a date and a camera are from


@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("IMG_20240517_101010.jpg", "2024-05-17 10:10:10"),
        ("PXL_20240517_101010123.jpg", "2024-05-17 10:10:10"),
        ("20240517_101010.heic", "2024-05-17 10:10:10"),
        ("2024-05-17 10.11.12.jpg", "2024-05-17 10:11:12"),
        ("Screenshot 2024-05-17 at 10.11.12.png", "2024-05-17 10:11:12"),
        ("IMG-20240517-WA0001.jpg", "2024-05-17 00:00:00"),
        ("signal-2024-05-17-101112.jpg", "2024-05-17 10:11:12"),
        ("VID_20240517_996010.jpg", "2024-05-17 00:00:00"),
        ("IMG_20241399_101010.jpg", ""),
        ("DSC_0001.jpg", ""),
        ("120240517001.jpg", ""),
        ("2024.jpg", ""),
    ],
)
def test_dates_in_names(name: str, when: str) -> None:
    found = date_in_name(name)
    assert (found.isoformat(sep=" ") if found else "") == when


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("NIKON CORPORATION", "NIKON D90", "Nikon D90"),
        ("Canon", "Canon EOS 80D", "Canon EOS 80D"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("OLYMPUS IMAGING CORP.", "E-M10", "Olympus E-M10"),
        ("SONY", "ILCE-6000", "Sony ILCE-6000"),
        ("", "X100", "X100"),
        ("\x00\x07", "", ""),
    ],
)
def test_cameras_have_one_name(make: str, model: str, camera: str) -> None:
    assert camera_name(make, model) == camera


def test_a_date_is_said_with_where_it_is_from(web: TestClient, index: Index) -> None:
    told = {name: web.get(f"{API}/pictures/{number(index, name)}/info").json() for name in SHAPES}
    assert {name: one["taken_from"] for name, one in told.items()} == dict(
        zip(SHAPES, ("exif", "exif", "name", "file"), strict=True)
    )
    lake = told["trip/lake/IMG_20230102_030405.jpg"]
    assert (lake["taken"], lake["camera"], lake["folder"]) == (
        "2023-01-02 03:04:05",
        "Apple iPhone 12",
        "pictures/trip/lake",
    )
    assert told["old.png"]["taken"] == datetime.fromtimestamp(1_000_000_000).isoformat(sep=" ")
    assert (told["old.png"]["width"], told["old.png"]["height"], told["old.png"]["meta"]) == (
        64,
        32,
        {"place": "lake", "stars": 1},
    )
    assert web.get(f"{API}/pictures/999/info").status_code == 404


def test_an_index_of_the_first_format_learns_it_without_encoding_again(tmp_path: Path) -> None:
    shutil.copytree(FORMAT1, tmp_path / "home")
    index = Index(tmp_path / "home" / "index", "cpu")
    hit = index.search("a red circle").hits[0]
    assert (hit.taken_from, hit.camera) == ("file", "")
    assert index.search("a red circle", camera="Nikon D90").hits == ()
    save(tmp_path / "extra" / "IMG_20200102_030405.jpg", 40, 40, "", "Apple", "iPhone 12")
    before = [hit.score for hit in index.search("a red circle").hits]
    built = index.build([tmp_path / "home" / "pictures", tmp_path / "extra"], progress=QUIET)
    assert built.refreshed == [] and len(built.added) == 1
    with Catalog(index.folder) as catalog:
        assert catalog.version == len(MIGRATIONS) and len(list(catalog.rows("origins"))) == 4
    (found,) = index.search("a red circle", camera="Apple iPhone 12").hits
    assert (found.taken_from, found.taken) == ("name", "2020-01-02 03:04:05")
    after = [hit.score for hit in index.search("a red circle").hits if hit.number != found.number]
    assert after == pytest.approx(before, abs=1e-3)


def test_a_picture_whose_content_changed_has_its_new_camera(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "home")
    index = Index(tmp_path / "home" / "index", "cpu")
    save(tmp_path / "home" / "pictures" / "trip" / "a.jpg", 80, 40, "2021:01:01 00:00:00", "Canon", "EOS")
    index.build(tmp_path / "home" / "pictures", progress=QUIET)
    (hit,) = index.search("a red circle", camera="Canon EOS").hits
    assert (hit.path.name, hit.taken, hit.taken_from) == ("a.jpg", "2021-01-01 00:00:00", "exif")
    assert index.search("a red circle", camera="Nikon D90").hits == ()


# Lists and filters


def test_all_photos_come_newest_first_with_their_days(web: TestClient, index: Index) -> None:
    answer = web.get(f"{API}/photos")
    told = answer.json()
    assert names(index, told["numbers"]) == list(SHAPES)
    assert (told["total"], told["ratios"]) == (4, [150, 67, 100, 200])
    assert told["days"][:2] == [["2024-05-17", 2], ["2023-01-02", 1]]
    again = web.get(f"{API}/photos", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = web.get(f"{API}/photos?size=small", headers={"If-None-Match": answer.headers["etag"]})
    assert other.status_code == 200 and other.json() == told
    assert web.head(f"{API}/photos").status_code == 200 and web.head(f"{API}/photos").content == b""


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"since": "2024-05-17"}, ["a", "b"]),
    ({"until": "2024-05-16"}, ["IMG_20230102_030405", "old"]),
    ({"since": "2023-01-02", "until": "2023-01-02"}, ["IMG_20230102_030405"]),
    ({"camera": ["Nikon D90"]}, ["a"]),
    ({"camera": ["Nikon D90", "Apple iPhone 12"]}, ["a", "b", "IMG_20230102_030405"]),
    ({"orientation": "portrait"}, ["b"]),
    ({"orientation": "square"}, ["IMG_20230102_030405"]),
    ({"orientation": "landscape", "columns": {"place": "lake"}}, ["a", "old"]),
    ({"columns": {"stars": 5}}, ["a"]),
    ({"columns": {"stars": 5, "place": "town"}}, []),
    ({"size": "large"}, []),
    ({"under": "pictures/trip"}, ["a", "b", "IMG_20230102_030405"]),
    ({"where": 'camera ~ "Apple*" and orientation = square'}, ["IMG_20230102_030405"]),
    ({"where": "stars >= 3", "until": "2024-05-17"}, ["a", "b"]),
]


@pytest.mark.parametrize(("chosen", "found"), FILTERS, ids=lambda one: str(one))
def test_filters_are_the_same_everywhere(
    web: TestClient, index: Index, home: Path, chosen: dict[str, Any], found: list[str]
) -> None:
    query = {name: value for name, value in chosen.items() if name != "columns"}
    query["column"] = [f"{name}:{value}" for name, value in chosen.get("columns", {}).items()]
    listed = web.get(f"{API}/photos", params=query).json()
    assert [Path(name).stem for name in names(index, listed["numbers"])] == found
    posted = web.post(f"{API}/search", json={"sentences": [{"text": "a red circle"}]} | chosen).json()
    assert {hit["number"] for hit in posted["hits"]} == set(listed["numbers"])
    under = {"under": str(home / chosen["under"])} if "under" in chosen else {}
    assert {hit.number for hit in index.search("a red circle", **chosen | under).hits} == set(listed["numbers"])
    with (home / "pictures" / "old.png").open("rb") as file:
        sent = {"data": chosen | ({"columns": str(chosen["columns"]).replace("'", '"')} if "columns" in chosen else {})}
        uploaded = web.post(f"{API}/search/upload", files={"picture": file}, **sent).json()
    assert {hit["number"] for hit in uploaded["hits"]} == set(listed["numbers"])


@pytest.mark.parametrize(
    "wrong",
    ["since=2024-5-17", "until=yesterday", "orientation=round", "size=huge", "album=77", "column=place", "nothing=1"],
)
def test_a_wrong_filter_is_said_in_a_sentence(web: TestClient, wrong: str) -> None:
    answer = web.get(f"{API}/photos?{wrong}")
    assert answer.status_code in (400, 422) and list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"since": "2024-13-01"}, "since '2024-13-01': expected a day such as 2024-05-17"),
        ({"orientation": "round"}, "orientation 'round': expected one of landscape, portrait, square"),
        ({"album": "best"}, "'best': no album of this index; there is none yet"),
        ({"columns": {"plac": "x"}}, "'plac' is no name that a filter knows; did you mean 'place'"),
    ],
)
def test_a_wrong_keyword_is_said_in_a_sentence(index: Index, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        index.search("a red circle", **wrong)


def test_facets_count_what_pictures_can_be_chosen_by(web: TestClient) -> None:
    told = web.get(f"{API}/facets").json()
    assert told["last"] == "2024-05-17" and told["first"] == "2001-09-09"
    assert told["cameras"] == [{"name": "Apple iPhone 12", "count": 2}, {"name": "Nikon D90", "count": 1}]
    assert told["orientations"] == {"landscape": 2, "portrait": 1, "square": 1} and told["sizes"] == {"small": 4}
    lake = {"name": "lake", "path": "pictures/trip/lake", "count": 1, "folders": []}
    trip = {"name": "trip", "path": "pictures/trip", "count": 3, "folders": [lake]}
    assert told["folders"] == [{"name": "pictures", "path": "pictures", "count": 4, "folders": [trip]}]
    place, stars = told["columns"]
    assert place["kind"] == "text" and place["values"][0] == {"value": "lake", "count": 2}
    assert (stars["kind"], stars["least"], stars["most"]) == ("number", 1, 5)


def test_folders_elsewhere_are_named_without_where_they_are() -> None:
    keys = ["a.jpg", "photos/b.jpg", "/data/photos/2024/c.jpg", "/data/photos/2023/d.jpg", "/mnt/stick/e.jpg"]
    folders = Folders(Counter(os.path.dirname(key) for key in keys), "/home/me")
    assert [(one.path, one.count) for one in folders.tree()] == [("photos", 1), ("photos (2)", 2), ("stick", 1)]
    assert [folders.of(key) for key in keys] == ["", "photos", "photos (2)/2024", "photos (2)/2023", "stick"]
    assert folders.path("photos (2)/2024") == "/data/photos/2024" and folders.path("photos") == "/home/me/photos"


# Thumbnails


def test_paths_of_many_pictures_come_in_their_order(web: TestClient, index: Index) -> None:
    numbers = list(reversed(web.get(f"{API}/photos").json()["numbers"]))
    told = web.post(f"{API}/paths", json={"numbers": [*numbers, 99]}).json()["paths"]
    assert [path.removeprefix("pictures/") for path in told] == names(index, numbers)
    assert told[0] == web.get(f"{API}/pictures/{numbers[0]}/info").json()["path"]
    assert web.post(f"{API}/paths", json={"numbers": []}).json() == {"paths": []}
    for wrong in ([0], list(range(1, 10_002)), ["a"]):
        assert web.post(f"{API}/paths", json={"numbers": wrong}).status_code == 422


def test_what_the_page_asks_first_is_made_ahead_and_once(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(index, show_paths=False)
    made: list[str] = []
    for name in ("timeline", "facets", "counted"):
        work = getattr(photos, name)
        monkeypatch.setattr(photos, name, lambda *given, name=name, work=work: (made.append(name), work(*given))[1])
    library.warm()
    library.photos(ChosenQuery())
    library.facets()
    library.suggest("a")
    assert made == ["timeline", "facets", "counted"]


def test_a_thumbnail_is_made_once_and_kept_with_the_index(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "home")
    index = Index(tmp_path / "home" / "index", "cpu")
    first = shown(index, 1)
    kept = list((index.folder / "thumbs").glob("??/*.thumb"))
    assert len(kept) == 1 and kept[0].read_bytes() == first.content and first.headers["etag"]
    kept[0].write_bytes(first.content + b"\xff\xd9")
    assert shown(index, 1).content == kept[0].read_bytes(), "it is not made again"
    for damaged in (b"", first.content[:50], b"text"):
        kept[0].write_bytes(damaged)
        assert shown(index, 1).content == first.content == kept[0].read_bytes()
    before = index.info()["pictures"]
    index.build(tmp_path / "home", prune=True, progress=QUIET)
    assert kept[0].exists() and index.info()["pictures"] == before, "thumbnails are no pictures to be indexed"
    with Catalog(index.folder) as catalog:
        index.remove(tmp_path / "home" / catalog.numbered([1])[0].path)
    index.build(tmp_path / "home" / "pictures" / "trip" / "lake", prune=True, progress=QUIET)
    assert not kept[0].exists() and index.verify() == []


def test_an_index_that_cannot_be_written_shows_thumbnails_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "mkdir", refused)
    index = Index(home / "index", "cpu")
    assert shown(index, 2).status_code == 200 and not (index.folder / "thumbs").exists()


def shown(index: Index, number: int) -> Any:
    web = TestClient(create_app(index), base_url="http://localhost", raise_server_exceptions=False)
    return web.get(f"{API}/pictures/{number}/thumb")

"""Datasets as people have them: their folders, names, tables and archives are all read, and content decides."""

import io
import json
import os
import shutil
import tarfile
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from wordsight.data.convert import write_karpathy
from wordsight.data.find import PICTURE_SUFFIXES
from wordsight.data.load import load_dataset
from wordsight.data.records import Dataset, split_of_file, split_of_folder
from wordsight.data.webdataset import first_file
from wordsight.errors import InputError
from wordsight.evaluation.caption_file import measure_caption_file


def paint(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(len(path.name)))


def picture(shade: int = 0) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 30, shade)).save(held, "PNG")
    return held.getvalue()


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def said(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """What is said of each picture, all of which are there."""
    assert all(one.path.is_file() for one in dataset.pictures), [one.path for one in dataset.pictures]
    return {one.name: one.sentences for one in dataset.pictures}


def table(root: Path, text: str, name: str = "captions.csv") -> dict[str, tuple[str, ...]]:
    paint(*(root / f"{number}.jpg" for number in range(3)))
    write(root / name, text)
    return said(load_dataset(root))


# JSON whose name promises a dataset


def imagefolder(root: Path) -> None:
    paint(root / "a.jpg")
    write(root / "metadata.jsonl", {"file_name": "a.jpg", "text": "a dog"})


def coco(root: Path, split: str = "val2014") -> None:
    paint(root / split / "a.jpg")
    annotations = [{"image_id": 1, "id": 1, "caption": "a dog"}]
    write(root / f"captions_{split}.json", {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": annotations})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset_infos.json", {"default": {"features": {}}}),
        ("dataset_info.json", {"splits": {}}),
        ("dataset.json", {"general": {}, "datasets": []}),
        ("dataset_coco.json", {"images": [], "dataset": "coco"}),
        ("captions.json", [{"image_id": "a", "caption": "a dog"}]),
        ("captions_val2014_results.json", [{"image_id": 1, "caption": "a dog"}]),
        ("captions_detections.json", {"images": [{"id": 1}], "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}]}),
        ("dataset_broken.json", '{"images": [\n'),
        ("DATASET.JSON", 7),
        ("captions.json", ""),
    ],
)
@pytest.mark.parametrize("make", [imagefolder, coco])
def test_json_of_another_form_is_passed_over_and_named(
    tmp_path: Path, make: Callable[[Path], None], name: str, content: object
) -> None:
    make(tmp_path)
    write(tmp_path / name, content)
    dataset = load_dataset(tmp_path)
    assert said(dataset) == {"a.jpg": ("a dog",)}
    (fault,) = dataset.faults
    assert fault.startswith(f"{tmp_path / name} was passed over: ")


def test_settings_beside_a_dataset_are_no_matter(tmp_path: Path) -> None:
    imagefolder(tmp_path)
    write(tmp_path / "settings.json", [1, 2])
    assert load_dataset(tmp_path, strict=True).faults == ()


def test_a_list_of_pictures_in_json_is_a_table(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg", tmp_path / "b.jpg")
    turns = [{"from": "human", "value": "?"}, {"from": "gpt", "value": "a cat"}]
    rows = [{"image": "a.jpg", "caption": "a dog"}, {"image": "b.jpg", "conversations": turns}]
    write(tmp_path / "data.json", rows)
    assert said(load_dataset(tmp_path)) == {"a.jpg": ("a dog",), "b.jpg": ("a cat",)}
    assert load_dataset(tmp_path / "data.json").pictures == load_dataset(tmp_path).pictures


def test_boxes_beside_captions_of_coco(tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        paint(tmp_path / split / "0.jpg")
        images = [{"id": 0, "file_name": "0.jpg"}]
        annotations = [{"image_id": 0, "caption": split, "bbox": [0, 0, 1, 1]}]
        write(tmp_path / f"annotations/captions_{split}.json", {"images": images, "annotations": annotations})
        del annotations[0]["caption"]
        write(tmp_path / f"annotations/instances_{split}.json", {"images": images, "annotations": annotations})
    dataset = load_dataset(tmp_path, strict=True)
    assert said(dataset) == {"train2017/0.jpg": ("train2017",), "val2017/0.jpg": ("val2017",)}
    assert [one.path.parent.name for one in dataset.pictures] == ["train2017", "val2017"]
    assert dataset.splits == {"train": 1, "val": 1}


# Tables


@pytest.mark.parametrize(
    "text",
    [
        "image;caption\n0.jpg;a dog, fast\n1.jpg;a cat\n",
        "image\tcaption\n0.jpg\ta dog, fast\n1.jpg\ta cat\n",
        "image|caption\n0.jpg|a dog, fast\n1.jpg|a cat\n",
        '\ufeffImage,Caption\r\n0.jpg,"a dog, fast"\r\n1.jpg,a cat\r\n',
        'IMAGE,CAPTION\r0.jpg,"a dog, fast"\r1.jpg,a cat\r',
        ',image,caption\n0,0.jpg,"a dog, fast"\n1,1.jpg,a cat\n',
        'image,caption,\n0.jpg,"a dog, fast",\n1.jpg,a cat,\n',
        'sep=,\nimage,caption\n0.jpg,"a dog, fast"\n1.jpg,a cat\n',
        '\n\nimage,caption\n0.jpg,"a dog, fast"\n\n1.jpg,a cat\n',
        '0.jpg,"a dog, fast"\n1.jpg,a cat\n2.jpg,\n',
        "0.jpg\t0\ta dog, fast\n1.jpg\t0\ta cat\n2.jpg\t0\t\n",
        '# made by hand\n\nimage, caption\n0.jpg, "a dog, fast"\n1.jpg, a cat\n,\n',
        'id,img_path,description\n5,0.jpg,"a dog, fast"\n6,1.jpg,a cat\n',
    ],
)
def test_csv_as_people_have_it(tmp_path: Path, text: str) -> None:
    found = table(tmp_path, text)
    assert found["0.jpg"] == ("a dog, fast",) and found["1.jpg"] == ("a cat",)
    assert load_dataset(tmp_path, strict=True).faults == ()


@pytest.mark.parametrize("name", ["captions.CSV", "captions.TSV", "captions.JSONL", "captions.TXT"])
def test_endings_in_capitals(tmp_path: Path, name: str) -> None:
    text = '{"image": "0.jpg", "caption": "a dog"}' if name.endswith("L") else "image\tcaption\n0.jpg\ta dog\n"
    assert table(tmp_path, text, name) == {"0.jpg": ("a dog",)}


@pytest.mark.parametrize("ending", sorted(PICTURE_SUFFIXES))
def test_every_ending_of_pictures(tmp_path: Path, ending: str) -> None:
    paint(tmp_path / f"a{ending}", tmp_path / f"b{ending.upper()}")
    write(tmp_path / "a.txt", "a dog")
    write(tmp_path / "b.TXT", "a cat")
    assert said(load_dataset(tmp_path)) == {f"a{ending}": ("a dog",), f"b{ending.upper()}": ("a cat",)}


@pytest.mark.parametrize(
    "row",
    [
        {"caption": ["a dog", "the dog"]},
        {"captions": [{"raw": "a dog"}, {"tokens": ["the", "dog"]}]},
        {"caption": "a dog", "caption_0": "the dog", "caption_1": "a dog"},
        {"caption_0": "a dog", "caption_1": "the dog", "caption_2": None},
        {"raw": '["a dog", "the dog"]'},
        {"sentences": "['a dog', 'the dog']"},
        {"Caption 1": "a dog", "Caption 2": "the dog"},
    ],
)
def test_several_captions_in_a_row(tmp_path: Path, row: dict[str, Any]) -> None:
    paint(tmp_path / "a.jpg")
    write(tmp_path / "metadata.jsonl", {"file_name": "a.jpg", **row})
    assert said(load_dataset(tmp_path, strict=True)) == {"a.jpg": ("a dog", "the dog")}


def test_folder_and_file_name_in_two_columns(tmp_path: Path) -> None:
    paint(tmp_path / "train2014/a.jpg")
    row = {"filepath": "train2014", "filename": "a.jpg", "split": "restval", "sentences": ["a dog"]}
    write(tmp_path / "x.jsonl", row)
    dataset = load_dataset(tmp_path)
    assert said(dataset) == {"train2014/a.jpg": ("a dog",)} and dataset.splits == {"train": 1}


@pytest.mark.parametrize("stem", ["metadata", "metadata1000", "captions"])
def test_the_same_table_twice_is_read_once(tmp_path: Path, stem: str) -> None:
    paint(tmp_path / "a.jpg")
    write(tmp_path / f"{stem}.jsonl", {"file_name": "a.jpg", "text": "a dog"})
    write(tmp_path / f"{stem}.csv", "file_name,text\na.jpg,a dog\n")
    dataset = load_dataset(tmp_path)
    assert said(dataset) == {"a.jpg": ("a dog",)}
    assert dataset.faults == (f"{tmp_path / stem}.csv was passed over: {stem}.jsonl stands for the same.",)


def test_tables_two_folders_down(tmp_path: Path) -> None:
    for split in ("train", "test"):
        paint(tmp_path / f"data/{split}/a.jpg")
        write(tmp_path / f"data/{split}/metadata.jsonl", {"file_name": "a.jpg", "text": split})
    dataset = load_dataset(tmp_path)
    assert said(dataset) == {"data/train/a.jpg": ("train",), "data/test/a.jpg": ("test",)}
    assert dataset.splits == {"train": 1, "test": 1}


def test_a_table_in_a_folder_beside_the_pictures(tmp_path: Path) -> None:
    paint(tmp_path / "images/a.jpg")
    write(tmp_path / "annotations/val.csv", "image,caption\na.jpg,a dog\n")
    dataset = load_dataset(tmp_path)
    assert said(dataset) == {"a.jpg": ("a dog",)} and dataset.splits == {"val": 1}


# Names that are spelled otherwise


@pytest.mark.parametrize(
    ("named", "real"),
    [
        ("0", "0.jpg"),
        ("DOG.JPG", "dog.jpg"),
        (r"images\dog.jpg", "images/dog.jpg"),
        (r"C:\Users\me\images\dog.jpg", "images/dog.jpg"),
        ("/home/me/images/dog.jpg", "images/dog.jpg"),
        (unicodedata.normalize("NFD", "köter.jpg"), unicodedata.normalize("NFC", "köter.jpg")),
        (unicodedata.normalize("NFC", "köter.jpg"), unicodedata.normalize("NFD", "köter.jpg")),
    ],
)
def test_pictures_are_found_under_other_spellings_and_named(tmp_path: Path, named: str, real: str) -> None:
    paint(tmp_path / real)
    write(tmp_path / "metadata.jsonl", {"file_name": named, "text": "a dog"})
    dataset = load_dataset(tmp_path)
    assert [one.path for one in dataset.pictures] == [tmp_path / real]
    (fault,) = dataset.faults
    assert fault.startswith("Pictures whose names are spelled otherwise: 1 (")


def test_a_spelling_that_fits_two_files_fits_none(tmp_path: Path) -> None:
    paint(tmp_path / "x/a.jpg", tmp_path / "y/A.jpg", tmp_path / "b.jpg")
    rows = [{"file_name": name, "text": name} for name in ("a.JPG", "b.jpg")]
    write(tmp_path / "metadata.jsonl", "\n".join(map(json.dumps, rows)))
    assert [one.path.is_file() for one in load_dataset(tmp_path).pictures] == [False, True]


# Splits


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *[("train", "train"), ("Train2017", "train"), ("val2014", "val"), ("valid", "val"), ("dev", "val")],
        *[("validation", "val"), ("test", "test"), ("test_images", "test"), ("images_train", "train")],
        *[("Val Thorens 2023", ""), ("test drive", ""), ("trains", ""), ("dev board", ""), ("testament", ""), ("", "")],
    ],
)
def test_folders_that_are_splits(name: str, split: str) -> None:
    assert split_of_folder(name) == split


@pytest.mark.parametrize(
    ("stem", "split"),
    [
        *[("captions_val2014", "val"), ("train-00000-of-00001", "train"), ("test", "test"), ("dataset_dev", "val")],
        *[("val_captions", "val"), ("flickr30k-test", "test"), ("test drive", ""), ("test_drive", "")],
        *[("val thorens", ""), ("captions", ""), ("", ""), ("metadata", "")],
    ],
)
def test_files_that_are_splits(stem: str, split: str) -> None:
    assert split_of_file(stem, "") == split


# Captions beside pictures


@pytest.mark.parametrize("name", ["a.txt", "a.jpg.txt", "a.caption", "a.jpg.caption", "a.TXT", "a.json", "a.Caption"])
def test_captions_beside_a_picture(tmp_path: Path, name: str) -> None:
    paint(tmp_path / "a.jpg", tmp_path / "b.jpg")
    write(tmp_path / name, {"caption": "a dog", "width": 8} if name.endswith("json") else "a dog\r\n")
    assert said(load_dataset(tmp_path)) == {"a.jpg": ("a dog",), "b.jpg": ()}


def test_json_without_captions_beside_pictures_is_no_dataset(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    write(tmp_path / "a.json", {"shapes": []})
    with pytest.raises(InputError, match=r"a\.json|no dataset"):
        load_dataset(tmp_path)


def test_captions_whose_names_are_spelled_otherwise(tmp_path: Path) -> None:
    paint(tmp_path / "IMG_1.JPG", tmp_path / unicodedata.normalize("NFC", "é.jpg"), tmp_path / "b.jpg")
    write(tmp_path / "img_1.txt", "a dog")
    write(tmp_path / unicodedata.normalize("NFD", "é.txt"), "a cat")
    write(tmp_path / "b.txt", "a cow")
    dataset = load_dataset(tmp_path)
    assert sorted(said(dataset).values()) == [("a cat",), ("a cow",), ("a dog",)]
    assert dataset.faults[0].startswith("Pictures whose names are spelled otherwise: 2 ('img_1.txt' is of IMG_1.JPG")


def test_json_that_is_broken_beside_one_picture(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg", tmp_path / "b.jpg")
    write(tmp_path / "a.json", "{")
    write(tmp_path / "b.json", {"caption": "a dog"})
    dataset = load_dataset(tmp_path)
    assert said(dataset) == {"a.jpg": (), "b.jpg": ("a dog",)} and "a.json, line 1" in dataset.faults[0]


def test_karpathy_json_in_a_folder_of_annotations(tmp_path: Path) -> None:
    paint(tmp_path / "train2014/0.jpg", tmp_path / "val2014/0.jpg")
    images = [{"filename": "0.jpg", "split": split, "sentences": [split]} for split in ("train", "val")]
    write(tmp_path / "annotations/dataset_coco.json", {"images": images})
    assert said(load_dataset(tmp_path)) == {"train2014/0.jpg": ("train",), "val2014/0.jpg": ("val",)}


def test_two_pictures_of_one_name_have_captions_once(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg", tmp_path / "a.png", tmp_path / "b.jpg")
    write(tmp_path / "a.txt", "a dog")
    dataset = load_dataset(tmp_path)
    assert said(dataset) == {"a.jpg": ("a dog",), "b.jpg": ()}
    assert dataset.faults == (f"{tmp_path}/a.txt has captions of a.jpg and of a.png: a.png was left out.",)


def test_many_texts_without_pictures_take_no_time(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    write(tmp_path / "a.txt", "a dog")
    for number in range(3000):
        (tmp_path / f"{number}.txt").touch()
        (tmp_path / f"x{number}.jpg").touch()
    began = time.process_time()
    assert len(load_dataset(tmp_path).pictures) == 6001
    assert time.process_time() - began < 3


def test_folders_reached_twice_are_read_once(tmp_path: Path) -> None:
    paint(tmp_path / "data/z/a.jpg", tmp_path / "outside/b.jpg")
    write(tmp_path / "data/z/a.txt", "a dog")
    write(tmp_path / "outside/b.txt", "a cat")
    os.symlink(tmp_path / "data/z", tmp_path / "data/a")
    os.symlink(tmp_path / "data", tmp_path / "data/z/up")
    os.symlink(tmp_path / "outside", tmp_path / "data/link")
    os.symlink("self", tmp_path / "data/self")
    assert said(load_dataset(tmp_path / "data")) == {"z/a.jpg": ("a dog",), "link/b.jpg": ("a cat",)}


def test_img2dataset(tmp_path: Path) -> None:
    for number, text in enumerate(("a dog", "a cat")):
        paint(tmp_path / f"00000/{number:09}.jpg")
        write(tmp_path / f"00000/{number:09}.txt", text)
        write(tmp_path / f"00000/{number:09}.json", {"caption": text, "key": f"{number:09}"})
    rows = pyarrow.table({"url": ["u", "u"], "caption": ["a dog", "a cat"], "key": ["000000000", "000000001"]})
    pyarrow.parquet.write_table(rows, tmp_path / "00000.parquet")
    write(tmp_path / "00000_stats.json", {"count": 2})
    assert said(load_dataset(tmp_path)) == {"00000/000000000.jpg": ("a dog",), "00000/000000001.jpg": ("a cat",)}


# Pictures inside other files


def parquet(path: Path, **columns: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


@pytest.mark.parametrize("place", ["", "data/"])
def test_parquet_with_pictures_inside(tmp_path: Path, place: str) -> None:
    for split, shade in (("train", 1), ("validation", 2)):
        inside = [{"bytes": picture(shade), "path": "0.png"}, {"bytes": picture(shade + 10), "path": None}]
        name = tmp_path / f"{place}{split}-00000-of-00001.parquet"
        parquet(name, image=inside, caption=[["a dog"], [split, "x"]])
    dataset = load_dataset(tmp_path, strict=True)
    found = said(dataset)
    assert found["train-00000-of-00001/0.png"] == ("a dog",) and len(found) == 4
    assert dataset.splits == {"train": 2, "val": 2}
    assert load_dataset(tmp_path).pictures == dataset.pictures


def test_parquet_with_plain_bytes_and_a_key(tmp_path: Path) -> None:
    same = picture(1)
    columns = {"jpg": [same, same, picture(2), None], "key": ["a", "a", "../b", "c"]}
    parquet(tmp_path / "x.parquet", caption=["a dog", "the dog", "a cat", "x"], **columns)
    dataset = load_dataset(tmp_path)
    assert said(dataset) == {"a.png": ("a dog", "the dog"), "b.png": ("a cat",)}
    assert dataset.faults[0].startswith(f"{tmp_path}/x.parquet: 1 row left out (row 3: ")


def tar(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_webdataset_shards(tmp_path: Path) -> None:
    for number in range(2):
        files = {"0.jpg": picture(number), "0.txt": b"a dog", "1.PNG": picture(9), "1.json": b'{"caption": "a cat"}'}
        tar(tmp_path / f"{number:05}.tar", {**files, "0.cls": b"7"})
    dataset = load_dataset(tmp_path, strict=True)
    assert dataset.format == "webdataset"
    assert said(dataset) == {
        f"{number:05}/{name}": (text,) for number in range(2) for name, text in (("0.jpg", "a dog"), ("1.PNG", "a cat"))
    }
    pattern = tmp_path / "{00000..00001}.tar"
    assert load_dataset(pattern).pictures == dataset.pictures
    assert first_file(pattern) == tmp_path / "00000.tar" and first_file(tmp_path) == tmp_path
    results = [{"image_id": one.name, "caption": one.sentences[0]} for one in dataset.pictures]
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert measure_caption_file(tmp_path / "results.json", pattern, "train")["exact"] == 1
    assert len(load_dataset(tmp_path / "00001.tar").pictures) == 2
    write_karpathy(dataset, tmp_path / "out/dataset.json")
    assert len(said(load_dataset(tmp_path / "out"))) == 4


def test_shards_of_the_same_name_in_the_folders_of_splits(tmp_path: Path) -> None:
    for split in ("train", "val"):
        tar(tmp_path / split / "00000.tar", {"a.jpg": picture(), "a.txt": split.encode()})
        parquet(tmp_path / f"p/{split}/0000.parquet", image=[{"bytes": picture(), "path": "a.png"}], text=[split])
    dataset = load_dataset(tmp_path)
    assert dataset.format == "table", "tables come first"
    assert len(said(dataset)) == 2
    found = {one.name.partition("/")[0]: one.sentences for one in dataset.pictures}
    assert found == {"train": ("train",), "val": ("val",)}
    shutil.rmtree(tmp_path / "p")
    assert said(load_dataset(tmp_path)) == {f"{split}/00000/a.jpg": (split,) for split in ("train", "val")}


def test_shards_know_their_split_and_that_they_changed(tmp_path: Path) -> None:
    path = tar(tmp_path / "val-0000.tar", {"0.jpg": picture(), "0.txt": b"a dog"})
    assert load_dataset(tmp_path).splits == {"val": 1}
    tar(path, {"0.jpg": picture(), "0.txt": b"a cat, another one"})
    os.utime(path, (1, 1))
    assert list(said(load_dataset(tmp_path)).values()) == [("a cat, another one",)]


def test_archives_write_nothing_outside_of_their_folder(tmp_path: Path, cache: Path) -> None:
    names = ["../../evil.jpg", "/tmp/evil.jpg", "a/../../../evil2.jpg", "..", "x\\..\\evil3.jpg", ".hidden.jpg"]
    path = tar(tmp_path / "in/0.tar", {**{name: picture() for name in names}, "ok.jpg": picture(), "ok.txt": b"a dog"})
    with tarfile.open(path, "a") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo(f"special{kind!r}.jpg")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    dataset = load_dataset(path)
    assert all(one.path.is_relative_to(cache / "datasets") and not one.path.is_symlink() for one in dataset.pictures)
    assert not [one for one in dataset.pictures if "special" in one.name]
    assert [one.name for one in dataset.pictures if one.sentences] == ["0/ok.jpg"]
    assert os.listdir(tmp_path) == ["in"]


def test_an_archive_that_is_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tar(tmp_path / "0.tar", {"0.jpg": picture(), "0.txt": b"a dog", "1.jpg": bytes(5000), "1.txt": b"a cat"})
    path.write_bytes(path.read_bytes()[:4000])
    for _ in range(2):  # the second time it comes from the cache
        dataset = load_dataset(tmp_path)
        assert said(dataset) == {"0/0.jpg": ("a dog",)}
        assert "is cut short or damaged" in dataset.faults[0]


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "0.tar", "nothing")
    with pytest.raises(InputError, match=r"0\.tar: expected a tar archive"):
        load_dataset(tmp_path / "0.tar")


def test_a_full_disk_is_said_before_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tar(tmp_path / "0.tar", {"0.jpg": picture(), "0.txt": b"a dog"})
    monkeypatch.setattr("wordsight.data.unpack.shutil.disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(InputError, match=r"0\.tar cannot be unpacked: .* only 10 are free .*WORDSIGHT_CACHE"):
        load_dataset(path)


# Files that are no files


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    imagefolder(tmp_path)
    for name in ("x.txt", "data.csv", "captions.json", "0.tar", "y.parquet", "z.token"):
        os.mkfifo(tmp_path / name)
    os.symlink("/dev/zero", tmp_path / "zero.txt")
    assert said(load_dataset(tmp_path)) == {"a.jpg": ("a dog",)}
    (tmp_path / "metadata.jsonl").unlink()
    os.mkfifo(tmp_path / "metadata.jsonl")
    with pytest.raises(InputError, match="not a regular file"):
        load_dataset(tmp_path)
    for name in ("x.txt", "data.csv", "captions.json", "0.tar", "y.parquet", "metadata.jsonl"):
        with pytest.raises(InputError, match="not a regular file"):
            load_dataset(tmp_path / name)


@pytest.mark.parametrize("name", ["captions.csv", "metadata.jsonl", "captions.json", "results.token"])
def test_a_file_of_a_terabyte_of_nothing_is_refused(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(1 << 40)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(InputError, match="zero bytes"):
            load_dataset(path)


def test_a_pipe_beside_a_picture_has_no_captions(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg", tmp_path / "b.jpg")
    os.mkfifo(tmp_path / "a.txt")
    write(tmp_path / "b.txt", "a cat")
    dataset = load_dataset(tmp_path)
    assert said(dataset) == {"a.jpg": (), "b.jpg": ("a cat",)}
    assert "a.txt cannot be read: not a regular file" in dataset.faults[0]


def test_a_huge_file_is_not_read_to_see_what_it_is(tmp_path: Path) -> None:
    imagefolder(tmp_path)
    for name in ("notes.txt", "captions.json", "dataset_x.json", "other.csv"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 36)  # 64 GiB, of which nothing is on the drive
    assert said(load_dataset(tmp_path)) == {"a.jpg": ("a dog",)}


SAID = {f"{number}.jpg": f"a dog of kind {number}" for number in range(3)}
ROWS = [{"image": name, "caption": text} for name, text in SAID.items()]


@pytest.mark.parametrize("name", ["captions.json", "dataset.json", "labels.json", "annotations/train.json"])
@pytest.mark.parametrize(
    "content",
    [
        SAID,
        {name: [text] for name, text in SAID.items()},
        {name: {"caption": text, "tags": "dog, grass"} for name, text in SAID.items()},
        {name[:-4]: {"caption": text, "tags": "dog, grass"} for name, text in SAID.items()},
        {"data": ROWS},
        {"info": {"year": 2020}, "annotations": ROWS},
        {"images": [{"file_name": name, "caption": text} for name, text in SAID.items()]},
        {"image": list(SAID), "caption": list(SAID.values())},
        "\n".join(json.dumps(row) for row in ROWS),
    ],
    ids=["map", "lists", "objects", "stems", "data", "annotations", "images", "columns", "lines"],
)
def test_captions_in_json_are_read_however_they_are_wrapped(tmp_path: Path, content: object, name: str) -> None:
    paint(*(tmp_path / "images" / name for name in SAID))
    write(tmp_path / name, content)
    assert set(said(load_dataset(tmp_path)).values()) == {(text,) for text in SAID.values()}
    assert len(load_dataset(tmp_path / name).pictures) == len(SAID)


def test_a_large_map_of_captions_is_read_and_names_of_splits_are_theirs(tmp_path: Path) -> None:
    paint(tmp_path / "1.jpg", tmp_path / "2.jpg")
    many = {f"{number}.jpg": "a dog on a lawn that is green" for number in range(9000)}
    write(tmp_path / "captions.json", many)
    assert len(load_dataset(tmp_path).pictures) == len(many)
    write(tmp_path / "captions.json", {"train": {"1.jpg": "a dog"}, "validation": {"2.jpg": "a cat"}})
    assert {one.name: one.split for one in load_dataset(tmp_path).pictures} == {"1.jpg": "train", "2.jpg": "val"}


def test_a_picture_that_is_twice_in_a_map_is_said(tmp_path: Path) -> None:
    paint(tmp_path / "1.jpg", tmp_path / "2.jpg")
    write(tmp_path / "captions.json", '{"1.jpg": "a dog", "2.jpg": "a cat", "1.jpg": "a cow"}')
    assert "'1.jpg' is there twice" in load_dataset(tmp_path).faults[0]
    with pytest.raises(InputError, match=r"'1\.jpg' is there twice"):
        load_dataset(tmp_path, strict=True)


@pytest.mark.parametrize(
    ("pictures", "captions"),
    [
        ("images", "captions"),
        ("images/val", "labels/val"),
        ("train/imgs", "train/text"),
        (".", "captions"),
    ],
)
def test_captions_may_be_in_a_folder_of_their_own(tmp_path: Path, pictures: str, captions: str) -> None:
    paint(*(tmp_path / pictures / name for name in SAID))
    for name, text in SAID.items():
        write(tmp_path / captions / f"{name[:-4]}.txt", text)
    found = load_dataset(tmp_path)
    assert set(said(found).values()) == {(text,) for text in SAID.values()}
    assert set(found.splits) == {"val" if "val" in pictures else "train"}
    write(tmp_path / captions / "9.txt", "no picture")
    assert [one.name for one in load_dataset(tmp_path).pictures if not one.path.exists()] == [
        (Path(pictures) / "9.jpg").as_posix()
    ]


def test_boxes_in_numbers_are_no_captions(tmp_path: Path) -> None:
    paint(tmp_path / "images" / "1.jpg")
    write(tmp_path / "labels" / "1.txt", "0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(InputError, match="no dataset"):
        load_dataset(tmp_path)


def test_a_coco_image_may_have_only_an_address(tmp_path: Path) -> None:
    paint(tmp_path / "val2014" / "a b.jpg", tmp_path / "val2014" / "c.jpg")
    images = [
        {"id": 1, "coco_url": "http://images.cocodataset.org/val2014/a%20b.jpg"},
        {"id": 2, "file_name": None, "flickr_url": "http://farm7.staticflickr.com/c.jpg?zz=1"},
    ]
    annotations = [{"image_id": number, "caption": "a dog"} for number in (1, 2)]
    write(tmp_path / "captions_val2014.json", {"images": images, "annotations": annotations})
    assert said(load_dataset(tmp_path)) == {"a b.jpg": ("a dog",), "c.jpg": ("a dog",)}


def packed(path: Path, mode: str) -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in (("1.png", picture()), ("1.txt", b"a dog"), ("2.png", picture(9)), ("2.txt", b"a cat")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("val-0.tar.gz", "w:gz"),
        ("val-0.tgz", "w:gz"),
        ("val-0.tar", "w:gz"),
        ("val-0.tar.xz", "w:xz"),
        ("val-0.TAR.BZ2", "w:bz2"),
    ],
)
def test_a_shard_may_be_compressed(tmp_path: Path, name: str, mode: str) -> None:
    packed(tmp_path / name, mode)
    for path in (tmp_path, tmp_path / name):
        found = load_dataset(path)
        assert said(found) == {"val-0/1.png": ("a dog",), "val-0/2.png": ("a cat",)}
        assert set(found.splits) == {"val"}
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 8])
    with pytest.raises(InputError, match=r"tar archive|no dataset"):
        load_dataset(tmp_path / name)


def test_splits_that_are_numbers_are_those_that_hugging_face_names(tmp_path: Path) -> None:
    features = {"split": {"names": ["validation", "train"], "_type": "ClassLabel"}}
    note = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    inside = [{"bytes": picture(shade), "path": f"{shade}.png"} for shade in range(2)]
    table = pyarrow.table({"image": inside, "caption": ["a dog", "a cat"], "split": [0, 1]})
    pyarrow.parquet.write_table(table.replace_schema_metadata(note), tmp_path / "all.parquet")
    assert {one.name: one.split for one in load_dataset(tmp_path).pictures} == {"0.png": "val", "1.png": "train"}
    pyarrow.parquet.write_table(table, tmp_path / "all.parquet")
    with pytest.raises(InputError, match="column 'split': expected text, found 0"):
        load_dataset(tmp_path)

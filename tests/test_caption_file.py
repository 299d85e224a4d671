"""Captions in files of other systems: read, matched with pictures, measured; and ours written as they write theirs."""

import json
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from wordsight.data.convert import write_karpathy
from wordsight.data.load import load_dataset
from wordsight.errors import InputError
from wordsight.evaluation.caption_file import measure_caption_file
from wordsight.metrics.captions import caption_metrics
from wordsight.metrics.coco_results import Said, by_picture, names_of, read_captions, write_captions

SAID = {"a/COCO_val2014_000000000007.jpg": "a dog runs", "a/b.jpg": "two cats sit", "a/c.jpg": "a red ball"}
RIGHT = {name: (f"{said} fast", said[2:]) for name, said in SAID.items()}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pictures of val and one of train, in the Karpathy layout."""
    images = [
        {"filename": Path(name).name, "split": "val", "sentences": [{"raw": one} for one in right]}
        for name, right in RIGHT.items()
    ]
    (tmp_path / "b.jpg").touch()  # a dataset has one picture at least
    images.append({"filename": "d.jpg", "split": "train", "sentences": [{"raw": "a tree"}]})
    return written(tmp_path / "dataset_x.json", {"dataset": "x", "images": images})


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def blobs(references: bool = False) -> dict[str, object]:
    return {
        "imgblobs": [
            {"img_path": f"x/{name}", "candidate": {"text": said, "logprob": -1.5}}
            | ({"references": [{"text": one} for one in RIGHT[name]]} if references else {})
            for name, said in SAID.items()
        ]
    }


def files(folder: Path) -> list[Path]:
    results = [{"image_id": 7 if "COCO" in name else Path(name).name, "caption": said} for name, said in SAID.items()]
    numbered = [
        {"image_id": number, "caption": said, "file_name": f"/x/{name}"}
        for number, (name, said) in enumerate(SAID.items())
    ]
    return [
        written(folder / "results.json", results),
        written(folder / "vis.json", numbered),
        written(folder / "result_struct.json", blobs()),
    ]


def test_every_layout_has_the_figures_of_the_captions(data: Path, tmp_path: Path) -> None:
    expected = caption_metrics(dict(SAID), RIGHT)
    for file in files(tmp_path):
        found = measure_caption_file(file, data)
        assert {key: found[key] for key in expected} == expected, file
        assert found["pictures"] == 3 and found["sentences"] == 6 and found["diversity_distinct_captions"] == 3


@pytest.mark.parametrize("spelled", ["C:\\x\\{}", "/x/y/{}", "{}.JPG", "{0}", "val/{}.png", "{:>012}"])
def test_a_picture_is_found_by_other_spellings_of_its_name(spelled: str, tmp_path: Path) -> None:
    names = {"cafe\u0301": "a dog runs", "7": "two cats sit", "B c": "a red ball"}
    said = [{"image_id": spelled.format(name), "caption": one} for name, one in names.items()]
    known = names_of([f"{unicodedata.normalize('NFC', name)}.jpg" for name in names])
    if spelled.startswith("{:"):  # zeros before a number
        said = said[1:2]
    found = by_picture(read_captions(written(tmp_path / "said.json", said)), known, "said.json")
    assert list(found.values()) == [one["caption"] for one in said]


def test_of_pictures_with_one_file_name_the_longest_end_of_a_path_decides() -> None:
    known = names_of(["1.jpg", "a/1.jpg", "b/1.jpg", "A/1.jpg"])
    said = [Said((name,), name) for name in ("b/1.jpg", "1.jpg", "A/1.jpg")]
    assert by_picture(said, known, "x") == {name: name for name in ("b/1.jpg", "1.jpg", "A/1.jpg")}
    assert by_picture([Said(("/x/b/1.jpg",), "")], known, "x") == {"b/1.jpg": ""}
    with pytest.raises(InputError, match=r"x: 1 may be 4 pictures of the dataset, such as '1.jpg' and 'a/1.jpg'"):
        by_picture([Said((1,), "")], known, "x")


def test_a_serial_number_beside_a_file_name_is_no_id(tmp_path: Path) -> None:
    """NeuralTalk2 numbers the pictures of a folder 1, 2, ..., which may be ids of others."""
    right = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": [{"image_id": 1, "caption": "a dog runs"}, {"image_id": 2, "caption": "two cats sit"}],
    }
    vis = [
        {"image_id": 1, "caption": "two cats sit", "file_name": "/x/b.jpg"},
        {"image_id": 2, "caption": "a dog runs", "file_name": "/x/a.jpg"},
    ]
    coco = written(tmp_path / "captions.json", right)
    assert measure_caption_file(written(tmp_path / "vis.json", vis), coco)["exact"] == 1
    right["images"] = [{"id": 1}, {"id": 2}]  # only ids are there to go by
    assert measure_caption_file(tmp_path / "vis.json", written(coco, right))["exact"] == 0


def test_ids_may_be_numbers_in_one_file_and_text_in_the_other(tmp_path: Path) -> None:
    for theirs, ours in (("1", 1), (1, "1"), ("0001", 1)):
        right = {"images": [{"id": ours}], "annotations": [{"image_id": ours, "caption": "a dog runs"}]}
        said = written(tmp_path / "said.json", [{"image_id": theirs, "caption": "a dog runs"}])
        assert measure_caption_file(said, written(tmp_path / "captions.json", right))["exact"] == 1


def test_references_of_its_own(tmp_path: Path) -> None:
    found = measure_caption_file(written(tmp_path / "result_struct.json", blobs(references=True)))
    assert found["CIDEr"] == caption_metrics(dict(SAID), RIGHT)["CIDEr"]
    with pytest.raises(InputError, match="no references of its own; expected --data"):
        measure_caption_file(written(tmp_path / "bare.json", blobs()))
    twice = blobs(references=True)
    twice["imgblobs"] = [*twice["imgblobs"], *twice["imgblobs"]]  # type: ignore[misc]
    with pytest.raises(InputError, match="has a caption already"):
        measure_caption_file(written(tmp_path / "twice.json", twice))
    wordless = {"imgblobs": [{"img_path": "b.jpg", "candidate": {"text": "a"}, "references": [{"text": "."}]}]}
    with pytest.raises(InputError, match=r"wordless.json: No reference of picture 'b.jpg' has a word"):
        measure_caption_file(written(tmp_path / "wordless.json", wordless))


def test_ids_of_a_coco_file(tmp_path: Path) -> None:
    right = {
        "images": [{"id": 7}, {"id": "b.jpg"}, {"id": "c.jpg"}],
        "annotations": [
            {"image_id": 7 if "COCO" in name else Path(name).name, "caption": one}
            for name, some in RIGHT.items()
            for one in some
        ],
    }
    coco = written(tmp_path / "captions.json", right)
    for file in files(tmp_path):
        assert measure_caption_file(file, coco)["CIDEr"] == caption_metrics(dict(SAID), RIGHT)["CIDEr"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "no captions in it"),
        ({}, "expected a list of captions with the key 'image_id', or an object with 'imgblobs'"),
        ([{"image_id": 7}], r"\[0\].*'caption'"),
        ({"imgblobs": [{"img_path": "b.jpg"}]}, r"imgblobs\[0\].*'candidate'"),
        ({"imgblobs": [{"img_path": "b.jpg", "candidate": {"text": 3}}]}, "'text'"),
        ([{"image_id": 7, "caption": "a"}], "no caption of 'b.jpg', the first of 2 such among the 3"),
        ([{"image_id": 8, "caption": "a"}], "no picture 8; its first is '.*007.jpg'"),
        ([{"image_id": "1" * 5000, "caption": "a"}], "no picture '111"),
        ([{"image_id": 7, "file_name": "new.jpg", "caption": "a"}], "no picture 'new.jpg'"),
        ([{"image_id": 7, "caption": "a"}] * 2, "has a caption already"),
    ],
)
def test_bad_files_are_said(content: object, said: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        measure_caption_file(written(tmp_path / "said.json", content), data)


def test_captions_of_other_splits_are_left_out(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = [{"image_id": Path(name).name, "caption": one} for name, one in SAID.items()]
    file = written(tmp_path / "said.json", [*said, {"image_id": "d.jpg", "caption": "a tree"}])
    assert measure_caption_file(file, data)["pictures"] == 3
    assert "1 captions are of other splits" in capsys.readouterr().err


def test_what_we_write_they_can_read(tmp_path: Path) -> None:
    pictures = {}
    for name, said in SAID.items():
        path = tmp_path / Path(name).name
        Image.new("RGB", (8, 8), "red").save(path)
        pictures[path] = SimpleNamespace(text=said, log_prob=-2.0)
    for name in ("result_struct.json", "vis.json", "other.json"):
        write_captions(tmp_path / name, pictures)
        assert [one.caption for one in read_captions(tmp_path / name)] == list(SAID.values())
    theirs = json.loads((tmp_path / "result_struct.json").read_text())
    assert theirs["imgblobs"][0] == {
        "img_path": str(next(iter(pictures))),
        "candidate": {"text": "a dog runs", "logprob": -2.0},
    }
    numbered = json.loads((tmp_path / "vis.json").read_text())
    assert [one["image_id"] for one in numbered] == [1, 2, 3]
    assert (tmp_path / "imgs" / "img2.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()


def test_what_browsers_do_not_show_is_written_as_jpeg(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.tiff")
    clip = tmp_path / "clip.gif"
    Image.new("RGB", (8, 8)).save(clip, save_all=True, append_images=[Image.new("RGB", (8, 8), "blue")], duration=1000)
    paths = [tmp_path / "a.tiff", Path(f"{clip}#t=1,2")]
    write_captions(tmp_path / "vis.json", {path: SimpleNamespace(text="red", log_prob=0.0) for path in paths})
    for number in (1, 2):
        with Image.open(tmp_path / "imgs" / f"img{number}.jpg") as image:
            assert image.format == "JPEG"


def test_numbered_copies_replace_no_picture_but_copies(tmp_path: Path) -> None:
    def red(path: Path) -> Path:
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(path)
        return path

    said = SimpleNamespace(text="red", log_prob=0.0)
    own = red(tmp_path / "imgs" / "img1.jpg")
    before = own.read_bytes()
    for sources in ([own], [red(tmp_path / "photo.png")]):
        with pytest.raises(InputError, match="expected another folder"):
            write_captions(tmp_path / "vis.json", dict.fromkeys(sources, said))
        assert own.read_bytes() == before and not (tmp_path / "vis.json").exists()
    for picture in (red(tmp_path / "a.jpg"), red(tmp_path / "b.png")):  # the second replaces the copy of the first
        write_captions(tmp_path / "new" / "vis.json", {picture: said})
        assert (tmp_path / "new" / "imgs" / "img1.jpg").read_bytes() == picture.read_bytes()


def coco(folder: Path) -> Path:
    """A COCO file whose pictures have ids that are in the name of another picture, and splits."""
    ids = {1: "000002.jpg", 2: "000003.jpg", 3: "000001.jpg"}
    for name in ids.values():
        (folder / name).touch()
    images = [{"id": key, "file_name": name, "split": "val" if key < 3 else "test"} for key, name in ids.items()]
    said = [{"image_id": key, "caption": one} for key, one in zip(ids, SAID.values(), strict=True)]
    written(folder / "said.json", said)
    return written(folder / "captions.json", {"images": images, "annotations": said})


def test_a_coco_dataset_is_matched_by_its_ids_whether_its_file_or_folder_is_named(tmp_path: Path) -> None:
    file = coco(tmp_path)
    (folder := tmp_path / "folder").mkdir()
    for path in (file, *tmp_path.glob("*.jpg")):
        path.rename(folder / path.name)
    write_karpathy(load_dataset(folder), converted := tmp_path / "dataset_converted.json")
    for data in (folder, folder / "captions.json", converted):
        for split, pictures in (("val", 2), ("test", 1)):
            found = measure_caption_file(tmp_path / "said.json", data, split)
            assert (found["exact"], found["pictures"]) == (1, pictures)
        with pytest.raises(InputError, match="has no split 'nosuch'"):
            measure_caption_file(tmp_path / "said.json", data, "nosuch")


def test_a_coco_file_without_splits_is_measured_whole(tmp_path: Path) -> None:
    content = json.loads(coco(tmp_path).read_text())
    for image in content["images"]:
        del image["split"]
    file = written(tmp_path / "captions_test2014.json", content)
    for split in ("val", "test"):
        assert measure_caption_file(tmp_path / "said.json", file, split)["pictures"] == 3
    with pytest.raises(InputError, match="its pictures have no splits, and all are measured; leave out --split train"):
        measure_caption_file(tmp_path / "said.json", file, "train")


def test_any_json_file_of_a_dataset_is_read_as_its_folder_is(data: Path, tmp_path: Path) -> None:
    said = files(tmp_path)[0]
    expected = measure_caption_file(said, data)
    content = json.loads(data.read_text())
    rows = [
        {"image": image["filename"], "split": image["split"], "caption": one["raw"]}
        for image in content["images"]
        for one in image["sentences"]
    ]
    (lines := tmp_path / "lines.json").write_text("\n".join(map(json.dumps, rows)))
    (wide := tmp_path / "wide.json").write_text(json.dumps(content), encoding="utf-16")
    listed = written(tmp_path / "listed.json", {"annotations": rows})
    more = written(tmp_path / "more.json", content | {"annotations": []})
    for file in (lines, wide, listed, more):
        assert measure_caption_file(said, file) == expected, file

"""Datasets: every format is recognised by looking, every fault is named, nothing is written by a check."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from wordsight.data.check import check, require_trainable
from wordsight.data.convert import write_karpathy
from wordsight.data.entities import load_phrases
from wordsight.data.find import find
from wordsight.data.load import load_dataset
from wordsight.data.records import Dataset, Picture, hold_out
from wordsight.errors import InputError
from wordsight.text.tokens import tokenise
from wordsight.text.vocabulary import Vocabulary

DOG, CAT = ("A dog runs .", "The dog"), ("A cat's nap",)


def paint(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (200, 30, len(path.name))).save(path)


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def karpathy(root: Path) -> Path:
    paint(root / "images/a.jpg", root / "images/b.jpg")
    images = [
        {"filename": "a.jpg", "split": "restval", "sentences": [{"raw": said} for said in DOG]},
        {"filename": "b.jpg", "split": "val", "sentences": [{"raw": CAT[0], "tokens": ["a", "cats", "nap"]}]},
    ]
    return write(root / "dataset_small.json", {"dataset": "small", "images": images})


def flickr(root: Path) -> Path:
    paint(root / "Flicker8k_Dataset/a.jpg", root / "Flicker8k_Dataset/b.jpg")
    write(root / "Flickr_8k.trainImages.txt", "a.jpg\n")
    write(root / "Flickr_8k.devImages.txt", "b.jpg\n\n")
    lines = [f"a.jpg#{number}\t{said}" for number, said in enumerate(DOG)]
    return write(root / "Flickr8k.token.txt", "\n".join([*lines, f"b.jpg#0\t{CAT[0]}", "unused.jpg.1#0\tx"]) + "\n")


def coco(root: Path) -> Path:
    paint(root / "train2014/a.jpg", root / "val2014/b.jpg")
    for split, name, said in (("train", "a.jpg", DOG), ("val", "b.jpg", CAT)):
        annotations = [{"id": place, "image_id": 7, "caption": one} for place, one in enumerate(said)]
        content = {"images": [{"id": 7, "file_name": name}], "annotations": annotations}
        write(root / f"annotations/captions_{split}2014.json", content)
    return root / "annotations/captions_val2014.json"


def imagefolder(root: Path) -> Path:
    paint(root / "train/a.jpg", root / "validation/b.jpg")
    write(root / "train/metadata.jsonl", json.dumps({"file_name": "a.jpg", "captions": DOG}) + "\n")
    return write(root / "validation/metadata.jsonl", json.dumps({"file_name": "b.jpg", "text": CAT[0]}) + "\n")


def comma_separated(root: Path) -> Path:
    paint(root / "a.jpg", root / "b.jpg")
    rows = ["filepath,caption,split", *(f"a.jpg,{said},train" for said in DOG), f'b.jpg,"{CAT[0]}",dev']
    return write(root / "pictures.csv", "\r\n".join(rows) + "\r\n")


def parquet(root: Path) -> Path:
    import pyarrow
    import pyarrow.parquet

    paint(root / "a.jpg", root / "b.jpg")
    rows = [
        {"filepath": "a.jpg", "caption": DOG, "split": "train"},
        {"filepath": "b.jpg", "caption": CAT, "split": "val"},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), root / "pictures.parquet")
    return root / "pictures.parquet"


def pairs(root: Path) -> Path:
    paint(root / "train/a.jpg", root / "val/b.jpg")
    write(root / "readme.txt", "Nobody's caption")
    write(root / "train/a.txt", "\n".join(DOG))
    return write(root / "val/b.txt", CAT[0] + "\n")


FORMATS = {
    "karpathy": karpathy,
    "flickr": flickr,
    "coco": coco,
    "imagefolder": imagefolder,
    "table": comma_separated,
    "table/parquet": parquet,
    "pairs": pairs,
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_recognised_and_reads_the_same(tmp_path: Path, kind: str) -> None:
    FORMATS[kind](tmp_path)
    dataset = load_dataset(tmp_path)
    assert dataset.format == kind.partition("/")[0]
    assert dataset.splits == {"train": 1, "val": 1}
    (a,), (b,) = dataset.split("train"), dataset.split("val")
    assert (a.sentences, b.sentences) == (DOG, CAT)
    assert a.path.is_file() and b.path.is_file()
    assert (a.path.name, b.path.name) == ("a.jpg", "b.jpg")


@pytest.mark.parametrize("kind", FORMATS)
def test_converting_to_karpathy_json_keeps_everything(tmp_path: Path, kind: str) -> None:
    FORMATS[kind](tmp_path / "data")
    dataset = load_dataset(tmp_path / "data")
    write_karpathy(dataset, tmp_path / "elsewhere/dataset.json")
    again = load_dataset(tmp_path / "elsewhere")
    for old, new in zip(dataset.pictures, again.pictures, strict=True):
        assert (new.name, new.split, new.sentences) == (old.name, old.split, old.sentences)
        assert new.path.resolve() == old.path.resolve()
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["dataset.json"]


def test_a_converted_file_has_the_usual_keys(tmp_path: Path) -> None:
    karpathy(tmp_path)
    write_karpathy(load_dataset(tmp_path), tmp_path / "new/dataset.json")
    content = json.loads((tmp_path / "new/dataset.json").read_text())
    image = content["images"][0]
    assert content["dataset"] == "small"
    assert image["sentids"] == [0, 1] and image["imgid"] == 0 and image["filepath"] == "../images"
    assert image["sentences"][1] == {"tokens": ["the", "dog"], "raw": "The dog", "imgid": 0, "sentid": 1}


def test_a_converted_file_keeps_the_ids_that_there_are(tmp_path: Path) -> None:
    coco(tmp_path / "data")
    path = tmp_path / "data/annotations/captions_train2014.json"
    content = json.loads(path.read_text())
    content["images"].append({"id": 8, "file_name": "c.jpg"})
    content["annotations"] += [{"id": 70, "image_id": 8, "caption": "c"}, {"id": 71, "image_id": 8, "caption": "d"}]
    del content["annotations"][0]["id"]
    write(path, content)
    dataset = load_dataset(tmp_path / "data")
    assert [picture.ids for picture in dataset.pictures] == [(), (70, 71), (0,)]
    write_karpathy(dataset, tmp_path / "new/dataset.json")
    assert [picture.ids for picture in load_dataset(tmp_path / "new").pictures] == [(), (70, 71), (0,)]


def test_a_file_chooses_where_a_folder_has_several_formats(tmp_path: Path) -> None:
    karpathy(tmp_path)
    assert load_dataset(flickr(tmp_path)).format == "flickr"
    assert load_dataset(tmp_path).format == "karpathy"
    assert load_dataset(coco(tmp_path / "coco")).splits == {"val": 1}


def test_json_with_another_name_is_still_recognised(tmp_path: Path) -> None:
    karpathy(tmp_path).rename(tmp_path / "my_pictures.json")
    write(tmp_path / "entities.json", {"a.jpg": {}})
    assert load_dataset(tmp_path).format == "karpathy"


@pytest.mark.parametrize(
    "text", ['image,caption\na.jpg,"Dogs, two"\n', "image_name| number| comment\na.jpg| 0| Dogs, two\n"]
)
def test_tables_of_the_well_known_mirrors(tmp_path: Path, text: str) -> None:
    paint(tmp_path / "Images/a.jpg")
    write(tmp_path / "captions.txt", text)
    (picture,) = load_dataset(tmp_path).split("train")
    assert picture.sentences == ("Dogs, two",) and picture.path.is_file()


def test_names_that_repeat_in_folders_stay_apart(tmp_path: Path) -> None:
    paint(tmp_path / "x/1.jpg", tmp_path / "y/1.jpg")
    images = [{"filename": "1.jpg", "filepath": place, "sentences": [{"raw": place}]} for place in "xy"]
    write(tmp_path / "dataset.json", {"images": images})
    pictures = load_dataset(tmp_path).pictures
    assert [picture.name for picture in pictures] == ["x/1.jpg", "y/1.jpg"]
    assert [picture.path.parent.name for picture in pictures] == ["x", "y"]


def test_tokens_stand_in_for_a_missing_sentence(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    write(tmp_path / "dataset.json", {"images": [{"filename": "a.jpg", "sentences": [{"tokens": ["a", "dog"]}]}]})
    assert load_dataset(tmp_path).split("train")[0].sentences == ("a dog",)


# Splits


def test_a_missing_split_names_the_splits_there_are(tmp_path: Path) -> None:
    karpathy(tmp_path)
    dataset = load_dataset(tmp_path)
    assert dataset.split("dev") == dataset.split("val")
    with pytest.raises(InputError, match=r"no split 'test': there is 'train' \(1\), 'val' \(1\)"):
        dataset.split("test")
    with pytest.raises(InputError, match="did you mean 'train'"):
        dataset.split("trian")


def test_a_split_leaves_out_what_has_no_words(tmp_path: Path) -> None:
    said = {"a": ("", "A dog", " . "), "b": (), "c": ("",)}
    dataset = Dataset("d", tmp_path, "pairs", tuple(Picture(name, tmp_path, "train", said[name]) for name in said))
    assert [(picture.name, picture.sentences) for picture in dataset.split("train")] == [("a", ("A dog",))]
    silent = Dataset("d", tmp_path, "pairs", dataset.pictures[1:])
    with pytest.raises(InputError, match="none of the 2 pictures of the split 'train' has a sentence"):
        silent.split("train")


def test_holding_out_takes_the_same_pictures_every_time(tmp_path: Path) -> None:
    pictures = tuple(Picture(f"{number}.jpg", tmp_path, "train", ("x",)) for number in range(400))
    first = hold_out(Dataset("d", tmp_path, "pairs", pictures), 0.1)
    fewer = hold_out(Dataset("d", tmp_path, "pairs", pictures[:200]), 0.1)
    assert 20 <= first.splits["val"] <= 60
    assert fewer.pictures == first.pictures[:200]
    with pytest.raises(InputError, match="above 0 and below 1"):
        hold_out(first, 1.0)
    with pytest.raises(InputError, match="leaves one side empty"):
        hold_out(Dataset("d", tmp_path, "pairs", pictures[:1]), 0.01)
    with pytest.raises(InputError, match=r"of 9 training pictures with sentences, 9 are .*; expected a smaller share"):
        hold_out(Dataset("d", tmp_path, "pairs", (*pictures[:9], Picture("s.jpg", tmp_path, "train", ()))), 0.9999)


# Faults in files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [\n{"filename": }]}', r"dataset\.json, line 2, column 14: not valid JSON"),
        ('{"images": [', r"line 1, column 13: not valid JSON"),
        ("[]", r"expected an object with the key 'images', found a list"),
        ({"image": []}, r"the key 'images' is missing \('image' is there\)"),
        ({"images": {}}, r"key 'images': expected a list, found an object"),
        ({"images": []}, r"empty dataset: it lists no pictures"),
        ({"images": [{"sentences": []}]}, r"images\[0\]: the key 'filename' is missing"),
        ({"images": [{"filename": ["a.jpg"], "sentences": []}]}, r"key 'filename': expected text, found a list"),
        ('{"images": ' + "9" * 5000 + "}", r"dataset\.json, line 1: not usable JSON \(a number is too long\)"),
        ("[" * 10_000, r"not usable JSON \(nested too deep\)"),
        (
            {"images": [{"filename": "a.jpg", "sentences": [{"raw": 3}]}]},
            r"images\[0\], sentences\[0\], key 'raw': expected",
        ),
        ({"images": [{"filename": "a.jpg", "sentences": [{}]}]}, r"sentences\[0\]: the key 'raw' is missing"),
        ({"images": [{"filename": "a.jpg", "sentences": []}]}, r"none of its 1 pictures has a sentence"),
        ({"images": [{"filename": "a.jpg", "sentences": [{"raw": "x"}]}] * 2}, r"lists the picture 'a.jpg' twice"),
        (
            {"images": [{"filename": "gone.jpg", "sentences": [{"raw": "x"}]}]},
            r"none of its 1 pictures is there; .*gone.jpg",
        ),
    ],
)
def test_a_wrong_karpathy_file_is_named_with_line_or_key(tmp_path: Path, content: object, message: str) -> None:
    paint(tmp_path / "a.jpg")
    write(tmp_path / "dataset.json", content)
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path, strict=True)


@pytest.mark.parametrize(
    ("images", "annotations", "message"),
    [
        (
            [{"id": 1, "file_name": "a.jpg"}],
            [{"image_id": 2, "caption": "x"}],
            r"annotations\[0\].*no image has the id 2",
        ),
        ([{"id": 1, "file_name": "a.jpg"}], [{"image_id": 1}], r"annotations\[0\]: the key 'caption' is missing"),
        ([{"id": 1, "file_name": "a.jpg"}] * 2, [], r"images\[1\], key 'id': 1 is there twice"),
        ([{"id": None, "file_name": "a.jpg"}], [], r"images\[0\], key 'id': expected a number or text, found nothing"),
    ],
)
def test_a_wrong_coco_file_is_named_with_its_key(
    tmp_path: Path, images: object, annotations: object, message: str
) -> None:
    paint(tmp_path / "a.jpg")
    write(tmp_path / "captions_val.json", {"images": images, "annotations": annotations})
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path, strict=True)


def test_a_wrong_token_file_names_the_line(tmp_path: Path) -> None:
    with flickr(tmp_path).open("a") as file:
        file.write("b.jpg no tab here\n")
    with pytest.raises(InputError, match=r"Flickr8k.token.txt, line 5: expected 'picture.jpg#0', a tab"):
        load_dataset(tmp_path, strict=True)


def test_a_picture_in_two_splits_names_the_line(tmp_path: Path) -> None:
    flickr(tmp_path)
    write(tmp_path / "Flickr_8k.devImages.txt", "b.jpg\na.jpg\n")
    with pytest.raises(InputError, match=r"devImages.txt, line 2: a.jpg is already in the split 'train'"):
        load_dataset(tmp_path, strict=True)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metadata.jsonl", '{"file_name": "a.jpg", "text": "x"}\n{"file_name"\n', r"metadata.jsonl, line 2, column"),
        (
            "metadata.jsonl",
            '\n{"file_name": "a.jpg"}\n',
            r"metadata.jsonl: expected a column 'caption'.*found only file_name",
        ),
        (
            "metadata.jsonl",
            '{"file_name": "a.jpg", "text": null}',
            r"line 1: expected a caption.*found nothing \(null\)",
        ),
        ("data.csv", "filepath,words\na.jpg,x\n", r"data.csv: expected a column 'caption'.*found only filepath, words"),
        ("data.csv", "filepath,caption\na.jpg,x\na.jpg,a dog, running\n", r"line 3: 3 columns, expected 2"),
        ("data.csv", "filepath,caption\na.jpg,x\na.jpg\n", r"line 3: expected 2 columns.*found 1"),
        ("data.csv", 'filepath,caption\na.jpg,"never closed\n', r"data.csv, line 2: a quote is never closed"),
        (
            "data.csv",
            "filepath,caption,split\na.jpg,x,val\na.jpg,y,test\n",
            r"line 3: a.jpg is already in the split 'val'",
        ),
        ("data.csv", "filepath,caption\n", r"empty dataset"),
        ("data.parquet", "not parquet", r"data.parquet cannot be read: expected a Parquet file"),
    ],
)
def test_a_wrong_table_names_the_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    paint(tmp_path / "a.jpg")
    write(tmp_path / name, text)
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path, strict=True)


def test_parquet_without_a_reader_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="-m pip install 'pyarrow"):
        load_dataset(tmp_path)


def test_text_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    flickr(tmp_path).write_bytes(b"a.jpg#0\tA dog\nb.jpg#0\tcaf\xe9\n")
    with pytest.raises(InputError, match=r"Flickr8k.token.txt, line 2: expected UTF-8"):
        load_dataset(tmp_path, strict=True)


def test_what_is_no_dataset_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no dataset, or an empty one: expected Karpathy JSON"):
        load_dataset(tmp_path)
    paint(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="is no dataset"):
        load_dataset(tmp_path)
    with pytest.raises(InputError, match=r"a\.jpg is no dataset"):
        load_dataset(tmp_path / "a.jpg")
    for name in ("nowhere", "~nobody-here/x", "x" * 5000, "a\0b"):
        with pytest.raises(InputError, match="No dataset '"):
            load_dataset(name)


def test_folders_with_the_names_of_files_are_no_captions(tmp_path: Path) -> None:
    (tmp_path / "captions.token").mkdir()
    (tmp_path / "notes.txt").mkdir()
    with pytest.raises(InputError, match="is no dataset"):
        load_dataset(tmp_path)


def test_names_that_no_file_can_have_are_missing_pictures(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    names = ("a.jpg", "b" * 5000, "c\0.jpg", "\ud800.jpg")
    write(tmp_path / "dataset.json", {"images": [{"filename": name, "sentences": [{"raw": "x"}]} for name in names]})
    report = check(load_dataset(tmp_path))
    assert report.missing == names[1:]
    write_karpathy(load_dataset(tmp_path), tmp_path / "copy" / "out.json")
    assert [picture.name for picture in load_dataset(tmp_path / "copy" / "out.json").pictures] == [
        *names[:3],
        "\\ud800.jpg",
    ]


def test_several_datasets_in_a_folder_have_to_be_named(tmp_path: Path) -> None:
    shutil.copy(karpathy(tmp_path), tmp_path / "dataset_other.json")
    with pytest.raises(InputError, match=r"holds 2 datasets.*dataset_other\.json, dataset_small\.json"):
        load_dataset(tmp_path)


# Looking for files


def test_shared_data_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDSIGHT_SHARED", str(tmp_path / "shared"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared/pets").mkdir(parents=True)
    assert find("pets", "dataset") == tmp_path / "shared/pets"
    (tmp_path / "pets").mkdir()
    assert find("pets", "dataset") == Path("pets")
    with pytest.raises(InputError, match=r"No weights 'net.onnx'.*shared/net.onnx.*WORDSIGHT_SHARED"):
        find("net.onnx", "weights")
    with pytest.raises(InputError, match="No weights ''"):
        find("", "weights")


# Checking


def faulty(root: Path) -> Dataset:
    comma_separated(root)
    paint(root / "c.jpg")
    (root / "d.jpg").write_bytes(b"no picture")
    with (root / "pictures.csv").open("a") as file:
        file.write("c.jpg,,train\nc.jpg,A bird,train\nc.jpg,a  BIRD!,train\nd.jpg,The dog,train\ngone.jpg,A dog,val\n")
    return load_dataset(root)


def test_check_finds_every_fault_and_writes_nothing(tmp_path: Path) -> None:
    dataset = faulty(tmp_path)
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    calls: list[tuple[int, int]] = []
    report = check(dataset, min_count=2, progress=lambda done, total: calls.append((done, total)))
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before
    assert (report.pictures, report.sentences) == (5, 8)
    assert report.missing == ("gone.jpg",)
    assert list(report.broken) == ["d.jpg"] and "d.jpg" in report.broken["d.jpg"]
    assert report.empty == ("c.jpg",)
    assert report.repeated == 1 and report.distinct == 5
    assert report.lengths == {"min": 2, "median": 2, "mean": 2.29, "max": 3}
    assert report.vocabulary == 4  # a, dog, the, bird
    assert report.splits["val"] == {"pictures": 2, "sentences": 2, "coverage": 3 / 5}
    assert calls[-1] == (5, 5)
    assert json.loads(json.dumps(report.to_json()))["missing"] == ["gone.jpg"]
    for part in (
        "table",
        "Missing pictures: 1 (gone.jpg)",
        "cannot be opened: 1 (d.jpg)",
        "empty sentence: 1 (c.jpg)",
    ):
        assert part in str(report)


def test_check_of_a_good_dataset_has_no_warnings(tmp_path: Path) -> None:
    karpathy(tmp_path)
    assert check(load_dataset(tmp_path), min_count=1).warnings == ()


def test_check_warns_of_identical_captions_and_missing_splits(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg", tmp_path / "b.jpg")
    write(tmp_path / "test.csv", "filepath,caption\na.jpg,A dog\nb.jpg,a dog .\n")
    report = check(load_dataset(tmp_path))
    assert "All sentences say the same" in str(report)
    assert "no split 'train'" in str(report) and report.vocabulary == 0


def test_pictures_without_captions_and_captions_without_pictures(tmp_path: Path) -> None:
    pairs(tmp_path)
    paint(tmp_path / "train/silent.png")
    write(tmp_path / "train/ghost.txt", "A ghost")
    write(tmp_path / "train/a.txt", "")
    report = check(load_dataset(tmp_path), min_count=1)
    assert report.missing == ("train/ghost.jpg",)
    assert report.without_sentences == ("train/silent.png",)
    assert report.empty == ("train/a.jpg",)


def test_training_needs_sentences_that_differ(tmp_path: Path) -> None:
    def pictures(*said: str) -> list[Picture]:
        return [Picture(f"{place}.jpg", tmp_path / f"{place}.jpg", "train", (one,)) for place, one in enumerate(said)]

    require_trainable(pictures("A dog", "A cat"))
    with pytest.raises(InputError, match="all 3 sentences to train on say the same"):
        require_trainable(pictures("A dog.", "a dog", "A  dog"))
    with pytest.raises(InputError, match="there are 1"):
        require_trainable(pictures("A dog", " - "))
    with pytest.raises(InputError, match="two pictures with sentences at least, but there are 0"):
        require_trainable([])


# Phrases and boxes


def entities(root: Path, **changes: object) -> Path:
    sentences = [
        {
            "text": "Nobody is here",
            "phrases": [{"chain": "1", "types": ["people"], "start": 0, "len": 1, "text": "Nobody"}],
        },
        {
            "text": "A man - in a T-shirt , sits .",
            "phrases": [
                {"chain": "1", "types": ["people"], "start": 0, "len": 2, "text": "A man"},
                {"chain": "2", "types": ["clothing", "other"], "start": 4, "len": 2, "text": "a T-shirt"},
                {"chain": "0", "types": ["notvisual"], "start": 7, "len": 1, "text": "sits"},
            ],
        },
    ]
    boxes = {"1": [[1, 1, 100, 50]], "2": [[11, 6, 60, 30], [51, 26, 100, 50]]}
    record = {
        "w": 100,
        "h": 50,
        "sentences": sentences,
        "boxes_xyxy_1based": boxes,
        "flickr8k_caption_to_sentence": {"0": 1},
    }
    return write(root / "entities.json", {"a.jpg": {**record, **changes}})


def test_phrases_are_placed_among_our_words_and_their_boxes_are_fractions(tmp_path: Path) -> None:
    entities(tmp_path)
    man, shirt = load_phrases(tmp_path, ["a.jpg", "unknown.jpg"])
    assert (man.start, man.end, man.kinds, man.boxes) == (0, 2, ("people",), ((0.0, 0.0, 1.0, 1.0),))
    assert tokenise(shirt.sentence)[shirt.start : shirt.end] == ["a", "tshirt"]
    assert shirt.kinds == ("clothing", "other") and shirt.text == "a T-shirt"
    assert shirt.boxes == ((0.1, 0.1, 0.6, 0.6), (0.5, 0.5, 1.0, 1.0))


def test_phrases_without_a_box_are_given_on_request(tmp_path: Path) -> None:
    entities(tmp_path)
    found = load_phrases(tmp_path, ["a.jpg"], boxed=False)
    assert [(phrase.text, len(phrase.boxes), phrase.kinds[0]) for phrase in found] == [
        ("A man", 1, "people"),
        ("a T-shirt", 2, "clothing"),
        ("sits", 0, "notvisual"),
    ]


LINE = "[/EN#1/people A man] - in [/EN#2/clothing/other a T-shirt] , [/EN#0/notvisual sits] in [/EN#3/scene the snow] ."
XML = """<annotation><filename>a.jpg</filename><size><width>100</width><height>50</height><depth>3</depth></size>
<object><name>1</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>100</xmax><ymax>50</ymax></bndbox></object>
<object><name>2</name><name>1</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>60</xmax><ymax>30</ymax></bndbox></object>
<object><name>2</name><bndbox><xmin>51</xmin><ymin>26</ymin><xmax>100</xmax><ymax>50</ymax></bndbox></object>
<object><name>3</name><scene>1</scene><nobndbox>0</nobndbox></object></annotation>"""


def public_entities(root: Path, line: str = LINE, xml: str = XML) -> None:
    for folder, name, text in (("Sentences", "a.txt", line), ("Annotations", "a.xml", xml)):
        (root / folder).mkdir(parents=True)
        (root / folder / name).write_text(text + "\n", encoding="utf-8")


@pytest.mark.parametrize("folder", ["", "flickr30k_entities"])
def test_the_public_files_of_entities_read_the_same(tmp_path: Path, folder: str) -> None:
    public_entities(tmp_path / folder)
    man, shirt = load_phrases(tmp_path, ["a.jpg", "unknown.jpg"])
    assert man.sentence == "A man - in a T-shirt , sits in the snow ."
    assert (man.start, man.end, man.kinds, man.text) == (0, 2, ("people",), "A man")
    assert man.boxes == ((0.0, 0.0, 1.0, 1.0), (0.1, 0.1, 0.6, 0.6))  # an object of two chains
    assert tokenise(shirt.sentence)[shirt.start : shirt.end] == ["a", "tshirt"]
    assert shirt.kinds == ("clothing", "other") and shirt.boxes == ((0.1, 0.1, 0.6, 0.6), (0.5, 0.5, 1.0, 1.0))
    assert [one.text for one in load_phrases(tmp_path, ["a.jpg"], boxed=False)[2:]] == ["sits", "the snow"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"xml": XML.replace("<xmin>11<", "<xmin>11.5<")}, r"a.xml: expected a whole number in <xmin>.*found '11.5'"),
        ({"xml": XML.replace("<size>", "<sizes>")}, r"a.xml: not valid XML"),
        ({"xml": "<annotation></annotation>"}, r"a.xml: expected the picture's <size>"),
        ({"xml": '<!DOCTYPE a [<!ENTITY b "c">]><annotation/>'}, r"without a document type"),
        ({"line": "[/EN#1/people A man is here"}, r"a.txt, line 1: expected phrases as in"),
        ({"line": "[/EN#1/people ] here"}, r"a.txt, line 1: expected words in the phrase"),
    ],
)
def test_wrong_public_files_of_entities_are_named(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    public_entities(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        load_phrases(tmp_path, ["a.jpg"])


def test_without_a_list_of_captions_all_sentences_count(tmp_path: Path) -> None:
    entities(tmp_path, flickr8k_caption_to_sentence=None)
    assert [phrase.text for phrase in load_phrases(tmp_path, ["a.jpg"])] == ["Nobody", "A man", "a T-shirt"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w": "100"}, r"entities.json, a.jpg, key 'w': expected a whole number, found '100'"),
        ({"h": 0}, r"at least 1, found 100 and 0"),
        ({"boxes_xyxy_1based": {"1": [[1, 2, 3]]}}, r"a.jpg, chain 1: expected boxes of four numbers"),
        ({"boxes_xyxy_1based": {"1": 5}}, r"a.jpg, key '1': expected a list, found 5"),
        (
            {"boxes_xyxy_1based": {"1": [[9, 1, 2, 5]]}},
            r"chain 1: expected boxes of left, top, right and bottom, found",
        ),
        ({"boxes_xyxy_1based": {"1": [[101, 1, 120, 50]]}}, r"boxes in the picture of 100 by 50 pixels, found \[101"),
        ({"boxes_xyxy_1based": {"1": [[1, -9, 100, 0]]}}, r"boxes in the picture of 100 by 50 pixels, found \[1, -9"),
        ({"flickr8k_caption_to_sentence": {"0": [1]}}, r"key '0': expected the number of one of 2 sentences.*\[1\]"),
        ({"flickr8k_caption_to_sentence": {"0": 2}}, r"key '0': expected the number of one of 2 sentences.*found 2"),
        ({"flickr8k_caption_to_sentence": {"0": None}}, r"no phrase with a box"),
        (
            {"sentences": [{"text": "a b", "phrases": [{"start": 0, "len": 1, "text": "b"}]}] * 2},
            r"phrases\[0\], key 'text': expected 'a', the words 0 to 1 of the sentence, found 'b'",
        ),
        (
            {"sentences": [{"text": "x", "phrases": [{"start": 0, "len": 2}]}] * 2},
            r"phrases\[0\]: words 0 to 2 are not in",
        ),
        ({"sentences": [], "flickr8k_caption_to_sentence": {}}, r"no phrase with a box for any of the 1 pictures"),
    ],
)
def test_wrong_phrases_are_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    entities(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        load_phrases(tmp_path, ["a.jpg"])


def test_a_dataset_without_phrases_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"entities\.json is missing"):
        load_phrases(tmp_path, ["a.jpg"])


# The real thing


def test_flickr8k_has_the_papers_vocabulary(flickr8k: Path) -> None:
    dataset = load_dataset(flickr8k)
    assert dataset.splits == {"train": 6000, "val": 1000}
    assert set(dataset.pictures) == set(load_dataset(flickr8k / "Flickr8k.token.txt").pictures)
    train = [sentence for picture in dataset.split("train") for sentence in picture.sentences]
    words = set(Vocabulary.build(train).words)
    assert len(words - {"<unk>"}) == 2538  # END among them


def test_flickr8k_has_thirteen_thousand_phrases_with_boxes(flickr8k: Path) -> None:
    names = [picture.name for picture in load_dataset(flickr8k).split("val")]
    phrases = load_phrases(flickr8k, names)
    assert len(phrases) == 13_123
    assert all(tokenise(phrase.text) == tokenise(phrase.sentence)[phrase.start : phrase.end] for phrase in phrases)


@pytest.mark.parametrize("path", [None, 5, b"x", [], ["a"]])
def test_what_is_no_path_is_no_dataset(path: object) -> None:
    with pytest.raises(InputError, match="expected a dataset's folder or one of its files, found"):
        load_dataset(path)  # type: ignore[arg-type]

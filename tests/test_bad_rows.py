"""Bad rows in a dataset are left out or mended, counted and named; strict reading refuses them."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.data.check import check
from wordsight.data.load import load_dataset
from wordsight.data.records import Dataset
from wordsight.errors import InputError


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(4):
        Image.new("RGB", (8, 6), (200, 30, number)).save(tmp_path / f"{number}.jpg")
    return tmp_path


def said(dataset: Dataset) -> list[str]:
    return [sentence for picture in dataset.pictures for sentence in picture.sentences]


def strictly(root: Path, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_dataset(root, strict=True)


GOOD = [f"{number}.jpg,a dog {number}" for number in range(4)]


@pytest.mark.parametrize(
    ("row", "sentence", "fault"),
    [
        ("0.jpg,a dog, a cat", "a dog, a cat", "1 row mended (line 3: 3 columns, expected 2; put together)"),
        ("0.jpg,a cat,,", "a cat", "1 row mended (line 3: 4 columns, expected 2; put together)"),
        ("image,caption", None, "1 row left out (line 3: expected a row, found the header again)"),
        ("0.jpg", None, "1 row left out (line 3: expected 2 columns, as in the header, found 1)"),
        (",a cat", None, "1 row left out (line 3: expected the name of a picture's file, found '')"),
        ('0.jpg,"a cat', "a cat", "1 row mended (line 3: a quote is never closed)"),
        ('0.jpg,"a cat" sits', "a cat sits", "1 row mended (line 3: quotes that are not doubled)"),
        ("0.jpg,a\0 cat", "a cat", "1 row mended (line 3: a zero byte was taken out)"),
    ],
)
def test_rows_of_csv(root: Path, row: str, sentence: str | None, fault: str) -> None:
    write(root / "x.csv", "\n".join(["image,caption", GOOD[0], row, *GOOD[1:]]) + "\n")
    dataset = load_dataset(root)
    first = dataset.pictures[0].sentences
    assert first == (("a dog 0", sentence) if sentence else ("a dog 0",))
    assert said(dataset)[-3:] == ["a dog 1", "a dog 2", "a dog 3"]
    assert dataset.faults == (f"{root}/x.csv: {fault}.",)
    strictly(root, r"x\.csv, line 3: ")


@pytest.mark.parametrize(
    "rows",
    [
        ['0.jpg,"a dog', "1.jpg,a cat", '2.jpg,the "big" cow'],
        ['0.jpg,"a dog', '1.jpg,"a cat"', "2.jpg,a cow"],
        ['0.jpg,"a dog', '1.jpg,"a cat', "2.jpg,a cow"],
        ['0.jpg,"a dog', '1.jpg,a cat"', "2.jpg,a cow"],
    ],
)
def test_a_quote_that_is_not_closed_swallows_no_other_row(root: Path, rows: Sequence[str]) -> None:
    write(root / "x.csv", "\n".join(["image,caption", *rows]))
    dataset = load_dataset(root)
    assert [picture.name for picture in dataset.pictures] == ["0.jpg", "1.jpg", "2.jpg"]
    assert dataset.pictures[0].sentences == ("a dog",)
    assert "line 2: a quote is never closed" in dataset.faults[0]


def test_captions_of_several_lines_and_stray_quotes_are_no_faults(root: Path) -> None:
    write(root / "x.csv", 'image,caption\n0.jpg,"a\ndog"\n1.jpg,a 6" pipe\n2.jpg,"the ""big"", red cow"\n')
    assert said(load_dataset(root, strict=True)) == ["a\ndog", 'a 6" pipe', 'the "big", red cow']


def test_a_field_that_is_very_long(root: Path) -> None:
    write(root / "x.csv", 'image,caption\n0.jpg,"' + "a " * 100_000 + '"\n' + "\n".join(GOOD))
    assert said(load_dataset(root))[1:] == [f"a dog {number}" for number in range(4)]


def test_a_column_that_is_there_twice(root: Path) -> None:
    write(root / "x.csv", "image,caption,caption\n0.jpg,a dog,the dog\n")
    assert said(load_dataset(root, strict=True)) == ["a dog", "the dog"]


def test_a_lost_bar(root: Path) -> None:
    rows = [f"{number}.jpg| 0| A dog ." for number in range(3)]
    write(root / "results.csv", "\n".join(["image_name| comment_number| comment", *rows, "3.jpg| 4   A dog runs ."]))
    dataset = load_dataset(root)
    assert len(said(dataset)) == 3
    assert "1 row left out (line 5: expected 3 columns, as in the header, found 2)" in dataset.faults[0]
    strictly(root, r"results\.csv, line 5: expected 3 columns")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"file_name": "0.jpg", "text": null}', "line 2: expected a caption, or a list of them, found nothing (null)"),
        ('{"file_name": "0.jpg", "text": ["a cat", null, 3]}', "found nothing (null); line 2: expected"),
        ('{"file_name": "0.jpg", "text": NaN}', "line 2: expected a caption, or a list of them, found nan"),
        ('{"file_name": null, "text": "a cat"}', "line 2: expected the name of a picture's file, found nothing (null)"),
        ('{"file_name": "0.jpg", "te', "line 2, column"),
        ('["0.jpg", "a cat"]', "line 2: expected an object, found a list"),
        ('{"file_name": "0.jpg", "text": "a cat", "split": 3}', "line 2, column 'split': expected text, found 3"),
        ('{"file_name": "0.jpg", "text": "a cat", "split": "test"}', "0.jpg is already in the split 'train'"),
        ("[" * 5000, "line 2: not usable JSON (nested too deep)"),
    ],
)
def test_rows_of_json_lines(root: Path, line: str, fault: str) -> None:
    good = [json.dumps({"file_name": f"{number}.jpg", "text": f"a dog {number}"}) for number in range(4)]
    write(root / "metadata.jsonl", "\n".join([good[0], line, *good[1:]]))
    dataset = load_dataset(root)
    assert set(said(dataset)) - {"a cat"} == {f"a dog {number}" for number in range(4)}
    assert fault in dataset.faults[0]
    strictly(root, r"metadata\.jsonl, line 2")


@pytest.mark.parametrize(
    ("encoding", "fault"),
    [
        ("cp1252", "1 row mended (line 3: not UTF-8, read as Windows-1252)"),
        ("latin-1", "1 row mended (line 3: not UTF-8, read as Windows-1252)"),
        ("utf-16", "is UTF-16-LE, not UTF-8"),
        ("utf-16-be", "is UTF-16-BE, not UTF-8"),
        ("utf-16-le", "is UTF-16-LE, not UTF-8"),
        ("utf-32", "is UTF-32-LE, not UTF-8"),
    ],
)
@pytest.mark.parametrize("name", ["x.csv", "metadata.jsonl", "tokens.txt"])
def test_other_encodings(root: Path, encoding: str, fault: str, name: str) -> None:
    rows = {
        "x.csv": ["image,caption", "0.jpg,a dog", "1.jpg,a café", "2.jpg,a cat"],
        "tokens.txt": ["0.jpg#0\ta dog", "1.jpg#0\tx", "1.jpg#1\ta café", "2.jpg#0\ta cat"],
        "metadata.jsonl": [f'{{"file_name": "{n}.jpg", "text": "{text}"}}' for n, text in ((0, "a dog"), (1, "x"))]
        + ['{"file_name": "1.jpg", "text": "a café"}'],
    }[name]
    write(root / name, "\n".join(rows).encode(encoding))
    dataset = load_dataset(root)
    assert "a café" in said(dataset)
    assert fault in " ".join(dataset.faults)
    strictly(root, rf"{name}, line \d: expected UTF-8 text")


def test_one_row_that_is_not_utf8_leaves_the_others_as_they_are(root: Path) -> None:
    write(root / "x.csv", "image,caption\n0.jpg,köter\n".encode() + b"1.jpg,caf\xe9\n")
    assert said(load_dataset(root)) == ["köter", "café"]


# COCO and Karpathy


def coco(root: Path, *wrong: object, images: Sequence[object] = ()) -> Path:
    there = [{"id": number, "file_name": f"{number}.jpg"} for number in range(4)]
    captions = [{"id": number, "image_id": number, "caption": f"a dog {number}"} for number in range(4)]
    return write(root / "captions_val2014.json", {"images": [*there, *images], "annotations": [*captions, *wrong]})


@pytest.mark.parametrize(
    ("annotation", "fault"),
    [
        ({"image_id": 1, "caption": None}, "annotations[4], key 'caption': expected text, found nothing (null)"),
        ({"image_id": 77, "caption": "x"}, "annotations[4], key 'image_id': no image has the id 77"),
        ({"image_id": None, "caption": "x"}, "expected a number or text, found nothing (null)"),
        ({"image_id": True, "caption": "x"}, "expected a number or text, found True"),
        ({"caption": "x"}, "annotations[4]: the key 'image_id' is missing"),
        (None, "annotations[4]: expected an object with the key 'image_id', found nothing (null)"),
    ],
)
def test_annotations_of_coco(root: Path, annotation: object, fault: str) -> None:
    coco(root, annotation)
    dataset = load_dataset(root)
    assert said(dataset) == [f"a dog {number}" for number in range(4)]
    assert "1 row left out" in dataset.faults[0] and fault in dataset.faults[0]
    strictly(root, r"annotations\[4\]")


@pytest.mark.parametrize("identity", ["1", "01", 1.0, " 1"])
def test_ids_of_coco_as_text_in_one_place_and_as_numbers_in_another(root: Path, identity: object) -> None:
    coco(root, {"image_id": identity, "caption": "a cat"})
    dataset = load_dataset(root)
    assert dataset.pictures[1].sentences == ("a dog 1", "a cat")
    assert isinstance(identity, float) or "1 row mended (annotations[4]: image_id" in dataset.faults[0]


@pytest.mark.parametrize("image", [{"id": 1, "file_name": "9.jpg"}, {"id": 9}, None, {"id": 9, "file_name": ""}])
def test_images_of_coco(root: Path, image: object) -> None:
    coco(root, images=[image])
    dataset = load_dataset(root)
    assert [picture.name for picture in dataset.pictures] == [f"{number}.jpg" for number in range(4)]
    assert "1 row left out (images[4]" in dataset.faults[0]
    strictly(root, r"images\[4\]")


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        ({"filename": "3.jpg", "sentences": [{"raw": None}, {"raw": "a dog 3"}]}, "images[3], sentences[0], key 'raw'"),
        ({"filename": None, "sentences": [{"raw": "x"}]}, "images[3], key 'filename': expected text, found nothing"),
        ({"filename": "3.jpg"}, "images[3]: the key 'sentences' is missing"),
        ({"filename": "3.jpg", "sentences": [], "split": 7}, "images[3], key 'split': expected text, found 7"),
        (
            {"filename": "2.jpg", "sentences": [{"raw": "again"}]},
            "1 row mended ('2.jpg': listed twice; made one picture)",
        ),
    ],
)
def test_images_of_karpathy(root: Path, image: object, fault: str) -> None:
    good = [{"filename": f"{n}.jpg", "split": None, "sentences": [{"raw": f"a dog {n}"}]} for n in range(3)]
    write(root / "dataset.json", {"images": [*good, image]})
    dataset = load_dataset(root)
    assert said(dataset)[:3] == [f"a dog {number}" for number in range(3)] and dataset.splits["train"] >= 3
    assert fault in dataset.faults[0]
    strictly(root, r"images\[3\]|lists the picture '2.jpg' twice")


def test_a_picture_of_karpathy_in_two_splits_stays_in_the_first(root: Path) -> None:
    rows = [("0.jpg", "restval", "one"), ("0.jpg", "train", "two"), ("0.jpg", "test", "three"), ("1.jpg", "test", "x")]
    images = [{"filename": name, "split": split, "sentences": [{"raw": text}]} for name, split, text in rows]
    write(root / "dataset.json", {"images": images})
    dataset = load_dataset(root)
    assert [(one.name, one.split, one.sentences) for one in dataset.pictures] == [
        ("0.jpg", "train", ("one", "two")),  # restval is for training
        ("1.jpg", "test", ("x",)),
    ]
    assert "1 row left out (0.jpg is already in the split 'train', not in 'test')" in dataset.faults[0]
    write(root / "dataset.json", {"images": [images[0], *images[2:]]})
    strictly(root, "0.jpg is already in the split 'train', not in 'test'")


@pytest.mark.parametrize("spelled", ["images/a.jpg", "images/A.JPG"])
def test_a_picture_of_coco_in_two_splits_stays_in_the_first(root: Path, spelled: str) -> None:
    (root / "0.jpg").rename(write(root / "images/a.jpg", b""))
    for split, name, said in (("train", "images/a.jpg", "one"), ("val", spelled, "two"), ("val", "1.jpg", "three")):
        path = root / f"captions_{split}2014.json"
        content = json.loads(path.read_text()) if path.exists() else {"images": [], "annotations": []}
        content["images"].append({"id": (number := len(content["images"])), "file_name": name.split("/")[-1]})
        content["annotations"].append({"id": number, "image_id": number, "caption": said})
        write(path, content)
    dataset = load_dataset(root)
    assert [(one.name, one.split, one.sentences) for one in dataset.pictures] == [
        ("a.jpg", "train", ("one",)),  # without its folder, as no other picture has its name
        ("1.jpg", "val", ("three",)),
    ]
    assert "is already in the split 'train', not in 'val'" in " ".join(dataset.faults)


CUT = '"a cat \\ud83d"'  # half an emoji, as JSON has it


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dataset.json", f'{{"images": [{{"filename": "0.jpg", "sentences": [{{"raw": {CUT}}}]}}]}}'),
        ("dataset.json", f'{{"images": [{{"filename": "0.jpg", "sentences": [{{"tokens": ["a", "cat", {CUT}]}}]}}]}}'),
        (
            "captions.json",
            f'{{"images": [{{"id": 1, "file_name": "0.jpg"}}], "annotations": [{{"image_id": 1, "caption": {CUT}}}]}}',
        ),
        ("metadata.jsonl", f'{{"file_name": "0.jpg", "captions": ["a dog", {CUT}]}}'),
        ("x.csv", f"image,captions\n0.jpg,'[{CUT}]'\n".replace('"', '""').replace("'", '"')),
        ("x.json", f'{{"0.jpg": {CUT}}}'),
        ("0.json", f'{{"caption": {CUT}}}'),
    ],
)
def test_half_an_emoji_reaches_no_file(root: Path, name: str, text: str) -> None:
    write(root / name, text)
    dataset = load_dataset(root)
    assert any("a cat \ufffd" in sentence for sentence in said(dataset)) and "".join(said(dataset)).encode()
    assert "1 row mended ('0.jpg': half a surrogate pair in a sentence, as of a cut emoji)" in dataset.faults[0]
    strictly(root, "'0.jpg': half a surrogate pair")


def test_a_picture_listed_twice_keeps_its_name(root: Path) -> None:
    (root / "0.jpg").rename(write(root / "images/a.jpg", b""))
    image = {"filename": "a.jpg", "filepath": "images", "sentences": [{"raw": "one"}]}
    write(root / "dataset.json", {"images": [image, image]})
    assert [(one.name, one.sentences) for one in load_dataset(root).pictures] == [("a.jpg", ("one",))]


def test_tokens_with_other_lines(root: Path) -> None:
    write(root / "Flickr8k.token.txt", "0.jpg#0\ta dog\nno tab here\n1.jpg#0\ta cat\n2.jpg#0 a cow\n")
    dataset = load_dataset(root)
    assert said(dataset) == ["a dog", "a cat", "a cow"]
    assert "1 row left out (line 2: expected 'picture.jpg#0'" in dataset.faults[0]


def test_the_words_of_flickr8k_and_not_their_lemmas(root: Path) -> None:
    write(root / "Flickr8k.lemma.token.txt", "0.jpg#0\ta dog run\n")
    write(root / "Flickr8k.token.txt", "0.jpg#0\ta dog runs\n")
    assert said(load_dataset(root)) == ["a dog runs"]


# How faults are told


def test_faults_are_counted_and_the_first_are_named(root: Path) -> None:
    write(root / "x.csv", "image,caption\n" + "\n".join(GOOD) + "\n0.jpg" * 10 + "\n")
    (fault,) = load_dataset(root).faults
    assert fault.startswith(f"{root}/x.csv: 10 rows left out (line 6: ") and fault.endswith("; and 7 more).")
    assert check(load_dataset(root)).warnings[0] == fault


@pytest.mark.parametrize("bad", [40, 4000])
def test_where_nearly_all_rows_are_bad_the_format_is_wrong(root: Path, bad: int) -> None:
    write(root / "x.csv", f"image,caption\n{GOOD[0]}\n" + "0.jpg\n" * bad)
    with pytest.raises(InputError, match=rf"x\.csv, line 3: expected 2 columns.* {bad} of its {bad + 1} rows cannot"):
        load_dataset(root)


def test_faults_are_logged_once(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(root / "x.csv", "\n".join(["image,caption", *GOOD, "\x1b[2J.jpg"]))
    with caplog.at_level(logging.WARNING):
        load_dataset(root)
        load_dataset(root)
    assert len(caplog.messages) == 1 and "\x1b" not in caplog.text


def test_the_command_line(root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "x.csv", "\n".join(["image,caption", *GOOD, "0.jpg"]))

    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.argv", ["wordsight", "data", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code, *capfd.readouterr()

    code, out, _ = run("check", str(root))
    assert code == 0 and "! " in out and "1 row left out (line 6: " in out
    for words in (["check", str(root)], ["convert", str(root), "-o", str(root / "new.json")]):
        code, out, err = run(*words, "--strict")
        assert code == 2 and out == "" and "x.csv, line 6: expected 2 columns" in err
    assert not (root / "new.json").exists()
    assert run("convert", str(root), "-o", str(root / "new.json"))[0] == 0

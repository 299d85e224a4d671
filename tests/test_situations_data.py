"""Readers of situations: imSitu and SWiG, whole and malformed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from conftest import shared
from wordsight.data.situations import load_situations
from wordsight.errors import InputError

VERBS = {
    "jumping": {
        "framenet": "Self_motion",
        "abstract": "the AGENT jumps over an OBSTACLE at a PLACE",
        "def": "leave the ground",
        "order": ["agent", "obstacle", "place"],
        "roles": {role: {"framenet": role, "def": role} for role in ("place", "agent", "obstacle")},
    },
    "raining": {"abstract": "it rains at a PLACE", "def": "", "roles": {"place": {}}},
}
NOUNS = {"n1": {"gloss": ["dog", "hound"], "def": ""}, "n2": {"gloss": ["grass"], "def": ""}}
FRAMES = [{"agent": "n1", "obstacle": "", "place": "n2"}, {"agent": "n1", "obstacle": "n2", "place": "n2"}]
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a small set in imSitu's layout: rows by picture of train.json, with other files by name."""

    def write(rows: Any, **files: Any) -> Path:
        content = {"imsitu_space": {"verbs": VERBS, "nouns": NOUNS}, "train": rows, **files}
        for name, what in content.items():
            if what is not None:
                (tmp_path / f"{name}.json").write_text(json.dumps(what))
        return tmp_path

    return write


def row(**changes: Any) -> dict[str, Any]:
    return {"verb": "jumping", "frames": FRAMES} | changes


def test_imsitu_is_read(make: Make) -> None:
    folder = make({"a.jpg": row()}, dev={"b.jpg": {"verb": "raining", "frames": [{"place": "n2"}]}})
    (folder / "of500_images_resized").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "of500_images_resized" / "a.jpg")
    (folder / "of500_images" / "raining").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "of500_images" / "raining" / "b.jpg")
    found = load_situations(folder)
    first, second = found.situations
    assert (first.verb, first.split, first.boxes, first.path.exists()) == ("jumping", "train", None, True)
    assert first.frames == tuple(FRAMES)
    assert found.verbs["jumping"].roles == ("agent", "obstacle", "place")
    assert found.verbs["jumping"].template == "the AGENT jumps over an OBSTACLE at a PLACE"
    assert found.nouns == {"n1": "dog", "n2": "grass"}
    assert (second.split, second.path.exists()) == ("val", True)
    assert found.split("dev") == [second]
    assert found.faults == ()
    assert load_situations(folder / "train.json").situations == (first,)


def test_swig_has_boxes(make: Make) -> None:
    corners = {"agent": [10, 20, 60, 80], "obstacle": [-1, -1, -1, -1], "place": [-5, 0, 300, 100]}
    found = load_situations(make({"a.jpg": row(bb=corners, width=200, height=100)}))
    assert found.situations[0].boxes == {"agent": (0.05, 0.2, 0.3, 0.8), "place": (0.0, 0.0, 1.0, 1.0)}
    assert found.faults == ()


def test_swig_has_a_folder_for_its_annotations(make: Make, tmp_path: Path) -> None:
    make({"a.jpg": row()})
    root = tmp_path / "swig"
    (root / "SWiG_jsons").mkdir(parents=True)
    (root / "images_512").mkdir()
    Image.new("RGB", (8, 8)).save(root / "images_512" / "a.jpg")
    for file in tmp_path.glob("*.json"):
        file.rename(root / "SWiG_jsons" / file.name)
    for place in (root, root / "SWiG_jsons", root / "SWiG_jsons" / "train.json"):
        assert load_situations(place).situations[0].path.exists(), place


def test_other_json_files_are_passed_over(make: Make) -> None:
    folder = make({"a.jpg": row()}, captions={"images": []})
    (folder / "notes.json").write_text("{")
    (fault,) = load_situations(folder).faults
    assert "notes.json was passed over" in fault
    (folder / "dev.json").write_text("{")
    with pytest.raises(InputError, match=r"dev\.json, line 1"):
        load_situations(folder)


def test_a_row_may_name_its_file(make: Make, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    picture = tmp_path / "elsewhere" / "b.jpg"
    Image.new("RGB", (8, 8)).save(picture)
    assert load_situations(make({"a.jpg": row(path=str(picture))})).situations[0].path == picture


def test_the_tables_without_a_space_file(make: Make) -> None:
    folder = make({"a.jpg": row(split="test")}, imsitu_space=None, verbs=VERBS)
    (folder / "noun_1gloss.tab").write_text("n1\tdog\nn2\tgreen grass\n")
    found = load_situations(folder)
    assert found.nouns == {"n1": "dog", "n2": "green grass"}
    assert found.splits == {"test": 1}
    (folder / "noun_1gloss.tab").unlink()
    assert load_situations(folder).nouns == {"n1": "n1", "n2": "n2"}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (row(verb="flying"), "the verb 'flying' is not among the 2 verbs with roles"),
        (row(frames=[]), "expected at least one frame"),
        ({"verb": "jumping"}, "the key 'frames' is missing"),
        ({"frames": FRAMES}, "the key 'verb' is missing"),
        (row(frames=[["n1"]]), "frames[0]: expected nouns by roles"),
        (row(frames=[{**FRAMES[0], "place": 7}]), "role 'place': expected a noun, found 7"),
        (row(frames=[{**FRAMES[0], "place": None}]), "role 'place': expected a noun, found nothing"),
        ([], "expected an object with the key 'verb'"),
    ],
)
def test_a_bad_row_is_left_out(make: Make, bad: Any, said: str) -> None:
    found = load_situations(make({"a.jpg": row(), "b.jpg": bad}))
    assert [one.name for one in found.situations] == ["a.jpg"]
    (fault,) = found.faults
    assert said in fault
    assert "train.json: 1 row left out (b.jpg" in fault


@pytest.mark.parametrize(
    ("bad", "frame", "said"),
    [
        (row(frames=[{"agent": "n1", "place": "n2"}]), FRAMES[0], "the role 'obstacle' is missing"),
        (row(frames=[{**FRAMES[0], "tool": "n2"}]), FRAMES[0], "'tool' is no role of 'jumping'"),
        (row(frames=[{**FRAMES[0], "obstacle": "n9"}]), FRAMES[0], "the noun 'n9' is unknown"),
        (row(bb=[1]), FRAMES[0], "without boxes"),
        (row(bb={"agent": [0, 0, 1, 1]}), FRAMES[0], "without boxes: key 'width': expected pixels"),
        (row(bb={"agent": [5, 5, 5, 9]}, width=9, height=9), FRAMES[0], "the box of 'agent' has no area"),
        (row(bb={"agent": [5, 5]}, width=9, height=9), FRAMES[0], "the box of 'agent': expected four numbers"),
        (row(bb={"tool": [0, 0, 1, 1]}, width=9, height=9), FRAMES[0], "no role of 'jumping'"),
    ],
)
def test_a_row_is_mended(make: Make, bad: Any, frame: dict[str, str], said: str) -> None:
    found = load_situations(make({"a.jpg": bad}))
    assert found.situations[0].frames[0] == frame
    assert not found.situations[0].boxes
    (fault,) = found.faults
    assert said in fault
    assert "1 row mended (a.jpg" in fault


def test_a_verb_without_roles_is_left_out(make: Make) -> None:
    space = {"verbs": {**VERBS, "idling": {"roles": {}, "order": []}}, "nouns": NOUNS}
    rows = {"a.jpg": row(), "b.jpg": {"verb": "idling", "frames": [{}]}}
    found = load_situations(make(rows, imsitu_space=space))
    assert set(found.verbs) == set(VERBS)
    assert any("idling: the verb has no roles" in fault for fault in found.faults)
    assert len(found.situations) == 1


def test_a_picture_of_two_files_is_in_the_first(make: Make) -> None:
    found = load_situations(make({"a.jpg": row()}, dev={"a.jpg": row(), "b.jpg": row()}))
    assert found.splits == {"train": 1, "val": 1}
    assert "the picture is in train.json already" in found.faults[0]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train": {"images": [{"filename": "a.jpg"}]}}, "expected pictures, each with its verb and frames"),
        ({"train": [row()]}, "found a list"),
        ({"train": {"a.jpg": row(verb="flying")}}, "the verb 'flying' is not among"),
        ({"imsitu_space": None}, "no table of verbs and roles"),
        ({"imsitu_space": {"nouns": NOUNS}}, "the key 'verbs' is missing"),
        ({"imsitu_space": {"verbs": {}}}, "expected verbs with their roles, found none"),
        ({"imsitu_space": {"verbs": {"jumping": {"roles": {}}}}}, "the verb has no roles"),
        ({"imsitu_space": {"verbs": {"jumping": {"roles": ["agent"]}}}}, "expected an object, found a list"),
        ({"imsitu_space": {"verbs": VERBS, "nouns": []}}, "expected nouns with their glosses"),
        ({"train": None}, "has no situations"),
    ],
)
def test_another_layout_is_refused(make: Make, files: dict[str, Any], said: str) -> None:
    rows = files.pop("train", {"a.jpg": row()})
    with pytest.raises(InputError) as error:
        load_situations(make(rows, **files))
    assert said in str(error.value)
    assert str(error.value).count("\n") == 0


def test_a_split_that_is_not_there(make: Make) -> None:
    found = load_situations(make({"a.jpg": row()}))
    with pytest.raises(InputError, match=r"has no split 'val': there is 'train' \(1\)"):
        found.split("val")


def test_real_annotations() -> None:
    found = load_situations(shared("imsitu"))
    assert len(found.verbs) == 504
    assert found.faults == ()
    assert found.splits["val"] == 903
    assert {len(one.frames) for one in found.situations} == {3}
    one = next(one for one in found.situations if one.name == "hitchhiking_238.jpg")
    assert one.verb == "hitchhiking"
    assert [found.nouns[frame["agent"]] for frame in one.frames] == ["man", "man", "man"]
    assert any(one.path.exists() for one in found.situations)

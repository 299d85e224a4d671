"""The painted world: the same for a seed, true in every sentence, read like any other dataset."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.data.entities import load_phrases
from wordsight.data.load import load_dataset
from wordsight.data.painted import draw, world
from wordsight.data.painted.oracle import is_true, names
from wordsight.data.painted.scene import Scene, Thing, paint_scene
from wordsight.data.painted.world import paint_world
from wordsight.errors import InputError
from wordsight.metrics import painted as truth
from wordsight.metrics.regions import annotated_regions
from wordsight.text.tokens import tokenise

PICTURES = 36


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_world(tmp_path_factory.mktemp("painted") / "world", pictures=PICTURES, seed=3)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_same_seed_same_bytes(painted: Path, tmp_path: Path) -> None:
    assert contents(paint_world(tmp_path / "again", pictures=PICTURES, seed=3)) == contents(painted)


def test_another_seed_another_world(painted: Path, tmp_path: Path) -> None:
    other = contents(paint_world(tmp_path / "other", pictures=6, seed=4))
    assert not set(other.values()) & set(contents(painted).values())


def test_reads_as_a_dataset(painted: Path) -> None:
    dataset = load_dataset(painted)
    assert dataset.splits == {"train": 24, "val": 6, "test": 6}
    for picture in dataset.pictures:
        assert 3 <= len(picture.sentences) <= 5
        assert len(set(picture.sentences)) == len(picture.sentences)
        assert Image.open(picture.path).size in ((256, 208), (208, 256))


def test_phrases_are_the_words_they_say(painted: Path) -> None:
    phrases = load_phrases(painted, [picture.name for picture in load_dataset(painted).pictures])
    assert len(phrases) > PICTURES * 4
    for phrase in phrases:
        assert tokenise(phrase.sentence)[phrase.start : phrase.end] == tokenise(phrase.text)
        for left, top, right, bottom in phrase.boxes:
            assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1


def test_each_phrase_fits_its_things_and_no_other(painted: Path) -> None:
    entities = json.loads((painted / "entities.json").read_text())
    several = 0
    for number, record in enumerate(entities.values()):
        scene = paint_scene(3, number)
        for phrase in (phrase for sentence in record["sentences"] for phrase in sentence["phrases"]):
            named = {int(digit) - 1 for digit in phrase["chain"]}
            if phrase["text"].startswith("two "):
                shape = scene.things[min(named)].shape
                assert named == {i for i, thing in enumerate(scene.things) if thing.shape == shape} and len(named) == 2
                several += 1
            else:
                assert named == {i for i, thing in enumerate(scene.things) if names(phrase["text"], thing)}
            boxes = [
                [x - 1, y - 1, right, bottom] for x, y, right, bottom in record["boxes_xyxy_1based"][phrase["chain"]]
            ]
            assert boxes == [list(scene.things[i].box) for i in sorted(named)]
    assert several


def test_relations_are_true(painted: Path) -> None:
    checked = 0
    for phrases, words in related(painted):
        (ax, ay), (bx, by) = (centre(boxes[0]) for boxes in phrases)
        true = {"left": ax < bx, "right": ax > bx, "above": ay < by, "over": ay < by, "higher": ay < by}
        true |= {"below": ay > by, "under": ay > by, "lower": ay > by}
        sizes = [boxes[0][2] - boxes[0][0] for boxes in phrases]
        true |= {"bigger": sizes[0] > sizes[1], "smaller": sizes[0] < sizes[1]}
        for word in words & true.keys():
            assert true[word]
            checked += 1
    assert checked > 20


def related(painted: Path) -> list[tuple[list[list[list[int]]], set[str]]]:
    """For each sentence about two things: the boxes of both, and the words between them."""
    found = []
    for record in json.loads((painted / "entities.json").read_text()).values():
        for sentence in record["sentences"]:
            if len(sentence["phrases"]) == 2:
                first, second = sentence["phrases"]
                between = sentence["text"].split()[first["start"] + first["len"] : second["start"]]
                found.append(([record["boxes_xyxy_1based"][one["chain"]] for one in (first, second)], set(between)))
    return found


def centre(box: list[int]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def test_some_things_are_never_named(painted: Path) -> None:
    scenes = [paint_scene(3, number) for number in range(PICTURES)]
    assert any(len(scene.named) < len(scene.things) for scene in scenes)
    entities = json.loads((painted / "entities.json").read_text())
    for scene, record in zip(scenes, entities.values(), strict=True):
        assert 2 <= len(scene.things) <= 4
        named = {int(digit) - 1 for chain in record["boxes_xyxy_1based"] for digit in chain}
        assert named <= set(range(len(scene.named)))


def test_what_the_painter_says_is_true_of_that_picture_and_seldom_of_another(painted: Path) -> None:
    scenes = [paint_scene(3, number) for number in range(PICTURES)]
    sentences = [picture.sentences for picture in load_dataset(painted).pictures]
    assert all(is_true(text, scene) for scene, said in zip(scenes, sentences, strict=True) for text in said)
    elsewhere = [is_true(text, scene) for scene in scenes[1:] for text in sentences[0]]
    assert sum(elsewhere) < 0.1 * len(elsewhere)


def test_a_sentence_is_false_when_a_word_is() -> None:
    image = Image.new("RGB", (200, 200))
    ring = Thing("ring", "red", "plain", "small", (20, 20, 70, 70))
    star = Thing("star", "blue", "dotted", "large", (110, 60, 200, 150))
    scene = Scene(image, (ring, star))
    true = ["a red hoop", "a small red ring left of a spotted star", "a big star and a ring", "a ring at the top left"]
    assert [is_true(text, scene) for text in true] == [False, True, True, True], "a phrase alone is no sentence"
    false = [
        "a red ring right of a star",
        "a red star and a ring",
        "a ring and a ring",
        "two rings",
        "a ring with a ring",
    ]
    false += ["a star in the middle", "the red ring left of a star", "a ring left of", "", "a red red ring and a star"]
    assert not any(is_true(text, scene) for text in false)
    assert is_true("two rings", Scene(image, (ring, ring._replace(colour="blue"), star)))
    said = ("a hoop", "a little red ring", "a blue ring", "red ring", "a ring star", "a red")
    assert [names(text, ring) for text in said] == [True, True, False, False, False, False]


def test_captions_are_judged_by_the_painter(painted: Path) -> None:
    pictures = load_dataset(painted).pictures[:6]
    said = [picture.sentences[0] for picture in pictures[:4]] + ["a unicorn", "a green ring"]
    found = truth.of_pictures(said, pictures, seed=3)
    assert found["exact"] == found["true"] == 4 / 6
    regions = annotated_regions(load_phrases(painted, [picture.name for picture in pictures]))
    called = truth.of_regions([region.references[0] for region in regions], regions, seed=3)
    assert called["exact"] == 1
    pairs = sum(region.references[0].startswith("two ") for region in regions)
    assert called["true"] == pytest.approx(1 - pairs / len(regions)), "no region shows two"
    assert truth.of_regions(["a thing"] * len(regions), regions, seed=3)["true"] == 0


def test_things_do_not_touch() -> None:
    for scene in (paint_scene(5, number) for number in range(30)):
        for i, thing in enumerate(scene.things):
            assert draw.apart(thing.box, [other.box for other in scene.things[i + 1 :]], gap=0)
            assert inside(scene, thing)


def inside(scene: Scene, thing: Thing) -> bool:
    left, top, right, bottom = thing.box
    return left >= 0 and top >= 0 and right <= scene.image.width and bottom <= scene.image.height


@pytest.mark.parametrize("shape", draw.SHAPES)
def test_box_is_tight_around_what_is_painted(shape: str) -> None:
    canvas = Image.new("RGB", (128, 128), (128, 128, 128))
    box = draw.paint(canvas, draw.Look(shape, "yellow", "plain", 70), (64, 64), np.random.default_rng(0))
    pixels = np.asarray(canvas, int)
    y, x = np.nonzero(pixels[:, :, 0] - pixels[:, :, 2] > 90)  # yellow, not grey or shadow
    assert np.abs(np.array([x.min(), y.min(), x.max() + 1, y.max() + 1]) - np.array(box)).max() <= 1


def test_a_world_that_is_there_is_left_alone(tmp_path: Path) -> None:
    out = paint_world(tmp_path / "world", pictures=6)
    (out / "mine.txt").write_text("kept")
    assert paint_world(out, pictures=6) == out
    assert (out / "mine.txt").read_text() == "kept"


def test_an_empty_folder_is_painted_into(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert (paint_world(tmp_path / "empty", pictures=6) / "dataset.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_the_current_folder_and_a_link_are_painted_into_if_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "dangling").symlink_to("new")
    whole = {"images", "dataset.json", "entities.json"}
    monkeypatch.chdir(tmp_path / "here")
    for out in (Path(), tmp_path / "link", tmp_path / "dangling"):
        assert {path.name for path in paint_world(out, pictures=6).iterdir()} == whole
    assert {path.name for path in (tmp_path / "here").iterdir()} == whole
    assert (tmp_path / "link").is_symlink() and (tmp_path / "dangling").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"here", "there", "link", "dangling", "new"}


def test_an_error_leaves_an_empty_folder_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(world, "paint_scene", broken)
    with pytest.raises(InputError, match="Input/output error"):
        paint_world(tmp_path, pictures=6)
    assert not list(tmp_path.iterdir())


def test_a_world_whose_files_are_gone_is_refused(tmp_path: Path) -> None:
    out = paint_world(tmp_path / "world", pictures=6)
    (out / "images" / "painted_00002.jpg").unlink()
    with pytest.raises(InputError, match=r"world: 1 of the 7 files .* gone, such as images/painted_00002\.jpg; delete"):
        paint_world(out, pictures=6)


def test_other_files_are_not_painted_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="empty or new folder"):
        paint_world(tmp_path, pictures=6)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_too_few_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 6"):
        paint_world(tmp_path / "world", pictures=5)


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(InputError, match="No space left"):
        paint_world(tmp_path / "world", pictures=6)
    assert not list(tmp_path.iterdir())

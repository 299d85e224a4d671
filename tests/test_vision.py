"""Boxes, pooling, proposals and the encoder that puts them together."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image, ImageDraw

from wordsight.errors import InputError
from wordsight.vision.blobs import Blobs
from wordsight.vision.boxes import from_xywh, iou, nms, to_xywh, windows
from wordsight.vision.labels import countable, held, label_names
from wordsight.vision.pooling import roi_align
from wordsight.vision.proposals import (
    COCO_NAMES,
    Kind,
    Proposals,
    Yolox,
    given,
    groups_of,
    letterbox,
    parts_of,
    propose,
    whole,
)
from wordsight.vision.regions import RegionEncoder, RegionSettings

SMALL = RegionSettings(backbones=("filters",), regions=8, size=64)


def some_boxes(count: int, seed: int = 0) -> np.ndarray:
    corners = np.random.default_rng(seed).random((count, 2, 2)).astype(np.float32)
    return np.concatenate([corners.min(1), corners.max(1)], 1)


def painting(seed: int = 0, size: tuple[int, int] = (96, 64)) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(rng.integers(0, 255, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for left, top, right, bottom in some_boxes(5, seed) * np.tile(size, 2):
        pen.ellipse((left, top, right, bottom), tuple(rng.integers(0, 255, 3).tolist()))
    return image


def test_iou_of_known_boxes() -> None:
    a = [[0, 0, 2, 2], [0, 0, 1, 1], [3, 3, 3, 3]]
    assert iou(a, [[1, 1, 3, 3], [0, 0, 2, 2]]) == pytest.approx(np.array([[1 / 7, 1], [0, 0.25], [0, 0]]))


def test_nms_keeps_the_better_of_two_that_overlap() -> None:
    boxes = [[0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30], [0, 0, 10, 5]]
    assert nms(boxes, [0.5, 0.9, 0.3, 0.2], 0.6).tolist() == [1, 2, 3]
    assert nms(np.zeros((0, 4)), [], 0.5).tolist() == []


def test_nms_agrees_with_the_plain_loop() -> None:
    boxes, scores = some_boxes(60), np.random.default_rng(1).random(60)
    kept: list[int] = []
    for i in np.argsort(-scores):
        if all(iou(boxes[[i]], boxes[[j]])[0, 0] <= 0.3 for j in kept):
            kept.append(int(i))
    assert nms(boxes, scores, 0.3).tolist() == kept


def test_xywh_and_back() -> None:
    boxes = some_boxes(5)
    assert from_xywh(to_xywh(boxes)) == pytest.approx(boxes, abs=1e-6)


def test_windows_stay_inside_differ_and_are_one_list() -> None:
    many = windows(120)
    assert len(many) == 120 and many.min() >= 0 and many.max() <= 1
    assert len(np.unique(many.round(4), axis=0)) == 120
    assert (windows(19) == many[:19]).all()
    assert iou(many[:4], many[:4]).max(0, where=~np.eye(4, dtype=bool), initial=0).max() < 0.3  # spread out


def bilinear(feature_map: np.ndarray, y: float, x: float) -> np.ndarray:
    """The map at one point, in cells; the middle of the first cell is 0."""
    height, width = feature_map.shape[1:]
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    fy, fx = y - top, x - left
    upper = feature_map[:, top, left] * (1 - fx) + feature_map[:, top, left + 1] * fx
    lower = feature_map[:, top + 1, left] * (1 - fx) + feature_map[:, top + 1, left + 1] * fx
    return upper * (1 - fy) + lower * fy


def test_roi_align_is_the_mean_of_many_samples() -> None:
    rng = np.random.default_rng(0)
    feature_map = rng.normal(size=(3, 5, 7)).astype(np.float32)
    boxes = np.concatenate([some_boxes(6), [[0, 0, 1, 1], [0, 0, 0.05, 0.05], [0.5, 0.2, 0.52, 0.9]]])
    samples = 80
    for box, pooled in zip(boxes, roi_align(feature_map, boxes.astype(np.float32)), strict=True):
        steps = (np.arange(samples) + 0.5) / samples
        ys = (box[1] + steps * (box[3] - box[1])) * 5 - 0.5
        xs = (box[0] + steps * (box[2] - box[0])) * 7 - 0.5
        expected = np.mean([bilinear(feature_map, y, x) for y in ys for x in xs], 0)
        assert pooled == pytest.approx(expected, abs=2e-3)


def test_roi_align_of_the_whole_map_is_its_mean_and_of_a_point_its_value() -> None:
    feature_map = np.random.default_rng(0).normal(size=(4, 6, 6)).astype(np.float32)
    boxes = np.array([[0, 0, 1, 1], [0.25, 0.25, 0.25, 0.25]], np.float32)
    pooled = roi_align(feature_map, boxes)
    assert pooled[0] == pytest.approx(feature_map.mean((1, 2)), abs=1e-5)
    assert pooled[1] == pytest.approx(feature_map[:, 1, 1], abs=1e-2)


class OneThing:
    """A detector that always finds a standing person and a lying dog."""

    names = COCO_NAMES
    content = "one thing"

    def detect(self, image: Image.Image) -> Proposals:
        classes = np.zeros((2, len(COCO_NAMES)), np.float32)
        classes[0, 0], classes[1, 16] = 0.9, 0.6
        return Proposals.of(Kind.DETECTION, [[0.1, 0.1, 0.3, 0.9], [0.5, 0.6, 0.9, 0.8]], classes)


def test_the_whole_picture_then_detections_then_windows() -> None:
    found = propose(painting(), OneThing(), regions=6, detections=19, parts=False)
    assert found.kinds.tolist() == [Kind.WHOLE, Kind.DETECTION, Kind.DETECTION, *[Kind.WINDOW] * 3]
    assert found.boxes[0].tolist() == [0, 0, 1, 1]
    assert found.scores == pytest.approx([0, 0.9, 0.6, 0, 0, 0])
    assert len(propose(painting(), OneThing(), regions=2, detections=19, parts=True)) == 2
    assert len(propose(painting(), None, regions=20, detections=19, parts=False)) == 20


def test_a_grid_tiles_the_picture_after_the_whole_of_it() -> None:
    found = propose(painting(), OneThing(), regions=12, detections=19, parts=False, cells=3)
    assert found.kinds.tolist() == [Kind.WHOLE, *[Kind.WINDOW] * 9, Kind.DETECTION, Kind.DETECTION]
    corners = {(round(3 * left), round(3 * top)) for left, top, _, _ in found.boxes[1:10].tolist()}
    assert corners == {(x, y) for x in range(3) for y in range(3)}
    assert found.boxes[1:10, 2:] - found.boxes[1:10, :2] == pytest.approx(np.full((9, 2), 1 / 3))
    encoder = RegionEncoder(replace(SMALL, grid=3, regions=10))
    cells = encoder.encode([painting()], [found.boxes[1:10]]).features
    assert encoder.encode([painting()]).features[:, 1:].equal(cells)
    assert RegionEncoder(replace(SMALL, regions=10)).fingerprint != encoder.fingerprint
    with pytest.raises(InputError, match=r"regions\.regions = 9, expected at least 10: .*grid = 3"):
        RegionEncoder(replace(SMALL, grid=3, regions=9))


def test_parts_are_of_persons_and_keep_their_classes() -> None:
    parts = parts_of(OneThing().detect(painting()), person=0)
    assert parts.kinds.tolist() == [Kind.HEAD, Kind.TORSO, Kind.LEGS]
    assert parts.boxes[:, 1].tolist() == pytest.approx([0.1, 0.22, 0.5])
    assert parts.boxes[:, 3].tolist() == pytest.approx([0.34, 0.62, 0.9])
    assert parts.scores == pytest.approx([0.9] * 3)


def test_groups_are_around_all_things_of_a_class() -> None:
    classes = np.zeros((4, len(COCO_NAMES)), np.float32)
    classes[0, 16], classes[1, 0], classes[2, 16], classes[3, 16] = 0.9, 0.8, 0.6, 0.1  # the last is not sure enough
    boxes = [[0.1, 0.1, 0.3, 0.3], [0, 0, 1, 1], [0.5, 0.2, 0.7, 0.6], [0.9, 0.9, 1, 1]]
    groups = groups_of(Proposals.of(Kind.DETECTION, boxes, classes))
    assert groups.boxes.tolist() == pytest.approx(np.array([[0.1, 0.1, 0.7, 0.6]]))
    assert groups.kinds.tolist() == [Kind.GROUP] and groups.classes[0, 16] == pytest.approx(0.6)
    assert len(groups_of(OneThing().detect(painting()))) == 0


def test_labels_say_what_a_region_is_called() -> None:
    names, count = label_names(COCO_NAMES), len(COCO_NAMES)
    found = propose(painting(), OneThing(), regions=7, detections=19, parts=True)
    rows = held(found)
    assert rows.shape == (7, len(names)) == (7, len(countable(count)))
    called = [names[row.argmax()][0] if row.any() else "" for row in rows]
    assert called == ["field", "person", "dog", "head", "shirt", "pants", ""]
    assert rows[1].max() == pytest.approx(0.9**0.25)
    assert not countable(count)[rows[3].argmax()] and countable(count)[rows[1].argmax()]


@pytest.mark.parametrize("boxes", [[[0, 0, 2, 1]], [[0.5, 0, 0.2, 1]], [0, 0, 1, 1], np.zeros((0, 4))])
def test_given_boxes_are_checked(boxes: object) -> None:
    with pytest.raises(InputError, match="given boxes"):
        given(boxes, whole())  # type: ignore[arg-type]


def test_a_given_box_is_what_it_is_drawn_around() -> None:
    seen = propose(painting(), OneThing(), regions=7, detections=19, parts=True)
    boxes = np.array([[0.1, 0.2, 0.3, 0.9], [0.5, 0.6, 0.9, 0.7], [0, 0, 1, 0.9], [0.8, 0, 0.9, 0.1]], np.float32)
    found = given(boxes, seen)  # the person, half of the dog, nearly the whole picture, nothing
    assert found.kinds.tolist() == [Kind.DETECTION, Kind.WINDOW, Kind.WHOLE, Kind.WINDOW]
    assert found.boxes == pytest.approx(boxes)
    assert found.scores == pytest.approx([0.9, 0, 0, 0])


def test_what_a_proposal_is_seen_with_goes_with_the_same_box_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wordsight.vision.regions._detector", lambda *_: OneThing())
    encoder = RegionEncoder(replace(SMALL, detector="one thing", person_parts=True, geometry=True, labels=True))
    seen = encoder.encode([painting()])
    again = encoder.encode([painting()], [seen.boxes[0].numpy()])
    assert again.features.numpy() == pytest.approx(seen.features.numpy(), abs=1e-6)
    assert seen.features[0, :, encoder.blocks["labels"]].any(dim=1).sum() > 4


def test_letterbox_keeps_the_shape_and_fills_with_grey() -> None:
    batch, scale = letterbox(Image.new("RGB", (200, 100), (1, 2, 3)), 416)
    assert batch.shape == (1, 3, 416, 416) and scale == pytest.approx(2.08)
    assert batch[0, :, 207, 415].tolist() == [3, 2, 1]  # blue first
    assert batch[0, :, 208, 0].tolist() == [114, 114, 114]


def test_the_detector_finds_what_is_there(flickr8k: Path, weights: Path) -> None:
    detector = Yolox(weights / "yolox_nano.onnx", threshold=0.3)
    picture = next(path for path in sorted((flickr8k / "images").iterdir()) if path.name.startswith("1000268201"))
    found = detector.detect(Image.open(picture).convert("RGB"))
    assert len(found) and found.boxes.min() >= 0 and found.boxes.max() <= 1
    assert COCO_NAMES[found.classes[0].argmax()] == "person"  # a girl climbs into a playhouse
    assert (np.diff(found.scores) <= 0).all() and found.scores.min() > 0.3


def test_blobs_are_the_things_on_a_calm_ground() -> None:
    image = Image.linear_gradient("L").resize((120, 90)).convert("RGB")
    pen = ImageDraw.Draw(image)
    pen.ellipse((10, 10, 39, 39), "red")
    pen.rectangle((70, 40, 96, 79), "yellow")
    for left in range(73, 97, 6):
        pen.rectangle((left, 40, left + 2, 79), "blue")  # stripes belong to their thing
    found = Blobs().detect(image)
    truth = np.array([[10, 10, 40, 40], [70, 40, 97, 80]]) / np.tile(image.size, 2)
    assert iou(truth, found.boxes[:2]).max(1).min() > 0.75
    assert len(Blobs().detect(Image.new("RGB", (50, 50), "green"))) == 0
    encoder = RegionEncoder(replace(SMALL, detector="blobs", geometry=True, regions=5))
    assert encoder.encode([image]).features[0, :, encoder.blocks["place"]][:3, 1].tolist() == [0, 1, 1]


def test_blocks_tell_where_columns_come_from() -> None:
    encoder = RegionEncoder(replace(SMALL, geometry=True))
    regions = encoder.encode([painting(0), painting(1)])
    assert regions.features.shape == (2, 8, encoder.size) and bool(regions.mask.all())
    filters, place = (regions.features[..., encoder.blocks[name]] for name in ("filters", "place"))
    assert filters.norm(dim=-1).numpy() == pytest.approx(np.ones((2, 8)), abs=1e-3)
    assert place.shape[-1] == 16
    assert place[0, :, :8].argmax(-1).tolist() == [Kind.WHOLE, *[Kind.WINDOW] * 7]
    assert place[..., 8:12].numpy() == pytest.approx(regions.boxes.numpy(), abs=1e-3)


def test_a_picture_alone_is_as_in_company() -> None:
    encoder = RegionEncoder(SMALL)
    pictures = [painting(seed) for seed in range(5)]
    together = encoder.encode(pictures)
    for i, picture in enumerate(pictures):
        assert encoder.encode([picture]).features[0].numpy() == pytest.approx(together.features[i].numpy(), abs=1e-5)


def test_given_boxes_replace_proposals_and_are_padded() -> None:
    regions = RegionEncoder(SMALL).encode([painting(0), painting(1)], [some_boxes(3), some_boxes(1)])
    assert regions.mask.tolist() == [[True] * 3, [True, False, False]]
    assert regions.features[1, 1:].abs().max() == 0
    assert regions.boxes[0].numpy() == pytest.approx(some_boxes(3))


def test_flipping_makes_a_picture_equal_to_its_mirror_image() -> None:
    encoder = RegionEncoder(replace(SMALL, flip=True))
    picture, whole = painting(), [[[0.0, 0.0, 1.0, 1.0]]]
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    one, other = (encoder.encode([image], whole).features for image in (picture, mirrored))
    assert one.numpy() == pytest.approx(other.numpy(), abs=2e-3)


def test_flipping_looks_at_the_same_place_of_the_mirror_image() -> None:
    picture = Image.new("RGB", (64, 64), "blue")
    picture.paste("red", (0, 0, 32, 64))
    left = [[[0.0, 0.0, 0.4, 1.0]]]
    plain, flipped = (RegionEncoder(replace(SMALL, flip=flip)).encode([picture], left) for flip in (False, True))
    assert (plain.features * flipped.features).sum() > 0.99


@pytest.mark.parametrize("pooling", ["crop", "both"])
def test_only_a_large_picture_waits_smaller_to_be_cut(tmp_path: Path, pooling: Literal["crop", "both"]) -> None:
    encoder = RegionEncoder(replace(SMALL, pooling=pooling, crop=32))
    sizes = {"photo.jpg": (2300, 1700), "photo.png": (2300, 1700), "large.jpg": (9000, 8000), "large.png": (9000, 8000)}
    for name, size in sizes.items():
        Image.new("L", size).save(tmp_path / name)
        kept = encoder._look(tmp_path / name, None)[0].size
        assert kept == size if "photo" in name else 2048 <= min(kept) < 4096


def test_a_crop_sees_only_its_box() -> None:
    encoder = RegionEncoder(replace(SMALL, pooling="crop", crop=32))
    picture = Image.new("RGB", (64, 64), "blue")
    picture.paste("red", (0, 0, 32, 64))
    right = [[[0.5, 0.0, 1.0, 1.0]]]
    blue = encoder.encode([Image.new("RGB", (64, 64), "blue")], right).features
    assert encoder.encode([picture], right).features.numpy() == pytest.approx(blue.numpy(), abs=1e-4)
    both = RegionEncoder(replace(SMALL, pooling="both", crop=32))
    assert list(both.blocks) == ["filters", "filters crop"]


def test_filters_tell_colours_and_textures_apart() -> None:
    pictures = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "white")]
    stripes = np.broadcast_to((np.arange(64) // 2 % 2 * 255).astype(np.uint8)[:, None, None], (64, 64, 3))
    pictures += [Image.fromarray(np.ascontiguousarray(lines)) for lines in (stripes, stripes.transpose(1, 0, 2))]
    rows = RegionEncoder(replace(SMALL, regions=1)).encode(pictures).features[:, 0]
    likeness = (rows @ rows.T).numpy()
    assert likeness[~np.eye(5, dtype=bool)].max() < 0.9


def test_the_fingerprint_follows_content_and_not_places(tmp_path: Path, weights: Path) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes((weights / "mobilenet_edgetpu.onnx").read_bytes())
    named = RegionSettings(backbones=("mobilenet_edgetpu.onnx",))
    moved = replace(named, backbones=(str(copy),), weights="elsewhere")
    prints = [RegionEncoder(settings, folder).fingerprint for settings, folder in ((named, weights), (moved, None))]
    assert prints[0] == prints[1]
    assert RegionEncoder(replace(named, size=320), weights).fingerprint != prints[0]


def test_broken_pictures_are_errors_or_values(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.jpg", tmp_path / "good.png"
    bad.write_bytes(b"no")
    painting().save(good)
    encoder = RegionEncoder(SMALL)
    with pytest.raises(InputError, match=r"bad\.jpg"):
        encoder.encode([good, bad])
    assert [isinstance(row, InputError) for row in encoder.stream([bad, good, bad])] == [True, False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbones": ()}, "backbones"),
        ({"backbones": ("filters", "filters")}, "twice"),
        ({"backbones": ("filter",)}, "did you mean 'filters'"),
        ({"backbones": ("gone.onnx",)}, r"gone\.onnx: no such file"),
        ({"labels": True}, r"needs a regions\.detector"),
        ({"labels": True, "detector": "blobs"}, "knows classes"),
        ({"overlap": 1.5}, "0 to 1"),
        ({"regions": 0}, "at least 1"),
    ],
)
def test_settings_that_cannot_be_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RegionEncoder(replace(SMALL, **change))  # type: ignore[arg-type]

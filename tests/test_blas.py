"""numpy's matrix products have one thread while workers are at pictures, and as many as before afterwards."""

from collections.abc import Iterator

import pytest
from PIL import Image
from threadpoolctl import threadpool_info, threadpool_limits

from wordsight.blas import one_thread
from wordsight.vision.regions import RegionEncoder, RegionSettings


@pytest.fixture(autouse=True)
def two() -> Iterator[None]:
    with threadpool_limits(2, user_api="blas"):
        if threads() != {2}:
            pytest.skip("numpy's BLAS here has one thread, or is of a kind that cannot be told")
        yield


def threads() -> set[int]:
    pools = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return {pool["num_threads"] for pool in pools if "numpy" in pool["filepath"]}  # scipy has one of its own


def test_one_thread_until_the_last_has_left() -> None:
    with one_thread:
        with one_thread:
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}


def test_pictures_are_encoded_with_one_thread_each() -> None:
    encoder = RegionEncoder(RegionSettings(backbones=("filters",), regions=4, size=32))
    stream = encoder.stream([Image.new("RGB", (40, 30)) for _ in range(3)])
    next(stream)
    assert threads() == {1}
    assert len(list(stream)) == 2 and threads() == {2}


def test_threads_come_back_when_encoding_is_broken_off() -> None:
    encoder = RegionEncoder(RegionSettings(backbones=("filters",), regions=4, size=32))
    stream = encoder.stream([Image.new("RGB", (40, 30)) for _ in range(3)])
    next(stream)
    stream.close()
    assert threads() == {2}

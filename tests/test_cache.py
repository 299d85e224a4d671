"""Features are computed once; interruptions, full disks and foreign caches lose nothing and are explained."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from wordsight.errors import InputError
from wordsight.locks import locked
from wordsight.vision import cache as cache_module
from wordsight.vision.regions import FeatureCache, RegionEncoder, RegionSettings

SETTINGS = RegionSettings(backbones=("filters",), regions=4, size=32)


@pytest.fixture(scope="module")
def encoder() -> RegionEncoder:
    return RegionEncoder(SETTINGS)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (20, 30, 3), np.uint8)).save(path)
    return paths


def refuse(*_: object) -> None:
    raise AssertionError("computed again")


def test_features_come_back_as_they_were(encoder: RegionEncoder, pictures: list[Path], tmp_path: Path) -> None:
    table = FeatureCache(tmp_path / "cache", encoder).regions(pictures)
    expected = encoder.encode(pictures)
    found = table.gather(torch.tensor([4, 0, 4]))
    assert len(table) == 6 and found.features.dtype == torch.float32
    assert torch.allclose(found.features, expected.features[[4, 0, 4]], atol=1e-3)
    assert torch.equal(found.boxes, expected.boxes[[4, 0, 4]]) and bool(found.mask.all())
    assert table.kinds(torch.tensor([1])).tolist() == [[0, 2, 2, 2]]


def test_a_second_run_and_a_moved_file_are_known(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FeatureCache(tmp_path / "cache", encoder).regions(pictures[:4])
    moved = pictures[0].rename(tmp_path / "moved.png")
    monkeypatch.setattr(RegionEncoder, "stream", refuse)
    counts: list[tuple[int, int]] = []
    table = FeatureCache(tmp_path / "cache", encoder).regions([moved, pictures[1]], lambda *c: counts.append(c))
    assert len(table) == 2 and counts == [(2, 2)]


def test_only_what_is_new_is_computed(encoder: RegionEncoder, pictures: list[Path], tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache", encoder)
    cache.regions(pictures[:4])
    counts: list[tuple[int, int]] = []
    cache.regions([*pictures, pictures[5]], lambda *count: counts.append(count))
    assert counts == [(6, 7), (7, 7)] and len(cache) == 6


def test_some_regions_of_each_picture_are_gathered(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path
) -> None:
    table, rows = FeatureCache(tmp_path / "cache", encoder).regions(pictures), torch.tensor([3, 0, 3])
    some, places = table.gather(rows, torch.tensor([[1, 0], [2, 2], [0, 1]])), [[1, 0], [2, 2], [0, 1]]
    every = table.gather(rows)
    for part in ("features", "mask", "boxes"):
        found = [[getattr(every, part)[row, place] for place in two] for row, two in enumerate(places)]
        assert torch.equal(getattr(some, part), torch.stack([torch.stack(two) for two in found]))


def test_broken_pictures_are_skipped_and_listed(encoder: RegionEncoder, pictures: list[Path], tmp_path: Path) -> None:
    pictures[1].write_bytes(b"no picture")
    pictures[3].unlink()
    cache = FeatureCache(tmp_path / "cache", encoder)
    table = cache.regions(pictures)
    assert table.kept == [0, 2, 4, 5] and len(table) == 4
    assert set(table.broken) == {pictures[1], pictures[3]} and "no such picture" in table.broken[pictures[3]]
    assert torch.allclose(table.gather(torch.tensor([1])).features, encoder.encode([pictures[2]]).features, atol=1e-3)
    with pytest.raises(InputError, match="png"):
        cache.regions(pictures, on_broken="raise")
    shutil.copy(pictures[1], pictures[5])
    broken = cache.regions(pictures).broken
    assert all(broken[one].startswith(str(one)) for one in (pictures[1], pictures[5])), "each by its own name"


def test_a_picture_is_not_taken_for_its_copy_that_is_called_a_video(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copy(pictures[0], tmp_path / "copy.mp4"))
    cache = FeatureCache(tmp_path / "cache", encoder)
    for files in ([copy, pictures[0]], [pictures[0], copy], [copy]):
        table = cache.regions(files)
        assert list(table.broken) == [copy], files


def test_encoders_do_not_share_rows(encoder: RegionEncoder, pictures: list[Path], tmp_path: Path) -> None:
    one, other = (FeatureCache(tmp_path / "cache", e) for e in (encoder, RegionEncoder(replace(SETTINGS, size=64))))
    one.regions(pictures)
    assert len(one) == 6 and len(other) == 0


def test_a_cache_of_a_newer_format_is_left_alone(encoder: RegionEncoder, tmp_path: Path) -> None:
    header = FeatureCache(tmp_path / "cache", encoder).folder / "header.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"format": 99}))
    with pytest.raises(InputError, match=r"header.json: made by a newer wordsight .*WORDSIGHT_CACHE"):
        FeatureCache(tmp_path / "cache", encoder)


@pytest.mark.parametrize("header", [b"", b"{", b"[]", b"\xff", b'{"format": 1, "encoder": "0"}'])
def test_a_damaged_header_is_mended(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: bytes
) -> None:
    folder = FeatureCache(tmp_path / "cache", encoder).folder
    FeatureCache(tmp_path / "cache", encoder).regions(pictures)
    (folder / "header.json").write_bytes(header)
    again = FeatureCache(tmp_path / "cache", encoder)
    with monkeypatch.context() as patch:
        patch.setattr(RegionEncoder, "stream", refuse)
        assert len(again.regions(pictures)) == 6  # their checksums say that they are right
    (folder / "header.json").write_bytes(header)
    (folder / "checksums.bin").unlink()
    assert len(FeatureCache(tmp_path / "cache", encoder)) == 0


@pytest.mark.parametrize("name", ["features.bin", "checksums.bin", "index.bin"])
@pytest.mark.parametrize("how", ["flip", "zeros", "cut", "gone", "empty"])
def test_what_is_damaged_or_lost_is_computed_again(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path, name: str, how: str
) -> None:
    folder = FeatureCache(tmp_path / "cache", encoder).folder
    table = FeatureCache(tmp_path / "cache", encoder).regions(pictures)
    expected = table.gather(torch.arange(6))
    path = folder / name
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    if how == "flip":
        content[half] ^= 16
    elif how == "zeros":
        content[half : half + 40] = bytes(len(content[half : half + 40]))
    elif how == "cut":
        del content[half + 1 :]
    path.write_bytes(b"" if how == "empty" else content)
    if how == "gone":
        path.unlink()
    for _ in range(2):
        found = FeatureCache(tmp_path / "cache", encoder).regions(pictures)
        regions = found.gather(torch.arange(6))
        assert found.kept == list(range(6))
        assert torch.equal(regions.features, expected.features) and torch.equal(regions.boxes, expected.boxes)


def test_a_cache_of_an_older_wordsight_is_used(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FeatureCache(tmp_path / "cache", encoder)
    cache.regions(pictures[:4])
    (cache.folder / "checksums.bin").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(RegionEncoder, "stream", refuse)
        assert len(FeatureCache(tmp_path / "cache", encoder).regions(pictures[:4])) == 4
    assert len(FeatureCache(tmp_path / "cache", encoder).regions(pictures)) == 6
    sums = np.fromfile(cache.folder / "checksums.bin", "<u4")
    assert (sums[:4] == 0).all() and (sums[4:] != 0).all() and len(sums) == 6


def test_a_file_that_is_cut_short_under_its_reader_is_an_error_not_a_signal(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "cache", encoder)
    table = cache.regions(pictures)
    table.gather(torch.arange(6))
    os.truncate(cache.folder / "features.bin", 10)
    with pytest.raises(InputError, match=r"features\.bin: was cut short meanwhile"):
        table.gather(torch.arange(6))


def test_another_process_is_waited_for_and_not_for_ever(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    cache = FeatureCache(tmp_path / "cache", encoder)
    monkeypatch.setattr(cache_module, "_WAIT", 0.2)
    with (
        locked(cache.folder, "busy"),
        pytest.raises(InputError, match=r"another process is adding.*WORDSIGHT_CACHE"),
    ):
        FeatureCache(tmp_path / "cache", encoder).regions(pictures)
    assert "waiting until it is done" in capsys.readouterr().err
    assert len(FeatureCache(tmp_path / "cache", encoder).regions(pictures)) == 6


def test_two_may_compute_at_a_time_and_nothing_is_kept_twice(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path
) -> None:
    def meanwhile(done: int, total: int) -> None:
        if done == 3:
            assert len(FeatureCache(tmp_path / "cache", encoder).regions(pictures[2:])) == 4

    cache = FeatureCache(tmp_path / "cache", encoder)
    table = cache.regions(pictures, meanwhile)
    assert torch.equal(table.gather(torch.arange(6)).features, encoder.encode(pictures).features)
    assert (cache.folder / "index.bin").stat().st_size == 6 * 32


def test_half_an_entry_at_the_end_is_dropped(encoder: RegionEncoder, pictures: list[Path], tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache", encoder)
    cache.regions(pictures[:3])
    for name in ("features.bin", "index.bin"):
        with open(cache.folder / name, "ab") as file:
            file.write(b"half")
    again = FeatureCache(tmp_path / "cache", encoder)
    table = again.regions(pictures)
    expected = encoder.encode(pictures).features
    assert torch.equal(table.gather(torch.arange(6)).features, expected)


def test_a_full_disk_keeps_what_was_done(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_FLUSH", 2)
    cache = FeatureCache(tmp_path / "cache", encoder)
    write, calls = cache_module.write_at, []

    def full(path: Path, start: int, content: bytes) -> None:
        calls.append(path)
        if len(calls) == 4:  # the data of the second two pictures
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, start, content)

    monkeypatch.setattr(cache_module, "write_at", full)
    with pytest.raises(InputError, match="the disk is full"):
        cache.regions(pictures)
    again = FeatureCache(tmp_path / "cache", encoder)
    assert len(again) == 2
    assert (again.folder / "features.bin").stat().st_size == 2 * again._record.itemsize
    assert len(again.regions(pictures)) == 6


def test_a_cache_that_cannot_be_written_is_read_and_else_named(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "cache", encoder)
    cache.regions(pictures[:3])
    (cache.folder / "lock").unlink()
    (cache.folder / "lock").mkdir()  # cannot be opened for writing, also by root
    assert len(FeatureCache(tmp_path / "cache", encoder).regions(pictures[:3])) == 3
    with pytest.raises(InputError, match=r"lock: cannot be locked .*WORDSIGHT_CACHE"):
        FeatureCache(tmp_path / "cache", encoder).regions(pictures)


def test_names_that_no_file_can_have_are_broken_pictures(
    encoder: RegionEncoder, pictures: list[Path], tmp_path: Path
) -> None:
    table = FeatureCache(tmp_path / "cache", encoder).regions([pictures[0], Path("a\0b"), tmp_path / ("c" * 5000)])
    assert table.kept == [0] and len(table.broken) == 2


def test_ctrl_c_keeps_what_was_done(encoder: RegionEncoder, pictures: list[Path], tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="kept"):
        FeatureCache(tmp_path / "cache", encoder).regions(pictures, stop)
    assert len(FeatureCache(tmp_path / "cache", encoder)) == 3


def test_a_killed_process_leaves_a_good_cache(encoder: RegionEncoder, pictures: list[Path], tmp_path: Path) -> None:
    script = f"""
import time
from pathlib import Path
from wordsight.vision import cache, regions
cache._FLUSH = 1
RegionSettings = regions.RegionSettings
encoder = regions.RegionEncoder({SETTINGS!r})
cache.FeatureCache(Path({str(tmp_path / "cache")!r}), encoder).regions(
    [Path(p) for p in {[str(p) for p in pictures]!r}], lambda done, total: time.sleep(60 if done == 4 else 0)
)"""
    process = subprocess.Popen([sys.executable, "-c", script])
    index = FeatureCache(tmp_path / "cache", encoder).folder / "index.bin"
    for _ in range(1500):
        if process.poll() is not None or (index.exists() and index.stat().st_size >= 4 * 32):
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = FeatureCache(tmp_path / "cache", encoder)
    assert len(again) == 4
    table = again.regions(pictures)
    expected = encoder.encode(pictures).features
    assert torch.equal(table.gather(torch.arange(6)).features, expected)


def test_a_file_of_a_terabyte_is_not_read_to_know_it(tmp_path: Path) -> None:
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(1 << 40)
    _, broken = cache_module.hashes([tmp_path / "large.jpg"])
    assert "expected at most" in broken[tmp_path / "large.jpg"]

"""Clips: which frames are taken, how they become regions, and that captioners of clips know their order."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from wordsight.batch import Regions
from wordsight.captioning.hlstmat import HLSTMat
from wordsight.captioning.s2vt import S2VT
from wordsight.cli.main import app
from wordsight.data.load import load_dataset
from wordsight.data.painted.clips import FRAMES, WAYS, film, paint_clips, story
from wordsight.data.sequences import JOIN, write_sequences
from wordsight.errors import InputError
from wordsight.runs.encoder import region_encoder
from wordsight.vision.clips import frames
from wordsight.vision.settings import RegionSettings

SIDE = 32
ROOT = Path(__file__).parents[1]


def grey(level: int) -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), (level,) * 3)


def levels(path: Path, count: int) -> list[int]:
    """How light each frame is, 0 to 255, to the nearest ten."""
    return [10 * round(float(np.asarray(one.image).mean()) / 10) for one in frames(path, count)]


def animation(path: Path, shown: list[tuple[int, int]]) -> Path:
    """An animated picture of (level, milliseconds)."""
    first, *others = [grey(level) for level, _ in shown]
    first.save(path, save_all=True, append_images=others, duration=[time for _, time in shown], loop=0, lossless=True)
    return path


def video(path: Path, levels: list[int], times: list[int] | None = None, sound: bool = False) -> Path:
    """A video of a frame a level, at some times in milliseconds, or ten a second."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = SIDE
        stream.time_base = Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, level in enumerate(levels):
            frame = av.VideoFrame.from_image(grey(level))
            frame.pts, frame.time_base = times[number] if times else 100 * number, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_frames_are_those_shown_at_the_middle_of_equal_spans(tmp_path: Path, name: str) -> None:
    path = animation(tmp_path / name, [(0, 100), (50, 100), (100, 100), (150, 500), (200, 100), (250, 100)])
    assert levels(path, 2) == [100, 150]  # at 250 and 750 ms
    assert levels(path, 10) == [0, 50, 100, *[150] * 5, 200, 250]
    assert [(round(one.start, 2), round(one.end, 2)) for one in frames(path, 2)] == [(0, 0.5), (0.5, 1)]


def test_a_still_picture_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    grey(100).save(tmp_path / "still.png")
    assert levels(tmp_path / "still.png", 28) == [100]


def test_a_video_is_sampled_by_its_times(tmp_path: Path) -> None:
    even = video(tmp_path / "even.mp4", [10 * number for number in range(20)])
    assert levels(even, 4) == [20, 70, 120, 170]  # shown at 0.25, 0.75, 1.25 and 1.75 s
    slow_end = video(tmp_path / "slow.mp4", [0, 50, 100, 200], [0, 100, 200, 300 + 1000])
    assert levels(slow_end, 4) == [50, 100, 100, 100]


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"", "empty.mp4"), (b"no video at all", "text.mkv"), (b"", "empty.gif"), (b"GIF89a", "short.gif")],
)
def test_what_is_no_clip_is_refused_by_its_name(tmp_path: Path, content: bytes, name: str) -> None:
    if name.endswith(("mp4", "mkv")):
        pytest.importorskip("av")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        frames(tmp_path / name, 4)


def test_a_missing_video_and_one_that_is_cut_short(tmp_path: Path) -> None:
    whole = video(tmp_path / "whole.mkv", [5 * number for number in range(40)])
    with pytest.raises(InputError, match=r"gone\.mp4: no such file"):
        frames(tmp_path / "gone.mp4", 4)
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert 1 <= len(frames(tmp_path / "cut.mkv", 4)) <= 4


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match=r"song\.mp4: has no pictures, only sound"):
        frames(tmp_path / "song.mp4", 4)


def test_frames_are_regions_behind_the_whole_clip(tmp_path: Path) -> None:
    path = animation(tmp_path / "a.webp", [(0, 100), (120, 100), (240, 100)])
    encoder = region_encoder(RegionSettings(frames=5, cells=2, size=SIDE))
    regions = encoder.encode([path])
    assert regions.features.shape == (1, 6, encoder.size) and encoder.rows == 6
    torch.testing.assert_close(regions.whole, regions.features[:, 1:].mean(dim=1), atol=1e-3, rtol=0)
    assert len({tuple(row.tolist()) for row in regions.features[0]}) == 4  # the whole and three that differ
    assert encoder.fingerprint != region_encoder(RegionSettings(frames=6, cells=2, size=SIDE)).fingerprint


def test_painted_clips_are_the_same_for_a_seed_and_true(tmp_path: Path) -> None:
    one, other = (paint_clips(tmp_path / name, 6, seed=3) for name in "ab")
    for path in one.rglob("*.*"):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()
    for number, picture in enumerate(load_dataset(one).pictures):
        assert set(picture.sentences) <= set(story(3, number).sentences())
        assert len(frames(picture.path, FRAMES)) == FRAMES


def test_what_moves_in_a_painted_clip_moves_as_it_is_said() -> None:
    seen = set()
    for number in range(60):
        told = story(0, number)
        if told.kind != "passes":
            continue
        (dx, dy), shots = WAYS[told.events[0]], film(told, 0, number)
        change = [
            np.abs(np.asarray(shot, float) - np.asarray(shots[8], float)).sum(axis=2) for shot in (shots[0], shots[-1])
        ]
        middles = [
            np.array([(np.indices(one.shape)[axis] * one).sum() / one.sum() for axis in (1, 0)]) for one in change
        ]
        moved = middles[1] - middles[0]
        assert moved @ np.array([dx, dy]) > abs(moved @ np.array([dy, dx])), told
        seen.add(told.events[0])
    assert seen == set(WAYS)


def test_sequences_say_which_frames_each_shot_has(world: Path, tmp_path: Path) -> None:
    import json

    out = write_sequences(load_dataset(world), tmp_path / "sequences", most=3)
    shots = json.loads((out / "shots.json").read_text())
    for picture in load_dataset(out).pictures:
        first = shots[picture.path.name]["first"]
        assert first[0] == 0 and all(b - a >= 4 for a, b in zip(first, [*first[1:], 28], strict=True))
        assert all(sentence.split().count(JOIN) == len(first) - 1 for sentence in picture.sentences)


@pytest.fixture
def regions() -> Regions:
    torch.manual_seed(0)
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[1, 4:] = False
    return Regions(torch.randn(2, 6, 8), mask, torch.zeros(2, 6, 4))


def test_s2vt_knows_the_order_of_frames(regions: Regions) -> None:
    model = S2VT(10, 8, words=6, hidden=12).eval()
    turned = regions.features.clone()
    turned[:, 1:4] = turned[:, 1:4].flip(1)
    backwards = model.start(Regions(turned, regions.mask, regions.boxes))
    assert not torch.allclose(model.start(regions)[0], backwards[0], atol=1e-4)
    noise = regions.features.clone()
    noise[1, 4:] = 99.0  # padding
    for one, other in zip(model.start(regions), model.start(Regions(noise, regions.mask, regions.boxes)), strict=True):
        torch.testing.assert_close(one, other)


def test_hlstmat_looks_at_frames_and_says_how_much(regions: Regions) -> None:
    model = HLSTMat(10, 8, words=6, hidden=12).eval()
    one = Regions(regions.features[1:], regions.mask[1:], regions.boxes[1:])
    alpha, beta = (look(one, torch.tensor([3, 4, 5])) for look in (model.attention, model.gates))
    torch.testing.assert_close(alpha.sum(dim=1), torch.ones(3))
    assert not alpha[:, 0].any() and not alpha[:, 4:].any() and bool((alpha[:, 1:4] > 0).all())
    assert beta.shape == (3,) and bool(((beta > 0) & (beta < 1)).all())
    plain = HLSTMat(10, 8, words=6, hidden=12, adjusted=False).eval()
    assert plain.gates(one, torch.tensor([3, 4])) is None


def test_clips_are_learned_described_and_drawn_by_commands(tmp_path: Path) -> None:
    data, run = paint_clips(tmp_path / "clips", 12), tmp_path / "run"
    recipe = ROOT / "recipes" / "clips-hlstmat.toml"
    small = [
        "train.epochs=1",
        "train.batch=8",
        "model.hidden=16",
        "model.words=8",
        "regions.frames=6",
        "regions.size=32",
    ]
    told = [word for setting in (f"data.path={data}", *small) for word in ("--set", setting)]
    commands: list[list[str | Path]] = [
        ["train", recipe, "-o", run, "--device", "cpu", *told],
        ["eval", run, "--device", "cpu"],
        ["caption", run, data / "images" / "clip_00005.webp", "-o", tmp_path / "strip.png", "--device", "cpu"],
    ]
    for command in commands:
        done = CliRunner().invoke(app, [str(word) for word in command])
        assert done.exit_code == 0, (command[0], done.stderr, done.exception)
    assert (run / "report-val" / "report.html").exists()
    strip = Image.open(tmp_path / "strip.png")
    assert strip.width == 1200 and strip.height > 100

"""Clips: which frames are taken, how they become regions, and that captioners of clips know their order."""

import json
import struct
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
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
from wordsight.vision import clips
from wordsight.vision.cache import FeatureCache
from wordsight.vision.clips import frames, length, sampled, still
from wordsight.vision.fragments import fragment, is_video
from wordsight.vision.settings import RegionSettings
from wordsight.vision.shots import shots

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


def test_a_part_of_a_clip_has_its_name_and_its_frames(tmp_path: Path) -> None:
    clip = video(tmp_path / "a.b.mp4", [10 * number for number in range(20)])
    part = fragment(f"{clip}#t=1,1.5")
    assert part == (clip, 1.0, 1.5) and str(part.path) == f"{clip}#t=1,1.5" and is_video(part.path)
    assert fragment(clip).path == clip and fragment(clip).whole
    assert levels(part.path, 5) == [100, 110, 120, 130, 140]
    assert [(one.start, one.end) for one in frames(part.path, 1)] == [(1.0, 1.5)]
    assert length(clip) == pytest.approx(2.0) and length(part.path) == pytest.approx(0.5)
    moving = animation(tmp_path / "a.webp", [(20 * number, 100) for number in range(10)])
    assert levels(fragment(f"{moving}#t=0.2,0.4").path, 2) == [40, 60]
    assert round(float(np.asarray(still(f"{clip}#t=1,1.2")).mean()), -1) == 110


@pytest.mark.parametrize(
    ("times", "why"),
    [("5,6", "begins after the end of the clip, which is 2.0 s long"), ("1,0.5", "ends at 0.5 s, before it begins")],
)
def test_a_part_that_a_clip_does_not_have(tmp_path: Path, times: str, why: str) -> None:
    clip = video(tmp_path / "a.mp4", [10 * number for number in range(20)])
    with pytest.raises(InputError, match=why):
        frames(f"{clip}#t={times}", 4)
    assert levels(Path(f"{clip}#t=1.5,9"), 1) == [170]  # as far as it goes


def test_parts_of_a_clip_are_kept_apart_in_the_cache(tmp_path: Path) -> None:
    clip = video(tmp_path / "a.mp4", [10 * number for number in range(20)])
    cache = FeatureCache(tmp_path / "cache", region_encoder(RegionSettings(frames=2, size=SIDE)))
    paths = [clip, Path(f"{clip}#t=0,0.5"), Path(f"{clip}#t=1.5,2"), Path(f"{clip}#t=7,8"), tmp_path / "gone.mp4"]
    table = cache.regions(paths)
    features = table.gather(torch.arange(3)).features
    assert table.kept == [0, 1, 2] and len({tuple(one.flatten().tolist()) for one in features}) == 3
    assert "begins after the end" in table.broken[paths[3]] and "gone.mp4: no such" in table.broken[paths[4]]


def test_frames_far_apart_are_reached_by_keyframes(tmp_path: Path) -> None:
    long = video(tmp_path / "long.mp4", [(number // 10) % 25 * 10 for number in range(600)])
    assert levels(long, 20) == [10 * ((3 * place + 1) % 25) for place in range(20)]
    assert [round(time, 1) for time, _ in sampled(long, 20.0)] == [0.0, 20.0, 40.0]


def test_a_video_is_turned_as_it_says(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 32
        picture = Image.new("RGB", (64, 32))
        picture.paste((255, 255, 255), (0, 0, 32, 32))  # white on the left
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # its matrix: a quarter turn clockwise
    content[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 32 << 16, 0, 1 << 30)
    path.write_bytes(content)
    upright = np.asarray(frames(path, 1)[0].image.convert("L"), float)
    assert upright.shape == (64, 32) and upright[:24].mean() > 200 and upright[-24:].mean() < 50  # left became top


def test_what_is_broken_within_a_video_is_passed_over(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi", [5 * number for number in range(40)])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    assert len(frames(path, 8)) == 8


def test_few_frames_a_second_and_one_frame_alone(tmp_path: Path) -> None:
    slow = video(tmp_path / "slow.mp4", [0, 100, 200], [0, 1000, 2000])
    assert len({id(one.image) for one in frames(slow, 28)}) == 3
    assert levels(video(tmp_path / "one.mp4", [100]), 3) == [100] * 3


@pytest.mark.parametrize(
    "content", [b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"]
)
def test_a_list_of_other_files_is_no_video(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("av")
    (tmp_path / "list.mp4").write_bytes(content)
    with pytest.raises(InputError, match=r"list\.mp4: cannot be read as a video"):
        frames(tmp_path / "list.mp4", 4)


def test_an_animated_picture_of_too_many_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = animation(tmp_path / "a.webp", [(0, 100), (50, 100), (100, 100)])
    monkeypatch.setattr(clips, "MOST_FRAMES", 2)
    with pytest.raises(InputError, match=r"a\.webp: has 3 frames; expected at most 2"):
        frames(path, 4)


def test_a_large_frame_is_made_smaller_when_it_is_decoded(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "large.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height = 1920, 1080
        container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (1920, 1080), (80, 90, 100)))))
        container.mux(stream.encode(None))
    assert frames(tmp_path / "large.mp4", 1, at_least=200)[0].image.size == (384, 216)
    assert frames(tmp_path / "large.mp4", 1)[0].image.size == (1920, 1080)


def test_a_video_without_pyav_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"any")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"a\.mp4: reading videos needs PyAV: .* -m pip install 'av>=14'"):
        frames(tmp_path / "a.mp4", 4)


def test_broken_clips_are_left_out_in_their_place(tmp_path: Path) -> None:
    good = [animation(tmp_path / f"{name}.webp", [(0, 100), (level, 100)]) for name, level in (("a", 90), ("b", 250))]
    (tmp_path / "bad.gif").write_bytes(b"GIF89a")
    encoder = region_encoder(RegionSettings(frames=3, size=SIDE))
    order = [tmp_path / "bad.gif", good[0], tmp_path / "bad.gif", good[1], tmp_path / "gone.webp"]
    rows = list(encoder.stream(order))
    assert [isinstance(row, InputError) for row in rows] == [True, False, True, False, True]
    alone = encoder.encode(good).features
    for place, row in enumerate((rows[1], rows[3])):
        assert not isinstance(row, InputError)
        np.testing.assert_allclose(row.features, alone[place].numpy())


def test_a_transparent_frame_is_on_white_as_a_still_picture_is(tmp_path: Path) -> None:
    clear, red = Image.new("RGBA", (SIDE, SIDE)), Image.new("RGBA", (SIDE, SIDE), (200, 30, 30, 255))
    for name in ("a.gif", "a.png", "a.webp"):
        clear.save(tmp_path / name, save_all=True, append_images=[red], duration=500, disposal=2, lossless=True)
        found = [frame.image.getpixel((3, 3)) for frame in frames(tmp_path / name, 2)]
        assert found[0] == still(tmp_path / name).getpixel((3, 3)) == (255, 255, 255), name
        assert found[1][0] > 190 and found[1][1] < 40, name


def test_a_still_picture_has_no_later_part(tmp_path: Path) -> None:
    grey(100).save(tmp_path / "a.png")
    assert len(frames(tmp_path / "a.png#t=0,0", 3)) == 1
    with pytest.raises(InputError, match=r"a\.png#t=5,6: begins after the end"):
        frames(tmp_path / "a.png#t=5,6", 1)


def three_shots(path: Path) -> Path:
    """A video of three shots, a second each."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = SIDE
        for number in range(30):
            colour = ((200, 30, 30), (30, 160, 30), (30, 30, 220))[number // 10]
            picture = Image.new("RGB", (SIDE, SIDE), colour)
            picture.paste((230, 230, 230), (number % 10, 4, number % 10 + 8, 12))  # what moves ends no shot
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
    return path


def test_a_shot_ends_where_the_colours_change_at_once(tmp_path: Path) -> None:
    path = three_shots(tmp_path / "a.mp4")
    found = [(round(part.start, 1), round(part.end, 1)) for part in shots(path)]
    assert found == [(0, 1), (1, 2), (2, 3)]
    assert [round(part.start, 1) for part in shots(Path(f"{path}#t=0.5,1.5"))] == [0.5, 1.0]
    grey(100).save(tmp_path / "still.png")
    assert [part.path for part in shots(tmp_path / "still.png")] == [tmp_path / "still.png#t=0,0"]
    slow = video(tmp_path / "fade.mp4", [4 * number for number in range(50)])
    assert len(shots(slow)) == 1  # a fade ends none


def test_shots_of_sequences_are_found(world: Path, tmp_path: Path) -> None:
    out = write_sequences(load_dataset(world), tmp_path / "sequences", most=2)
    truth = json.loads((out / "shots.json").read_text())
    for name, told in truth.items():
        starts = [part.start / 0.12 for part in shots(out / "images" / name)]
        assert all(min(abs(start - first) for first in told["first"]) <= 1 for start in starts), name


def test_captions_of_videos_and_their_shots(tmp_path: Path) -> None:
    path, gone = three_shots(tmp_path / "a.mp4"), tmp_path / "broken.mp4"
    gone.write_bytes(b"nothing")

    def say(*words: object) -> Result:
        return CliRunner().invoke(app, ["caption", *map(str, words), "--device", "cpu"])

    whole = json.loads(say(path, "--json").stdout)["pictures"]
    assert [(one["picture"], one["start"], one["end"]) for one in whole] == [(str(path), 0.0, 3.0)]
    each = json.loads(say(tmp_path, "--shots", "--json").stdout)  # a folder
    assert [(one["start"], one["end"]) for one in each["pictures"]] == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]
    assert all(one["picture"] == str(path) and one["captions"][0]["text"] for one in each["pictures"])
    assert "cannot be read as a video" in each["broken"][str(gone)]
    text = say(path, "--shots").stdout.splitlines()
    assert text[1] == str(path) and [line.split()[1:4] for line in text[2:]][1] == ["1.0", "-", "2.0"]
    grey(100).save(tmp_path / "still.png")
    both = say(path, tmp_path / "still.png", "--shots").stdout.splitlines()
    assert both[-2] == str(tmp_path / "still.png")
    assert not both[-1][12:31].strip() and both[-1][31] != " "  # a picture has no times
    failed = say(gone)
    assert failed.exit_code == 2 and failed.stderr.count("\n") == 1 and "broken.mp4" in failed.stderr

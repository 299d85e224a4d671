"""Frames of a video at one per second: the right ones, a few at a time, whatever the file is like."""

import os
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wordsight.errors import InputError
from wordsight.search.frames import split
from wordsight.vision import video, video_frames
from wordsight.vision.fragments import fragment, is_video, times_in
from wordsight.vision.video_frames import frame_at, read_video_header, sampled

av = pytest.importorskip("av")
SIDE = 48
CODECS = {".webm": "libvpx"}  # of others mpeg4


def film(
    path: Path,
    pictures: Sequence[Image.Image],
    times: Sequence[float] | None = None,
    told: dict[str, str] | None = None,
    turn: int = 0,
) -> Path:
    """A video of some pictures, shown from some seconds on, or each for one second."""
    with av.open(str(path), "w") as container:
        for name, value in (told or {}).items():
            container.metadata[name] = value
        stream = container.add_stream(CODECS.get(path.suffix, "mpeg4"), rate=10)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt, stream.bit_rate = "yuv420p", 800_000
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = round(1000 * (times[number] if times else number)), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if turn:
        rotated(path, turn)
    return path


def rotated(path: Path, turn: int) -> None:
    """Write the matrix of a turn into the track header of an MP4 file."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    one, most = (1 << 16).to_bytes(4, "big"), (-(1 << 16)).to_bytes(4, "big", signed=True)
    nothing, last = bytes(4), (1 << 30).to_bytes(4, "big")
    matrix = {90: (nothing, one, nothing, most, nothing, nothing, nothing, nothing, last)}[turn]
    content[at : at + 36] = b"".join(matrix)
    path.write_bytes(content)


def grey(level: int, size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def levels(path: Path, **wanted: Any) -> dict[int, int]:
    """The grey of the frames, to tens, by time."""
    return {one.time: round(float(np.asarray(one.image).mean()) / 10) * 10 for one in sampled(path, **wanted)}


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mkv", "a.avi", "a.mov"])
def test_the_frame_of_a_second_is_the_one_that_is_shown_then(tmp_path: Path, name: str) -> None:
    steps = [20 * (number // 10) for number in range(50)]
    path = film(tmp_path / name, [grey(level + 20) for level in steps], [number / 10 for number in range(50)])
    assert levels(path) == {0: 20, 1: 40, 2: 60, 3: 80, 4: 100}
    assert levels(path, start=3) == {3: 80, 4: 100}
    assert [round(np.asarray(frame_at(path, time)).mean() / 10) for time in (4, 0, 2)] == [10, 2, 6]
    assert read_video_header(path).seconds == pytest.approx(5, abs=0.11)


def test_variable_frame_rates_and_frames_that_are_shown_for_long(tmp_path: Path) -> None:
    path = film(tmp_path / "slow.mkv", [grey(level) for level in (20, 100, 180, 240)], [0, 0.4, 6.2, 6.5])
    assert levels(path) == {0: 20, 1: 100}  # 180 and 240 are gone again, or the video ends, before a whole second
    assert levels(film(tmp_path / "one.mp4", [grey(100)])) == {0: 100}


def test_a_very_long_video_is_sampled_in_longer_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "long.mp4", [grey(10 * number + 10) for number in range(20)])
    monkeypatch.setattr(video_frames, "MOST", 7)
    assert list(levels(path)) == [0, 3, 6, 9, 12, 15, 18]
    assert list(levels(path, start=12)) == [12, 15, 18]
    assert [one.time for one in islice(sampled(path), 2)] == [0, 3]  # no more need be decoded


def test_a_rotated_video_is_upright_and_a_large_one_smaller(tmp_path: Path) -> None:
    wide = Image.new("RGB", (96, 48))
    wide.paste((255, 255, 255), (0, 0, 48, 48))  # white at the left
    (one,) = sampled(film(tmp_path / "turned.mp4", [wide], turn=90))
    assert one.size == one.image.size == (48, 96)
    assert np.asarray(one.image)[:40].mean() > 200 > 50 > np.asarray(one.image)[56:].mean()  # now above
    (one,) = sampled(film(tmp_path / "large.mp4", [grey(100, (2560, 2048))]))
    assert one.size == (2560, 2048) and one.image.size == (1280, 1024)


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ({"creation_time": "1970-01-01T00:00:00.000000Z"}, None),
        ({"creation_time": "2021-05-17T10:10:10.000000Z"}, "2021-05-17"),
        ({"creation_time": "yesterday"}, None),
        ({}, None),
    ],
)
def test_when_a_video_was_taken(tmp_path: Path, told: dict[str, str], taken: str | None) -> None:
    when = read_video_header(film(tmp_path / "a.mp4", [grey(100)], told=told)).taken
    assert (when and when.date().isoformat()) == taken
    assert video_frames._moment("2021-05-17T12:10:10+0200").isoformat() == "2021-05-17T12:10:10"  # the camera's clock


def sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_what_is_no_video_is_refused_in_a_sentence(tmp_path: Path) -> None:
    secret = film(tmp_path / "other.mp4", [grey(100)])
    for name, content in {
        "empty.mp4": b"",
        "text.webm": b"no video at all" * 100,
        "playlist.ts": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n".encode(),
        "concat.mkv": f"ffconcat version 1.0\nfile {secret}\n".encode(),
    }.items():
        (tmp_path / name).write_bytes(content)
        for read in (read_video_header, lambda path: list(sampled(path))):
            with pytest.raises(InputError, match=rf"{name}: cannot be read as a video"):
                read(tmp_path / name)
    with pytest.raises(InputError, match="only sound; expected a video"):
        list(sampled(sound(tmp_path / "song.mp4")))
    with pytest.raises(InputError, match=r"gone\.mp4: no such file, expected a video"):
        list(sampled(tmp_path / "gone.mp4"))
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    for name in ("folder.mp4", "pipe.mp4"):
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            list(sampled(tmp_path / name))


def test_a_video_that_is_cut_short_or_damaged_gives_what_there_is(tmp_path: Path) -> None:
    steps = [grey(10 * (number // 10) + 20) for number in range(80)]
    whole = film(tmp_path / "whole.mkv", steps, [number / 10 for number in range(80)]).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    there = levels(tmp_path / "cut.mkv")
    assert there[0] == 20 and 2 <= len(there) < 8
    damaged = bytearray(whole)
    damaged[len(whole) // 2 : len(whole) // 2 + 40] = bytes(40)
    (tmp_path / "hole.mkv").write_bytes(damaged)
    assert levels(tmp_path / "hole.mkv")[0] == 20


def test_frames_between_are_passed_over_where_keyframes_allow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.avi"
    with av.open(str(path), "w") as container:  # every frame is a keyframe
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuvj420p"
        for number in range(150):
            container.mux(stream.encode(av.VideoFrame.from_image(grey(20 * (number // 25) + 20))))
        container.mux(stream.encode(None))
    decoded, decode = [], video._decoded
    monkeypatch.setattr(video, "_decoded", lambda one: (decoded.append(time) or (time, _) for time, _ in decode(one)))
    assert levels(path) == {0: 20, 1: 40, 2: 60, 3: 80, 4: 100, 5: 120}
    assert len(decoded) <= 12
    decoded.clear()
    assert levels(path, start=5) == {5: 120} and len(decoded) <= 3
    monkeypatch.setattr(video, "_sought", lambda *_: iter(()))  # as in a bad index
    assert levels(path) == {0: 20, 1: 40, 2: 60, 3: 80, 4: 100, 5: 120}


def test_a_name_says_a_file_and_times() -> None:
    assert times_in("a.mp4#t=7") == ("a.mp4", 7, None) and times_in("b/a.b.mp4#t=1.5,2") == ("b/a.b.mp4", 1.5, 2)
    assert split("a.mp4#t=7") == ("a.mp4", 7) and split("a.mp4#t=7#t=8.mp4#t=0") == ("a.mp4#t=7#t=8.mp4", 0)
    for name in ("a.mp4", "a.mp4#t=7.5", "a.mp4#t=1,2", "a.mp4#t=07", "a.mp4#t=", "a.mp4#t=\u0667", "#t=7"):
        assert split(name) == (name, None)
    assert fragment("a.mp4#t=7").path == Path("a.mp4#t=7")  # one frame is no part
    assert not is_video("a.mp4#t=7") and is_video("a.mp4#t=1,2")

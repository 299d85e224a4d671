"""Pictures made to be dangerous are refused before they take memory, and threads that decode share what there is."""

import io
import struct
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from wordsight.vision import images, limits
from wordsight.vision.headers import Header, media_type, read_header
from wordsight.vision.images import BadPicture, open_image
from wordsight.vision.limits import Room, TooManyPixels

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import bomb_makers as make

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
REFUSED = {
    "an icon with a large PNG": make.icon(make.png(3000, 3000, 16, 6, full=False)),
    "an icon with a large bitmap": make.icon(struct.pack("<IiiHHIIiiII", 40, 30000, 60000, 1, 32, 0, 0, 0, 0, 0, 0)),
    "an icon of a Mac with a large PNG": make.icns(make.png(3000, 3000, 8, 6, full=False)),
    "a tile far larger than its picture": make.tiff(
        100, 100, 8, (322, 4, 1, 60000), (323, 4, 1, 60000), (324, 4, 1, 8)
    ),
    "a screen of four billion": make.gif(65535, 1, 1),
    "a frame beyond its screen": make.gif(1, 65535, 65535),
    "a canvas of 268 million": make.webp_header(16383, 16383),
    "more bytes than pixels": make.tiff(8900, 8900, 32, (339, 3, 1, 3), data=b"x" * 99),
    "80 million rows": make.png(1, 80_000_000, 8, 2, full=False),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_take_too_much_is_refused_at_once(name: str) -> None:
    began = time.process_time()
    with pytest.raises(TooManyPixels, match="picture given in memory"):
        open_image(REFUSED[name])
    read_header(REFUSED[name])
    assert time.process_time() - began < 2


@pytest.mark.parametrize("late", [False, True])
def test_a_header_is_read_without_decoding(late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "Canon", 0x0132: "2020:01:02 03:04:05"})
    content, eXIf = make.png(30, 20, 8, 2), make.chunk(b"eXIf", exif.tobytes()[6:])
    at = content.index(b"IEND" if late else b"IDAT") - 4
    monkeypatch.setattr(PngImageFile, "load", lambda _: pytest.fail("decoded"))
    turned = Header(20, 30, datetime(2020, 1, 2, 3, 4, 5), "Canon")
    assert read_header(content[:at] + eXIf + content[at:]) == turned
    assert read_header(content) == Header(30, 20, None)
    assert media_type(io.BytesIO(content)) == "image/png"


@pytest.mark.parametrize(
    "content",
    [
        make.exif(3000, 100_000),
        make.rationals(200_000),
        b"SIMPLE  =                    T".ljust(2880),
        b"%!PS-Adobe-3.0 EPSF",
    ],
)
def test_other_traps_are_no_pictures(content: bytes) -> None:
    with pytest.raises(BadPicture):
        open_image(content)


def test_a_progressive_jpeg_of_many_scans_is_refused() -> None:
    whole = make.saved("L", (64, 64), "JPEG", progressive=True)
    last = whole.rfind(b"\xff\xda")
    assert open_image(whole).size == (64, 64)
    with pytest.raises(BadPicture, match="scans"):
        open_image(whole[:-2] + whole[last:-2] * 200 + b"\xff\xd9")


def test_exif_that_is_too_large_is_not_read() -> None:
    content = make.png(9, 9, 8, 2, make.chunk(b"eXIf", make.exif(3000, 2_000_000)))
    assert open_image(content).size == (9, 9) and read_header(content) is not None


def test_large_pictures_are_given_smaller_where_they_may_be() -> None:
    assert open_image(make.png(4000, 3000, 8, 0), at_least=300).size == (500, 375)
    assert open_image(make.png(4000, 3000, 8, 0)).size == (4000, 3000)
    assert open_image(make.png(60_000, 100, 8, 0), at_least=300).size == (7500, 13)
    assert open_image(make.saved("RGB", (2400, 2400), "JPEG2000"), at_least=300).size == (300, 300)
    assert open_image(make.png(1000, 800, 8, 0), at_least=100).size == (1000, 800), "small ones stay as they are"


def test_threads_decode_within_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    room, most, now = Room(100), 0, 0
    lock = threading.Lock()

    def take(wanted: int) -> None:
        nonlocal most, now
        with room.taken(wanted):
            with lock:
                now += min(wanted, 100)
                most = max(most, now)
            time.sleep(0.005)
            with lock:
                now -= min(wanted, 100)

    threads = [threading.Thread(target=take, args=(wanted,)) for wanted in (10, 40, 60, 100, 500, 30) * 5]
    for one in threads:
        one.start()
    for one in threads:
        one.join(10)
    assert 60 < most <= 100 and now == 0
    taken: list[int] = []
    monkeypatch.setattr(
        images, "ROOM", type("Seen", (Room,), {"taken": lambda self, n: (taken.append(n), room.taken(n))[1]})(9)
    )
    open_image(make.png(1000, 1000, 8, 6))
    assert max(taken) >= 8_000_000 and limits.MEMORY <= 10**9

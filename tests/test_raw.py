"""RAW photos are read by their previews, upright; without the extra they are reported, not passed over."""

import io
import struct
import sys
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.search.index import Index
from wordsight.vision import raw
from wordsight.vision.headers import media_type, read_header
from wordsight.vision.images import open_image

PREVIEW = (96, 64)
Entry = tuple[int, str, list[int] | bytes]


def directory(entries: list[Entry], at: int) -> bytes:
    """A TIFF directory at an offset: what does not fit into an entry comes after it."""
    head, more = struct.pack("<H", len(entries)), b""
    for tag, kind, values in entries:
        data = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{kind}", *values)
        number, size = {"B": (1, 1), "s": (2, 1), "H": (3, 2), "L": (4, 4)}[kind]
        head += struct.pack("<HHL", tag, number, len(data) // size)
        if len(data) > 4:
            head += struct.pack("<L", at + 2 + 12 * len(entries) + 4 + len(more))
            more += data + b"\0" * (len(data) % 2)
        else:
            head += data.ljust(4, b"\0")
    return head + bytes(4) + more


def dng(preview: bytes | None, orientation: int = 1, version: bool = True) -> bytes:
    """A DNG of 64 x 48 pixels of a sensor, with a JPEG as its preview, or as one of grey pixels without."""
    sensor = struct.pack("<3072H", *range(3072))
    wide, high = PREVIEW
    bitmap = preview is None
    first = preview or bytes((255, 0, 0)) * (wide * high // 2) + bytes((0, 0, 255)) * (wide * high // 2)
    first += b"\0" * (len(first) % 2)
    at = 8 + len(first)
    below = directory(
        [
            *((254, "L", [0]), (256, "L", [64]), (257, "L", [48]), (258, "H", [16]), (259, "H", [1])),
            *((262, "H", [32803]), (273, "L", [at]), (277, "H", [1]), (278, "L", [48]), (279, "L", [len(sensor)])),
            *((284, "H", [1]), (33421, "H", [2, 2]), (33422, "B", b"\0\1\1\2")),
        ],
        at + len(sensor),
    )
    entries: list[Entry] = [(254, "L", [1]), (256, "L", [wide]), (257, "L", [high]), (258, "H", [8, 8, 8])]
    entries += [(259, "H", [1 if bitmap else 7]), (262, "H", [2 if bitmap else 6])]
    entries += [(271, "s", b"NIKON CORPORATION\0"), (272, "s", b"NIKON D90\0")]
    entries += [(273, "L", [8]), (274, "H", [orientation]), (277, "H", [3]), (278, "L", [high])]
    entries += [(279, "L", [len(first)]), (284, "H", [1]), (306, "s", b"2024:05:17 10:11:12\0")]
    entries += [(330, "L", [at + len(sensor)])]
    entries += [(50706, "B", b"\1\4\0\0"), (50708, "s", b"NIKON D90\0")] if version else []
    start = at + len(sensor) + len(below)
    return b"II*\0" + struct.pack("<L", start) + first + sensor + below + directory(entries, start)


def shown(exif: Image.Exif | None = None) -> bytes:
    """A preview: red in its left half, blue in its right one."""
    image, out = Image.new("RGB", PREVIEW, "blue"), io.BytesIO()
    image.paste("red", (0, 0, PREVIEW[0] // 2, PREVIEW[1]))
    image.save(out, "JPEG", quality=95, exif=exif or b"")
    return out.getvalue()


def reddest(image: Image.Image) -> str:
    """The edge that is red."""
    width, height = image.size
    middles = {"left": (4, height // 2), "right": (width - 5, height // 2), "top": (width // 2, 4)}
    middles["bottom"] = (width // 2, height - 5)
    red = {edge: image.getpixel(at)[0] - image.getpixel(at)[2] for edge, at in middles.items()}  # type: ignore[index]
    return max(red, key=lambda edge: red[edge])


@pytest.mark.parametrize(("orientation", "edge"), [(1, "left"), (3, "right"), (6, "top"), (8, "bottom")])
@pytest.mark.parametrize("own", [False, True], ids=["plain", "with EXIF of its own"])
def test_the_preview_is_upright(orientation: int, edge: str, own: bool) -> None:
    pytest.importorskip("rawpy")
    exif = Image.Exif()
    exif[0x010E] = "a preview with EXIF that does not say how it is turned"
    content = dng(shown(exif if own else None), orientation)
    image = open_image(content)
    assert image.size == (PREVIEW if orientation in (1, 3) else PREVIEW[::-1]) and reddest(image) == edge
    header = read_header(content)
    assert header is not None and header[:2] == image.size


def test_a_preview_that_says_how_it_is_turned_is_believed() -> None:
    pytest.importorskip("rawpy")
    exif = Image.Exif()
    exif[0x0112] = 6
    assert reddest(open_image(dng(shown(exif), 6))) == "top"


def test_a_preview_without_compression_is_upright_too() -> None:
    pytest.importorskip("rawpy")
    image = open_image(dng(None, 6))
    assert image.size == PREVIEW[::-1] and reddest(image) == "right"  # its upper half is red


def test_its_header_says_what_took_it_and_when(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    header = read_header(dng(shown()))
    assert header is not None and header.taken == datetime(2024, 5, 17, 10, 11, 12)
    assert (header.make, header.model) == ("NIKON CORPORATION", "NIKON D90") or header.make.lower() == "nikon"
    assert media_type(io.BytesIO(dng(shown()))) == ""  # no browser shows it


def test_it_is_told_by_its_content() -> None:
    assert raw.is_raw(io.BytesIO(dng(shown()))) and raw.is_raw(io.BytesIO(dng(shown(), version=False)))
    for head in (b"FUJIFILMCCD-RAW 0201", b"\0\0\0\x18ftypcrx \0\0\0\1", b"II*\0\x10\0\0\0CR\2\0", b"IIU\0\x18\0\0\0"):
        assert raw.is_raw(io.BytesIO(head + bytes(40)))
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "TIFF")
    others = [shown(), out.getvalue(), b"", b"II", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"]
    assert not any(raw.is_raw(io.BytesIO(content)) for content in others)


def test_what_is_damaged_is_said_in_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    for number, content in enumerate((dng(shown())[:3000], b"FUJIFILMCCD-RAW 0201" + bytes(500), dng(b"no JPEG!"))):
        path = tmp_path / f"{number}.dng"
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"{number}\.dng: ") as said:
            open_image(path)
        assert "\n" not in str(said.value)


def test_without_the_extra_it_is_listed_as_not_read(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.NEF").write_bytes(dng(shown()))
    Image.new("RGB", (40, 30), "red").save(tmp_path / "photos" / "two.png")
    index = Index.create(tmp_path / "index", trained, "cpu")
    monkeypatch.setitem(sys.modules, "rawpy", None)
    built = index.build(tmp_path / "photos", progress=Progress(quiet=True))
    (said,) = built.broken.values()
    assert "one.NEF" in said and "RAW photos need rawpy" in said and "-m pip install 'rawpy" in said
    monkeypatch.undo()
    pytest.importorskip("rawpy")
    assert not index.build(tmp_path / "photos", progress=Progress(quiet=True)).broken

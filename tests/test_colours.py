"""Every kind of pixel comes out as a viewer shows it: deep, float, transparent, and of other colour spaces."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wordsight.vision import colour
from wordsight.vision.images import open_image

tifffile = pytest.importorskip("tifffile", reason="comes with the extra 'demo'")
Values = NDArray[Any]


def png(values: Values, kind: int, bits: int, **chunks: bytes) -> bytes:
    """A PNG file of rows of raw bytes; chunks go before the pixels."""
    height, width = values.shape[:2]
    rows = np.ascontiguousarray(values.astype(">u2" if bits == 16 else np.uint8)).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = {"IHDR": struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)} | chunks
    parts |= {"IDAT": zlib.compress(raw), "IEND": b""}
    body = b"".join(
        struct.pack(">I", len(data)) + (name := key.encode()) + data + struct.pack(">I", zlib.crc32(name + data))
        for key, data in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(values: Values, **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, values, **options)
    return out.getvalue()


def row(source: bytes | Image.Image) -> list[Any]:
    """The first row of a picture: one number a pixel where it is grey."""
    values = np.asarray(open_image(source))[0]
    grey = (values == values[:, :1]).all()
    return values[:, 0].tolist() if grey else [tuple(pixel) for pixel in values.tolist()]


def near(source: bytes | Image.Image, wanted: list[Any], by: int = 1) -> None:
    found = np.array(row(source), float)
    assert np.abs(found - np.array(wanted, float)).max() <= by, found


FLOATS = {
    "0 to 1": ([0, 0.25, 0.5, 1], [0, 64, 128, 255]),
    "a little beyond 1": ([0, 0.5, 1, 1.02], [0, 128, 255, 255]),
    "resampled": ([-0.1, 0.5, 1, 1.3], [0, 128, 255, 255]),
    "dark": ([0, 0.01, 0.05, 0.1], [0, 3, 13, 26]),
    "no numbers": ([0, np.nan, 1, np.inf], [0, 0, 255, 255]),
    "below everything": ([-np.inf, -1, 0.5, 1], [0, 0, 128, 255]),
    "0 to 255": ([0, 64, 128, 255], [0, 64, 128, 255]),
    "0 to 255 and a little": ([0, 64, 128, 257.5], [0, 64, 128, 255]),
    "12 bits": ([0, 1024, 2048, 4095], [0, 64, 128, 255]),
    "16 bits": ([0, 16384, 32768, 65535], [0, 64, 128, 255]),
    "any": ([0, 1e6, 2e6, 4e6], [0, 64, 128, 255]),
    "nothing": ([0, 0, 0, 0], [0, 0, 0, 0]),
    "nowhere": ([np.nan] * 4, [0, 0, 0, 0]),
}


@pytest.mark.parametrize("name", FLOATS)
def test_floats_are_shown_as_they_are_meant(name: str) -> None:
    values, wanted = FLOATS[name]
    near(tiff(np.array([values], np.float32)), wanted)
    near(Image.fromarray(np.array([values], np.float32)), wanted)


def test_a_few_highlights_do_not_darken_a_float_picture() -> None:
    values = np.full((100, 100), 0.5, np.float32)
    values[0, :3] = 40
    assert row(tiff(values))[3:5] == [128, 128]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_fewer_bits_in_files_of_16_are_shown_in_full(bits: int) -> None:
    values = np.array([[0, 1 << bits - 2, 1 << bits - 1, (1 << bits) - 1]], np.uint16)
    wanted = [0, 64, 128, 255]
    near(tiff(values), wanted)
    near(tiff(values, byteorder=">"), wanted)
    near(tiff(values, compression="zlib"), wanted)
    near(png(values, 0, 16), wanted)
    colours = np.stack([values, values[:, ::-1], values], -1)
    for source in (
        png(colours, 2, 16),
        tiff(colours, photometric="rgb"),
        tiff(colours, photometric="rgb", byteorder=">"),
        tiff(colours, photometric="rgb", compression="zlib"),
    ):
        near(source, [(one, other, one) for one, other in zip(wanted, wanted[::-1], strict=True)])
    covered = np.concatenate([colours, np.full((1, 4, 1), 65535, np.uint16)], -1)
    near(png(covered, 6, 16), [(one, other, one) for one, other in zip(wanted, wanted[::-1], strict=True)])


def test_what_a_file_says_of_its_bits_counts() -> None:
    dark = np.array([[0, 100, 200, 300]], np.uint16)
    near(png(dark, 0, 16, sBIT=b"\x10"), [0, 0, 1, 1])
    near(png(dark, 0, 16, sBIT=b"\x0e"), [0, 2, 3, 5])
    near(png(np.array([[0, 0x4000, 0x8000, 0xFFF0]], np.uint16), 0, 16, sBIT=b"\x0c"), [0, 64, 128, 255])
    near(tiff(dark, extratags=[(281, "H", 1, 4095, True)]), [0, 6, 12, 19])


def test_whole_numbers_of_32_bits() -> None:
    near(tiff(np.array([[0, 64, 128, 255]], np.int32)), [0, 64, 128, 255])
    near(tiff(np.array([[0, 1024, 2048, 4095]], np.int32)), [0, 64, 128, 255])
    near(tiff(np.array([[-5, 1 << 28, 1 << 29, 1 << 30]], np.int32)), [0, 64, 128, 255])
    near(tiff(np.array([[0, 1 << 30, 1 << 31, (1 << 32) - 1]], np.uint32)), [0, 64, 128, 255])


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I"])
def test_every_order_of_bytes(mode: str) -> None:
    values = np.array([[0, 16384, 32768, 65535]], {"I;16B": ">u2", "I": "<i4"}.get(mode, "<u2"))
    near(Image.frombytes(mode, (4, 1), values.tobytes()), [0, 64, 128, 255])


def test_where_0_is_white_it_is_white() -> None:
    values = np.array([[0, 16384, 32768, 65535]], np.uint16)
    near(tiff(values, photometric="miniswhite"), [255, 191, 127, 0])
    near(tiff((values >> 8).astype(np.uint8), photometric="miniswhite"), [255, 191, 127, 0])


def test_a_transparent_colour_lies_on_white() -> None:
    red = np.array([[[255, 0, 0], [0, 0, 255], [254, 0, 0]]], np.uint8)
    hole = struct.pack(">HHH", 255, 0, 0)
    assert row(png(red, 2, 8, tRNS=hole)) == [(255, 255, 255), (0, 0, 255), (254, 0, 0)]
    deep = np.array([[[65535, 0, 0], [0, 0, 65535], [65534, 0, 0]]], np.uint16)
    hole = struct.pack(">HHH", 65535, 0, 0)
    assert row(png(deep, 2, 16, tRNS=hole)) == [(255, 255, 255), (0, 0, 255), (255, 0, 0)]


def test_a_transparent_grey_lies_on_white_at_every_depth() -> None:
    assert row(png(np.array([[0, 100, 101]], np.uint8), 0, 8, tRNS=b"\0\x64")) == [0, 255, 101]
    assert row(png(np.array([[0, 1000, 65535]], np.uint16), 0, 16, tRNS=b"\x03\xe8")) == [0, 255, 255]
    for bits, most, packed in ((1, 1, 0b01000000), (2, 3, 0b00110000), (4, 15, 0x0F)):
        for hole in (0, most):
            values = np.array([[packed]], np.uint8)
            head = struct.pack(">IIBBBBB", 2, 1, bits, 0, 0, 0, 0)
            source = png(values, 0, bits, IHDR=head, tRNS=struct.pack(">H", hole))
            assert row(source) == [255 if hole == 0 else 0, 255], (bits, hole)


def test_a_transparent_place_of_a_palette_lies_on_white() -> None:
    palette = bytes([255, 0, 0, 0, 0, 255, 0, 255, 0])
    values = np.array([[0, 1, 2]], np.uint8)
    assert row(png(values, 3, 8, PLTE=palette, tRNS=b"\0")) == [(255, 255, 255), (0, 0, 255), (0, 255, 0)]
    half = row(png(values, 3, 8, PLTE=palette, tRNS=b"\x80\xff\0"))
    assert half[1:] == [(0, 0, 255), (255, 255, 255)] and half[0] == pytest.approx((255, 127, 127), abs=1)


def test_every_kind_of_alpha_lies_on_white() -> None:
    covered = Image.new("RGBA", (1, 1), (255, 0, 0, 128))
    grey = Image.new("LA", (1, 1), (0, 128))
    for image in (covered, covered.convert("RGBa")):
        near(image, [(255, 127, 127)], 2)
    for image in (grey, grey.convert("La"), grey.convert("RGBA")):
        near(image, [127], 2)
    near(
        tiff(np.array([[[128, 0, 0, 128]]], np.uint8), photometric="rgb", extrasamples=["assocalpha"]),
        [(255, 127, 127)],
        2,
    )
    near(tiff(np.array([[[255, 0, 0, 0]]], np.uint8), photometric="rgb", extrasamples=["unspecified"]), [(255, 0, 0)])
    near(png(np.array([[[0, 0x8000]]], np.uint16), 4, 16), [127], 2)
    near(png(np.array([[[4095, 0xFFFF], [2048, 0xFFFF], [2048, 0]]], np.uint16), 4, 16), [255, 128, 255])
    pixels = Image.new("PA", (1, 1))
    pixels.putpalette([0, 0, 255])
    pixels.putpixel((0, 0), (0, 0))
    assert row(pixels) == [255]


def test_other_colour_spaces() -> None:
    orange = Image.new("RGB", (8, 8), (250, 150, 50))
    for mode in ("CMYK", "YCbCr", "HSV"):
        near(orange.convert(mode).crop((0, 0, 1, 1)), [(250, 150, 50)], 3)
    lab = np.zeros((1, 2, 3), np.uint8)
    lab[0, 0] = (255, 0, 0)  # white; a and b are signed in TIFF
    near(tiff(lab, photometric="cielab"), [(255, 255, 255), (0, 0, 0)], 3)
    out = io.BytesIO()
    orange.convert("CMYK").save(out, "JPEG", quality=95)
    assert np.abs(np.asarray(open_image(out.getvalue())).astype(int) - [250, 150, 50]).max() < 8, "Adobe's are inverted"
    out = io.BytesIO()
    orange.save(out, "TIFF", compression="jpeg")
    assert np.abs(np.asarray(open_image(out.getvalue())).astype(int) - [250, 150, 50]).max() < 8


def test_an_interlaced_picture_and_several_in_one_file() -> None:
    ramp = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    for kind in ("MPO", "TIFF", "GIF", "WEBP"):
        out = io.BytesIO()
        options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
        frames = [Image.new("RGB", (16, 16), name) for name in ("red", "blue")]
        frames[0].save(out, kind, save_all=True, append_images=frames[1:], **options)
        near(out.getvalue(), [(254, 0, 0)] * 16, 2)
    out = io.BytesIO()
    ramp.save(out, "GIF", interlace=1)
    assert np.array_equal(np.asarray(open_image(out.getvalue()))[..., 0], np.asarray(ramp))


def test_strips_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (37, 11, 3), dtype=np.uint16)
    sources = [tiff(values[..., 0]), png(values >> 4, 2, 16), png(values >> 8, 2, 8, tRNS=bytes(6))]
    whole = [np.asarray(open_image(source)) for source in sources]
    monkeypatch.setattr(colour, "STRIP", 50)
    for source, wanted in zip(sources, whole, strict=True):
        assert np.array_equal(np.asarray(open_image(source)), wanted)

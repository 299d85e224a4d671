"""Decompression bombs: small picture files that claim, or really hold, far more data than their size suggests."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

SIDE = 8944  # its square is a little below 80 million
Make = Callable[[], bytes]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def zeros(size: int) -> bytes:
    """`size` zero bytes, deflated."""
    made, parts = zlib.compressobj(6), []
    while size > 0:
        parts.append(made.compress(bytes(min(size, 2**22))))
        size -= 2**22
    return b"".join(parts) + made.flush()


def png(width: int, height: int, bits: int, kind: int, *more: bytes, interlace: int = 0, full: bool = True) -> bytes:
    """A PNG whose pixels are all zero."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    rows = 2 * height if interlace else height
    data = zeros(height * ((width * bits * samples + 7) // 8) + 8 * rows) if full else b""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def directory(entries: list[tuple[int, int, int, int]], after: int = 0) -> bytes:
    """A TIFF directory of (tag, type, count, value or offset)."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return struct.pack("<H", len(entries)) + rows + struct.pack("<I", after)


def tiff(
    width: int, height: int, bits: int, *more: tuple[int, int, int, int], data: bytes = b"", packed: int = 8
) -> bytes:
    """A grey TIFF of one strip; deflated by default."""
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, packed), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, len(data))]
    own = {tag[0]: tag for tag in tags} | {tag[0]: tag for tag in more}
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory(list(own.values()))


def saved(mode: str, size: tuple[int, int], kind: str, **options: Any) -> bytes:
    """A picture of one colour, in a format."""
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **options)
    return out.getvalue()


def icon(content: bytes, entries: int = 1) -> bytes:
    rows = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(content), 6 + 16 * entries) * entries
    return b"\0\0\1\0" + struct.pack("<H", entries) + rows + content


def icns(content: bytes) -> bytes:
    return b"icns" + struct.pack(">I", 16 + len(content)) + b"ic07" + struct.pack(">I", 8 + len(content)) + content


def scans() -> bytes:
    """A progressive JPEG whose last scan is repeated 20,000 times more."""
    whole = saved("L", (8000, 8000), "JPEG", progressive=True)
    last = whole.rfind(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * 20_000 + b"\xff\xd9"


def exif(entries: int, size: int) -> bytes:
    """A directory whose entries all point to the same bytes."""
    start = 8 + 2 + 12 * entries + 4
    rows = [(1000 + number, 1, size, start) for number in range(entries)]
    return b"II*\0" + struct.pack("<I", 8) + directory(rows) + bytes(size)


def rationals(count: int) -> bytes:
    """A TIFF whose EXIF directory has a list of fractions that is far too long."""
    body = bytes(100) + b"\1\0\0\0" * (2 * count) + directory([(0x829A, 5, count, 108)])
    return tiff(10, 10, 8, (279, 4, 1, 100), (34665, 4, 1, 108 + 8 * count), data=body, packed=1)


def pages(count: int) -> bytes:
    """A TIFF of `count` pages."""
    tags = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 8), (278, 4, 1, 16), (279, 4, 1, 256)]
    size = len(directory(tags))
    rows = [directory(tags, 264 + size * (number + 1) if number < count - 1 else 0) for number in range(count)]
    return b"II*\0" + struct.pack("<I", 264) + bytes(256) + b"".join(rows)


def bmp(width: int, height: int, bits: int, packed: int, data: bytes) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packed, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(data), 0, 0, 54 + 1024) + head + bytes(1024) + data


def psd(width: int, height: int) -> bytes:
    row = (b"\x81\0" * (-(-width // 128)))[: 2 * -(-width // 128)]
    lengths = struct.pack(">H", len(row)) * (3 * height)
    return (
        b"8BPS\0\1"
        + bytes(6)
        + struct.pack(">HIIHH", 3, height, width, 8, 3)
        + bytes(12)
        + b"\0\1"
        + lengths
        + row * (3 * height)
    )


def gif(screen: int, width: int, height: int) -> bytes:
    small = saved("P", (1, 1), "GIF")
    at = small.find(b",")
    head = small[:6] + struct.pack("<HH", screen, screen) + small[10:at]
    return head + b"," + struct.pack("<HHHH", 0, 0, width, height) + small[at + 9 :]


def qoi(width: int, height: int) -> bytes:
    return (
        b"qoif" + struct.pack(">II", width, height) + b"\4\0" + b"\xfd" * (-(-width * height // 62)) + bytes(7) + b"\1"
    )


def tga(width: int, height: int) -> bytes:
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, width, height, 32, 40)
    return head + b"\xff\0\0\0\0" * (width * height // 128 + 1)


def webp_header(width: int, height: int) -> bytes:
    body = (
        b"WEBPVP8X"
        + struct.pack("<I", 10)
        + bytes(4)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    frame = saved("RGB", (16, 16), "WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body) + len(frame)) + body + frame


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (6000, 6000), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], **({"method": 0} if kind == "WEBP" else {}))
    return out.getvalue()


def photograph(kind: str) -> bytes:
    """A photograph as large as a camera's, which must open."""
    fine = np.random.default_rng(0).integers(0, 255, (66, 90, 3), dtype=np.uint8)
    out = io.BytesIO()
    if kind == "JPEG":
        Image.fromarray(fine).resize((9500, 6316), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    else:
        return tiff(8660, 5773, 16, data=np.tile(np.arange(8660, dtype="<u2") * 7, 5773).tobytes(), packed=1)
    return out.getvalue()


LARGE = {  # these must open
    "JPEG photograph of 60 million pixels": lambda: photograph("JPEG"),
    "TIFF of 50 million pixels, 16 bits": lambda: photograph("TIFF"),
    "TIFF RGB of 50 million pixels, 16 bits, deflated": lambda: tiff(
        8660, 5773, 16, (258, 3, 1, 16), (262, 3, 1, 2), (277, 3, 1, 3), data=zeros(6 * 8660 * 5773)
    ),
    "PNG RGB": lambda: png(SIDE, SIDE, 8, 2),
    "PNG RGBA": lambda: png(SIDE, SIDE, 8, 6),
}
BOMBS: dict[str, Make] = {
    "PNG grey of 16 bits": lambda: png(SIDE, SIDE, 16, 0),
    "PNG RGB of 16 bits": lambda: png(SIDE, SIDE, 16, 2),
    "PNG RGBA of 16 bits": lambda: png(SIDE, SIDE, 16, 6),
    "PNG grey and alpha of 16 bits": lambda: png(SIDE, SIDE, 16, 4),
    "PNG RGB of 16 bits with a transparent colour": lambda: png(SIDE, SIDE, 16, 2, chunk(b"tRNS", bytes(6))),
    "PNG RGB with a transparent colour": lambda: png(SIDE, SIDE, 8, 2, chunk(b"tRNS", bytes(6))),
    "PNG palette with transparency": lambda: png(
        SIDE, SIDE, 8, 3, chunk(b"PLTE", bytes(768)), chunk(b"tRNS", b"\x80" * 256)
    ),
    "PNG of 1 bit": lambda: png(SIDE, SIDE, 1, 0),
    "PNG interlaced": lambda: png(SIDE, SIDE, 8, 2, interlace=1),
    "PNG one row": lambda: png(80_000_000, 1, 8, 2),
    "PNG one column": lambda: png(1, 80_000_000, 8, 2),
    "PNG that claims everything": lambda: png(2**31 - 1, 2**31 - 1, 8, 2, full=False),
    "PNG just too large": lambda: png(SIDE + 100, SIDE + 100, 16, 6, full=False),
    "PNG with text": lambda: png(9, 9, 8, 2, *[chunk(b"zTXt", b"a\0\0" + zeros(10**9))] * 3),
    "PNG with international text": lambda: png(9, 9, 8, 2, *[chunk(b"iTXt", b"a\0\1\0\0\0" + zeros(10**9))] * 3),
    "PNG with a thousand texts": lambda: png(9, 9, 8, 2, *[chunk(b"zTXt", b"a\0\0" + zeros(10**6))] * 1000),
    "PNG with a colour profile": lambda: png(9, 9, 8, 2, chunk(b"iCCP", b"a\0\0" + zeros(10**9))),
    "PNG with EXIF on itself": lambda: png(9, 9, 8, 2, chunk(b"eXIf", exif(5000, 15_000_000))),
    "WebP with EXIF on itself": lambda: saved("RGB", (9, 9), "WEBP", exif=exif(5000, 15_000_000)),
    "PNG animated": lambda: animation("PNG"),
    "ICO with a large PNG": lambda: icon(png(SIDE, SIDE, 16, 6)),
    "ICO with a DIB that claims much": lambda: icon(
        struct.pack("<IiiHHIIiiII", 40, 30000, 60000, 1, 32, 0, 0, 0, 0, 0, 0)
    ),
    "ICO of many entries": lambda: icon(png(1000, 1000, 8, 6), 65535),
    "ICNS with a large PNG": lambda: icns(png(SIDE, SIDE, 8, 6)),
    "ICNS with a large JPEG 2000": lambda: icns(saved("RGB", (6000, 6000), "JPEG2000", no_jp2=True)),
    "TIFF of 16 bits": lambda: tiff(SIDE, SIDE, 16, data=zeros(2 * SIDE * SIDE)),
    "TIFF of floats": lambda: tiff(SIDE, SIDE, 32, (339, 3, 1, 3), data=zeros(4 * SIDE * SIDE)),
    "TIFF with a huge tile": lambda: tiff(
        100,
        100,
        8,
        (322, 4, 1, 60000),
        (323, 4, 1, 60000),
        (324, 4, 1, 8),
        (325, 4, 1, 3_500_000),
        data=zeros(3_600_000_000),
    ),
    "TIFF of many pages": lambda: pages(20_000),
    "TIFF with EXIF fractions": lambda: rationals(2_000_000),
    "TIFF of tags on itself": lambda: exif(5000, 15_000_000),
    "TIFF turned": lambda: tiff(SIDE, SIDE, 16, (274, 3, 1, 6), data=zeros(2 * SIDE * SIDE)),
    "GIF that claims a large screen": lambda: gif(65535, 1, 1),
    "GIF with a frame beyond its screen": lambda: gif(1, 65535, 65535),
    "GIF animated": lambda: animation("GIF"),
    "WebP that claims everything": lambda: webp_header(2**24, 2**24),
    "WebP that claims 268 million pixels": lambda: webp_header(16383, 16383),
    "WebP lossless": lambda: saved("RGB", (7000, 6800), "WEBP", lossless=True, quality=0, method=0),
    "WebP too large": lambda: saved("RGB", (SIDE, SIDE), "WEBP", quality=1, method=0),
    "WebP animated": lambda: animation("WEBP"),
    "AVIF": lambda: saved("RGB", (7000, 7000), "AVIF", speed=10, quality=1),
    "JPEG 2000": lambda: saved("RGB", (6300, 6300), "JPEG2000", quality_layers=[1000]),
    "JPEG 2000 of 16 bits": lambda: saved("I;16", (8000, 8000), "JPEG2000", quality_layers=[1000]),
    "JPEG progressive": lambda: saved("RGB", (SIDE, SIDE), "JPEG", progressive=True, subsampling=0),
    "JPEG progressive CMYK": lambda: saved("CMYK", (SIDE, SIDE), "JPEG", progressive=True),
    "JPEG turned": lambda: saved(
        "RGB", (SIDE, SIDE), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + directory([(274, 3, 1, 6)])
    ),
    "JPEG of 20,000 scans": scans,
    "BMP that claims much": lambda: bmp(30000, 30000, 8, 0, b""),
    "BMP run-length": lambda: bmp(SIDE, SIDE, 8, 1, (b"\xff\1" * 35 + b"\x13\1\0\0") * SIDE + b"\0\1"),
    "PSD run-length": lambda: psd(SIDE, SIDE),
    "PPM that claims much": lambda: b"P6 8900 8900 255\n",
    "PPM of 16 bits": lambda: b"P5 8900 8900 65535\n",
    "PPM of text": lambda: b"P3 2000 1600 255\n" + b"1 " * 9_600_000,
    "TGA run-length": lambda: tga(SIDE, SIDE),
    "QOI run-length": lambda: qoi(SIDE, SIDE),
    "PCX that claims much": lambda: (
        saved("RGB", (9, 9), "PCX")[:8] + struct.pack("<HH", 65000, 1200) + saved("RGB", (9, 9), "PCX")[12:]
    ),
    "EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9999 9999\n%%EndComments\n",
    "FITS packed": lambda: b"SIMPLE  =                    T".ljust(2880),
}


def made() -> Iterator[tuple[str, bool, bytes]]:
    """Every picture: its name, whether it must open, and its file's content."""
    for name, make in LARGE.items():
        yield name, True, make()
    for name, make in BOMBS.items():
        yield name, False, make()

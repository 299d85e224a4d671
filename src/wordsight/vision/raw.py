"""RAW photos: the preview that the camera stored in the file, as a JPEG; read by LibRaw (extra `raw`)."""

import io
import struct
from typing import Any, BinaryIO

from PIL import Image

from wordsight.errors import install

MOST = 200_000_000  # most bytes of a file, which is read as a whole
_MAGIC = (  # offset and bytes of marks at the beginning
    *((0, b"FUJIFILMCCD-RAW"), (4, b"ftypcrx "), (8, b"CR\2"), (6, b"HEAPCCDR"), (0, b"FOVb"), (0, b"\0MRM")),
    *((0, b"IIRO"), (0, b"IIRS"), (0, b"MMOR"), (0, b"IIU\0")),
)
_PHOTOMETRIC, _SUB, _DNG = 262, 330, 50706  # TIFF tags
_SENSOR = (32803, 34892)  # values of `_PHOTOMETRIC` for sensor data
_ENTRIES, _DIRECTORIES = 512, 8  # most entries read of a directory, most directories read of a file
_TURNS = {0: 1, 3: 3, 5: 8, 6: 6}  # LibRaw's flip -> EXIF orientation


def is_raw(file: BinaryIO) -> bool:
    """Whether a file, open at its beginning, is a RAW photo by its content; the file is rewound.

    DNG, NEF, ARW and others are TIFF files with a directory of sensor data.
    """
    head = file.read(16)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    found = any(head[at : at + len(magic)] == magic for at, magic in _MAGIC)
    try:
        return found or bool(order and len(head) >= 8 and _saw(file, order, struct.unpack(f"{order}L", head[4:8])[0]))
    except struct.error:  # cut short
        return False
    finally:
        file.seek(0)


def _saw(file: BinaryIO, order: str, first: int) -> bool:
    """Whether the first directory of a TIFF file, or one of its subdirectories, is of sensor data."""
    todo = [first]
    for number in range(_DIRECTORIES):
        if number == len(todo):
            break
        file.seek(todo[number])
        (count,) = struct.unpack(f"{order}H", file.read(2))
        entries = file.read(12 * min(count, _ENTRIES))
        for tag, _, many, value in struct.iter_unpack(f"{order}HHL4s", entries[: len(entries) // 12 * 12]):
            if tag == _DNG or (tag == _PHOTOMETRIC and struct.unpack(f"{order}H", value[:2])[0] in _SENSOR):
                return True
            if tag == _SUB and number == 0:
                todo += _numbers(file, order, min(many, _DIRECTORIES), value)
    return False


def _numbers(file: BinaryIO, order: str, many: int, value: bytes) -> tuple[int, ...]:
    """The numbers of an entry of a TIFF directory."""
    if many > 1:
        file.seek(struct.unpack(f"{order}L", value)[0])
        value = file.read(4 * many)
    return struct.unpack(f"{order}{many}L", value) if many else ()


def preview(file: BinaryIO) -> BinaryIO:
    """The preview in a RAW photo: a JPEG with date, camera and orientation in its EXIF data.

    Raises:
        ValueError: there is no preview, the file is too large, or the extra `raw` is not installed.
        Exception: whatever LibRaw raises for damaged files.
    """
    try:
        import rawpy
    except ImportError:
        raise ValueError(f"RAW photos need rawpy: {install('raw')}") from None
    content = file.read(MOST + 1)
    if len(content) > MOST:
        raise ValueError(f"a RAW photo of more than {MOST / 1e6:,.0f} MB")
    with rawpy.imread(io.BytesIO(content)) as raw:
        try:
            found = raw.extract_thumb()
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
            raise ValueError("a RAW photo without a preview that can be read") from None
        flip = _TURNS.get(raw.sizes.flip, 1)
    return io.BytesIO(found.data if isinstance(found.data, bytes) and _is_turned(found.data) else _jpeg(found, flip))


def _is_turned(jpeg: bytes) -> bool:
    """Whether a JPEG has an EXIF orientation."""
    return 0x0112 in Image.open(io.BytesIO(jpeg), formats=("JPEG",)).getexif()


def _jpeg(thumb: Any, orientation: int) -> bytes:
    """A preview as a JPEG with this EXIF orientation, which is put in front of the other data."""
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    if not isinstance(thumb.data, bytes):
        Image.fromarray(thumb.data).convert("RGB").save(out, "JPEG", quality=95, exif=exif)
        return out.getvalue()
    own = exif.tobytes()
    return thumb.data[:2] + b"\xff\xe1" + struct.pack(">H", len(own) + 2) + own + thumb.data[2:]

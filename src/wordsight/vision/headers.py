"""Picture headers, read without decoding pixels: size, media type, date and camera."""

import io
from datetime import datetime
from typing import BinaryIO, NamedTuple

from PIL import Image

from wordsight.vision.images import ORIENTATION, formats
from wordsight.vision.limits import DIRECTORY, ROOM, check_directories, check_exif, check_file
from wordsight.vision.raw import is_raw, preview

_CHANGED, _EXIF, _TAKEN = 0x0132, 0x8769, 0x9003  # numbers of EXIF tags
_MAKE, _MODEL = 0x010F, 0x0110
_PNG = b"\x89PNG\r\n\x1a\n"
_CHUNKS = (b"IHDR", b"eXIf", b"tEXt", b"zTXt", b"iTXt")  # of a PNG: its size, EXIF data, and texts that may have them


class Header(NamedTuple):
    """Header of a picture.

    Attributes:
        width: pixels, upright.
        height: pixels, upright.
        taken: date from EXIF; None if missing.
        make: of the camera, from EXIF; empty if missing.
        model: of the camera, likewise.
    """

    width: int
    height: int
    taken: datetime | None
    make: str = ""
    model: str = ""


def read_header(content: bytes | BinaryIO) -> Header | None:
    """Read the header of a picture's file, open or as bytes, without decoding it; None if it is not a picture."""
    try:
        image = _header(io.BytesIO(content) if isinstance(content, bytes) else content)
        width, height = image.size
    except Exception:  # decoders of damaged files raise almost any error
        return None
    make = model = ""
    try:
        if image.format == "TIFF":  # `image.size` is already rotated
            width, height = image.tag_v2[256], image.tag_v2[257]  # type: ignore[attr-defined]
        exif = Image.Image.getexif(image)  # the method of Pillow's PNGs decodes all pixels
        if exif.get(ORIENTATION) in (5, 6, 7, 8):
            width, height = height, width
        make, model = (_plain(exif.get(tag)) for tag in (_MAKE, _MODEL))
        text = exif.get_ifd(_EXIF).get(_TAKEN) or exif.get(_CHANGED)
        taken = datetime.strptime(_plain(text)[:19], "%Y:%m:%d %H:%M:%S")
    except Exception:  # no EXIF, or damaged
        return Header(width, height, None, make, model)
    return Header(width, height, taken, make, model)


def _plain(text: object) -> str:
    """EXIF text up to its first zero byte, without invalid Unicode."""
    return str(text or "").partition("\0")[0].encode("utf-8", "ignore").decode().strip()


def media_type(file: BinaryIO) -> str:
    """The media type of a picture file, such as "image/jpeg"; empty if it is a RAW photo, or not a picture."""
    try:
        return "" if is_raw(file) else Image.MIME.get(_header(file).format or "", "")
    except Exception:  # decoders of damaged files raise almost any error
        return ""


def _header(file: BinaryIO) -> Image.Image:
    """Open a picture without decoding its pixels, except an icon's; of a RAW photo, open the preview."""
    file = preview(file) if is_raw(file) else file
    if file.read(len(_PNG)) == _PNG:
        file = _without_pixels(file)
    file.seek(0)
    with ROOM.taken(check_file(file)):
        image = Image.open(file, formats=formats())
    check_exif(image)
    if image.format == "TIFF":
        check_directories(image, file)
    return image


def _without_pixels(file: BinaryIO) -> BinaryIO:
    """A PNG's size and metadata as a PNG of their own, as EXIF data may come after the pixels."""
    kept = [_PNG]
    while len(head := file.read(8)) == 8:
        length, name = int.from_bytes(head[:4]), head[4:]
        if name in _CHUNKS and length <= DIRECTORY:
            kept.append(head + file.read(length + 4))  # with its checksum
        else:
            file.seek(length + 4, 1)
    return io.BytesIO(b"".join([*kept, b"\0\0\0\0IDAT"]))

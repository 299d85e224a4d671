"""What a picture's file says of it, without decoding its pixels: its size, its kind, when and by which camera."""

import io
from datetime import datetime
from typing import BinaryIO, NamedTuple

from PIL import Image

from wordsight.vision.images import ORIENTATION, formats
from wordsight.vision.limits import ROOM, check_directories, check_exif, check_file
from wordsight.vision.raw import is_raw, preview

_CHANGED, _EXIF, _TAKEN = 0x0132, 0x8769, 0x9003  # numbers of EXIF tags
_MAKE, _MODEL = 0x010F, 0x0110


class Header(NamedTuple):
    """What a picture's file says of it.

    Attributes:
        width: pixels, upright.
        height: pixels, upright.
        taken: when, by EXIF; None where it does not say.
        make: of the camera, by EXIF; empty where it does not say.
        model: likewise.
    """

    width: int
    height: int
    taken: datetime | None
    make: str = ""
    model: str = ""


def read_header(content: bytes | BinaryIO) -> Header | None:
    """What a picture's file, open or as its bytes, says of it, without decoding it; None where it is no picture."""
    try:
        image = _header(io.BytesIO(content) if isinstance(content, bytes) else content)
        width, height = image.size
    except Exception:  # decoders of damaged files raise nearly anything
        return None
    make = model = ""
    try:
        if image.format == "TIFF":  # Pillow has turned the size already
            width, height = image.tag_v2[256], image.tag_v2[257]  # type: ignore[attr-defined]
        exif = image.getexif()
        if exif.get(ORIENTATION) in (5, 6, 7, 8):
            width, height = height, width
        make, model = (_plain(exif.get(tag)) for tag in (_MAKE, _MODEL))
        text = exif.get_ifd(_EXIF).get(_TAKEN) or exif.get(_CHANGED)
        taken = datetime.strptime(_plain(text)[:19], "%Y:%m:%d %H:%M:%S")
    except Exception:  # none, or damaged
        return Header(width, height, None, make, model)
    return Header(width, height, taken, make, model)


def _plain(text: object) -> str:
    """Text of EXIF up to its first zero byte, without what is no Unicode."""
    return str(text or "").partition("\0")[0].encode("utf-8", "ignore").decode().strip()


def media_type(file: BinaryIO) -> str:
    """The media type of a picture file, such as "image/jpeg"; empty if it is not a picture, or a RAW photo."""
    try:
        return "" if is_raw(file) else Image.MIME.get(_header(file).format or "", "")
    except Exception:  # decoders of damaged files raise nearly anything
        return ""


def _header(file: BinaryIO) -> Image.Image:
    """Open a picture without decoding its pixels, except an icon's; of a RAW photo the preview."""
    file = preview(file) if is_raw(file) else file
    with ROOM.taken(check_file(file)):
        image = Image.open(file, formats=formats())
    check_exif(image)
    if image.format == "TIFF":
        check_directories(image, file)
    return image

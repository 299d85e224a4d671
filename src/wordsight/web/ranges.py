"""HTTP range requests (RFC 9110, section 14): a browser that plays a video requests parts of its file."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import Headers

from wordsight.web.pictures import BLOCK

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII | re.IGNORECASE)
TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".ogv": "video/ogg",
    ".avi": "video/x-msvideo",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
    ".wmv": "video/x-ms-wmv",
    ".flv": "video/x-flv",
    ".3gp": "video/3gpp",
    ".ts": "video/mp2t",
}


def video_type(name: str) -> str:
    """The media type of a video, by the name of its file."""
    return TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


def part_of(asked: Headers, tag: str, size: int) -> tuple[int, int] | None:
    """The requested range of a file, as its start and its end (exclusive); None for the whole file.

    Several ranges, and malformed ones, are answered with the whole file.

    Args:
        asked: the headers of the request.
        tag: the file's ETag; if `If-Range` names another, the whole file is sent.
        size: size of the file, in bytes.

    Raises:
        ValueError: no byte of the file is in the range.
    """
    found = _RANGE.fullmatch(asked.get("range", ""))
    if found is None or not (found[1] or found[2]) or asked.get("if-range", tag) != tag:
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size if int(found[2]) else 0
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise ValueError(asked["range"])
    return start, end


def ranged(
    file: BinaryIO, asked: Headers, size: int, kind: str, headers: dict[str, str], head: bool = False
) -> Response:
    """The response, 200, 206 or 416; it closes the file.

    Args:
        file: the open file.
        asked: the headers of the request.
        size: size of the file, in bytes.
        kind: its media type.
        headers: headers of the response, `ETag` included.
        head: whether the method is HEAD: nothing of the file is sent, and a range is ignored (section 14.2).
    """
    headers = headers | {"Accept-Ranges": "bytes"}
    try:
        part = None if head else part_of(asked, headers["ETag"], size)
    except ValueError:
        file.close()
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    start, end = part or (0, size)
    headers["Content-Length"] = str(end - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return StreamingResponse(
        _bytes(file, start, start if head else end), 206 if part else 200, headers, media_type=kind
    )


def _bytes(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while start < end and (block := file.read(min(BLOCK, end - start))):
            start += len(block)
            yield block

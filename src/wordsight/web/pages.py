"""The page's own files, kept in memory and answered at once: no model, thread or disk is in between."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wordsight.web.guard import Refused

STATIC = Path(__file__).with_name("static")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Pages:
    """Middleware that has one file at one address: no other can be reached, however it is asked for.

    Args:
        app: it has everything else.
        names: other addresses of some of the files.
    """

    def __init__(self, app: ASGIApp, names: Mapping[str, str]) -> None:
        self.app = app
        files = {f"/{path.name}": path for path in STATIC.iterdir()}
        files |= {address: STATIC / name for address, name in names.items()}
        self._pages = {address: (path.read_bytes(), TYPES[path.suffix]) for address, path in files.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file, or let the app answer."""
        found = self._pages.get(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            return await self.app(scope, receive, send)
        if scope["method"] != "GET":
            raise Refused(405, "This cannot be done here: see the docs.")
        content, kind = found
        tag = etag(hashlib.blake2b(content, digest_size=16).hexdigest())
        old = is_known(Headers(scope=scope), tag)
        headers = [(b"content-type", kind.encode()), (b"etag", tag.encode()), (b"cache-control", b"no-cache")]
        headers += [] if old else [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 304 if old else 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if old else content})


def etag(name: str) -> str:
    """The header `ETag` of what a name stands for."""
    return f'"{name}"'


def is_known(headers: Headers, tag: str) -> bool:
    """Whether a client has what a tag stands for, by its `If-None-Match`."""
    known = [one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")]
    return tag in known or known == ["*"]

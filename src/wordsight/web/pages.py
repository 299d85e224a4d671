"""Static files of the page, kept in memory and sent without a model, a thread or the disk."""

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
    """Middleware that serves each static file at its own address; no path of a request reaches any other file.

    Args:
        app: answers all other requests.
        names: further addresses of static files, each with the file's name.
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
    """The value of the header `ETag` for a name."""
    return f'"{name}"'


def is_known(headers: Headers, tag: str) -> bool:
    """Whether a client has the content of an ETag already, by its `If-None-Match`."""
    known = [one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")]
    return tag in known or known == ["*"]

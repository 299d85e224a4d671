"""Who may ask: the right host, the same origin, the token; how much may be sent; and what every answer carries.

Any page in a browser can send requests to a server on the same machine. Such a page is kept out by the `Origin` that
browsers add; one that makes its own name lead here (DNS rebinding), by the `Host` that it then has to send.
"""

import hashlib
import hmac
import ipaddress
import json
import sys
import traceback
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 20 * 2**20  # of an upload
MAX_JSON = 2**18  # bytes of any other request
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LOCAL = {"localhost", "127.0.0.1", "::1"}
EVERYWHERE = {"0.0.0.0", "::"}


class Refused(Exception):
    """A request that goes no further: its status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status, self.sentence = status, sentence


class Guard:
    """Middleware around the whole app.

    Args:
        app: what it guards.
        host: where the server is bound; names of this machine and this one may be asked for. Bound everywhere, any
            numeric address may, as no other page can have one for its name.
        token: asked of everyone, as a bearer, a cookie, or once as `?token=`, which sets the cookie; none if empty.
    """

    def __init__(self, app: ASGIApp, host: str, token: str) -> None:
        self.app, self.host, self.token = app, host.lower().strip("[]"), token
        self.cookie = "wordsight_" + hashlib.blake2b(token.encode(), digest_size=4).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            given = self._check(scope)
            if given:
                return await _redirect(scope, answer, f"{self.cookie}={quote(self.token, safe='')}")
            await self.app(scope, _counted(receive, _limit(scope)), answer)
        except Refused as no:
            await _say(answer, no.status, no.sentence)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            if begun:
                raise
            await _say(answer, 500, "Something went wrong in the server; its terminal says what.")

    def _check(self, scope: Scope) -> bool:
        """Whether the token came in the address; raises `Refused`."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._ours(host):
            raise Refused(400, f"This server is not called {host[:100]!r}.")
        if scope["method"] not in ("GET", "HEAD"):
            _same_origin(headers, host)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise Refused(400, "Content-Length: expected a number.")
        if len(length) > 18 or int(length) > _limit(scope):
            raise Refused(413, _too_much(_limit(scope)))
        return bool(self.token) and self._by_address(scope, headers)

    def _ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in LOCAL or name == self.host:
            return True
        return self.host in EVERYWHERE and _is_address(name)

    def _by_address(self, scope: Scope, headers: Headers) -> bool:
        """Whether the right token is in the address, else it must be elsewhere."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["method"] == "GET" and any(map(self._right, query.get("token", []))):
            return True
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._right(bearer.strip()):
            return False
        try:
            sent = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            sent = None
        if sent is not None and self._right(sent.value, quoted=True):
            return False
        raise Refused(401, "This server asks for its token: open the address that it printed when it was started.")

    def _right(self, given: str, quoted: bool = False) -> bool:
        wanted = quote(self.token, safe="") if quoted else self.token
        return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same_origin(headers: Headers, host: str) -> None:
    """That no other page sends this; programs send no `Origin`."""
    origin = headers.get("origin")
    elsewhere = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if elsewhere or (origin is not None and origin not in (f"http://{host}", f"https://{host}")):
        raise Refused(403, "Requests from other pages are not answered.")


def _limit(scope: Scope) -> int:
    kind = Headers(scope=scope).get("content-type", "")
    return MAX_BYTES if kind.lower().startswith("multipart/") else MAX_JSON


def _too_much(limit: int) -> str:
    return f"Too much was sent: expected at most {limit / 2**20:g} MB."


def _counted(receive: Receive, limit: int) -> Receive:
    """The same messages, until they are more than a limit of bytes."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413, _too_much(limit))
        return message

    return counted


async def _redirect(scope: Scope, send: Send, cookie: str) -> None:
    """To the same page without the token in its address, which would stay in the history."""
    headers = [
        (b"location", quote(scope["path"], safe="/").replace("//", "/").encode()),
        (b"set-cookie", f"{cookie}; Path=/; HttpOnly; SameSite=Lax".encode()),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _say(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

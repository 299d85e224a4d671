"""Access control: checks host, origin and token, limits request bodies, and adds security headers to every response.

Any page in a browser can send requests to a server on the same machine. The `Origin` header, which browsers add, keeps
such a page out; the `Host` header keeps out a page that makes its own name lead here (DNS rebinding).
"""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import sys
import time
import traceback
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 20 * 2**20  # bytes of an upload
MAX_JSON = 2**18  # bytes of any other request
UPLOADS = 32  # maximum number of uploads received at a time
BODY_SECONDS, BODY_RATE = 10, 2**14  # longest pause of a body, in seconds; its minimum rate, in bytes per second
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with `no-referrer`, browsers send `Origin: null` with a form
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LOCAL = {"localhost", "127.0.0.1", "::1"}
EVERYWHERE = {"0.0.0.0", "::"}


class Refused(Exception):
    """A refused request: its status, a sentence, and in `again` the seconds until a retry, 0 for none."""

    def __init__(self, status: int, sentence: str, again: int = 0) -> None:
        self.status, self.sentence, self.again = status, sentence, again


class Guard:
    """Middleware around the whole app.

    Args:
        app: the app that it guards.
        host: where the server is bound; `Host` may be this or a name of this machine. If bound to all addresses, also
            any numeric address, since no other page can have one as its name.
        names: further names allowed in `Host`: of a proxy in front, or in the network.
        token: required of clients, as a bearer, a cookie, or once as `?token=`, which sets the cookie; none if empty.
        trusted: addresses and networks of proxies whose `X-Forwarded-Host` and `X-Forwarded-Proto` are believed.
    """

    def __init__(
        self, app: ASGIApp, host: str, token: str, names: Collection[str] = (), trusted: Collection[str] = ()
    ) -> None:
        self._trusted = [ipaddress.ip_network(one, strict=False) for one in trusted]
        self.app, self.host, self.token = app, host.lower().strip("[]"), token
        self.names = {name.lower().strip("[]") for name in names}
        self.cookie = "wordsight_" + hashlib.blake2b(token.encode(), digest_size=4).hexdigest()
        self._uploads = 0
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or let the app answer it; HEAD is GET without the body."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun, head = False, scope["method"] == "HEAD"

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send({**message, "body": b""} if head and "body" in message else message)

        try:
            given = self._check(scope)
            if given:
                secure = "; Secure" if self._forwarded(scope, "x-forwarded-proto") == "https" else ""
                return await _redirect(scope, answer, f"{self.cookie}={quote(self.token, safe='')}", secure)
            asked = {**scope, "method": "GET", "head": True} if head else scope
            if _limit(scope) == MAX_BYTES:
                return await self._upload(asked, receive, answer)
            await self.app(asked, _counted(receive, _limit(scope)), answer)
        except Refused as no:
            await _say(answer, no)
        except Exception as error:
            self._tell(error)
            if begun:
                raise
            await _say(answer, Refused(500, "Something went wrong in the server; its terminal says what."))

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer an upload; at most `UPLOADS` are received at a time."""
        if self._uploads >= UPLOADS:
            raise Refused(503, "Too many pictures are being sent at the moment; try again in a few seconds.", 5)
        self._uploads += 1
        coming = True

        def done() -> None:
            nonlocal coming
            self._uploads -= int(coming)
            coming = False

        async def received() -> Message:
            message = await receive()
            if not message.get("more_body"):
                done()
            return message

        try:
            await self.app(scope, _counted(received, MAX_BYTES), send)
        finally:
            done()

    def _tell(self, error: Exception) -> None:
        """Print the traceback of an unexpected error, once for each place in the code."""
        place = f"{type(error).__name__} {traceback.extract_tb(error.__traceback__)[-1:]}"
        if place not in self._told and len(self._told) < 100:
            self._told.add(place)
            traceback.print_exception(error, file=sys.stderr)

    def _check(self, scope: Scope) -> bool:
        """Check host, origin, size and token: whether the token came in the URL; raises `Refused`."""
        headers = Headers(scope=scope)
        host = self._forwarded(scope, "x-forwarded-host") or headers.get("host", "")
        if not self._ours(host):
            raise Refused(400, f"This server is not called {host[:100]!r}.")
        if scope["method"] not in ("GET", "HEAD"):
            self._same_origin(headers, host)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise Refused(400, "Content-Length: expected a number.")
        if len(length) > 18 or int(length) > _limit(scope):
            raise Refused(413, _too_much(_limit(scope)))
        return bool(self.token) and self._by_address(scope, headers)

    def _forwarded(self, scope: Scope, name: str) -> str:
        """The value of a trusted proxy's header; of several values, the nearest proxy's; empty for other clients."""
        if not self._trusted:
            return ""
        try:
            client = ipaddress.ip_address((scope.get("client") or ("",))[0].partition("%")[0])
        except ValueError:
            return ""
        client = getattr(client, "ipv4_mapped", None) or client
        if not any(client in network for network in self._trusted):
            return ""
        return Headers(scope=scope).get(name, "").rpartition(",")[2].strip()

    def _ours(self, host: str) -> bool:
        if "@" in host:  # a valid Host has no user
            return False
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in LOCAL or name == self.host or name in self.names:
            return True
        return self.host in EVERYWHERE and _is_address(name)

    def _same_origin(self, headers: Headers, host: str) -> None:
        """Refuse requests from other pages; programs send no `Origin`, and a proxy may put its own name in `Host`."""
        origin = headers.get("origin")
        elsewhere = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        if elsewhere or (origin is not None and not self._is_own(origin, host)):
            raise Refused(403, "Requests from other pages are not answered.")

    def _is_own(self, origin: str, host: str) -> bool:
        if origin in (f"http://{host}", f"https://{host}"):
            return True
        try:
            return urlsplit(origin).hostname in self.names
        except ValueError:
            return False

    def _by_address(self, scope: Scope, headers: Headers) -> bool:
        """Whether the right token is in the URL; if it is neither there nor in a header, raises `Refused`."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["method"] in ("GET", "HEAD") and any(map(self._right, query.get("token", []))):
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


def is_local(host: str) -> bool:
    """Whether only this machine can reach a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _limit(scope: Scope) -> int:
    kind = Headers(scope=scope).get("content-type", "")
    return MAX_BYTES if kind.lower().startswith("multipart/") else MAX_JSON


def _too_much(limit: int) -> str:
    return f"Too much was sent: expected at most {limit / 2**20:g} MB."


def _counted(receive: Receive, limit: int) -> Receive:
    """Limit a request body: raise HTTPException if it has more than `limit` bytes or comes too slowly."""
    seen, begun, coming = 0, time.monotonic(), True

    async def counted() -> Message:
        nonlocal seen, coming
        if not coming:
            return await receive()  # waits until the client disconnects
        left = BODY_SECONDS + seen / BODY_RATE - (time.monotonic() - begun)
        try:
            message = await asyncio.wait_for(receive(), min(left, BODY_SECONDS))
        except TimeoutError:
            raise HTTPException(408, "The request came too slowly.") from None
        coming = bool(message.get("more_body"))
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413, _too_much(limit))
        return message

    return counted


async def _redirect(scope: Scope, send: Send, cookie: str, more: str = "") -> None:
    """Redirect to the same page without the token in its URL, which would stay in the browser's history.

    The new URL is relative, since the path may have a prefix that only a proxy knows.
    """
    headers = [
        (b"location", ("./" + quote(scope["path"].rpartition("/")[2], safe="")).encode()),
        (b"set-cookie", f"{cookie}; Path=/; HttpOnly; SameSite=Lax{more}".encode()),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _say(send: Send, no: Refused) -> None:
    body = json.dumps({"error": no.sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"retry-after", str(no.again).encode())] if no.again else []
    await send({"type": "http.response.start", "status": no.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

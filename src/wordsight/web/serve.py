"""`wordsight serve`: the app on a port of this machine or, with a token, on one that other machines can reach."""

import contextlib
import ctypes
import ipaddress
import re
import secrets
import socket
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from threading import Timer
from urllib.parse import quote

from wordsight.bundled import in_the_box
from wordsight.errors import InputError
from wordsight.runs.captioner import load_captioner
from wordsight.search.index import Index
from wordsight.web.app import create_app
from wordsight.web.connections import bound, server
from wordsight.web.describing import load_situations
from wordsight.web.guard import EVERYWHERE, is_local
from wordsight.web.searching import Scan

TOKEN = 16  # minimum length of a token, in characters


def serve(
    folder: Path,
    captioner: Path | None = None,
    regions: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str = "",
    show: bool = False,
    device: str = "auto",
    names: Sequence[str] = (),
    show_paths: bool = False,
    photos: Sequence[Path] = (),
    trusted: Sequence[str] = (),
    situations: Path | None = None,
    scan: Scan | None = None,
) -> None:
    """Serve an index until Ctrl-C.

    Args:
        folder: the index.
        captioner: a run that describes pictures.
        regions: a run that describes regions. With neither, an index of the bundled model has its captioners.
        host: where to bind; beyond this machine a token is required, and made if none is given.
        port: 0 for any that is free.
        token: required of every client.
        show: open a browser.
        device: `auto`, `cpu`, `cuda` or `mps`.
        names: further names of the server: of a proxy in front, which other machines can reach, or in the network.
        show_paths: name pictures by their whole paths even if there is a token, not by their names in the index.
        photos: folders that may be indexed from the page, with all below.
        trusted: addresses of proxies whose forwarded headers are believed, or networks of them.
        situations: a run that recognises situations.
        scan: other processes that search the index for this one.

    Raises:
        InputError: the index or a run cannot be opened, the address is not free, or the token is too short.
    """
    _check(token, names, photos, trusted)
    share_freed_memory()
    index = Index(folder, device)
    if index.bundled and not (captioner or regions):
        captioner, regions = in_the_box("captions"), in_the_box("regions")
    described = load_captioner(captioner, device) if captioner else None
    of_regions = load_captioner(regions, device) if regions else None
    token = token or ("" if is_local(host) and not (names or trusted) else secrets.token_urlsafe(16))
    index.run.encoder  # noqa: B018 - report a missing part now, not at the first picture
    done = load_situations(situations, index.run, device) if situations else None
    show_paths = show_paths or not token  # a copied path is useful, and only this machine sees it
    app = create_app(index, described, of_regions, token, host, names, show_paths, photos, trusted, True, done, scan)
    listening = _bound(host, port)
    where = address(host, listening[0].getsockname()[1], token)
    there = index.info()
    pictures = f"{there['pictures']:,} pictures" + (f" and {there['videos']:,} videos" if there["videos"] else "")
    print(f"{folder}: {pictures} at {where}  (Ctrl-C stops)", file=sys.stderr, flush=True)
    if show:
        Timer(0.5, webbrowser.open, [where]).start()
    server(app).run(sockets=listening)


def _check(token: str, names: Sequence[str], photos: Sequence[Path], trusted: Sequence[str]) -> None:
    for folder in photos:
        if not folder.is_dir():
            raise InputError(f"--photos {folder}: expected a folder.")
    for one in trusted:
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError:
            raise InputError(f"--trusted-proxy {one}: expected an address such as 10.0.0.2, or a network.") from None
    if token and len(token) < TOKEN:
        raise InputError(
            f"--token: expected at least {TOKEN} characters, found {len(token)}; leave it out to have one made."
        )
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*", name):
            raise InputError(
                f"--allowed-host {name}: expected a name such as photos.example.org, without http:// and port."
            )


def share_freed_memory() -> None:
    """Make all threads share one glibc arena: each arena keeps what is freed, a gigabyte after large pictures."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(-8, 1)  # M_ARENA_MAX


def address(host: str, port: int, token: str) -> str:
    """The URL to open in a browser."""
    name = "localhost" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={quote(token, safe='')}" if token else "")


def _bound(host: str, port: int) -> list[socket.socket]:
    """Bound sockets, made first so that an address in use is reported in one sentence."""
    try:
        return bound(host, port)
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        name = f"[{host}]" if ":" in host else host
        raise InputError(f"{name}:{port}: cannot be served from ({why}); choose another --host or --port.") from None

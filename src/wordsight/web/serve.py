"""`wordsight serve`: the app on a port of this machine, or with a token on one that others can reach."""

import ipaddress
import secrets
import socket
import sys
import webbrowser
from pathlib import Path
from threading import Timer
from urllib.parse import quote

import uvicorn

from wordsight.boxed import in_the_box, say_boxed
from wordsight.describe import load_captioner
from wordsight.errors import InputError
from wordsight.search.index import Index
from wordsight.web.app import create_app
from wordsight.web.guard import EVERYWHERE


def serve(
    folder: Path,
    captioner: Path | None = None,
    regions: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str = "",
    show: bool = False,
    device: str = "auto",
) -> None:
    """Serve an index until Ctrl-C.

    Args:
        folder: the index.
        captioner: a run that describes pictures.
        regions: a run that describes regions. With neither, an index of the small model in the box has its captioners.
        host: where to bind; beyond this machine a token is asked for, one that is made if none is given.
        port: 0 for any that is free.
        token: asked of everyone who comes.
        show: open a browser.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        InputError: the index or a captioner cannot be opened, or the address is not free.
    """
    index = Index(folder, device)
    if index.boxed:
        say_boxed()
        if not (captioner or regions):
            captioner, regions = in_the_box("captions"), in_the_box("regions")
    described = load_captioner(captioner, device) if captioner else None
    of_regions = load_captioner(regions, device) if regions else None
    token = token or ("" if is_local(host) else secrets.token_urlsafe(16))
    app = create_app(index, described, of_regions, token, host)
    index.run.encoder  # noqa: B018 - what is missing is said now, not at the first picture
    listening = _bound(host, port)
    where = address(host, listening.getsockname()[1], token)
    pictures = index.info()["pictures"]
    print(f"{folder}: {pictures:,} pictures at {where}  (Ctrl-C stops)", file=sys.stderr, flush=True)
    if show:
        Timer(0.5, webbrowser.open, [where]).start()
    uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False)).run(sockets=[listening])


def is_local(host: str) -> bool:
    """Whether only this machine can reach a host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address(host: str, port: int, token: str) -> str:
    """What to open in a browser."""
    name = "localhost" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={quote(token, safe='')}" if token else "")


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound already, so that an address that is taken is said in a sentence."""
    try:
        kind, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(where[:2], family=kind)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{host}:{port}: cannot be served from ({why}); choose another --host or --port.") from None

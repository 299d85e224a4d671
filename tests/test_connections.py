"""Slow, many and hanging clients: each is limited, and nobody else waits for them."""

import asyncio
import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from wordsight.search.index import Index
from wordsight.web import app as app_module
from wordsight.web import connections, guard
from wordsight.web.app import create_app
from wordsight.web.connections import bound, server
from wordsight.web.engine import Engine
from wordsight.web.work import Busy, Left, Workers

API = "/api/v1"


@pytest.fixture(scope="module")
def index(indexed: Path) -> Index:
    return Index(indexed, "cpu")


@contextmanager
def served(app: FastAPI) -> Iterator[int]:
    """The port of an app that is served meanwhile."""
    sockets = bound("127.0.0.1", 0)
    running = server(app)
    thread = threading.Thread(target=running.run, kwargs={"sockets": sockets})
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield sockets[0].getsockname()[1]
    finally:
        running.should_exit = True
        thread.join()


def sent(port: int, content: bytes) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=10)
    made.sendall(content)
    return made


def rest(one: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    found = b""
    try:
        while block := one.recv(65536):
            found += block
    except ConnectionResetError:
        pass
    return found


def status(port: int, where: str = "/app.css") -> int:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    asked.request("GET", where)
    answer = asked.getresponse()
    answer.read()
    asked.close()
    return answer.status


HALF = b"GET /app.css HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
ASK = b'{"sentences": [{"text": "a red circle"}]}'
BODY = b"POST /api/v1/%b HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\nContent-Length: 1000\r\n\r\n"
SEARCH = BODY.replace(b"1000", b"%d" % len(ASK)) % (b"search", b"application/json") + ASK


def test_half_a_head_and_silence_are_ended(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD", 0.5)
    with served(create_app(index)) as port:
        for content in (b"", b"G", HALF):
            began = time.monotonic()
            assert rest(sent(port, content)) == b""
            assert time.monotonic() - began < 5
        whole = sent(port, b"GET /app.css HTTP/1.1\r\nHost: localhost\r\n\r\n" + HALF)
        assert rest(whole).startswith(b"HTTP/1.1 200"), "what comes after a whole request is limited as well"


def test_a_body_that_comes_slowly_is_an_error(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(connections, "REST", 0.3)
    with served(create_app(index)) as port:
        for where, kind in ((b"search", b"application/json"), (b"search/upload", b"multipart/form-data; boundary=b")):
            part = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="x"\r\n\r\n'
            slow = sent(port, BODY % (where, kind) + part * (where != b"search"))
            threading.Thread(target=drip, args=(slow,), daemon=True).start()
            answer = rest(slow)
            assert answer.startswith(b"HTTP/1.1 408") and b"too slowly" in answer, answer[:200]


def drip(to: socket.socket) -> None:
    """Send a byte now and then, as long as somebody listens."""
    try:
        while True:
            to.sendall(b"-")
            time.sleep(0.05)
    except OSError:
        pass


def test_who_does_not_read_is_ended(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "TAKE", 0.5)
    monkeypatch.setattr(connections, "PAUSE", 0.001)
    with served(create_app(index)) as port:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(10)
        plain.connect(("127.0.0.1", port))
        plain.sendall(b"GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
        with pytest.raises(OSError, match=r"reset|pipe"):
            for _ in range(100):
                time.sleep(0.05)
                plain.sendall(b"\r\n")


def test_too_many_connections_make_room_for_new_ones(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 20)
    with served(create_app(index)) as port:
        slow = [sent(port, content) for content in [HALF, b"", BODY % (b"search", b"application/json")] * 20]
        assert [status(port) for _ in range(5)] == [200] * 5
        for one in slow[:20]:
            rest(one)  # ends: these were the first
        for one in slow:
            one.close()


def test_only_so_many_pictures_are_received_at_once(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "UPLOADS", 2)
    with served(create_app(index)) as port:
        kind = b"search/upload", b"multipart/form-data; boundary=b"
        slow = [sent(port, BODY % kind) for _ in range(2)]
        time.sleep(0.2)
        answer = sent(port, BODY % kind).recv(1000)
        assert answer.startswith(b"HTTP/1.1 503") and b"retry-after: 5" in answer.lower()
        for one in slow:
            one.close()
        time.sleep(0.2)
        last = sent(port, BODY % kind + b"x" * 1000)
        assert last.recv(1000).startswith(b"HTTP/1.1 4"), "there is room again"


def test_nothing_else_waits_for_the_model(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    holds = threading.Event()
    monkeypatch.setattr(Engine, "search", lambda *given: holds.wait(20))
    workers = [Workers(2, 8), Workers(1, 1), Workers(1, 2), Workers(1, 2)]  # made from the last on
    monkeypatch.setattr(app_module, "Workers", lambda *given: workers.pop())
    with served(create_app(index)) as port:
        waiting = [sent(port, SEARCH) for _ in range(12)]
        time.sleep(0.3)
        began = time.monotonic()
        for where in ("/", "/app.css", f"{API}/health", f"{API}/info", f"{API}/pictures/1/thumb", f"{API}/pictures/1"):
            assert status(port, where) == 200, where
        assert time.monotonic() - began < 10
        last = sent(port, SEARCH).recv(2000).lower()
        assert last.startswith(b"http/1.1 503") and b"retry-after: 2" in last
        holds.set()
        for one in waiting:
            one.close()


class EncodedQuery:
    """A request whose client leaves when it is told to."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, str]:
        await self.left.wait()
        return {"type": "http.disconnect"}


def test_work_that_nobody_waits_for_is_dropped() -> None:
    done: list[str] = []
    holds = threading.Event()

    async def run() -> None:
        workers = Workers(1, 2)
        asked: list[Any] = [EncodedQuery() for _ in range(4)]
        first = asyncio.ensure_future(workers.run(asked[0], lambda: (holds.wait(5), done.append("first"))))
        second = asyncio.ensure_future(workers.run(asked[1], done.append, "second"))
        third = asyncio.ensure_future(workers.run(asked[2], done.append, "third"))
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await workers.run(asked[3], done.append, "fourth")
        asked[1].left.set()
        with pytest.raises(Left):
            await second
        holds.set()
        await asyncio.gather(first, third)

    asyncio.run(run())
    assert done == ["first", "third"]


def test_an_error_in_a_thread_is_one_of_the_call() -> None:
    def fail() -> None:
        raise ValueError("of the work")

    async def run() -> None:
        workers = Workers(1, 1)
        for _ in range(3):
            with pytest.raises(ValueError, match="of the work"):
                await workers.run(EncodedQuery(), fail)  # type: ignore[arg-type]

    asyncio.run(run())


HANGING = """
import sys, threading
from pathlib import Path
from wordsight.web import serve
from wordsight.web.engine import Engine
Engine.search = lambda *given: threading.Event().wait()
serve.serve(Path(sys.argv[1]), port=0, device="cpu")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_the_signal_to_stop_ends_it_whatever_hangs(indexed: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HANGING, indexed], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        port = int(running.stderr.readline().partition("127.0.0.1:")[2].partition("/")[0])
        hanging = [sent(port, content) for content in (SEARCH, SEARCH, HALF, b"")]
        time.sleep(0.3)
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) in (143, -signal.SIGTERM)
        for one in hanging:
            one.close()


def test_an_answer_does_not_wait_for_the_client_to_confirm_its_head(index: Index) -> None:
    """With Nagle's algorithm each body waits 40 ms for the confirmation of the head."""
    took = []
    with served(create_app(index)) as port:
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for _ in range(20):
            began = time.perf_counter()
            asked.request("GET", f"{API}/health")
            asked.getresponse().read()
            took.append(time.perf_counter() - began)
        asked.close()
    assert sorted(took)[5] < 0.03


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv4_and_ipv6_reach_it() -> None:
    for host in ("::", "localhost"):
        made = bound(host, 0)
        port = made[0].getsockname()[1]
        for where in ("127.0.0.1", "::1"):
            socket.create_connection((where, port), timeout=5).close()
        for one in made:
            one.close()


def test_a_head_that_is_too_long_is_refused(index: Index) -> None:
    with served(create_app(index)) as port:
        assert rest(sent(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 2**16)).startswith(b"HTTP/1.1 400")
        assert rest(sent(port, b"\x16\x03\x01\x02\x00\x01\x00" * 20 + b"\r\n\r\n")).startswith(b"HTTP/1.1 400")


def test_accidents_do_not_flood_the_terminal(
    index: Index, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Engine) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(Engine, "info", fail)
    web = TestClient(create_app(index), base_url="http://localhost", raise_server_exceptions=False)
    assert [web.get(f"{API}/info").status_code for _ in range(10)] == [500] * 10
    assert capsys.readouterr().err.count("RuntimeError: inner workings") == 1

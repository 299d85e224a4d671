"""Limits of connections: their number, and their times; uvicorn itself limits only idle connections.

A connection is in one of four states, by what it waits for: the head of a request, its body, the app's answer, or the
client to take the answer. All but the third have a time limit. If there are too many connections, the one that has
waited longest for its client is closed.
"""

import asyncio
import logging
import os
import signal
import socket
import time
from threading import Timer
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 512
HEAD, IDLE, REST, TAKE = 10, 5, 5, 30  # seconds: for a head, between requests, for a refused body, if nothing is read
HEAD_BYTES, SEND_BYTES = 2**14, 2**18  # maximum bytes of a head; bytes of a client's send buffer
PAUSE = 0.1  # seconds between pipelined requests
GRACE = 3.5  # seconds from the stop signal to the end of the process, even if something hangs


class Connection(H11Protocol):
    """HTTP/1.1 connection that records since when it has waited for its client."""

    since = 0.0
    stalled: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set the limits of a new connection, and close one if there are too many."""
        self.since = time.monotonic()
        super().connection_made(transport)
        plain = transport.get_extra_info("socket")
        if plain is not None:
            # else what slow clients do not take fills the system's memory
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
            # else a body waits 40 ms until the client has confirmed the head; asyncio sets it only for its own sockets
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) > most_connections():
            _make_room(self.connections, self)

    def on_response_complete(self) -> None:
        """Start waiting for the next request."""
        self.since = time.monotonic()
        done = super().on_response_complete
        if self.conn.trailing_data[0]:  # pipelined, which no browser does: thousands of requests would fill the loop
            self.loop.call_later(PAUSE, done)
        else:
            done()

    def pause_writing(self) -> None:
        """The client has stopped taking what is sent."""
        self.stalled = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client takes what is sent again."""
        self.stalled = None
        super().resume_writing()

    @property
    def waits(self) -> bool:
        """Whether the connection waits for its client to send something."""
        cycle = self.cycle
        return cycle is None or cycle.response_complete or cycle.more_body

    def is_late(self, now: float) -> bool:
        """Whether the client has exceeded its time limit."""
        if self.transport.is_closing() or (self.stalled is not None and self.cycle and not self.cycle.more_body):
            return now - (self.stalled or self.since) > TAKE
        if self.cycle is not None and not self.cycle.response_complete:
            return False  # the app has a limit for the body, and for itself
        return now - self.since > (REST if self.conn.their_state is h11.SEND_BODY else HEAD)

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()


def most_connections() -> int:
    """Maximum number of connections; fewer if the system allows few open files."""
    try:
        import resource

        return max(16, min(CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))
    except (ImportError, OSError):
        return CONNECTIONS


def _make_room(connections: set[Any], new: Connection) -> None:
    """Close the connection that has waited longest for its client, or the new one if no other waits."""
    there = [one for one in connections if isinstance(one, Connection) and not one.transport.is_closing()]
    waiting = [one for one in there if one is not new and one.waits]
    if len(there) > most_connections():
        (min(waiting, key=lambda one: one.since) if waiting else new).abort()


class Server(uvicorn.Server):
    """Server that closes late connections, and ends within seconds of the stop signal."""

    async def on_tick(self, counter: int) -> bool:
        """Close late connections; called ten times a second."""
        if counter % 5 == 0:  # twice a second
            now = time.monotonic()
            for one in list(self.server_state.connections):
                if isinstance(one, Connection) and one.is_late(now):
                    one.abort()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop after a signal: requests have two seconds; threads that hang have `GRACE` seconds."""
        super().handle_exit(sig, frame)
        last = Timer(GRACE, os._exit, [130 if sig == signal.SIGINT else 143])
        last.daemon = True
        last.start()


def server(app: Any) -> Server:
    """Make a server of an app with these limits; `Guard` reports the app's errors."""
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every malformed form
    return Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=HEAD_BYTES,
        )
    )


def bound(host: str, port: int) -> list[socket.socket]:
    """Listening sockets: for `localhost` those of its IPv4 and IPv6 addresses, for `::` IPv4 beside IPv6.

    Raises:
        OSError, OverflowError: the address is not free, not of this machine, or invalid.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    both = host == "::" and socket.has_dualstack_ipv6()
    addresses = [(found[0][0], str(found[0][4][0]))]
    if host == "localhost":  # whatever the machine's hosts file says
        addresses = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    made: list[socket.socket] = []
    try:
        for kind, where in addresses:
            port = made[0].getsockname()[1] if made else port
            try:
                made.append(socket.create_server((where, port), family=kind, dualstack_ipv6=both))
            except OSError:
                if not made:  # a machine may lack one of the two
                    raise
    except BaseException:
        for one in made:
            one.close()
        raise
    return made

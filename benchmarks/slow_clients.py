"""Many clients of `wordsight serve` that never finish their requests, while one behaves.

    python benchmarks/slow_clients.py [-n 1000] [--seconds 40]

One client in ten never reads a long answer; of the others, a third send the head of a request byte by byte, a third a
body, and a third keep a connection and send nothing. Exits 1 unless the one that behaves gets status 200 each time, 99
of 100 answers within 0.5 seconds, and all slow clients are dropped in the given time.
"""

import argparse
import asyncio
import http.client
import random
import resource
import socket
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from statistics import quantiles

from served import Served, serving

HEAD = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = (
    b"POST /api/v1/%b HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\nContent-Length: 100000\r\n\r\n",
    ((b"search", b"application/json"), (b"search/upload", b"multipart/form-data; boundary=b")),
)
PAGE = b"GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def slow(port: int, kind: str, ends: float, told: Counter[str], held: list[float]) -> None:
    """A slow client; if it is not idle, it sends one byte per second until it is dropped."""
    await asyncio.sleep(random.random() * 3)
    began = time.monotonic()
    try:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=plain)
        if kind == "never reads":
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(PAGE * 3000)
        elif kind != "idle":
            writer.write(HEAD if kind == "head" else BODY[0] % random.choice(BODY[1]))
        while time.monotonic() < ends:
            await asyncio.sleep(1)
            if kind != "idle":
                writer.write(b"x")
            if kind in ("head", "body"):
                await writer.drain()
            if writer.transport.is_closing() or (kind != "never reads" and reader.at_eof()):
                break
        else:
            told[f"{kind}: still there"] += 1
            writer.close()
            return
    except OSError:
        pass
    told[f"{kind}: dropped"] += 1
    held.append(time.monotonic() - began)


def well(port: int, seconds: float) -> list[tuple[str, float]]:
    """A client that behaves, in a process of its own: returns the status and the seconds of each answer."""
    ends, told = time.monotonic() + seconds, []
    while time.monotonic() < ends:
        began = time.monotonic()
        try:
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            asked.request("GET", "/app.css")
            answer = asked.getresponse()
            answer.read()
            status = str(answer.status)
            asked.close()
        except OSError as error:
            status = type(error).__name__
        told.append((status, time.monotonic() - began))
        time.sleep(0.05)
    return told


async def run(server: Served, count: int, seconds: float) -> tuple[Counter[str], list[float]]:
    told: Counter[str] = Counter()
    held: list[float] = []
    ends = time.monotonic() + seconds
    kinds = [("never reads" if n % 10 == 0 else ("head", "body", "idle")[n % 3]) for n in range(count)]
    await asyncio.gather(*(slow(server.port, one, ends, told, held) for one in kinds))
    return told, held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    with serving() as server:
        before = server.memory()
        with ProcessPoolExecutor(1) as pool:
            behaved = pool.submit(well, server.port, chosen.seconds)
            told, held = asyncio.run(run(server, chosen.n, chosen.seconds))
            good = behaved.result()
        after = server.memory()
    for name, many in sorted(told.items()):
        print(f"{name:26} {many:6}")
    times = sorted(spent for _, spent in good)
    p50, p99 = times[len(times) // 2], quantiles(times, n=100)[98]
    statuses = dict(Counter(status for status, _ in good))
    print(f"the one that behaves: p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms; {statuses}")
    print(f"slow ones were held {max(held, default=0):.0f} s at most; memory {before:.0f} MB before, {after:.0f} after")
    left = sum(many for name, many in told.items() if "still" in name)
    sys.exit(1 if p99 >= 0.5 or left or set(statuses) != {"200"} else 0)


if __name__ == "__main__":
    main()

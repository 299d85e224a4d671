"""Many clients at once on `wordsight serve`: how long each kind of answer takes, and how many are refused.

    python benchmarks/load.py [--clients 200] [--seconds 60]

The index has painted pictures, the models are the bundled ones. Exits 1 if one answer in a hundred of the page's files
or of /health takes 0.5 seconds or more, a status other than 200, 429 and 503 is seen, or memory grows. Searches are
compared with the same searches in this process, without a server, one after another.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter, defaultdict
from statistics import quantiles

from served import Served, serving

KINDS = {"static": 0.4, "health": 0.1, "search": 0.25, "thumb": 0.2, "caption": 0.05}
SENTENCES = ("a red circle", "a blue square", "a yellow star", "a green triangle and a red square")
PAGES = ("/", "/app.css", "/app.js", "/boxes.js")
API = "/api/v1"


def request(kind: str, chance: random.Random) -> bytes:
    """A request of a kind."""
    if kind in ("static", "health", "thumb"):
        number = chance.randrange(1, 61)
        where = {"static": chance.choice(PAGES), "health": f"{API}/health", "thumb": f"{API}/pictures/{number}/thumb"}
        return f"GET {where[kind]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    if kind == "search":
        body, form = json.dumps({"sentences": [{"text": chance.choice(SENTENCES)}]}).encode(), "application/json"
        where = "search"
    else:
        number = chance.randrange(1, 61)
        body = f'--b\r\nContent-Disposition: form-data; name="number"\r\n\r\n{number}\r\n--b--\r\n'.encode()
        where, form = "caption", "multipart/form-data; boundary=b"
    head = (
        f"POST {API}/{where} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {form}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(reader: asyncio.StreamReader) -> int:
    """Read an answer; returns its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return int(head.split()[1])


async def client(port: int, ends: float, seed: int, told: dict[str, list[tuple[int, float]]]) -> None:
    """Send one request after another, as a browser does, over one connection."""
    chance, writer = random.Random(seed), None
    await asyncio.sleep(chance.random())
    while time.monotonic() < ends:
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        began = time.monotonic()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(kind, chance))
            status = await asyncio.wait_for(answer(reader), 60)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            fresh = isinstance(error, asyncio.IncompleteReadError) and not error.partial and writer is not None
            status, writer = (-1 if fresh else 0), None  # -1: the connection was idle for too long, which is allowed
        told[kind].append((status, time.monotonic() - began))
        await asyncio.sleep(chance.random() * (2.0 if status in (429, 503) else 0.5))
    if writer:
        writer.close()


async def watch(server: Served, ends: float, memory: list[float]) -> None:
    """Record the server's memory every second."""
    while time.monotonic() < ends:
        memory.append(server.memory())
        await asyncio.sleep(1)


async def run(server: Served, clients: int, seconds: float) -> tuple[dict[str, list[tuple[int, float]]], list[float]]:
    told: dict[str, list[tuple[int, float]]] = defaultdict(list)
    memory: list[float] = []
    ends = time.monotonic() + seconds
    await asyncio.gather(
        *(client(server.port, ends, seed, told) for seed in range(clients)), watch(server, ends, memory)
    )
    return told, memory


def alone(server: Served, seconds: float) -> float:
    """Searches per second in this process, one after another, while the server is idle."""
    from wordsight.search.index import Index

    index = Index(server.index, "cpu")
    index.search(SENTENCES[0])
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        index.search(SENTENCES[count % len(SENTENCES)], top=24)
        count += 1
    return count / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    with serving() as server:
        rate = alone(server, min(5, chosen.seconds / 2))
        told, memory = asyncio.run(run(server, chosen.clients, chosen.seconds))
    bad = []
    print(f"{'':8} answers a second   p50 ms   p99 ms   max ms  statuses")
    for kind, answers in told.items():
        times = [1000 * spent for status, spent in answers if status == 200] or [0.0]
        p99 = quantiles(times, n=100)[98] if len(times) > 1 else times[0]
        p50, statuses = sorted(times)[len(times) // 2], dict(sorted(Counter(status for status, _ in answers).items()))
        a_second = len(times) / chosen.seconds
        print(f"{kind:8} {len(times):7} {a_second:8.1f} {p50:8.0f} {p99:8.0f} {max(times):8.0f}  {statuses}")
        if set(statuses) - {200, 429, 503, -1} or (kind in ("static", "health") and p99 >= 500):
            bad.append(kind)
    settled = memory[len(memory) // 2] if memory else 0.0
    print(f"searches one after another without a server: {rate:.0f} a second")
    print(f"memory in MB, from first to last: {' '.join(f'{one:.0f}' for one in memory[:: max(1, len(memory) // 12)])}")
    if memory and memory[-1] > 1.15 * settled + 20:
        bad.append("memory")
    print(f"not as it should be: {', '.join(bad)}" if bad else "as it should be")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

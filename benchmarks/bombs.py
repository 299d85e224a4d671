"""Opens decompression bombs and large photographs; exits 1 if one takes too much memory or time.

    python benchmarks/bombs.py [-n 10] [--server]

Each is opened in a process of its own, once in full and once as an index opens it. With --server each is also sent to
`wordsight serve` with an index of painted pictures: one by one, then eight at once.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bomb_makers import BOMBS, LARGE
from served import Served, serving

MOST_MB, MOST_SECONDS = 1500, 60
OPEN = """
import json, sys, time
import torch
import wordsight.runs.aligner
from wordsight.errors import InputError
from wordsight.vision.images import open_image
from wordsight.vision.headers import read_header
began, said = time.perf_counter(), []
for at_least in (0, 320):
    try:
        image = open_image(sys.argv[1], at_least=at_least)
        said.append(f"{image.width} x {image.height}")
    except InputError as error:
        said.append("refused: " + str(error).rpartition("/")[2][:150])
    image = None
read_header(open(sys.argv[1], "rb").read(20_000_000))
peak = int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1e3
print(json.dumps([peak, time.perf_counter() - began, *said]))
"""


def opened(path: Path) -> tuple[float, float, str, str]:
    """Peak memory in MB, seconds, and the results of opening a picture in full and at reduced size."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", OPEN, path], capture_output=True, text=True, timeout=4 * MOST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return 0.0, 4 * MOST_SECONDS, "no end", ""
    if done.returncode:
        return 0.0, 0.0, f"ended with {done.returncode}: {done.stderr.strip()[-200:]}", ""
    return tuple(json.loads(done.stdout))  # type: ignore[return-value]


def send(server: Served, path: Path) -> tuple[int, float]:
    """Search by a picture: returns the status of the answer, and the seconds."""
    began = time.perf_counter()
    status = server.upload("/api/v1/search/upload", path)
    return status, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1000, help="so many of them")
    parser.add_argument("--server", action="store_true", help="also send them to a server")
    chosen = parser.parse_args()
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for number, (name, make) in enumerate([*LARGE.items(), *BOMBS.items()][: chosen.n]):
            paths[name] = path = Path(folder, f"{number}.bin")
            path.write_bytes(make())
            peak, seconds, whole, small = opened(path)
            fine = (
                peak <= MOST_MB and seconds <= MOST_SECONDS and peak > 0 and not (name in LARGE and "refused" in whole)
            )
            bad += [] if fine else [name]
            size = path.stat().st_size / 1e6
            print(
                f"{'' if fine else '!':1} {name:50} {size:7.2f} MB {peak:6.0f} MB {seconds:6.1f} s  {whole}; {small}",
                flush=True,
            )
        if chosen.server:
            bad += through_server(paths)
    print(f"{len(paths) - len(bad)} of {len(paths)} fine" + (f"; not {', '.join(bad)}" if bad else ""))
    sys.exit(1 if bad else 0)


def through_server(paths: dict[str, Path]) -> list[str]:
    bad = []
    with serving() as server:
        print(f"the server has {server.memory():.0f} MB before")
        for name, path in paths.items():
            status, seconds = send(server, path)
            fine = status in (200, 413, 415) and seconds <= MOST_SECONDS and server.peak() <= MOST_MB
            bad += [] if fine else [name]
            print(
                f"{'' if fine else '!':1} {name:50} {status} {seconds:6.1f} s, peak {server.peak():5.0f} MB", flush=True
            )
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda path: send(server, path), paths.values()))
        statuses = sorted({status for status, _ in answers})
        slowest = max(seconds for _, seconds in answers)
        print(f"eight at once: {statuses}, at most {slowest:.1f} s, peak {server.peak():.0f} MB")
        if server.peak() > MOST_MB or not set(statuses) <= {200, 413, 415, 429, 503}:
            bad.append("eight at once")
    return bad


if __name__ == "__main__":
    main()

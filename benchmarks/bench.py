"""All benchmarks of speed, one after the other, in one table: ours, the peers, the floor, and the ratio to each.

    python benchmarks/bench.py [--json bench.json] [--small] [--only decode.py ...]

Each benchmark is a process of its own, in which ours, the peers and the floor take turns, so trust the ratios. What
cannot be measured here, because a library is not installed or weights are missing, for example, is a row that says so.
The JSON has the same rows, the processor and its features, the threads, the versions and the date. `--small` only
checks that each benchmark runs; its figures mean nothing.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rows import Row, plain, read, table

FOLDER = Path(__file__).parent
LIMIT = 3600  # maximum seconds of a benchmark
BENCHMARKS: dict[str, tuple[Sequence[str], Sequence[str]]] = {  # arguments, and those of `--small`
    "score.py": ((), ("--batch", "4", "--embedding", "8", "--rounds", "1")),
    "decode.py": (
        ("--rounds", "3"),
        ("--pictures", "3", "--vocabulary", "30", "--hidden", "16", "--steps", "4", "--rounds", "1"),
    ),
    "scan.py": ((), ("--pictures", "1100", "--rounds", "1", "--judged", "4")),
    "build.py": ((), ("--pictures", "12")),
    "start.py": (("--pictures", "10000"), ("--pictures", "40", "--regions", "3", "--size", "8", "--rounds", "1")),
    "features.py": ((), ("--pictures", "5")),
}
FEATURES = (
    *("avx2", "f16c", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "bf16", "i8mm"),  # on Arm
)
LIBRARIES = ("torch", "numpy", "onnxruntime", "maxsim-cpu", "lancedb", "qdrant-client", "faiss-cpu", "numba")


def processor() -> dict[str, Any]:
    """The processor's name, which of `FEATURES` it has, and the number of cores that this process may use."""
    told: dict[str, str] = {}
    if (path := Path("/proc/cpuinfo")).exists():
        pairs = (line.partition(":") for line in path.read_text(errors="replace").splitlines())
        for key, _, value in pairs:
            told.setdefault(key.strip(), value.strip())
    flags = (told.get("flags") or told.get("Features") or "").split()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = told.get("model name") or platform.processor() or platform.machine()
    return {"name": name, "features": [one for one in FEATURES if one in flags], "cores": cores}


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that are installed."""
    found = {}
    for name in ("wordsight", *LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


def measured(name: str, arguments: Sequence[str]) -> tuple[list[Row], bool]:
    """The rows of one benchmark, or one row that says why there are none; and whether the benchmark ran."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [sys.executable, str(FOLDER / name), *arguments, "--json", str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return [Row(name, "all of it", "ours", None, "", f"it took more than {LIMIT} s")], False
        if done.returncode == 0 and out.exists():
            return read(out), True
        print(done.stderr, file=sys.stderr)
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return [Row(name, "all of it", "ours", None, "", last)], False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    parser.add_argument("--small", action="store_true", help="show only that each benchmark runs")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    chosen = parser.parse_args()
    rows: dict[str, list[Row]] = {}
    failed = []
    for name in chosen.only:
        print(f"{name} ...", file=sys.stderr)
        rows[name], ran = measured(name, BENCHMARKS[name][chosen.small])
        if not ran:
            failed.append(name)
    cpu = processor()
    threads = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
    every = [row for some in rows.values() for row in some]
    print(f"{cpu['name']}, {cpu['cores']} core(s); {', '.join(cpu['features']) or 'none of the features looked for'}")
    print(table(every))
    if chosen.json:
        told = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "cpu": cpu, "threads": threads}
        told |= {
            "small": chosen.small,
            "versions": versions(),
            "benchmarks": {name: plain(some) for name, some in rows.items()},
        }
        chosen.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if failed:
        sys.exit(f"these benchmarks failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

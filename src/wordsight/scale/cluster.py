"""A Ray cluster: connected to, and checked before work is given to it.

Ray distributes; what is distributed are wordsight's own functions. All machines see the pictures and the indexes at the
same paths, on a drive that they share, and have the same version of wordsight.
"""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import wordsight
from wordsight.errors import InputError, install

LOCAL = "local"
SECONDS = 5.0  # that a machine may take to answer
STARTS = 120.0  # that its first worker may take to start


@contextmanager
def cluster(address: str, shared: Sequence[Path] = ()) -> Iterator[ModuleType]:
    """Ray, connected to a cluster whose machines can do the work.

    Args:
        address: HOST:PORT of the head of a cluster that this machine belongs to, or "local" for one on this machine
            that ends with the work.
        shared: files or folders that every machine must see.

    Raises:
        InputError: Ray is not installed, no cluster answers there, or one of its machines lacks wordsight, has another
            version of it, or does not see what is shared.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or Ray would report home
    try:
        import ray
    except ImportError:
        raise InputError(f"--ray needs Ray: {install('ray')}") from None
    begun = not ray.is_initialized()
    try:
        if begun:
            _connect(ray, address)
        _check(ray, address, [str(path.absolute()) for path in shared])
        yield ray
    finally:
        if begun and ray.is_initialized():
            ray.shutdown()


def cores(ray: ModuleType) -> int:
    """How many cores the cluster has: workers that can be at work at a time."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _connect(ray: ModuleType, address: str) -> None:
    quiet = {"logging_level": "error", "log_to_driver": False}
    if address == LOCAL:
        ray.init(address=LOCAL, include_dashboard=False, **quiet)
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"--ray {address}: expected `local`, or HOST:PORT of the head of a Ray cluster.")
    try:  # Ray itself would try for a minute, then end the process
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"--ray {address}: no Ray cluster answers there ({why}).") from None
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(f"--ray {address}: this machine cannot work with the cluster there ({why}).") from None


def _check(ray: ModuleType, address: str, shared: Sequence[str]) -> None:
    """That every machine of the cluster can do the work.

    Raises:
        InputError: one cannot; the message names it.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def look(paths: Sequence[str]) -> dict[str, Any]:  # sent by value: a machine may lack the module that it is in
        import os

        try:
            import wordsight

            version = wordsight.__version__
        except Exception:
            version = ""
        return {"version": version, "unseen": [path for path in paths if not os.path.exists(path)]}

    remote, looks = ray.remote(num_cpus=0, max_retries=0)(look), {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            looks[remote.options(scheduling_strategy=there).remote(list(shared))] = node["NodeManagerAddress"]
    for answer, machine in looks.items():
        try:
            found = ray.get(answer, timeout=STARTS)
        except (ray.exceptions.RayError, TimeoutError) as error:
            why = str(error).strip().splitlines()[-1][:200]
            raise InputError(f"--ray {address}: machine {machine} does not work ({why}).") from None
        require(found, machine, address)


def require(found: Mapping[str, Any], machine: str, address: str) -> None:
    """That a machine has what is needed, by what it says of itself.

    Raises:
        InputError: it has not.
    """
    if not found["version"]:
        raise InputError(
            f"--ray {address}: machine {machine} lacks wordsight; install version {wordsight.__version__} there: "
            "pip install -e '.[ray]' in its checkout."
        )
    if found["version"] != wordsight.__version__:
        raise InputError(
            f"--ray {address}: machine {machine} has wordsight {found['version']} and this one "
            f"{wordsight.__version__}; install the same version on both."
        )
    if found["unseen"]:
        raise InputError(
            f"--ray {address}: machine {machine} does not see {found['unseen'][0]}; all machines need the pictures and "
            "the index at the same path, on a drive that they share."
        )

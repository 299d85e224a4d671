"""A Ray cluster: connect to it, and check its machines before they get work.

Ray distributes wordsight's own functions. All machines must see the pictures and the indexes at the same paths, on a
shared drive, and have the same version of wordsight.
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
SECONDS = 5.0  # longest time for a machine to answer
STARTS = 120.0  # longest time, in seconds, for its first worker to start and answer


@contextmanager
def cluster(address: str, shared: Sequence[Path] = ()) -> Iterator[ModuleType]:
    """Connect Ray to a cluster, and check that its machines can do the work; yields the module `ray`.

    Args:
        address: HOST:PORT of the head of a cluster that this machine belongs to, or "local" for a cluster on this
            machine that ends with the work.
        shared: files or folders that every machine must see.

    Raises:
        InputError: Ray is not installed, no cluster answers, or one of its machines lacks wordsight, has another
            version of it, or does not see a shared file or folder.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray sends usage statistics to its makers
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
    """The number of cores of a cluster, each of which can run one worker at a time."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _connect(ray: ModuleType, address: str) -> None:
    quiet = {"logging_level": "error", "log_to_driver": False}
    if address == LOCAL:
        ray.init(address=LOCAL, include_dashboard=False, **quiet)
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"--ray {address}: expected `local`, or HOST:PORT of the head of a Ray cluster.")
    try:  # Ray itself would try for a minute, and then end this process
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
    """Check that every machine of the cluster can do the work.

    Raises:
        InputError: a machine cannot; the message names it.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def look(paths: Sequence[str]) -> dict[str, Any]:  # sent by value, as a machine may lack this module
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
    """Check a machine's answer: it must have wordsight in this version, and see all shared paths.

    Raises:
        InputError: it does not.
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

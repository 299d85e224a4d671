"""What an index of very many pictures takes: bytes, machines, seconds and cost, printed with their formulas."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """An assumed machine, and its price."""

    cores: int = 64
    memory: float = 512e9
    dollars: float = 3.0  # per hour


def billion(pictures: float, built: float, scanned: float, formats: Mapping[str, tuple[float, float]]) -> str:
    """A table of bytes, machines, seconds and cost.

    Args:
        pictures: number of pictures.
        built: seconds of a core to encode a picture.
        scanned: seconds of a core to scan a byte.
        formats: name of an index format -> bytes per picture on disk, and bytes per picture that a scan reads.
    """
    machine, hours = Machine(), pictures * built / 3600
    lines = [
        f"{pictures:,.0f} pictures; a machine has {machine.cores} cores, {machine.memory / 1e9:.0f} GB and costs "
        f"${machine.dollars:.2f} an hour (assumed); measured: {1000 * built:.1f} ms of a core to encode a picture, "
        f"{1e9 * scanned:.2f} ns to scan a byte.",
        "bytes = pictures x bytes a picture; machines = bytes that a scan reads / 0.8 of a machine's memory;",
        "query = bytes that a scan reads x time a byte / (machines x cores); "
        "build = pictures x time a picture / (machines x cores); cost of the build = its machine hours x price",
        "",
        "| index | bytes a picture | on disk | read by a scan | machines | a query | build | cost of the build "
        "| machines a month |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (disk, read) in formats.items():
        machines = -int(-pictures * read // (0.8 * machine.memory))
        query = pictures * read * scanned / (machines * machine.cores)
        days = hours / (machines * machine.cores) / 24
        cost = hours / machine.cores * machine.dollars
        month = machines * machine.dollars * 730
        lines.append(
            f"| {name} | {disk:,.0f} | {pictures * disk / 1e12:,.1f} TB | {pictures * read / 1e12:,.1f} TB "
            f"| {machines} | {query:.2f} s | {days:.1f} days | ${cost:,.0f} | ${month:,.0f} |"
        )
    return "\n".join(lines)

"""METEOR (Denkowski and Lavie, 2014) by coco-caption's jar; needs the `metrics` extra and Java."""

import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Timer

from wordsight.errors import InputError, install

START, EACH = 120.0, 1.0  # time limit for Java, seconds: to start, and for each caption


def meteor(
    candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> tuple[float, list[float]]:
    """METEOR 1.5 of all captions together and of each; starting it takes about ten seconds and up to 2 GB.

    Args:
        candidates: I captions, tokenised.
        references: for each caption at least one, tokenised.

    Returns:
        The score of all, which is not the mean, and that of each; 0 to 1.

    Raises:
        InputError: it cannot run here, or Java failed or hung.
    """
    jar, java = _jar(), shutil.which("java")
    if jar is None:
        raise InputError(f"METEOR needs pycocoevalcap: {install('metrics')}")
    if java is None:
        raise InputError("METEOR needs Java, and there is no 'java' on the PATH.")
    command = [java, "-Xmx2G", "-Dfile.encoding=UTF-8", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    pipe, limit = subprocess.PIPE, START + EACH * len(candidates)
    try:
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, encoding="utf-8") as process:
            watch = Timer(limit, process.kill)
            watch.start()
            try:
                return _converse(process, candidates, references)
            finally:
                watch.cancel()
                process.kill()
    except (OSError, ValueError) as error:
        why = f"Java stopped, or took more than {limit:,.0f} s; it may need 2 GB of memory"
        raise InputError(f"METEOR gave no score: {why}.") from error


def _converse(
    process: "subprocess.Popen[str]", candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> tuple[float, list[float]]:
    """Request the statistics of each caption, then their scores."""

    def ask(line: str) -> str:
        assert process.stdin and process.stdout
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    statistics = []
    for candidate, right in zip(candidates, references, strict=True):
        fields = [*(" ".join(one) for one in right), " ".join(candidate)]
        statistics.append(ask(" ||| ".join(["SCORE", *(field.replace("|||", "") for field in fields)])))
    first = float(ask(" ||| ".join(["EVAL", *statistics])))
    assert process.stdout
    scores = [first, *(float(process.stdout.readline()) for _ in candidates)]
    return scores[-1], scores[:-1]


def _jar() -> Path | None:
    """The jar in the extra's package, located without importing it."""
    package = find_spec("pycocoevalcap")
    for folder in package.submodule_search_locations or () if package else ():
        jar = Path(folder) / "meteor" / "meteor-1.5.jar"
        if jar.is_file():
            return jar
    return None

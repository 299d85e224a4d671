"""SPICE (Anderson et al. 2016) by coco-caption's jar; needs the `metrics` extra, Java, and Stanford CoreNLP 3.6.0.

The two jars of CoreNLP are not in the extra's package: put them into its folder `spice/lib` by hand.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from wordsight.errors import InputError, install
from wordsight.files import field, read_json, to_json

START, EACH = 600.0, 10.0  # time limit for Java, seconds: to start, and for each caption
PARSER = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
_OPEN = " ".join(f"--add-opens=java.base/java.{part}=ALL-UNNAMED" for part in ("lang", "math", "util", "net", "text"))


def spice(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> list[float]:
    """SPICE of each caption, 0 to 1; that of a set is their mean. It takes minutes and up to 8 GB.

    Args:
        candidates: I captions, tokenised.
        references: for each caption at least one, tokenised.

    Raises:
        InputError: it cannot run here, or Java failed or hung.
    """
    folder, java = _folder(), shutil.which("java")
    if folder is None:
        raise InputError(f"SPICE needs pycocoevalcap: {install('metrics')}")
    if lacking := [name for name in PARSER if not (folder / "lib" / name).is_file()]:
        raise InputError(f"SPICE needs {' and '.join(lacking)} of Stanford CoreNLP in {folder / 'lib'}.")
    if java is None:
        raise InputError("SPICE needs Java, and there is no 'java' on the PATH.")
    pairs = enumerate(zip(candidates, references, strict=True))
    told = [{"image_id": n, "test": " ".join(one), "refs": [" ".join(r) for r in right]} for n, (one, right) in pairs]
    limit = START + EACH * len(told)
    with tempfile.TemporaryDirectory() as place:
        given, made = Path(place) / "in.json", Path(place) / "out.json"
        given.write_text(to_json(told), encoding="utf-8")
        command = [java, "-Xmx8G", "-jar", str(folder / "spice-1.0.jar"), str(given)]
        command += ["-out", str(made), "-subset", "-silent"]
        # Java 9 and newer read this variable, and refuse what the jar does without it; Java 8 ignores it.
        environment = os.environ | {"JDK_JAVA_OPTIONS": _OPEN}
        try:
            subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True, timeout=limit)
        except (OSError, subprocess.SubprocessError) as error:
            why = f"Java stopped, or took more than {limit:,.0f} s; it may need 8 GB of memory"
            raise InputError(f"SPICE gave no score: {why}.") from error
        return _scores(made, len(told))


def _scores(path: Path, count: int) -> list[float]:
    """The F-score of each caption, from SPICE's output."""
    found = {}
    for number, record in enumerate(read_json(path)):
        where = f"SPICE's output, [{number}]"
        every = field(field(record, "scores", dict, where), "All", dict, where)
        score = float(every.get("f", 0.0))
        found[field(record, "image_id", int, where)] = score if score == score else 0.0
    return [found[number] for number in range(count)]


def _folder() -> Path | None:
    """The folder of SPICE in the extra's package, located without importing it."""
    package = find_spec("pycocoevalcap")
    for folder in package.submodule_search_locations or () if package else ():
        if (Path(folder) / "spice" / "spice-1.0.jar").is_file():
            return Path(folder) / "spice"
    return None

"""Commands of Python, run in a copy of this process: what they import is there already, which saves seconds of each."""

import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def forked(command: Sequence[Any], **given: Any) -> subprocess.CompletedProcess[str]:
    """Like `subprocess.run`, with the output as text; a new process where none can be copied."""
    if not hasattr(os, "fork"):
        kept = {"capture_output": True, "text": True, "check": given.get("check", False)}
        return subprocess.run([str(one) for one in command], **kept)
    words = [str(one) for one in command[1:]]
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ("out", "err")]
        copy = get_context("fork").Process(target=_work, args=(words, outputs))
        copy.start()
        copy.join(given.get("timeout", 300))
        copy.kill()  # does nothing to one that has ended
        copy.join()
        done = subprocess.CompletedProcess(list(command), copy.exitcode or 0, *(one.read_text() for one in outputs))
    if given.get("check"):
        done.check_returncode()
    return done


def _work(words: list[str], outputs: list[Path]) -> None:
    """What Python does with `-c CODE`, `-m MODULE` (its `main`) or a file, and the words behind it."""
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    option, *rest = words
    sys.argv = words if option not in ("-c", "-m") else rest
    if option == "-c":
        exec(compile(rest[0], "-c", "exec"), {"__name__": "__main__"})
    elif option == "-m":
        import_module(rest[0]).main()
    else:
        sys.path.insert(0, str(Path(option).parent))
        runpy.run_path(option, run_name="__main__")

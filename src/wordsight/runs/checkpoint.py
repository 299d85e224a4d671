"""Checkpoints: only this module writes and reads trained models, except those for sketches (`runs/sketcher.py`).

A checkpoint is a folder that stands alone: `config.json`, `model.safetensors`, `vocabulary.json`, `recipe.toml`,
`metrics.json` and `README.md`. `training_state.pt` beside them is only for resuming: using a model never unpickles,
and executes nothing. Sizes that an untrusted folder states are believed only once its files are as large.

Guarantees: each file is the old one or the new one, flushed before it takes its name, and `config.json` is written
last, so a folder whose first checkpoint was interrupted is not a checkpoint yet. During a training only weights,
metrics and card change: after a power failure between these files, the weights may be those of the newer checkpoint
and the metrics those of the older. The model still works, and resuming evaluates it again and writes both. A checksum
detects damaged weights (`runs/weights.py`).
"""

import io
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from wordsight.errors import InputError
from wordsight.files import describe, read_json, reason, to_json, write_bytes, write_text
from wordsight.matching.ensemble import Ensemble
from wordsight.matching.matcher import Matcher
from wordsight.outputs import require_free
from wordsight.runs import card, recipe, weights
from wordsight.runs.recipe import Recipe
from wordsight.runs.tasks import MODELS, Model, model_class
from wordsight.runs.typed import fill, keywords, nearest
from wordsight.runs.upgrade import FORMAT, tensor_1_to_2, upgrade_1_to_2
from wordsight.text.vocabulary import Vocabulary
from wordsight.vision.dual_source import is_dual
from wordsight.vision.regions import RegionSettings

STATE = "training_state.pt"
WEIGHTS = "model.safetensors"
MOST_MEMBERS = 100
_LARGEST = {"config.json": 1 << 20, "recipe.toml": 1 << 20, "vocabulary.json": 16 << 20, "metrics.json": 16 << 20}
_COUNTS = ("words", "parameters", "seconds")  # keys of the metrics whose values are numbers


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and everything needed to use it.

    Attributes:
        model: in evaluation mode.
        vocabulary: the words it knows.
        regions: how pictures become regions.
        blocks: source of a region's features -> its columns.
        fingerprint: of the region encoder the model was trained with.
        recipe: the experiment it came from.
        metrics: `best` (flat metrics on the val split), `history` (a record per evaluation) and more.
        revisions: backbone from a hub -> the commit whose weights were used.
    """

    model: Model
    vocabulary: Vocabulary
    regions: RegionSettings
    blocks: Mapping[str, slice]
    fingerprint: str
    recipe: Recipe
    metrics: Mapping[str, Any]
    revisions: Mapping[str, str] = field(default_factory=dict)


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; each file is written under a temporary name and renamed.

    Raises:
        InputError: the folder cannot be written, or the disk is full.
    """
    make_folder(folder)
    model, name = checkpoint.model, str(checkpoint.recipe.model["name"])
    members = model.config["members"] if isinstance(model, Ensemble) else None
    config = {
        "format": FORMAT,
        "model": name,
        **({"members": members} if members else {"config": dict(model.config)}),
        "regions": asdict(checkpoint.regions),
        "blocks": {block: [columns.start, columns.stop] for block, columns in checkpoint.blocks.items()},
        "fingerprint": checkpoint.fingerprint,
        **({"revisions": dict(checkpoint.revisions)} if checkpoint.revisions else {}),
    }
    save_weights(folder, model)
    checkpoint.vocabulary.save(folder / "vocabulary.json")
    write_text(folder / "recipe.toml", checkpoint.recipe.to_toml())
    save_metrics(folder, checkpoint.metrics)
    write_text(folder / "README.md", card.model_card(name, checkpoint.recipe, checkpoint.metrics))
    write_text(folder / "config.json", _json(config))


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, trained or begun."""
    return any(os.path.lexists(folder / name) for name in ("config.json", STATE, "member-0"))


def require_new(folder: Path) -> None:
    """Check that a run in a folder, unless it holds one already, replaces no file of the user's.

    Raises:
        InputError: it would, or this is a file.
    """
    if os.path.exists(folder) and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for the run, but this is a file.")
    if not is_run(folder):
        require_free(folder, (WEIGHTS, "README.md", "recipe.toml", "metrics.json", "vocabulary.json"))


def save_weights(folder: Path, model: Model) -> None:
    """Write `model.safetensors` alone."""
    write_bytes(folder / WEIGHTS, weights.to_bytes(model.state_dict()))


def save_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write `metrics.json` alone."""
    write_text(folder / "metrics.json", _json(metrics))


def load(folder: str | Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint, its model ready to use.

    Raises:
        InputError: there is no checkpoint, it is of another format, or a file in it is missing or damaged.
    """
    folder = Path(folder)
    config = read_config(folder)
    path = folder / "config.json"
    name = config.get("model")
    if not isinstance(name, str) or name not in MODELS:
        raise InputError(f"{path}: model {name!r} is not known; {nearest(str(name), MODELS)}")
    vocabulary = Vocabulary.load(_checked(folder / "vocabulary.json"))
    try:
        model = weights.skeleton(lambda: _built(name, config, path))
        blocks = {block: _columns(columns) for block, columns in config["blocks"].items()}
        regions = fill(RegionSettings, config["regions"], "regions", str(path))
        fingerprint, revisions = str(config["fingerprint"]), dict(config.get("revisions", {}))
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise InputError(f"{path}: not a checkpoint of format {FORMAT} ({_first_line(error)}).") from None
    try:
        regions.check()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if any(size != len(vocabulary) for size in _sizes(config, "vocabulary")):
        raise InputError(f"{folder / 'vocabulary.json'}: has {len(vocabulary)} words, but the model has others.")
    weights.load(folder / WEIGHTS, model, tensor_1_to_2 if config["format"] == 1 else str)
    return Checkpoint(
        model=model.to(device).eval(),
        vocabulary=vocabulary,
        regions=regions,
        blocks=blocks,
        fingerprint=fingerprint,
        recipe=recipe.read(_checked(folder / "recipe.toml"), own=True),
        metrics=read_metrics(folder),
        revisions=revisions,
    )


def _built(name: str, config: Mapping[str, Any], path: Path) -> Model:
    """The model that `config.json` describes."""
    told = config.get("members", [config.get("config", {})])
    if not 1 <= len(told) <= MOST_MEMBERS:
        raise InputError(f"{path}: has {len(told)} members, expected 1 to {MOST_MEMBERS}.")
    kind = model_class(name)
    members = [kind(**keywords(kind.__init__, one, "config", str(path))) for one in told]
    if "members" not in config:
        return members[0]
    if len(_sizes(config, "vocabulary")) != len(members) or len(set(_sizes(config, "features"))) > 1:
        raise InputError(f"{path}: its members are not of the same features.")
    return Ensemble([member for member in members if isinstance(member, Matcher)])


def _sizes(config: Mapping[str, Any], key: str) -> list[int]:
    """A size in the configs of the members, or of the single model."""
    return [one[key] for one in config.get("members", [config.get("config", {})])]


def _columns(ends: object) -> slice:
    if not isinstance(ends, list) or len(ends) != 2 or not all(isinstance(end, int) for end in ends):
        raise TypeError(f"expected two column numbers, found {describe(ends)}")
    return slice(*ends)


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a checkpoint of any format."""
    return os.path.exists(folder / "config.json")  # unlike pathlib, no name is too long for it


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a checkpoint, its format checked and its keys upgraded to the current format."""
    path = folder / "config.json"
    if is_dual(folder):
        raise InputError(f"{folder}: a model of transformers; expected a run here, the folder that `train -o` wrote.")
    if not is_checkpoint(folder):
        raise InputError(f"{folder}: not a trained model (no config.json); give the folder that `train -o` wrote.")
    config = _read_json(path)
    if config.get("format") not in (1, FORMAT):
        raise InputError(
            f"{path}: checkpoint format {config.get('format')!r}, but this wordsight reads formats 1 to {FORMAT}; "
            "use the version that wrote it, or train again."
        )
    return upgrade_1_to_2(config) if config["format"] == 1 else config


def read_metrics(folder: Path) -> dict[str, Any]:
    """`metrics.json` of a checkpoint; values that are not numbers (null for NaN) are left out of its records."""
    path = folder / "metrics.json"
    metrics = _read_json(path)
    best, history = metrics.get("best", {}), metrics.get("history", [])
    if not isinstance(best, dict) or not isinstance(history, list) or not all(isinstance(one, dict) for one in history):
        raise InputError(f"{path}: expected an object 'best' and a list of objects 'history'.")
    for key in _COUNTS:
        if not isinstance(metrics.get(key, 0), int | float):
            raise InputError(f"{path}, key '{key}': expected a number, found {describe(metrics[key])}.")
    if len(history) > 1 and not all(isinstance(one.get("epoch"), int) for one in history):
        raise InputError(f"{path}, key 'history': expected an epoch in each record.")
    return {**metrics, "best": _numbers(best), "history": [_numbers(one) for one in history]}


def _numbers(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if isinstance(value, int | float)}


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write what resuming needs, apart from the checkpoint."""
    content = io.BytesIO()
    torch.save(dict(state), content)
    write_bytes(folder / STATE, content.getvalue())


def load_state(folder: Path) -> dict[str, Any]:
    """Read what `save_state` wrote; only plain values and tensors are unpickled."""
    path = folder / STATE
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{folder}: nothing to resume here (no {STATE}).") from None
    except Exception:
        raise InputError(f"{path}: cannot be read, so this run cannot go on; name another folder.") from None
    if state.get("format") == 1 and isinstance(state.get("model"), dict):
        state |= {"format": FORMAT, "model": {tensor_1_to_2(name): one for name, one in state["model"].items()}}
    if state.get("format") != FORMAT:
        raise InputError(f"{path}: written by another version of wordsight; name another folder.")
    return state


def make_folder(folder: Path) -> None:
    """Make a folder for a run; raises `InputError` if it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot make this folder ({reason(error)}).") from None
    except ValueError:
        raise InputError(f"{str(folder)!r}: no folder can have this name.") from None


def _json(value: object) -> str:
    return to_json(value, indent=1) + "\n"


def _checked(path: Path) -> Path:
    """The path of a checkpoint's file, checked: it exists and is not larger than `_LARGEST`."""
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        raise InputError(f"{path}: missing from this checkpoint.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}).") from None
    if size > _LARGEST[path.name]:
        raise InputError(f"{path}: {size:,} bytes, expected at most {_LARGEST[path.name]:,}.")
    return path


def _read_json(path: Path) -> dict[str, Any]:
    content = read_json(_checked(path))
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object.")
    return content


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]

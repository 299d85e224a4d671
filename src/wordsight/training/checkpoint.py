"""The only place that writes and reads trained models.

A checkpoint is a folder that stands alone: `config.json`, `model.safetensors`, `vocabulary.json`, `recipe.toml`,
`metrics.json` and `README.md`. `training_state.pt` beside them is only for resuming: using a model never unpickles.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file as read_tensors
from safetensors.torch import save as tensor_bytes

from wordsight.errors import InputError
from wordsight.files import read_json, write_bytes, write_text
from wordsight.matching.ensemble import Ensemble
from wordsight.matching.matcher import Matcher
from wordsight.text.vocabulary import Vocabulary
from wordsight.training import card, recipe
from wordsight.training.models import MODELS, Model, model_class
from wordsight.training.recipe import Recipe
from wordsight.vision.regions import RegionSettings

FORMAT = 1
STATE = "training_state.pt"


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and all that is needed to use it.

    Attributes:
        model: in evaluation mode.
        vocabulary: the words it knows.
        regions: how pictures become regions.
        blocks: which columns of a region's features come from what.
        fingerprint: of the region encoder the model was trained with.
        recipe: the experiment it came from.
        metrics: `best` (flat figures on the val split), `history` (a record per evaluation) and more.
    """

    model: Model
    vocabulary: Vocabulary
    regions: RegionSettings
    blocks: Mapping[str, slice]
    fingerprint: str
    recipe: Recipe
    metrics: Mapping[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; each file is written beside and renamed.

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
    }
    save_weights(folder, model)
    checkpoint.vocabulary.save(folder / "vocabulary.json")
    write_text(folder / "recipe.toml", checkpoint.recipe.to_toml())
    save_metrics(folder, checkpoint.metrics)
    write_text(folder / "README.md", card.model_card(name, checkpoint.recipe, checkpoint.metrics))
    write_text(folder / "config.json", _json(config))


def save_weights(folder: Path, model: Model) -> None:
    """Write `model.safetensors` alone."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(folder / "model.safetensors", tensor_bytes(tensors))


def save_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write `metrics.json` alone."""
    write_text(folder / "metrics.json", _json(metrics))


def load(folder: str | Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a checkpoint, its model ready to use.

    Raises:
        InputError: no checkpoint, one of another format, or a file in it that is missing or damaged.
    """
    folder = Path(folder)
    config = read_config(folder)
    name = str(config.get("model"))
    if name not in MODELS:
        raise InputError(f"{folder / 'config.json'}: model {name!r} is not known; {recipe.nearest(name, MODELS)}")
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    try:
        members = [model_class(name)(**keywords) for keywords in config.get("members", [config.get("config", {})])]
        if any(member.config["vocabulary"] != len(vocabulary) for member in members):
            raise InputError(f"{folder / 'vocabulary.json'}: has {len(vocabulary)} words, but the model has others.")
        matchers = [member for member in members if isinstance(member, Matcher)]
        model = Ensemble(matchers) if "members" in config else members[0]
        blocks = {block: slice(*columns) for block, columns in config["blocks"].items()}
        regions = recipe.fill(RegionSettings, config["regions"], "regions", str(folder / "config.json"))
        fingerprint = str(config["fingerprint"])
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder / 'config.json'}: not a checkpoint of format {FORMAT} ({error}).") from None
    _load_weights(folder / "model.safetensors", model)
    return Checkpoint(
        model=model.to(device).eval(),
        vocabulary=vocabulary,
        regions=regions,
        blocks=blocks,
        fingerprint=fingerprint,
        recipe=recipe.read(folder / "recipe.toml"),
        metrics=read_metrics(folder),
    )


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a checkpoint, of whatever format."""
    return (folder / "config.json").exists()


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a checkpoint, its format checked."""
    path = folder / "config.json"
    if not is_checkpoint(folder):
        raise InputError(f"{folder}: not a trained model (no config.json); give the folder that `train -o` wrote.")
    config = _read_json(path)
    if config.get("format") != FORMAT:
        raise InputError(
            f"{path}: checkpoint format {config.get('format')!r}, but this wordsight reads format {FORMAT}; "
            "use the version that wrote it, or train again."
        )
    return config


def read_metrics(folder: Path) -> dict[str, Any]:
    """`metrics.json` of a checkpoint."""
    return _read_json(folder / "metrics.json")


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
    except Exception as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__}); delete {folder} to start again.") from None
    if state.get("format") != FORMAT:
        raise InputError(f"{path}: written by another version of wordsight; delete {folder} to start again.")
    return state


def make_folder(folder: Path) -> None:
    """Make a folder for a run, or say why not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot make this folder ({error.strerror}).") from None


def _load_weights(path: Path, model: Model) -> None:
    try:
        model.load_state_dict(read_tensors(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise InputError(f"{path}: missing from this checkpoint.") from None
    except (SafetensorError, RuntimeError, OSError) as error:
        raise InputError(f"{path}: damaged, or not of this model ({str(error).splitlines()[-1].strip()}).") from None


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InputError(f"{path}: missing from this checkpoint.")
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object.")
    return content

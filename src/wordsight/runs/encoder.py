"""Region encoders of recipes and trained runs: they turn pictures into regions."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wordsight.data.find import find
from wordsight.errors import InputError
from wordsight.runs.checkpoint import Checkpoint
from wordsight.vision.backbones import check_foreign
from wordsight.vision.regions import RegionEncoder, RegionSettings


def region_encoder(settings: RegionSettings, revisions: Mapping[str, str] | None = None) -> RegionEncoder:
    """The encoder of some settings, with its weights; hub models use the given commits (`revisions`) or the newest.

    Raises:
        InputError: weights are not found.
    """
    files = [name for name in (*settings.backbones, settings.detector) if name.endswith((".onnx", ".safetensors"))]
    absent = any(not os.path.isfile(name) for name in files)
    folder = find(settings.weights, "folder of weights") if absent else None
    if settings.frames:
        from wordsight.vision.clip_encoder import ClipEncoder

        return ClipEncoder(settings, folder, revisions=revisions)
    return RegionEncoder(settings, folder, revisions=revisions)


def encoder_of(trained: Checkpoint, folder: Path) -> RegionEncoder:
    """The encoder that a model was trained with.

    Raises:
        InputError: its weights are missing, are not those of the training, or would have to be fetched.
    """
    check_foreign(trained.regions, str(folder / "config.json"))
    encoder = region_encoder(trained.regions, trained.revisions)
    if encoder.fingerprint != trained.fingerprint:
        raise InputError(f"{folder}: was trained with other weights of its backbones or detector than are here.")
    config: Mapping[str, Any] = trained.model.config
    if any(one["features"] != encoder.size for one in config.get("members", [config])):
        raise InputError(f"{folder / 'config.json'}: its model expects other features than its regions have.")
    return encoder

"""Vision models of the transformers library, by hub id or local folder (extra `hf`)."""

import contextlib
import hashlib
import inspect
import os
import threading
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.errors import InputError, install

T = TypeVar("T")
NEEDED = ("config.json", "preprocessor_config.json", "*.safetensors")
FILES = ("config.json", "preprocessor_config.json", "model*.safetensors", "model.safetensors.index.json")
PATIENCE = 5.0  # timeout in seconds of the hub's first answer


class TransformersBackbone:
    """Backbone from the transformers library: the last feature map of a vision model.

    Convolutional nets give their map; patch tokens of vision transformers are laid out as a map, without class and
    register tokens; CLIP and SigLIP contribute their vision towers. Pixels are normalised as in the model's
    `preprocessor_config.json`.
    """

    batch = 8
    revision: str  # commit of a hub model; else empty

    def __init__(self, name: str, revision: str = "") -> None:
        """Load the model, from safetensors alone: nothing is unpickled, and no code of the model is run.

        Args:
            name: a folder, or the id of a model on the hub.
            revision: commit of a hub model; if empty, the one in the local hub cache, or else the newest.

        Raises:
            InputError: transformers is not installed, or the model is not local and cannot be downloaded.
        """
        try:
            import transformers
            from transformers.image_processing_base import ImageProcessingMixin
        except ImportError:
            raise InputError(f"{name}: needs transformers: {install('hf')}") from None
        options = {"local_files_only": True}
        try:
            folder = name if os.path.isdir(name) else fetched(name, revision)
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, **options)
            whole = transformers.AutoModel.from_pretrained(
                folder, trust_remote_code=False, use_safetensors=True, **options
            )
            model = _vision_tower(whole)
            settings = ImageProcessingMixin.get_image_processor_dict(folder, **options)[0]
        except Exception as error:
            raise InputError(_why(name, error)) from None
        self.revision = "" if folder == name else Path(folder).name
        self.name = Path(name).name
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = model.eval().requires_grad_(False).to(self._device)
        self._vision = getattr(config, "vision_config", config)
        self._mean, self._scale = _normalisation(settings)
        self._lock = threading.Lock()
        self._patch = _number(getattr(self._vision, "patch_size", None))
        self.stride = self._patch or 32
        self._free = "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
        side = max(min(_number(getattr(self._vision, "image_size", 224)), 224) // self.stride, 1) * self.stride
        self.size: int = self.feature_map(np.zeros((1, 3, side, side), np.float32)).shape[1]
        self.content = self._hash()

    @torch.no_grad()
    def feature_map(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Backbone.feature_map`."""
        pixels = (torch.from_numpy(batch) - self._mean) / self._scale
        options = {"interpolate_pos_encoding": True} if self._free else {}
        with self._lock:  # torch runs one call on all cores
            out = self._model(pixel_values=pixels.to(self._device), **options).last_hidden_state
        out = out.float().cpu()
        return (out if out.ndim == 4 else self._as_map(out, batch.shape[2], batch.shape[3])).numpy()

    def _as_map(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Tokens (B, T, F), with the patches last, row by row, to a map (B, F, h, w)."""
        cell = self._patch
        while (height // cell) * (width // cell) > tokens.shape[1]:  # nets that merge patches
            cell *= 2
        rows, columns = height // cell, width // cell
        patches = tokens[:, tokens.shape[1] - rows * columns :]
        return patches.transpose(1, 2).reshape(len(tokens), -1, rows, columns).contiguous()

    def _hash(self) -> str:
        content = hashlib.sha256(repr((self._mean.tolist(), self._scale.tolist(), self._patch)).encode())
        content.update(type(self._model).__name__.encode())
        for key, value in sorted(self._model.state_dict().items()):
            content.update(key.encode())
            content.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return content.hexdigest()


def fetched(name: str, revision: str, files: Sequence[str] = FILES, needed: Sequence[str] = NEEDED) -> str:
    """The folder of a hub model in the local hub cache, downloaded if missing; the folder's name is the commit.

    Args:
        name: the model's id.
        revision: a commit, branch or tag; empty for the cached one, or else the newest.
        files: patterns of the files to download.
        needed: patterns; unless each matches a cached file, the model is downloaded.

    Raises:
        Exception: any of the library's errors; without a network, within seconds.
    """
    import huggingface_hub

    if folder := cached(name, revision, needed):
        return folder
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set, and it is not in the local cache")
    ask = partial(huggingface_hub.HfApi().model_info, name, revision=revision or None, timeout=PATIENCE)  # one try
    found = _in_time(ask, 2 * PATIENCE)
    return str(huggingface_hub.snapshot_download(name, revision=found.sha, allow_patterns=list(files)))


def cached(name: str, revision: str, needed: Sequence[str] = NEEDED) -> str:
    """The folder of a hub model in the local hub cache, if complete; else empty."""
    import huggingface_hub

    with contextlib.suppress(Exception):  # it is not cached
        folder = huggingface_hub.snapshot_download(name, revision=revision or None, local_files_only=True)
        there = os.listdir(folder)
        if all(any(fnmatch(one, pattern) for one in there) for pattern in needed):
            return str(folder)
    return ""


def _in_time(call: Callable[[], T], seconds: float) -> T:
    """Call with a timeout, for name servers that do not answer.

    Raises:
        TimeoutError: it takes longer.
        Exception: any error of the call.
    """
    found: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(call())
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"no answer within {seconds:.0f} seconds")
    return found[0]


def _vision_tower(model: Any) -> Any:
    """The vision tower of a model."""
    return getattr(model, "vision_model", model)


def _number(size: Any) -> int:
    """A size in a model's settings, which may be a pair, or missing (then 0)."""
    return int(size[0] if isinstance(size, list | tuple) else size or 0)


def _normalisation(settings: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of pixels of 0 to 255, (3, 1, 1) each."""
    unit = settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 1.0
    mean, deviation = [0.0] * 3, [1.0] * 3
    if settings.get("do_normalize", True):
        mean, deviation = settings["image_mean"], settings["image_std"]
    column = (3, 1, 1)
    return torch.tensor(mean).reshape(column) / unit, torch.tensor(deviation).reshape(column) / unit


def _why(name: str, error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if Path(name).is_dir():
        return (
            f"{name}: expected a folder of a transformers vision model with config.json, weights and "
            f"preprocessor_config.json ({reason})"
        )
    return (
        f"{name}: neither a folder here nor a model that can be fetched from the Hugging Face hub; without a "
        f"network, download it elsewhere and give its folder ({reason})"
    )

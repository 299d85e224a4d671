"""A model's weights in a safetensors file: nothing is executed, and nothing is loaded before it is known to fit.

The file's header says how large each tensor is, so a file or a configuration of absurd sizes is refused before memory
is allocated for it. The header's metadata holds a checksum of all tensors; older files without one load too.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from wordsight.errors import InputError
from wordsight.files import field, open_regular, parse_json, reason

Built = TypeVar("Built")
SUM = "sha256"  # its key in the metadata
_LENGTH = 8  # bytes that say how long the header is
_LONGEST = 16 << 20  # most bytes of a header; wordsight's have a few thousand


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors as the bytes of a safetensors file, with their checksum."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors_bytes(plain)
    return safetensors_bytes(plain, {SUM: _checksum(content)})


def unfit(tensors: Mapping[str, Tensor]) -> str:
    """The name of a tensor that holds NaN or infinity; empty where none does."""
    real = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    sums = {name: tensor.detach().sum(dtype=torch.float64) for name, tensor in real.items()}  # NaN stays NaN
    return next((name for name, value in sums.items() if not math.isfinite(value)), "")


DRAWN = ("normal_", "uniform_", "random_", "bernoulli_")  # methods that fill a tensor at random


class _Unfilled(TorchFunctionMode):
    """Skips the random initialisation of weights, which costs torch seconds of preparation on the device `meta`."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(function, "__module__", "") == "torch.nn.init" or getattr(function, "__name__", "") in DRAWN:
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))


def skeleton(build: Callable[[], Built]) -> Built:
    """What `build` builds, without memory for its weights, which are to be loaded."""
    with torch.device("meta"), _Unfilled():
        return build()


def load(path: Path, model: nn.Module, renamed: Callable[[str], str] = str) -> None:
    """Read weights into a `skeleton`, in the skeleton's precision.

    Args:
        path: a safetensors file.
        model: without weights.
        renamed: the name of a tensor in the file -> its name in the model.

    Raises:
        InputError: the file is missing, damaged, not a safetensors file, not of this model, or holds NaN or infinity.
    """
    expected = model.state_dict()
    _check_shapes(path, {renamed(name): entry for name, entry in _header(path).items()}, expected)
    try:
        with open_regular(path) as file:
            content = file.read()
        tensors = {renamed(name): tensor for name, tensor in tensors_of(content).items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}).") from None
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: damaged ({_last_line(error)}).") from None
    told = json.loads(content[_LENGTH : _end(content)]).get("__metadata__", {}).get(SUM)
    if told is not None and told != _checksum(content):
        raise InputError(f"{path}: damaged, its checksum is not that of the weights that were saved.")
    if name := unfit(tensors):
        raise InputError(f"{path}: '{name}' holds NaN or infinity; train the model again.")
    try:
        model.load_state_dict({key: tensor.to(expected[key].dtype) for key, tensor in tensors.items()}, assign=True)
    except (RuntimeError, KeyError) as error:
        raise InputError(f"{path}: damaged, or not of this model ({_last_line(error)}).") from None


def _header(path: Path) -> dict[str, Any]:
    """The header of a complete safetensors file, without its metadata."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(_LENGTH), "little")
            if size < _LENGTH or not 2 <= length <= min(size - _LENGTH, _LONGEST):
                raise InputError(f"{path}: damaged, or no safetensors file.")
            content = file.read(length)
    except FileNotFoundError:
        raise InputError(f"{path}: missing from this checkpoint.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}).") from None
    try:
        header = parse_json(content.decode(), str(path))
        ends = [_span(entry, name, path) for name, entry in header.items() if name != "__metadata__"]
        metadata = header.pop("__metadata__", {})
    except (InputError, UnicodeDecodeError, AttributeError):
        raise InputError(f"{path}: damaged, or no safetensors file (its header cannot be read).") from None
    if not isinstance(metadata, dict) or size != _LENGTH + length + max(ends, default=0):
        raise InputError(f"{path}: damaged, cut short or longer than its header says.")
    return dict(header)


def _span(entry: object, name: str, path: Path) -> int:
    """Where a tensor ends, in bytes after the header."""
    where = f"{path}, '{name}'"
    shape, offsets = field(entry, "shape", list, where), field(entry, "data_offsets", list, where)
    if not all(isinstance(number, int) and number >= 0 for number in (*shape, *offsets)) or len(offsets) != 2:
        raise InputError(f"{where}: expected sizes.")
    return int(offsets[1])


def _check_shapes(path: Path, header: Mapping[str, Any], expected: Mapping[str, Tensor]) -> None:
    """Check that a file's tensors are those of a model; one that is empty in the model may have any size."""
    if header.keys() != expected.keys():
        name = min(header.keys() ^ expected.keys())
        what = f"without '{name}'" if name in expected else f"with '{name}', which it has not"
        raise InputError(f"{path}: not of this model: {what}.") from None
    for name, tensor in expected.items():
        shape = tuple(header[name]["shape"])
        if shape != tensor.shape and (tensor.numel() or len(shape) != tensor.ndim or 0 in shape):
            raise InputError(f"{path}: size mismatch, '{name}' is {shape}, expected {tuple(tensor.shape)}.")


def _checksum(content: bytes) -> str:
    """SHA-256 of a safetensors file's tensors: their names, types, shapes and values."""
    header = json.loads(content[_LENGTH : _end(content)])
    header.pop("__metadata__", None)
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(memoryview(content)[_end(content) :])
    return digest.hexdigest()


def _end(content: bytes) -> int:
    return _LENGTH + int.from_bytes(content[:_LENGTH], "little")


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__

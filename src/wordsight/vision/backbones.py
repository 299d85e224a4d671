"""Backbones: pixels to feature maps, by name, file or hub id."""

import difflib
import hashlib
import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import read_bytes
from wordsight.vision.onnx_session import OnnxNet
from wordsight.vision.openvino_session import Compute
from wordsight.vision.pooling import Backbone
from wordsight.vision.settings import LITE2, RegionSettings

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)  # as in facebook/dinov2-small


class OnnxBackbone:
    """Backbone in an ONNX file: input float32 NCHW RGB 0 to 255, output `feature_map` (B, F, h, w)."""

    batch = 1

    def __init__(self, path: Path, compute: Compute = "float32") -> None:
        """Open the file and test it on a small picture.

        Raises:
            InputError: missing, not ONNX, or not of this shape.
        """
        self._net = OnnxNet(path, compute)
        self.name = path.stem
        self._output = "feature_map" if "feature_map" in self._net.outputs else self._net.outputs[0]
        side = self._net.shape[-1]
        self._probe = side if isinstance(side, int) else 128
        try:
            shape = self._net.probe(self._probe, self._probe, self._output)
            _, self.size, _, width = shape
        except Exception as error:
            raise InputError(
                f"{path}: expected a net from `image` (B, 3, H, W) to `feature_map` (B, F, h, w) "
                f"({str(error).splitlines()[0]})"
            ) from None
        self.stride = side if isinstance(side, int) else max(self._probe // width, 1)
        self.content = hashlib.sha256(read_bytes(path)).hexdigest()

    def feature_map(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Backbone.feature_map`."""
        return self._net.run(batch, self._output)


def backbone(name: str, weights: str | Path = "", revision: str = "", compute: Compute = "float32") -> Backbone:
    """Load a backbone by name.

    Args:
        name: `filters`, which has no weights; `efficientnet-lite2`, which installs with the package; an ONNX file; or a
            transformers model, by local folder or hub id such as `facebook/dinov2-small` (needs the extra `hf`).
        weights: the folder in which names are looked up.
        revision: commit of a hub model; if empty, the cached one or else the newest.
        compute: the type that EfficientNet-Lite2 and ONNX files are run in; others run in float32.

    Raises:
        InputError: there is no such backbone; suggests the nearest name.
    """
    if name == "filters":
        from wordsight.vision.filters import FilterBackbone

        return FilterBackbone()
    if name == LITE2:
        from wordsight.vision.lite2 import Lite2

        return Lite2(compute=compute)
    if name.endswith(".onnx"):
        return OnnxBackbone(find_weights(name, weights), compute)
    local = [path for path in (Path(name), Path(weights) / name) if os.path.isdir(path)]
    if local or HUB_ID.fullmatch(name):
        from wordsight.vision.hub import TransformersBackbone

        return TransformersBackbone(str(local[0]) if local else name, "" if local else revision)
    known = ["filters", LITE2, *_onnx_files(weights)]
    near = difflib.get_close_matches(name, known, 1, 0.4)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
    raise InputError(f"no backbone '{name}' ({hint}); a folder or hub id of a transformers model will do, too")


def check_foreign(settings: RegionSettings, where: str) -> None:
    """Check that the nets of a run, which may be untrusted, need no network.

    Raises:
        InputError: a name refers to another machine, and $WORDSIGHT_HUB does not allow that.
    """
    if hub_allowed():
        return
    for name in (*settings.backbones, settings.detector, settings.weights):
        if "://" in name or name.replace("\\", "/").startswith("//") or "\0" in name:
            raise InputError(
                f"{where}: its regions name {name!r}, which is not on this machine; if you trust it, allow that with "
                "--allow-hub or WORDSIGHT_HUB=1."
            )
    for name in settings.backbones:
        there = any(os.path.isdir(path) for path in (name, os.path.join(settings.weights, name)))
        if not there and not _is_file_name(name) and HUB_ID.fullmatch(name):
            raise InputError(
                f"{where}: needs the model {name!r} of the Hugging Face hub; if you trust it, allow that with "
                "--allow-hub or WORDSIGHT_HUB=1, or put a folder of that name here or in the folder of weights."
            )


def hub_allowed() -> bool:
    """Whether nets named by a run may be downloaded."""
    return os.environ.get("WORDSIGHT_HUB", "") not in ("", "0")


def _is_file_name(name: str) -> bool:
    return name == LITE2 or name.endswith(".onnx")


def find_weights(name: str, weights: str | Path) -> Path:
    """Find a weights file by name, as given or in the folder of weights.

    Raises:
        InputError: it is in neither place; suggests the nearest name.
    """
    for path in (Path(name), Path(weights) / name):
        if os.path.isfile(path):
            return path
    near = difflib.get_close_matches(name, _onnx_files(weights), 1, 0.4)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise InputError(f"{name}: no such file, neither here nor in the folder of weights '{weights}'{hint}")


def _onnx_files(weights: str | Path) -> list[str]:
    return sorted(path.name for path in Path(weights).glob("*.onnx")) if str(weights) else []

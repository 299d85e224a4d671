"""NeuralTalk's checkpoints as runs: Python 2 pickles of numpy arrays, read without running what is in them."""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.captioning.neuraltalk import NeuralTalk
from wordsight.errors import InputError
from wordsight.files import read_bytes, reason
from wordsight.runs import checkpoint
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.recipe import parse
from wordsight.text.vocabulary import SPECIAL, Vocabulary
from wordsight.vision.regions import RegionSettings

BACKBONE = "vgg16.onnx"
NEVER = -30.0  # logit's bias of the unknown word, which NeuralTalk has not: it is never said

Arrays = Mapping[str, NDArray[np.float32]]


_OF_ARRAYS = {"_reconstruct": np.zeros(1).__reduce__()[0], "scalar": np.float64(0).__reduce__()[0]}  # in any numpy


def _latin(text: str, codec: str = "latin1") -> bytes:
    if codec not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {codec!r}")
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    """Allows numpy's arrays and plain values only."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in _OF_ARRAYS:
            return _OF_ARRAYS[name]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return _latin
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and arrays and plain values alone are read")


def read_pickle(path: Path) -> Any:
    """A pickle of arrays and plain values; anything else in it is refused, not run.

    Raises:
        InputError: it cannot be read, is no pickle, or has something else in it.
    """
    try:
        content = read_bytes(path, most=4 << 30)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error
    try:
        return _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:
        why = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(f"{path}: not a pickle of arrays and plain values ({why}).") from None


def import_neuraltalk(path: Path, out: Path) -> Checkpoint:
    """Make a run of a NeuralTalk checkpoint.

    Args:
        path: the `.p` file.
        out: the folder to write; it must not hold a run.

    Returns:
        What was written.

    Raises:
        InputError: the file is not such a checkpoint, or the folder cannot be written.
    """
    if checkpoint.is_checkpoint(out):
        raise InputError(f"{out}: a run is here already; expected another folder.")
    content = read_pickle(path)
    try:
        made = _checkpoint(content, str(path))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RuntimeError) as error:
        raise InputError(
            f"{path}: not a checkpoint of NeuralTalk: expected 'model', 'params', 'wordtoix' and 'ixtoword' that fit "
            f"together ({str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__})."
        ) from None
    checkpoint.save(out, made)
    return made


def _checkpoint(content: Mapping[str, Any], source: str) -> Checkpoint:
    params, weights = content["params"], {key: np.asarray(value) for key, value in content["model"].items()}
    if bad := [key for key, value in weights.items() if value.dtype.kind != "f" or not np.isfinite(value).all()]:
        raise ValueError(f"{bad[0]} is not of finite numbers")
    names = content["ixtoword"]
    vocabulary = Vocabulary((*SPECIAL, *(str(names[number]) for number in range(1, len(weights["Ws"])))))
    lstm = params.get("generator", "lstm") == "lstm"
    size, hidden = weights["We"].shape[0], weights["Wd"].shape[0]
    keywords: dict[str, Any] = {
        "generator": "lstm" if lstm else "rnn",
        "words": weights["Ws"].shape[1],
        "hidden": hidden,
        "image": "first" if lstm or params.get("rnn_feed_once", 0) else "every",
        "tanh_cell": bool(lstm and params.get("tanhC_version", 0)),
        "rectify": bool(not lstm and params.get("rnn_relu_encoders", 0)),
        "dropout": float(params.get("drop_prob_decoder", 0.5)),
    }
    model = NeuralTalk(len(vocabulary), size, **keywords)
    model.load_state_dict({**model.state_dict(), **_tensors(weights, lstm)})
    recipe = parse(f'data.path = ""\n[regions]\nbackbones = ["{BACKBONE}"]\nregions = 1\n', source=source, own=True)
    recipe.model.update({"name": "neuraltalk", **keywords})  # type: ignore[attr-defined]
    figures = {"perplexity": float(content["perplexity"])} if "perplexity" in content else {}
    return Checkpoint(
        model=model.eval(),
        vocabulary=vocabulary,
        regions=RegionSettings(backbones=(BACKBONE,), regions=1),
        blocks={BACKBONE.removesuffix(".onnx"): slice(0, size)},
        fingerprint="neuraltalk",
        recipe=recipe,
        metrics={"best": figures, "history": [], "words": len(vocabulary)},
    )


def _tensors(weights: Arrays, lstm: bool) -> dict[str, Tensor]:
    """The weights by our names; the unknown word, which NeuralTalk has not, comes second."""

    def tensor(value: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32))

    said, decoder, bias = weights["Ws"], weights["Wd"], weights["bd"].reshape(-1)
    found = {
        "picture.weight": weights["We"].T,
        "picture.bias": weights["be"].reshape(-1),
        "words.weight": np.insert(said, 1, 0.0, axis=0),
        "output.weight": np.insert(decoder, 1, 0.0, axis=1).T,
        "output.bias": np.insert(bias, 1, NEVER),
    }
    if lstm:
        every, size = weights["WLSTM"], said.shape[1]  # rows: the bias, x, h
        found |= {
            "input.bias": every[0],
            "input.weight": every[1 : 1 + size].T,
            "recurrent.weight": every[1 + size :].T,
        }
    else:
        found |= {"input.weight": weights["Wxh"].T, "input.bias": weights["bxh"].reshape(-1)}
        found |= {"recurrent.weight": weights["Whh"].T, "recurrent.bias": weights["bhh"].reshape(-1)}
    return {name: tensor(value) for name, value in found.items()}

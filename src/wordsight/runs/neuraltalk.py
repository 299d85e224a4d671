"""NeuralTalk's checkpoints as runs: Python 2 pickles of numpy arrays, read without executing code in them."""

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
from wordsight.files import describe, read_bytes, reason
from wordsight.runs import checkpoint
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.recipe import parse
from wordsight.text.vocabulary import SPECIAL, Vocabulary
from wordsight.vision.regions import RegionSettings

BACKBONE = "vgg16.onnx"
NEVER = -30.0  # bias of the unknown word's logit: NeuralTalk lacks that word, so it is never generated

Arrays = Mapping[str, NDArray[np.float32]]


_NDARRAY = "numpy.ndarray"  # stands for the class, so that a pickle cannot call it to allocate any size
_EMPTY, _SCALAR = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]  # whatever numpy's version calls them


def _reconstruct(kind: object, *_: object) -> Any:
    """An empty array, whose content follows in the pickle: no array is larger than the file."""
    if kind != _NDARRAY:
        raise pickle.UnpicklingError("it asks for an array of another kind")
    return _EMPTY(np.ndarray, (0,), b"b")  # type: ignore[operator]


def _from_buffer(content: bytes, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
    """An array from its bytes, as pickle protocol 5 stores it."""
    if not isinstance(kind, np.dtype):
        raise pickle.UnpicklingError("it asks for an array of another kind")
    found: NDArray[Any] = np.frombuffer(content, dtype=kind).reshape(shape, order=order)
    return found


def _dtype(kind: object, *rest: Any) -> np.dtype[Any]:
    """The type of an array's numbers, by its name: numpy's errors print anything else at full length."""
    if not isinstance(kind, str):
        raise pickle.UnpicklingError("it asks for an array of another kind")
    return np.dtype(kind, *rest)


_OF_ARRAYS: dict[tuple[str, str], Any] = {
    ("multiarray", "_reconstruct"): _reconstruct,
    ("multiarray", "scalar"): _SCALAR,
    ("numeric", "_frombuffer"): _from_buffer,
}


def _latin(text: str, codec: str = "latin1") -> bytes:
    if codec not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {describe(codec)}")
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    """Allows numpy's arrays and plain values only."""

    def find_class(self, module: str, name: str) -> Any:
        package, _, inside = module.rpartition(".")
        if package in ("numpy.core", "numpy._core") and (inside, name) in _OF_ARRAYS:
            return _OF_ARRAYS[inside, name]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return _NDARRAY if name == "ndarray" else _dtype
        if (module, name) == ("_codecs", "encode"):
            return _latin
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and arrays and plain values alone are read")


def read_pickle(path: Path) -> Any:
    """A pickle of arrays and plain values; anything else in it is refused, not run.

    Raises:
        InputError: it cannot be read, is not a pickle, or holds something else.
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
    """Convert a NeuralTalk checkpoint to a run.

    Args:
        path: the `.p` file.
        out: the folder to write; it must not hold a run, nor files that would be replaced.

    Returns:
        The checkpoint that was written.

    Raises:
        InputError: the file is not such a checkpoint, or the folder cannot be written.
    """
    if checkpoint.is_checkpoint(out):
        raise InputError(f"{out}: a run is here already; expected another folder.")
    checkpoint.require_new(out)
    content = read_pickle(path)
    try:
        made = _checkpoint(content, str(path))
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise InputError(
            f"{path}: not a checkpoint of NeuralTalk: expected 'model', 'params', 'wordtoix' and 'ixtoword' that fit "
            f"together ({_why(error)})."
        ) from None
    checkpoint.save(out, made)
    return made


def _why(error: Exception) -> str:
    """What does not fit, in a line."""
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = lines[1 if isinstance(error, RuntimeError) and len(lines) > 1 else 0]  # torch's first says little
    return said.rstrip(".")


def _checkpoint(content: Mapping[str, Any], source: str) -> Checkpoint:
    params, weights = content["params"], {key: _numbers(key, value) for key, value in content["model"].items()}
    if (generator := params.get("generator", "lstm")) not in ("lstm", "rnn"):
        raise ValueError(f"the generator is {describe(generator)}, expected 'lstm' or 'rnn'")
    lstm = generator == "lstm"
    _require_shapes(weights, lstm)
    vocabulary = Vocabulary((*SPECIAL, *_words(content["ixtoword"], len(weights["Ws"]))))
    size, hidden = weights["We"].shape[0], weights["Wd"].shape[0]
    keywords: dict[str, Any] = {
        "generator": "lstm" if lstm else "rnn",
        "words": weights["Ws"].shape[1],
        "hidden": hidden,
        "image": "first" if lstm or params.get("rnn_feed_once", 0) else "every",
        "tanh_cell": bool(lstm and params.get("tanhC_version", 0)),
        "rectify": bool(not lstm and params.get("rnn_relu_encoders", 0)),
        "dropout": _number("drop_prob_decoder", params.get("drop_prob_decoder", 0.5)),
    }
    if not 0 <= keywords["dropout"] < 1:
        raise ValueError(f"drop_prob_decoder is {keywords['dropout']}, expected a number from 0 to 1")
    model = NeuralTalk(len(vocabulary), size, **keywords)
    model.load_state_dict({**model.state_dict(), **_tensors(weights, lstm)})
    recipe = parse(f'data.path = ""\n[regions]\nbackbones = ["{BACKBONE}"]\nregions = 1\n', source=source, own=True)
    recipe.model.update({"name": "neuraltalk", **keywords})  # type: ignore[attr-defined]
    figures = {"perplexity": _number("perplexity", content["perplexity"])} if "perplexity" in content else {}
    return Checkpoint(
        model=model.eval(),
        vocabulary=vocabulary,
        regions=RegionSettings(backbones=(BACKBONE,), regions=1),
        blocks={BACKBONE.removesuffix(".onnx"): slice(0, size)},
        fingerprint="neuraltalk",
        recipe=recipe,
        metrics={"best": figures, "history": [], "words": len(vocabulary)},
    )


def _numbers(key: str, value: object) -> NDArray[np.float32]:
    """A numpy array as float32, checked to be finite; it may hold Python floats.

    A list is refused: a few lists within each other, each of them a hundred times the same, would fill the memory.
    """
    if not isinstance(value, np.ndarray | np.generic):
        raise ValueError(f"{key} is {describe(value)}, expected an array")
    array = np.asarray(value)
    if array.dtype.kind == "O" and all(isinstance(one, float) for one in array.flat):
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise ValueError(f"{key} is an array of {array.dtype}, expected one of real numbers")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{key} is not of finite numbers")
    return array


def _number(key: str, value: Any) -> float:
    """A Python or numpy number as a float."""
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{key} is too large a number") from None


def _require_shapes(weights: Arrays, lstm: bool) -> None:
    """Check that the arrays fit together, before a model of their sizes takes memory."""
    for key in ("Ws", "We", "Wd"):
        if weights[key].ndim != 2 or not weights[key].size:
            raise ValueError(f"{key} has the shape {weights[key].shape}, expected rows and columns")
    (words, size), hidden = weights["Ws"].shape, weights["Wd"].shape[0]
    seen = size if lstm else hidden
    expected = {"We": (weights["We"].shape[0], seen), "be": (1, seen), "Wd": (hidden, words), "bd": (1, words)}
    if lstm:
        expected["WLSTM"] = (1 + size + hidden, 4 * hidden)
    else:
        expected |= {"Wxh": (size, hidden), "bxh": (1, hidden), "Whh": (hidden, hidden), "bhh": (1, hidden)}
    for key, shape in expected.items():
        found = weights[key].shape
        if found != shape and not (key.startswith("b") and found == shape[1:]):
            raise ValueError(f"{key} has the shape {found}, expected {shape}, as the other arrays have")


def _words(names: Any, count: int) -> list[str]:
    """The words of the rows of `Ws`, without the first, which stands for the start and the end."""
    numbers = set(names) if isinstance(names, Mapping) else set(range(len(names)))
    if extra := len(numbers - set(range(count))):
        raise ValueError(f"{extra:,} of the words in 'ixtoword' have no row in 'Ws', which has {count:,}")
    return [_word(names[number], number) for number in range(1, count)]


def _word(name: object, number: int) -> str:
    """A word; Python 2's bytes were read as Latin-1, though most are UTF-8."""
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"'ixtoword' has {describe(name)} at {number}, expected a word")
    try:
        return name.encode("latin1").decode()
    except UnicodeError:
        return name


def _tensors(weights: Arrays, lstm: bool) -> dict[str, Tensor]:
    """The weights under wordsight's names; the unknown word, which NeuralTalk lacks, is inserted second."""

    def tensor(value: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(value))

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

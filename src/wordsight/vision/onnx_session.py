"""ONNX Runtime sessions: one thread per run, any number of runs at once."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.files import read_bytes
from wordsight.vision.openvino_session import Compute, OpenVinoSession, openvino_core

_MODEL_GRAPH, _GRAPH_NODE, _NODE_INPUT = 7, 1, 1  # field numbers of the ONNX format
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of a protocol buffer


class OnnxNet:
    """A net from an ONNX file, with one picture input, NCHW.

    Attributes:
        input: name of the input.
        shape: of the input; free dimensions are names.
        outputs: names of the outputs.
    """

    def __init__(self, source: Path | bytes, compute: Compute = "float32") -> None:
        """Read the file.

        Args:
            source: the file, or its bytes.
            compute: the type that it is run in; `bfloat16` runs in OpenVINO.

        Raises:
            InputError: missing, or not an ONNX file; or `bfloat16` is not available here.
        """
        self._low = openvino_core() if compute == "bfloat16" else None
        path = "graph" if isinstance(source, bytes) else source
        try:
            data = source if isinstance(source, bytes) else read_bytes(source)
        except OSError as error:
            raise InputError(f"{path}: cannot read this ONNX file ({error.strerror})") from None
        try:
            self._model = data
            self._any_size = _open(data, level="ORT_DISABLE_ALL")
        except Exception as error:
            raise InputError(f"{path}: not an ONNX file that can be run ({str(error).splitlines()[0]})") from None
        self.input: str = self._any_size.get_inputs()[0].name
        self.shape: list[int | str | None] = self._any_size.get_inputs()[0].shape
        self.outputs: list[str] = [output.name for output in self._any_size.get_outputs()]
        self._sessions: dict[tuple[int, int], Any] = {}
        self._lock = threading.Lock()

    def run(self, batch: NDArray[np.float32], output: str) -> NDArray[np.float32]:
        """Compute one output for a batch (B, 3, H, W), picture by picture. Thread-safe."""
        return self.run_all(batch, [output])[0]

    def run_all(self, batch: NDArray[np.float32], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        """Compute several outputs in the same pass; see `run`."""
        session = self._session(batch.shape[2], batch.shape[3])
        rows = [session.run(list(outputs), {self.input: one[None]}) for one in batch]
        return [np.concatenate(parts) for parts in zip(*rows, strict=True)]

    def probe(self, height: int, width: int, output: str) -> tuple[int, ...]:
        """The shape of an output for one picture of this size."""
        blank = np.zeros((1, 3, height, width), np.float32)
        return tuple(self._any_size.run([output], {self.input: blank})[0].shape)

    def _session(self, height: int, width: int) -> Any:
        """The cached session for one picture of this size: size-dependent constants are folded once."""
        with self._lock:
            if (height, width) not in self._sessions:
                self._sessions[height, width] = self._opened((1, 3, height, width))
            return self._sessions[height, width]

    def _opened(self, shape: tuple[int, ...]) -> Any:
        if self._low is not None:
            return OpenVinoSession(self._low, self._model, shape, cores())
        pairs = zip(self.shape, shape, strict=True)
        sizes = {name: size for name, size in pairs if isinstance(name, str)}
        try:
            return _open(_for_size(self._model, sizes))
        except _failures():
            # no room for temporary files, where ONNX Runtime may write half a model without an error
            return _open(self._model, sizes=sizes)  # slower, with the same results


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _failures() -> tuple[type[Exception], ...]:
    """Errors of files and of what is in them, and ONNX Runtime's own, which have no class in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # imported late, see `_open`

    own = (kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))
    return (OSError, ValueError, *own)


def _open(model: bytes | str, level: str = "ORT_ENABLE_ALL", sizes: dict[str, int] | None = None, out: str = "") -> Any:
    import onnxruntime  # imported late, as searching an index runs no net

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    for name, size in (sizes or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    if out:
        options.optimized_model_filepath = out
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _for_size(model: bytes, sizes: dict[str, int]) -> bytes:
    """Fold the constants that follow from the picture's size, such as paddings."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "model.onnx")
        _open(model, "ORT_ENABLE_BASIC", sizes, out)
        return without_empty_inputs(Path(out).read_bytes())


def integer_products(
    right: NDArray[np.int8], threads: int, count: int = 1
) -> Callable[[NDArray[np.uint8]], NDArray[np.int32]]:
    """Integer matrix product: a function from rows (n, D) uint8 to their exact products (n / count, W) int32.

    Args:
        right: the matrix (D, W), from -63 to 63, as processors without VNNI add pairs of products in 16 bits.
        threads: number of threads.
        count: each `count` consecutive rows give one row, the maximum of their products.
    """
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    constants = {"right": np.ascontiguousarray(right), "shape": np.array([-1, count, right.shape[1]]), "axis": [1]}
    nodes = [helper.make_node("MatMulInteger", ["rows", "right"], ["products"])]
    if count > 1:
        nodes.append(helper.make_node("Reshape", ["products", "shape"], ["grouped"]))
        nodes.append(helper.make_node("ReduceMax", ["grouped", "axis"], ["best"], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("rows", TensorProto.UINT8, ["n", right.shape[0]])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.INT32, ["m", right.shape[1]])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda rows: session.run(None, {"rows": rows})[0]


def without_empty_inputs(model: bytes) -> bytes:
    """Remove trailing empty input names, which stand for omitted optional inputs, from an ONNX model.

    ONNX allows both forms, but ONNX Runtime 1.x merges a `Pad` into the convolution behind it only if the `Pad` has no
    empty third input, as some exporters write it. It is worth 15 % on such nets.

    Args:
        model: the bytes of an ONNX file.

    Returns:
        The same model. Bytes that are not an ONNX model come back changed or raise ValueError.
    """
    return _rewrite(model, _MODEL_GRAPH, lambda graph: _rewrite(graph, _GRAPH_NODE, _trim_node))


def _trim_node(node: bytes) -> bytes:
    fields = list(_fields(node))
    inputs = [i for i, (number, *_) in enumerate(fields) if number == _NODE_INPUT]
    empty = set()
    while inputs and fields[inputs[-1]][2] == fields[inputs[-1]][3]:  # an empty name
        empty.add(inputs.pop())
    return b"".join(node[start:end] for i, (_, start, _, end) in enumerate(fields) if i not in empty) if empty else node


def _rewrite(message: bytes, number: int, change: Any) -> bytes:
    """Apply `change` to every field of a protocol buffer message with this number, which holds bytes."""
    parts: list[bytes] = []
    for field, start, content, end in _fields(message):
        if field != number:
            parts.append(message[start:end])
            continue
        changed = change(message[content:end])
        parts += [_varint(field << 3 | _BYTES), _varint(len(changed)), changed]
    return b"".join(parts)


def _fields(message: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield (number, start, start of content, end) of each field."""
    at = 0
    while at < len(message):
        start = at
        key, at = _read_varint(message, at)
        kind = key & 7
        content = at
        if kind == _BYTES:
            length, content = _read_varint(message, at)
            at = content + length
        elif kind == _VARINT:
            _, at = _read_varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("not a protocol buffer")
        if at > len(message):
            raise ValueError("cut short")
        yield key >> 3, start, content, at


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message):
            raise ValueError("cut short")
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)

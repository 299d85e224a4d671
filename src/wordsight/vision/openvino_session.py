"""OpenVINO sessions: nets in bfloat16, for processors that have instructions for it.

With AMX, a core needs half the time of float32 in ONNX Runtime. Values differ by rounding to a significand of 8 bits;
`benchmarks/precision.py` measures the effect.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, install

Compute = Literal["float32", "bfloat16"]
VARIABLE = "WORDSIGHT_COMPUTE"


def compute_type() -> Compute:
    """The type that nets compute in: $WORDSIGHT_COMPUTE, or float32.

    Raises:
        InputError: the variable has another value.
    """
    told = os.environ.get(VARIABLE) or "float32"
    for one in get_args(Compute):
        if one == told:
            return one
    raise InputError(f"{VARIABLE} = {told!r}: expected {' or '.join(get_args(Compute))}.")


class OpenVinoSession:
    """A net for inputs of one shape, in bfloat16, with the `run` of an ONNX Runtime session.

    As many runs at once as there are cores, each on one core.
    """

    def __init__(self, core: Any, model: bytes, shape: Sequence[int], cores: int) -> None:
        """Compile the net.

        Args:
            core: OpenVINO's `Core`.
            model: the bytes of an ONNX file.
            shape: of its input.
            cores: number of threads that may call `run` at the same time.
        """
        net = core.read_model(model)
        net.reshape(list(shape))
        wanted = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": cores,
            "NUM_STREAMS": cores,
            "ENABLE_CPU_PINNING": False,
        }
        self._net = core.compile_model(net, "CPU", wanted)
        self._own = threading.local()  # each thread's request

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Run the net; returns the named outputs."""
        if not hasattr(self._own, "request"):
            self._own.request = self._net.create_infer_request()
        found = self._own.request.infer(dict(inputs))
        return [found[name] for name in outputs]


def openvino_core() -> Any:
    """OpenVINO's `Core`, if it can compute in bfloat16.

    Raises:
        InputError: it is not installed, or the processor has no instructions for bfloat16.
    """
    try:
        import openvino
    except ImportError:
        raise InputError(f"{VARIABLE} = 'bfloat16' needs OpenVINO; install it: {install('openvino')}.") from None
    core = openvino.Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise InputError(
            f"{VARIABLE} = 'bfloat16': this processor has no instructions for it (avx512_bf16 or amx_bf16); "
            "leave it out, to compute in float32."
        )
    return core

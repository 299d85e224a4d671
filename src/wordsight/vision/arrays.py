"""Arrays as pictures, for callers that have pixels but no file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.errors import InputError

EXPECTED = "an array (H, W, 3), (H, W, 4) or grey (H, W), of uint8, or of floats from 0 to 1"
_ROUNDING = 1e-3  # floats may exceed 0 to 1 by this much, as after resampling


def from_array(values: NDArray[Any]) -> Image.Image:
    """Convert an array of pixels to a picture.

    Args:
        values: (H, W, 3) RGB, (H, W, 4) RGB with opacity, (H, W) or (H, W, 1) grey; uint8, or floats from 0 to 1.

    Returns:
        A picture of mode RGB, RGBA or L.

    Raises:
        InputError: another shape or type, or floats outside 0 to 1.
    """
    found, shape = f"found {values.dtype} {values.shape}", values.shape
    if values.ndim not in (2, 3) or 0 in shape or (values.ndim == 3 and shape[2] not in (1, 3, 4)):
        first = values.ndim == 3 and shape[0] in (1, 3, 4)
        raise InputError(f"expected {EXPECTED}; {found}{'; move its first axis to the end' if first else ''}.")
    if values.dtype.kind == "f":
        values = _from_floats(values, found)
    elif values.dtype != np.uint8:
        raise InputError(f"expected {EXPECTED}; {found}.")
    return Image.fromarray(np.ascontiguousarray(values[..., 0] if values.shape[2:] == (1,) else values))


def _from_floats(values: NDArray[Any], found: str) -> NDArray[np.uint8]:
    """Scale floats from 0 to 1 to 0 to 255, rounded to the nearest."""
    least, most = float(values.min()), float(values.max())
    if not (least >= -_ROUNDING and most <= 1 + _ROUNDING):  # NaN is refused as well
        hint = "; divide by 255" if least >= 0 and 1 < most <= 255 else ""
        raise InputError(f"expected {EXPECTED}; {found} with values from {least:g} to {most:g}{hint}.")
    return np.rint(np.clip(values, 0, 1) * np.float32(255)).astype(np.uint8)

"""ONNX export of the vision net, for programs without torch.

Its input is `image` (B, 3, H, W), float32 RGB from 0 to 255, with sides that are multiples of 32. Its outputs are

    feature_map (B, F, H / 32, W / 32)
    things      (B, 1 + C, h, w)        h = H / 16, w = W / 16; logits of objectness (a thing's centre is near) and of
                                        the 80 COCO classes; a class's score is the product of both sigmoids
    edges       (B, 4, h, w)            distances of the thing's left, top, right and bottom edges, in cells

so wordsight itself can read the file as a backbone.
"""

from pathlib import Path

from wordsight.errors import InputError
from wordsight.files import write_bytes
from wordsight.vision.lite2 import graph


def export(out: Path) -> None:
    """Write the net as ONNX.

    Args:
        out: the file to write.

    Raises:
        InputError: the net cannot be read, or the file has a suffix other than .onnx or cannot be written.
    """
    if out.suffix.lower() != ".onnx":
        raise InputError(f"{out}: expected a file name that ends in .onnx.")
    write_bytes(out, graph()[0])

"""Text recognition (OCR): the text lines of a picture with the recogniser's probabilities, by the models of RapidOCR.

A detector (DB) finds quadrangles around lines, at any angle. Each is cut out, turned upright with the help of a
classifier, and read by a CTC recogniser, one at a time: in a batch it would be padded to the widest line, which changes
the reading. RapidOCR itself returns only the best reading; here the probabilities are kept (`text_lines.py`).
"""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wordsight.errors import InputError, install
from wordsight.vision.images import Source, open_image
from wordsight.vision.text_lines import BLANK, SEPARATOR, TextLines, compact, fold_character

SIDE = 736  # least shorter side of the detector's input, in pixels
LONGEST = 2000  # greatest longer side of the detector's input, in pixels
MOST_LINES = 500  # most lines read of a picture, those of highest detector score
LEAST_SCORE = LEAST_PIXEL = 0.12  # least scores of boxes and pixels, far lower than usual: ranking needs no certainty
UNCLIP = 1.6  # ratio by which boxes are expanded
HOLE = 16  # a box inside another of more than this many times its area is a hole in the detector's mask, not a line
TALL = 1.5  # height / width from which RapidOCR turns a crop by 90 degrees
TURNED = 0.5  # classifier probability from which a line is also read upside down
READER = "rapidocr-3.10 PP-OCRv6 small"
Pixels = NDArray[np.uint8]
_LOCK = Lock()


class TextReader:
    """Text reader: reads the text lines of pictures.

    Attributes:
        fingerprint: equal for readers that give the same lines.
    """

    fingerprint = f"{READER} {SIDE} {LEAST_SCORE} {LEAST_PIXEL} {UNCLIP} outer {HOLE}"

    def __init__(self, threads: int = 1) -> None:
        """Load the models, which come with RapidOCR.

        Args:
            threads: number of threads per picture.

        Raises:
            InputError: RapidOCR is not installed.
        """
        try:
            from rapidocr import RapidOCR
            from rapidocr.utils.process_img import get_rotate_crop_image
        except ImportError:
            raise InputError(f"To read text in pictures, install RapidOCR: {install('ocr')}") from None
        engine = RapidOCR(
            params={
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.limit_side_len": 1,  # pictures are already of the right size
                "Det.thresh": LEAST_PIXEL,
                "Det.box_thresh": LEAST_SCORE,
                "Det.unclip_ratio": UNCLIP,
                "Det.use_dilation": False,  # it would join lines above each other
            }
        )
        self._detector, self._recogniser = engine._load_det_model(), engine._load_rec_model()
        self._classifier, self._cut = engine._load_cls_model(), get_rotate_crop_image
        self._symbols = symbols_of(self._recogniser.postprocess_op.character)

    def read(self, picture: Source) -> TextLines:
        """Read the text lines of a picture; none if there is no text.

        Raises:
            InputError: the picture cannot be opened.
        """
        image = np.ascontiguousarray(np.asarray(sized(open_image(picture, at_least=LONGEST)))[:, :, ::-1])  # BGR
        with _LOCK:  # RapidOCR's classes keep state
            found = self._detector(image)
        if found.boxes is None or not len(found.boxes):
            return TextLines.none()
        boxes, scores = outer(np.asarray(found.boxes, np.float32), np.asarray(found.scores))
        order = np.argsort(-scores, kind="stable")[:MOST_LINES]
        size = np.array([image.shape[1], image.shape[0]], np.float32)
        lines = [self._line(image, boxes[one], size) for one in sorted(order)]
        return TextLines.join([line for line in lines if line is not None])

    def read_crop(self, crop: Image.Image) -> TextLines:
        """Read a picture that is one line of text, without detection or turning."""
        image = np.ascontiguousarray(np.asarray(crop.convert("RGB"))[:, :, ::-1])
        return self._read(image, np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32))

    def _line(self, image: Pixels, corners: NDArray[np.float32], size: NDArray[np.float32]) -> TextLines | None:
        """Read one line, in the direction of highest confidence; None if it is tiny or blank."""
        crop = self._cut(image, corners)
        if min(crop.shape[:2]) < 2:
            return None
        wide, high = (float(np.linalg.norm(corners[at] - corners[0])) for at in (1, 3))
        turned = high / max(wide, 1.0) >= TALL  # then the crop was turned by 90 degrees, counter-clockwise
        corners = np.roll(corners / size, -1 if turned else 0, axis=0)
        label, probability = self._classifier([np.ascontiguousarray(crop)]).cls_res[0]
        head = label == "180" and probability >= TURNED
        readings = [self._read(crop, corners)] if not head or probability < 0.999 else []
        if head or turned:
            readings.append(self._read(crop[::-1, ::-1], np.roll(corners, 2, axis=0)))
        best = max(readings, key=lambda one: float(one.confidence[0]))
        return best if best.texts[0].strip() else None

    def _read(self, crop: Pixels, corners: NDArray[np.float32]) -> TextLines:
        crop = np.ascontiguousarray(crop)
        given = self._recogniser.resize_norm_img(crop, crop.shape[1] / crop.shape[0])[None]
        probabilities = self._recogniser.session(given)[0]
        text, confidence = reading(probabilities, self._recogniser.postprocess_op.character)
        counts, symbols, costs = compact(probabilities, self._symbols)
        steps = np.array([len(probabilities)], np.int32)
        return TextLines((text,), np.array([confidence], np.float32), corners[None], steps, counts, symbols, costs)


def is_installed() -> bool:
    """Whether RapidOCR is installed."""
    return find_spec("rapidocr") is not None


@cache
def text_reader(threads: int = 1) -> TextReader:
    """The shared text reader of this process.

    Raises:
        InputError: RapidOCR is not installed.
    """
    return TextReader(threads)


def sized(image: Image.Image) -> Image.Image:
    """Scale a picture for the detector: sides within its range, then rounded to multiples of 32."""
    scale = max(1.0, SIDE / min(image.size))
    scale = min(scale, LONGEST / max(image.size))
    sides = [max(32, round(side * scale / 32) * 32) for side in image.size]
    return image.resize((sides[0], sides[1]), Image.Resampling.BICUBIC)


def outer(corners: NDArray[np.float32], scores: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Remove the boxes of holes in the detector's mask of a line.

    Args:
        corners: (B, 4, 2) of boxes.
        scores: (B,) of boxes.
    """
    least, most = corners.min(axis=1), corners.max(axis=1)
    area = (most - least).prod(axis=1)
    within = (least[:, None] >= least).all(axis=2) & (most[:, None] <= most).all(axis=2)
    kept = ~(within & (area[:, None] * HOLE < area)).any(axis=1)
    return corners[kept], scores[kept]


def symbols_of(classes: Sequence[str]) -> NDArray[np.uint16]:
    """The folded symbol of each class of a recogniser; the first class is the blank."""
    return np.array([BLANK, *(fold_character(one) if len(one) == 1 else SEPARATOR for one in classes[1:])], np.uint16)


def reading(probabilities: NDArray[np.float32], classes: Sequence[str]) -> tuple[str, float]:
    """Greedy CTC reading of probabilities (T, C): the text, and the mean probability of its characters."""
    best = probabilities.argmax(axis=1)
    new = (best != 0) & np.r_[True, best[1:] != best[:-1]]
    text = "".join(classes[one] for one in best[new])
    return text, float(probabilities.max(axis=1)[new].mean()) if new.any() else 0.0

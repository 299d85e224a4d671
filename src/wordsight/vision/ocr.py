"""Text recognition: the text lines of a picture with all that the recogniser thought of, by the models of RapidOCR.

A detector (DB) finds quadrangles around lines, at any angle; each is cut out, turned upright by a classifier, and read
by a CTC recogniser, alone: in a batch it would be padded to the widest, which changes what is read. RapidOCR itself
gives the best reading only; here its probabilities are kept (`text_lines.py`).
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

SIDE = 736  # pixels, the least shorter side that the detector sees
LONGEST = 2000  # pixels, its greatest longer side
MOST_LINES = 500  # lines of a picture that are read: those that the detector is surest of
LEAST_SCORE = LEAST_PIXEL = 0.12  # of a box and of its pixels, far lower than usual: ranking needs no certainty
UNCLIP = 1.6  # how far boxes are grown
HOLE = 16  # so many times smaller than a box around it is a hole in what the detector marked, and no line
TALL = 1.5  # height / width of a crop that is read as turned
TURNED = 0.5  # probability by which a line stands on its head
READER = "rapidocr-3.10 PP-OCRv6 small"
Pixels = NDArray[np.uint8]
_LOCK = Lock()


class TextReader:
    """Reads the text lines of pictures.

    Attributes:
        fingerprint: equal for readers that give the same lines.
    """

    fingerprint = f"{READER} {SIDE} {LEAST_SCORE} {LEAST_PIXEL} {UNCLIP} outer {HOLE}"

    def __init__(self, threads: int = 1) -> None:
        """Load the models, which come with RapidOCR.

        Args:
            threads: of one picture.

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
                "Det.limit_side_len": 1,  # it is given the size that it is to see
                "Det.thresh": LEAST_PIXEL,
                "Det.box_thresh": LEAST_SCORE,
                "Det.unclip_ratio": UNCLIP,
                "Det.use_dilation": False,  # it joins lines that stand one above the other
            }
        )
        self._detector, self._recogniser = engine._load_det_model(), engine._load_rec_model()
        self._classifier, self._cut = engine._load_cls_model(), get_rotate_crop_image
        self._symbols = symbols_of(self._recogniser.postprocess_op.character)

    def read(self, picture: Source) -> TextLines:
        """The text lines of a picture; none where there is no text.

        Raises:
            InputError: the picture cannot be opened.
        """
        image = np.ascontiguousarray(np.asarray(sized(open_image(picture, at_least=LONGEST)))[:, :, ::-1])  # BGR
        with _LOCK:  # the classes of RapidOCR keep state
            found = self._detector(image)
        if found.boxes is None or not len(found.boxes):
            return TextLines.none()
        boxes, scores = outer(np.asarray(found.boxes, np.float32), np.asarray(found.scores))
        order = np.argsort(-scores, kind="stable")[:MOST_LINES]
        size = np.array([image.shape[1], image.shape[0]], np.float32)
        lines = [self._line(image, boxes[one], size) for one in sorted(order)]
        return TextLines.join([line for line in lines if line is not None])

    def read_crop(self, crop: Image.Image) -> TextLines:
        """A picture that is one line of text, read as it is."""
        image = np.ascontiguousarray(np.asarray(crop.convert("RGB"))[:, :, ::-1])
        return self._read(image, np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32))

    def _line(self, image: Pixels, corners: NDArray[np.float32], size: NDArray[np.float32]) -> TextLines | None:
        """One line, in the direction that the recogniser reads it best."""
        crop = self._cut(image, corners)
        if min(crop.shape[:2]) < 2:
            return None
        wide, high = (float(np.linalg.norm(corners[at] - corners[0])) for at in (1, 3))
        turned = high / max(wide, 1.0) >= TALL  # then it was turned by a quarter, against the clock
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
    """Whether RapidOCR is."""
    return find_spec("rapidocr") is not None


@cache
def text_reader(threads: int = 1) -> TextReader:
    """The text reader of this process.

    Raises:
        InputError: RapidOCR is not installed.
    """
    return TextReader(threads)


def sized(image: Image.Image) -> Image.Image:
    """A picture as the detector is to see it: both sides in its range, and multiples of 32 at the end."""
    scale = max(1.0, SIDE / min(image.size))
    scale = min(scale, LONGEST / max(image.size))
    sides = [max(32, round(side * scale / 32) * 32) for side in image.size]
    return image.resize((sides[0], sides[1]), Image.Resampling.BICUBIC)


def outer(corners: NDArray[np.float32], scores: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Boxes without those of holes in the mark of a line, which the detector gives as boxes of their own.

    Args:
        corners: (B, 4, 2) of boxes.
        scores: (B,) of these.
    """
    least, most = corners.min(axis=1), corners.max(axis=1)
    area = (most - least).prod(axis=1)
    within = (least[:, None] >= least).all(axis=2) & (most[:, None] <= most).all(axis=2)
    kept = ~(within & (area[:, None] * HOLE < area)).any(axis=1)
    return corners[kept], scores[kept]


def symbols_of(classes: Sequence[str]) -> NDArray[np.uint16]:
    """The folded symbol of each class of a recogniser, the first of which is the blank."""
    return np.array([BLANK, *(fold_character(one) if len(one) == 1 else SEPARATOR for one in classes[1:])], np.uint16)


def reading(probabilities: NDArray[np.float32], classes: Sequence[str]) -> tuple[str, float]:
    """The most probable characters of (T, C) probabilities, and the mean of their probabilities."""
    best = probabilities.argmax(axis=1)
    new = (best != 0) & np.r_[True, best[1:] != best[:-1]]
    text = "".join(classes[one] for one in best[new])
    return text, float(probabilities.max(axis=1)[new].mean()) if new.any() else 0.0

"""Captions as text, and the choice of region captions to show."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image

from wordsight.captioning.certain import answer
from wordsight.captioning.decode import Hypothesis
from wordsight.captioning.things import Thing
from wordsight.text.articles import agree
from wordsight.text.vocabulary import Vocabulary
from wordsight.vision.boxes import nms
from wordsight.vision.images import Source, reopened
from wordsight.vision.notebook import COLOUR, Shown, frame, outlined, png, scene

if TYPE_CHECKING:
    from pandas import DataFrame

MOST = 6  # maximum number of regions shown
OVERLAP = 0.5  # IoU above which two regions are near-duplicates


@dataclass(frozen=True)
class Caption:
    """A caption in words.

    Attributes:
        text: its words, joined by single spaces.
        log_prob: natural log-probability; 0 for a caption that was looked up, which has none.
        confidence: the geometric mean of its word probabilities, 0 to 1, as in `decode.Hypothesis`; for a caption that
            was looked up, the confidence that `CaptionModel.lookup` gives.
        sure: probability that its main noun is right, 0 to 1 (`certain.py`); None without a calibration.
        certain: whether it may be given as a fact; None without a calibration.
        things: the things seen, likeliest first, with their confidences; the same for all captions of a picture.
        picture: the picture described, to show it in a notebook; None if it is not known.
    """

    text: str
    log_prob: float
    confidence: float
    sure: float | None = field(default=None, kw_only=True)
    certain: bool | None = field(default=None, kw_only=True)
    things: tuple[Thing, ...] = field(default=(), kw_only=True)
    picture: Source | None = field(default=None, kw_only=True, repr=False, compare=False)

    @property
    def answer(self) -> str:
        """The caption; if it is not certain, for example "probably an espresso; a cup", or "cannot tell"."""
        return answer(self.text, self.certain, self.things)

    def to_dict(self) -> dict[str, Any]:
        """The caption as plain values, as `wordsight caption --json` prints them."""
        return self._plain() | {"sure": self.sure, "certain": self.certain}

    def to_pandas(self) -> "DataFrame":
        """The caption as a table of one row.

        Raises:
            InputError: pandas is not installed.
        """
        return frame([self.to_dict()])

    def _plain(self) -> dict[str, Any]:
        return {"text": self.text, "log_prob": self.log_prob, "confidence": self.confidence}

    def _repr_html_(self) -> str:
        """The picture and its caption, for a notebook."""
        return scene(self._thumbnail(), self._shown(), f"{self.answer} (confidence {self.confidence:.2f})")

    def _repr_png_(self) -> bytes | None:
        """The picture with its region, for a notebook; None if it is not known or can no longer be opened."""
        image = self._thumbnail()
        return None if image is None else png(outlined(image, self._shown()))

    def _shown(self) -> list[Shown]:
        return []

    def _thumbnail(self) -> Image.Image | None:
        """The picture; None if it is not known or can no longer be opened."""
        return None if self.picture is None else reopened(self.picture)


@dataclass(frozen=True)
class RegionCaption(Caption):
    """A caption of a region.

    Attributes:
        box: the region, `xyxy` fractions of the picture.
    """

    box: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """The caption as plain values, as `wordsight caption --regions --json` prints them."""
        return self._plain() | {"box": self.box}

    def _shown(self) -> list[Shown]:
        return [Shown(self.box, COLOUR, self.text)]


def in_words(caption: Hypothesis, vocabulary: Vocabulary) -> Caption:
    """A caption's ids as words; in English, "a" and "an" agree with the next word."""
    words = [vocabulary.words[word] for word in caption.ids]
    english = "an" in vocabulary and "the" in vocabulary
    return Caption(" ".join(agree(words) if english else words), caption.log_prob, caption.confidence)


def distinct(snippets: Sequence[RegionCaption], *, most: int = MOST, overlap: float = OVERLAP) -> list[RegionCaption]:
    """Non-maximum suppression of region captions: the most confident, with distinct words and regions.

    A caption is left out if a more confident one has the same words, or a region that overlaps its region with an IoU
    above `overlap`.

    Args:
        snippets: region captions of one picture.
        most: the maximum number to return.
        overlap: an IoU, 0 to 1.

    Returns:
        Most confident first.
    """
    surest: dict[str, RegionCaption] = {}
    for one in snippets:
        if one.text not in surest or one.confidence > surest[one.text].confidence:
            surest[one.text] = one
    different = list(surest.values())
    kept = nms([one.box for one in different], [one.confidence for one in different], overlap)
    return [different[place] for place in kept[:most]]

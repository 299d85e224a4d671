"""What a captioner says, in words, and which of many regions' snippets are worth showing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from wordsight.captioning.certain import answer
from wordsight.captioning.decode import Hypothesis
from wordsight.captioning.things import Thing
from wordsight.text.articles import agree
from wordsight.text.vocabulary import Vocabulary
from wordsight.vision.boxes import nms

MOST = 6  # regions that are shown
OVERLAP = 0.5  # IoU above which two regions are too much alike


@dataclass(frozen=True)
class Caption:
    """A caption in words.

    Attributes:
        text: its words, between single spaces.
        log_prob: natural logarithm of its probability; 0 of one that was looked up, which has none.
        confidence: the geometric mean of the probabilities of its words, 0 to 1, as in `decode.Hypothesis`; of one that
            was looked up what `CaptionModel.lookup` says.
        sure: how likely its main noun is right, 0 to 1 (`certain.py`); None where that was not learned.
        certain: whether it may be given as a fact; None as of `sure`.
        things: what else is seen, likeliest first, with how likely it is there; the same of all captions of a picture.
    """

    text: str
    log_prob: float
    confidence: float
    sure: float | None = field(default=None, kw_only=True)
    certain: bool | None = field(default=None, kw_only=True)
    things: tuple[Thing, ...] = field(default=(), kw_only=True)

    @property
    def answer(self) -> str:
        """The caption; where that is not certain "probably an espresso; a cup", or "cannot tell"."""
        return answer(self.text, self.certain, self.things)


@dataclass(frozen=True)
class RegionCaption(Caption):
    """A caption of a region.

    Attributes:
        box: the region, `xyxy` fractions of the picture.
    """

    box: tuple[float, ...]


def in_words(caption: Hypothesis, vocabulary: Vocabulary) -> Caption:
    """A caption's numbers as their words; in English "a" and "an" agree with the word behind them."""
    words = [vocabulary.words[word] for word in caption.ids]
    english = "an" in vocabulary and "the" in vocabulary
    return Caption(" ".join(agree(words) if english else words), caption.log_prob, caption.confidence)


def distinct(snippets: Sequence[RegionCaption], *, most: int = MOST, overlap: float = OVERLAP) -> list[RegionCaption]:
    """The surest snippets that differ, on regions that differ.

    A snippet is left out when a surer one has the same words, or its region overlaps a surer one's by an IoU above
    `overlap`.

    Args:
        snippets: of one picture.
        most: how many are taken at most.
        overlap: an IoU, 0 to 1.

    Returns:
        Surest first.
    """
    surest: dict[str, RegionCaption] = {}
    for one in snippets:
        if one.text not in surest or one.confidence > surest[one.text].confidence:
            surest[one.text] = one
    different = list(surest.values())
    kept = nms([one.box for one in different], [one.confidence for one in different], overlap)
    return [different[place] for place in kept[:most]]

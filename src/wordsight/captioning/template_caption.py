"""The template captioner as a model: its only state is the names of the detector's classes."""

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from torch import tensor

from wordsight.batch import Batch, LabelInfo, Regions
from wordsight.captioning.captioner import CaptionModel
from wordsight.captioning.template import LEAST, rated_captions
from wordsight.configured import Configured
from wordsight.text.vocabulary import Vocabulary
from wordsight.vision.labels import label_names


class TemplateCaption(CaptionModel):
    """Fills a template with a detector's labels; see `template.py`.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features; the last columns are its label values.
        classes: names of the detector's classes.
        least: least label value, 0 to 1: the fourth root of the detector's score.
    """

    generates = False
    requires: ClassVar[Mapping[str, object]] = {"regions.labels": True, "data.alignment": "", "train.reward_epochs": 0}

    def __init__(self, vocabulary: int, features: int, *, classes: tuple[str, ...], least: float = LEAST) -> None:
        if not 0 <= least <= 1:
            raise ValueError(f"least = {least}: expected a number from 0 to 1")
        Configured.__init__(self)  # it has none of the layers that generate words
        self.register_buffer("least", tensor(least))
        self.classes, self.labels = classes, slice(features - len(label_names(classes)), features)

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Does nothing: a template is not trained."""

    def lookup(self, regions: Regions, vocabulary: Vocabulary, count: int) -> list[list[tuple[str, float]]]:
        """One caption per picture, with the mean detector score of its things."""
        rated = rated_captions(regions, self.labels, self.classes, least=self.config["least"])
        return [[one] for one in rated]

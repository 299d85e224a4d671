"""The template's caption as a model: it knows what its detector's classes are called, and nothing else."""

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
    """Fills a template with what a detector names; see `template.py`.

    Args:
        vocabulary: V, how many words there are.
        features: F, size of a region's features; the last ones are its labels.
        classes: names of the detector's classes.
        least: of a label's value that counts, 0 to 1: the fourth root of the detector's score.
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
        """Nothing."""

    def lookup(self, regions: Regions, vocabulary: Vocabulary, count: int) -> list[list[tuple[str, float]]]:
        """One caption of each picture, with the mean of the detector's scores for what it names."""
        rated = rated_captions(regions, self.labels, self.classes, least=self.config["least"])
        return [[one] for one in rated]

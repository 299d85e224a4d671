"""Word-region alignment of a picture and a sentence, as plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from wordsight.batch import Regions, Vectors
from wordsight.matching.matcher import Matcher, Step
from wordsight.matching.segments import Grouping, Segment, segments
from wordsight.text.vocabulary import Vocabulary

Box = tuple[float, ...]  # `xyxy` fractions of a picture's width and height
GLANCED = 3  # most boxes kept of an attention step


class Aligned(Protocol):
    """Word-region alignment: the box of each of T words."""

    @property
    def words(self) -> Sequence[str]:
        """The words, as the model reads them."""

    @property
    def boxes(self) -> Sequence[Box]:
        """The best box of each word."""

    @property
    def strengths(self) -> Sequence[float]:
        """How well each word fits its box; unbounded, greater fits better."""


@dataclass(frozen=True)
class Glance:
    """One attention step of a model that attends several times.

    Attributes:
        words: T attention weights of the words, which sum to 1.
        boxes: at most `GLANCED` boxes of greatest weight, greatest first; `xyxy` fractions.
        shares: attention weights of these boxes, 0 to 1.
    """

    words: tuple[float, ...]
    boxes: tuple[Box, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """An `Aligned` as plain values, with its segments (if any), the sentence's score, and attention steps."""

    words: tuple[str, ...]
    boxes: tuple[Box, ...]
    strengths: tuple[float, ...]
    segments: tuple[Segment, ...] = ()
    score: float = 0.0
    glances: tuple[Glance, ...] = ()


@torch.no_grad()
def align(model: Matcher, vocabulary: Vocabulary, regions: Regions, sentence: str, *, beta: float = 0.0) -> Evidence:
    """Align a sentence with a picture: the region of each word.

    Args:
        model: in evaluation mode.
        vocabulary: the model's.
        regions: of one picture.
        sentence: any text.
        beta: reward of neighbouring words for sharing a region (`matching/segments.py`); 0 gives each its best region.
    """
    device = next(model.parameters()).device
    images = model.image_vectors(regions.to(device))
    words = vocabulary.encode([sentence]).to(device)
    texts = model.text_vectors(words)
    found = tuple(segments(images, texts, beta, Grouping.of([sentence]).to(device), model.evidence)[0])
    boxes = tuple(segment.box for segment in found for _ in segment.strengths)
    strengths = tuple(strength for segment in found for strength in segment.strengths)
    score = model.score(images, texts).item()
    glances = tuple(_glance(step, images) for step in model.steps(images, texts))
    return Evidence(tuple(vocabulary.tokens(sentence)), boxes, strengths, found, score, glances)


def _glance(step: Step, images: Vectors) -> Glance:
    """Convert an attention step of one picture and one sentence to plain values."""
    shares, regions = step.regions[0].topk(min(GLANCED, int(images.mask.sum())))
    boxes = tuple(tuple(box) for box in images.places[0, regions].tolist())
    return Glance(tuple(step.words[0].tolist()), boxes, tuple(shares.tolist()))

"""Examples of a split to show: chosen at random, half of them right and half wrong, so that a page is honest."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wordsight.data.entities import Phrase
from wordsight.data.records import Picture
from wordsight.matching.alignment import Evidence, align
from wordsight.matching.locate import overlaps
from wordsight.matching.matcher import Matcher
from wordsight.metrics.grounding import Look, around
from wordsight.metrics.ranking import Ranks, ranks
from wordsight.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Subject:
    """A model and the split of its evaluation.

    Attributes:
        title: of the page.
        model: in evaluation mode.
        vocabulary: the model's.
        pictures: I, the gallery, each with its sentences.
        look: gives the regions of pictures by name.
        scores: (I, N) of every picture with every sentence, sentences in the order of their pictures.
        figures: flat metrics.
        references: row name -> flat metrics to show for comparison, such as published ones.
        history: a record per evaluation of the training.
        phrases: P phrases with their true boxes; may be empty.
        boxes: (P, 4) the boxes the model chose for them.
        recipe: the experiment, as text.
    """

    title: str
    model: Matcher
    vocabulary: Vocabulary
    pictures: Sequence[Picture]
    look: Look
    scores: Tensor
    figures: Mapping[str, float]
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    phrases: Sequence[Phrase] = ()
    boxes: Tensor | None = None
    recipe: str = ""

    @property
    def sentences(self) -> list[str]:
        """(N,) all sentences of the split."""
        return [sentence for picture in self.pictures for sentence in picture.sentences]

    @property
    def picture(self) -> Tensor:
        """(N,) the right picture of each sentence."""
        counts = torch.tensor([len(picture.sentences) for picture in self.pictures])
        return torch.arange(len(self.pictures)).repeat_interleave(counts)

    def align(self, picture: int, sentence: str) -> Evidence:
        """Align a sentence with picture number `picture`."""
        return align(self.model, self.vocabulary, self.look([self.pictures[picture].name]), sentence)


@dataclass(frozen=True)
class Search:
    """One query and its results.

    Attributes:
        query: number of the sentence (text to picture) or of the picture (picture to text).
        rank: of the best right answer, 1 is best.
        found: numbers of the answers, best first.
        right: which of them are right.
        answer: number of the best-ranked right answer.
    """

    query: int
    rank: int
    found: tuple[int, ...]
    right: tuple[bool, ...]
    answer: int


@dataclass(frozen=True)
class Grounded:
    """A phrase, the box the model chose for it, and how well that overlaps the truth (IoU, 0 to 1)."""

    phrase: Phrase
    box: tuple[float, ...]
    iou: float


def lot(numbers: Sequence[int], count: int, seed: int = 0) -> list[int]:
    """A random sample of at most `count` numbers, the same for the same seed."""
    return random.Random(seed).sample(list(numbers), min(count, len(numbers)))


def searches(subject: Subject, count: int) -> tuple[list[Search], list[Search]]:
    """For each direction, text to picture and picture to text: `count` right searches, then as many wrong ones.

    Right: the first answer is right. Wrong: no right answer among the first five (or the first, where there are few).
    """
    found: Ranks = ranks(subject.scores, subject.picture)
    spoken = [number for number, picture in enumerate(subject.pictures) if picture.sentences]
    texts = [_text_search(subject, number, int(found.texts[number])) for number in _both(found.texts, count)]
    images = [_image_search(subject, spoken[place], int(found.images[place])) for place in _both(found.images, count)]
    return texts, images


def _both(rank: Tensor, count: int) -> list[int]:
    right = (rank == 1).nonzero()[:, 0].tolist()
    wrong = (rank > 5).nonzero()[:, 0].tolist()
    if len(wrong) < count:
        wrong = (rank > 1).nonzero()[:, 0].tolist()
    return lot(right, count) + lot(wrong, count)


def _text_search(subject: Subject, sentence: int, rank: int) -> Search:
    answer = int(subject.picture[sentence])
    right = torch.arange(len(subject.pictures)) == answer
    found = _first(subject.scores[:, sentence], right)
    return Search(sentence, rank, tuple(found.tolist()), tuple(right[found].tolist()), answer)


def _image_search(subject: Subject, picture: int, rank: int) -> Search:
    right = subject.picture == picture
    row = subject.scores[picture]
    found = _first(row, right)
    answer = int(row.masked_fill(~right, -torch.inf).argmax())
    answer = next((number for number in found.tolist() if right[number]), answer)
    return Search(picture, rank, tuple(found.tolist()), tuple(right[found].tolist()), answer)


def _first(scores: Tensor, right: Tensor, count: int = 5) -> Tensor:
    """Indices of the highest scores, best first, right ones last among ties."""
    wrong_first = right.long().argsort(stable=True)
    return wrong_first[scores[wrong_first].argsort(descending=True, stable=True)][:count]


def groundings(subject: Subject, count: int) -> list[Grounded]:
    """`count` phrases on their right boxes (IoU of at least one half), then as many on wrong ones, at random."""
    if subject.boxes is None or not subject.phrases:
        return []
    truth = torch.stack([around(torch.tensor(phrase.boxes)) for phrase in subject.phrases])
    iou = overlaps(subject.boxes.cpu(), truth)  # (P,)
    right, wrong = (iou >= 0.5).nonzero()[:, 0].tolist(), (iou < 0.5).nonzero()[:, 0].tolist()
    chosen = lot(right, count) + lot(wrong, count)
    return [Grounded(subject.phrases[n], tuple(subject.boxes[n].tolist()), float(iou[n])) for n in chosen]

"""Evidence of a hit: which words of a query belong to which boxes of a picture."""

from collections.abc import Sequence

import torch

from wordsight.batch import Vectors
from wordsight.matching.score import word_regions
from wordsight.matching.segments import BETA, Evidence, segments
from wordsight.runs.aligner import Box
from wordsight.search.query import QueryTerm
from wordsight.search.results import Phrase, Word

HitEvidence = tuple[tuple[Word, ...], tuple[Phrase, ...]]
REGIONS = 3  # for a query by picture, the maximum number of matched boxes that are shown


def evidence(terms: Sequence[QueryTerm], images: Vectors, look: Evidence = word_regions) -> list[HitEvidence]:
    """Find the boxes of pictures that the words of a query belong to.

    Args:
        terms: the terms of the query.
        images: (I, R, D), their places boxes.
        look: `Matcher.evidence` of the model that encoded them.

    Returns:
        For each picture its words and its phrases.
    """
    if not len(images.mask):
        return []
    found: list[tuple[list[Word], list[Phrase]]] = [([], []) for _ in range(len(images.mask))]
    for term in terms:
        texts = Vectors(*(part.expand(len(found), *part.shape[1:]) for part in _parts(term)))
        if not term.words:
            for (_, phrases), some in zip(found, _regions(images, texts, term.weight, look), strict=True):
                phrases += some
            continue
        alone = segments(images, texts, 0.0, evidence=look)
        together = segments(images, texts, BETA, term.grouping.expand(len(found)), look)
        for (words, phrases), singles, spans in zip(found, alone, together, strict=True):
            first = len(words)
            each = [(one.box, strength) for one in singles for strength in one.strengths]
            for text, (box, strength) in zip(term.words, each, strict=True):
                words.append(Word(text, box, strength, text not in term.unknown))
            for span in spans:
                text = " ".join(term.words[span.start : span.end])
                place = first + span.start, first + span.end
                phrases.append(Phrase(text, *place, span.box, span.strength, term.weight))
    return [(tuple(words), tuple(phrases)) for words, phrases in found]


def _parts(term: QueryTerm) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return term.texts.values, term.texts.mask, term.texts.places


def _regions(images: Vectors, texts: Vectors, weight: float, look: Evidence) -> list[list[Phrase]]:
    """The boxes of each picture that the regions of a query match most strongly, each box once."""
    found = []
    for row in segments(images, texts, 0.0, evidence=look):
        pairs = sorted(((max(one.strengths), one.box) for one in row), reverse=True)
        best: dict[Box, float] = {}
        for strength, box in pairs:
            best.setdefault(box, strength)
        found.append([Phrase("this", 0, 0, box, strength, weight) for box, strength in list(best.items())[:REGIONS]])
    return found

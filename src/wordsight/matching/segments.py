"""Segment alignment: a noun phrase takes one region; other neighbours share one unless a change pays.

Karpathy & Fei-Fei 2015, equations 10 to 12: a sentence of N words is a chain, word j sits on one of M regions a_j, and

    E(a) = sum over j of v_a_j . s_j + beta * (number of j with a_j = a_j+1)

is maximised. (The paper says "minimise", but its potentials are greater where the fit is better.)
Viterbi's max-sum along the chain finds the best of all M^N choices. Two neighbours either agree or not, so the best
path to a region either stays there or comes from the best region of all: O(N M), not O(N M^2).

The scale of v . s depends on the model, so beta is in units of the spread of the pair's scores over its regions.

The words of a noun phrase (`text/phrases.py`) take the one region of their greatest sum, whatever the chain prefers.
Beta does not tie noun phrases together: "a cat" and "a laptop" each go where they fit best. The chain decides the words
between them, and all words of a sentence without noun phrases, such as one in another language.

Function words ("a", "of") name nothing visible, yet each has a best region; with vectors of length 1 they would count
as much as other words. They do not count in the chain and follow their neighbours: the next word if the neighbours
differ, since "on a beach" is a phrase and "dog on a" is not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import torch
from torch import Tensor

from wordsight.batch import Vectors, Words
from wordsight.matching.locate import supported
from wordsight.matching.score import word_mask, word_regions
from wordsight.text.phrases import read
from wordsight.text.tokens import FUNCTION_WORDS
from wordsight.text.vocabulary import Vocabulary

Evidence = Callable[[Vectors, Vectors], Tensor]  # pictures and sentences, one pair per row -> (B, T, R)
BETA = 0.5  # chosen by `benchmarks/segments.py` on Flickr8K val, where 0.25 to 1 are within half a point


@dataclass(frozen=True)
class Grouping:
    """Function words and noun phrases of N sentences of T words.

    Attributes:
        function_words: (N, T) bool.
        phrases: (N, T) int64, number of each word's noun phrase, from 1; 0 for none.
    """

    function_words: Tensor
    phrases: Tensor

    @classmethod
    def of(cls, sentences: Sequence[str]) -> "Grouping":
        """The grouping of sentences, split and padded as by `Vocabulary.encode`."""
        readings = [read(sentence) for sentence in sentences]
        longest = max((len(one.words) for one in readings), default=0)
        function_words = torch.zeros(len(readings), max(1, longest), dtype=torch.bool)
        phrases = torch.zeros(function_words.shape, dtype=torch.int64)
        for row, one in enumerate(readings):
            function_words[row, : len(one.words)] = torch.tensor(one.function_words, dtype=torch.bool)
            for number, (start, end) in enumerate(one.phrases, 1):
                phrases[row, start:end] = number
        return cls(function_words, phrases)

    def to(self, device: torch.device) -> "Grouping":
        """The same on another device."""
        return Grouping(self.function_words.to(device), self.phrases.to(device))

    def expand(self, rows: int) -> "Grouping":
        """Repeat the grouping of one sentence `rows` times."""
        return Grouping(self.function_words.expand(rows, -1), self.phrases.expand(rows, -1))


@dataclass(frozen=True)
class Segment:
    """Neighbouring words of a sentence that share a region, with at most one noun phrase.

    Attributes:
        start: index of its first word.
        end: one past its last word.
        region: the number of the region in its picture.
        box: of the region, `xyxy` fractions.
        strengths: v . s of each of its words with the region.
    """

    start: int
    end: int
    region: int
    box: tuple[float, ...]
    strengths: tuple[float, ...]

    @property
    def strength(self) -> float:
        """How well its words fit the region together: the sum of their strengths."""
        return sum(self.strengths)


@torch.no_grad()
def segments(
    images: Vectors,
    texts: Vectors,
    beta: float = BETA,
    grouping: Grouping | None = None,
    evidence: Evidence = word_regions,
) -> list[list[Segment]]:
    """Segments of each sentence, with their boxes in the picture of the same row.

    Args:
        images: values (B, R, D), with boxes as places; at least one region per picture.
        texts: values (B, K, D), with spans of the T words as places.
        beta: as in `assign`.
        grouping: as in `assign`.
        evidence: `Matcher.evidence` of the model that encoded both.

    Returns:
        B lists; the segments of a sentence are contiguous.

    Raises:
        ValueError: beta is below 0 or not finite.
    """
    scores, mask = evidence(images, texts), word_mask(texts)  # (B, T, R), (B, T)
    if grouping is not None and beta > 0:
        regions = assign(supported(scores, images.places), mask, beta, grouping)  # (B, T)
    else:
        regions = assign(scores, mask, beta)
        grouping = Grouping(torch.zeros_like(mask), torch.zeros_like(regions))
    strengths = scores.gather(2, regions[:, :, None])[:, :, 0]  # (B, T)
    boxes = images.places.gather(1, regions[:, :, None].expand(-1, -1, 4))  # (B, T, 4)
    columns = regions, grouping.phrases, grouping.function_words, boxes, strengths, mask.sum(dim=1)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        [
            Segment(start, end, region[start], tuple(box[start]), tuple(strength[start:end]))
            for start, end in _parts(region[:length], phrases, function_words)
        ]
        for region, phrases, function_words, box, strength, length in rows
    ]


def assign(scores: Tensor, mask: Tensor, beta: float, grouping: Grouping | None = None) -> Tensor:
    """Assign a region to each word.

    Args:
        scores: (B, T, R) from `Matcher.evidence`, minus infinity at padded regions.
        mask: (B, T) bool, False in the padding, which is at the end.
        beta: reward of two neighbouring words for sharing a region, in units of `spread`; 0 gives each word its own
            best region, greater values make longer segments.
        grouping: used if beta is above 0: function words are ignored if the sentence has other words, and the words of
            a noun phrase take one region. None counts all words, and only the chain groups them.

    Returns:
        (B, T) int64, 0 in the padding.

    Raises:
        ValueError: beta is below 0 or not finite.
    """
    if not 0 <= beta < float("inf"):
        raise ValueError(f"beta = {beta}: expected a finite number of at least 0")
    worth = beta * spread(scores, mask)
    if grouping is not None and beta > 0:
        function_words = grouping.function_words & (mask & ~grouping.function_words).any(dim=1, keepdim=True)
        scores = _pinned(scores.masked_fill(function_words[:, :, None] & scores.isfinite(), 0), grouping.phrases)
    return viterbi(scores, mask, worth)


def _pinned(scores: Tensor, phrases: Tensor) -> Tensor:
    """Restrict the words of each noun phrase to the region of their greatest sum: scores (B, T, R)."""
    member = phrases[:, None] == torch.arange(1, int(phrases.max()) + 1, device=phrases.device)[:, None]  # (B, P, T)
    real = scores.isfinite()
    sums = member.to(scores.dtype) @ scores.masked_fill(~real, 0)  # (B, P, R)
    best = sums.masked_fill(~real.any(dim=1, keepdim=True), -torch.inf).argmax(dim=2)  # (B, P)
    own = (member.long() * best[:, :, None]).sum(dim=1)  # (B, T)
    here = torch.arange(scores.shape[2], device=scores.device)
    return scores.masked_fill((phrases > 0)[:, :, None] & (here != own[:, :, None]), -torch.inf)


def _parts(region: Sequence[int], phrases: Sequence[int], function_words: Sequence[bool]) -> list[tuple[int, int]]:
    """The spans of a sentence's segments: neighbours on one region, cut between two noun phrases.

    Args:
        region: of each of its T words.
        phrases: at least T numbers, as in `Grouping`.
        function_words: likewise; the cut is before the function words that precede the second noun phrase.
    """
    parts = [0] * len(region)
    named = [(start, end) for start, end in spans_of_equals(phrases[: len(region)]) if phrases[start]]
    for (_, behind), (start, _) in pairwise(named):
        if len(set(region[behind - 1 : start + 1])) == 1:
            cut = start
            while cut > behind and function_words[cut - 1]:
                cut -= 1
            parts[cut:] = [phrases[start]] * (len(region) - cut)
    return spans_of_equals(list(zip(region, parts, strict=True)))


def function_word_mask(words: Words, vocabulary: Vocabulary) -> Tensor:
    """Mask of function words: (N, T) bool; False for an unknown word."""
    return function_words(vocabulary).to(words.ids.device)[words.ids]


def function_words(vocabulary: Vocabulary) -> Tensor:
    """Mask of a vocabulary's function words: (V,) bool."""
    return torch.tensor([word in FUNCTION_WORDS for word in vocabulary.words])


def spread(scores: Tensor, mask: Tensor) -> Tensor:
    """Root mean square of word-region scores within each pair, centred for each word.

    Each word's mean over the regions is subtracted first, as what all regions share changes no assignment.

    Args:
        scores: (B, T, R), minus infinity at padded regions.
        mask: (B, T) bool.

    Returns:
        (B,) >= 0, in units of the scores.
    """
    real = scores.isfinite() & mask[:, :, None]  # (B, T, R)
    known = scores.masked_fill(~real, 0)
    mean = known.sum(dim=2, keepdim=True) / real.sum(dim=2, keepdim=True).clamp(min=1)
    squares = ((known - mean) * real).square().sum(dim=(1, 2))
    return (squares / real.sum(dim=(1, 2)).clamp(min=1)).sqrt()


def viterbi(scores: Tensor, mask: Tensor, beta: Tensor) -> Tensor:
    """Viterbi decoding: the assignment a that maximises E(a) exactly, equations 10 to 12.

    Args:
        scores: (B, T, R), minus infinity at padded regions; at least one real region per row.
        mask: (B, T) bool.
        beta: (B,) >= 0, in units of the scores.

    Returns:
        (B, T) int64, 0 in the padding. In a tie, the chain that changes regions earlier; if beta is 0, the first of a
        word's best regions.
    """
    beta, here = beta[:, None], torch.arange(scores.shape[2], device=scores.device)  # (B, 1), (R,)
    behind = scores.new_zeros(len(scores), scores.shape[2])  # (B, R): E so far, minus that of the best region
    sources = []
    for word, real in zip(scores.unbind(1), mask[:, :, None].unbind(1), strict=True):  # (B, R), (B, 1)
        # Penalise a change instead of rewarding agreement: the same chain, without rounding errors for a large beta.
        stay = ((behind >= -beta) & (beta > 0)) | ~real
        sources.append(torch.where(stay, here, behind.argmax(dim=1, keepdim=True)))
        energy = word + behind.maximum(-beta)
        behind = torch.where(real, energy - energy.amax(dim=1, keepdim=True), behind)
    region = behind.argmax(dim=1, keepdim=True)  # (B, 1)
    path = []
    for source in reversed(sources):
        path.append(region)
        region = source.gather(1, region)
    return torch.cat(path[::-1], dim=1).masked_fill(~mask, 0)


def spans_of_equals(places: Sequence[object]) -> list[tuple[int, int]]:
    """Maximal runs of equal neighbours: spans (first, one past the last) in order."""
    spans, start = [], 0
    for _, group in groupby(places):
        end = start + len(list(group))
        spans.append((start, end))
        start = end
    return spans

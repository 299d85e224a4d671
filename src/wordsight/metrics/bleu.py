"""BLEU of captions: n-gram precision against references (Papineni et al., 2002), as in coco-caption."""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import exp, prod

N = 4  # the longest n-gram, here and in CIDEr-D
TINY, SMALL = 1e-15, 1e-9  # coco-caption's: 0 of 0 n-grams scores 0, without dividing by 0

Tokens = Sequence[Hashable]  # words, or their ids


def ngrams(tokens: Tokens) -> Counter[Tokens]:
    """Counts of the n-grams of 1 to `N` tokens in a caption."""
    return Counter(gram for n in range(1, N + 1) for gram in zip(*(tokens[first:] for first in range(n)), strict=False))


def bleu(
    candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]
) -> tuple[list[float], list[list[float]], list[float]]:
    """BLEU-1 to BLEU-4 of all captions together and of each.

    The count of an n-gram is clipped at its greatest count in a reference. The brevity penalty is exp(1 - r / c): c is
    the summed length of the captions, r that of the references nearest in length to each (the shorter of equals). BLEU
    of all is not the mean of each caption's: counts are summed first.

    Args:
        candidates: I captions, tokenised.
        references: for each caption at least one, tokenised.

    Returns:
        BLEU-1 ... BLEU-4 of all; a list of the same four for each caption; and those of all without the brevity
        penalty, as some papers print them. 0 to 1.
    """
    total, each = [0] * (2 * N + 2), []
    for candidate, right in zip(candidates, references, strict=True):
        found = counts(candidate, right)
        total = [sum(pair) for pair in zip(total, found, strict=True)]
        each.append(_scores(found))
    return _scores(total), each, _precisions(total)


def smoothed(candidate: Tokens, references: Sequence[Tokens], more: float = 0.1) -> float:
    """Smoothed BLEU-4 of one caption, 0 to 1: an n-gram length without a match does not make it 0.

    Args:
        candidate: a caption, tokenised.
        references: at least one, tokenised.
        more: added to the numbers of matched and of all n-grams of each length.
    """
    *found, said, nearest = counts(candidate, references)
    pairs = zip(found[:N], found[N:], strict=True)
    mean = prod((right + more) / (every + more) for right, every in pairs) ** (1 / N)
    return mean * min(1.0, exp(1 - nearest / said)) if said else 0.0


def counts(candidate: Tokens, references: Sequence[Tokens]) -> list[int]:
    """Matched n-grams of each n, all n-grams of each n, the caption's length and that of the nearest reference."""
    known = [ngrams(reference) for reference in references]
    right = [0] * N
    for gram, count in ngrams(candidate).items():
        right[len(gram) - 1] += min(count, max(one.get(gram, 0) for one in known))
    said = len(candidate)
    _, nearest = min((abs(len(reference) - said), len(reference)) for reference in references)
    return [*right, *(max(said - n, 0) for n in range(N)), said, nearest]


def _scores(counts: Sequence[int]) -> list[float]:
    """BLEU-1 to BLEU-4 from the numbers that `counts` returns."""
    ratio = (counts[-2] + TINY) / (counts[-1] + SMALL)
    return [score * exp(min(0.0, 1 - 1 / ratio)) for score in _precisions(counts)]


def _precisions(counts: Sequence[int]) -> list[float]:
    """Like `_scores`, without the brevity penalty."""
    product, scores = 1.0, []
    for n in range(N):
        product *= (counts[n] + TINY) / (counts[N + n] + SMALL)
        scores.append(product ** (1 / (n + 1)))
    return scores

"""ROUGE-L: the longest common subsequence of caption and reference (Lin, 2004), as in coco-caption."""

from collections.abc import Sequence

BETA = 1.2  # weight of recall relative to precision


def rouge_l(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> list[float]:
    """ROUGE-L of each caption; that of all is their mean.

    F = (1 + beta^2) P R / (R + beta^2 P), from the best precision and the best recall over the references, which may
    come from different references.

    Args:
        candidates: I captions, tokenised.
        references: for each caption at least one, tokenised.

    Returns:
        (I) scores, 0 to 1. As in coco-caption, a caption without words is one empty word: it scores 1 if a reference
        is without words too, else 0.
    """
    return [_f_measure(candidate, right) for candidate, right in zip(candidates, references, strict=True)]


def _f_measure(candidate: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    candidate, references = candidate or [""], [reference or [""] for reference in references]
    shared = [common(candidate, reference) for reference in references]
    if not any(shared):
        return 0.0
    precision = max(shared) / len(candidate)
    recall = max(count / len(one) for count, one in zip(shared, references, strict=True))
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    best = [0] * (len(other) + 1)  # best[j]: of the prefix of `one` read so far and the first j of `other`
    for word in one:
        diagonal = 0
        for j, same in enumerate(other, 1):
            above = best[j]
            best[j] = diagonal + 1 if word == same else max(above, best[j - 1])
            diagonal = above
    return best[-1]

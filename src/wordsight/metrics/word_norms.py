"""Word norms: which words have the longest vectors, and so dominate the score."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch

from wordsight.batch import Vectors, Words
from wordsight.matching.matcher import Matcher
from wordsight.matching.score import word_shares
from wordsight.text.vocabulary import Vocabulary


class Magnitude(NamedTuple):
    """A word, the mean length of its vectors s_t, and its count."""

    word: str
    length: float
    seen: int


@torch.no_grad()
def magnitudes(
    model: Matcher, vocabulary: Vocabulary, sentences: Sequence[str], *, least: int = 5, rows: int = 256
) -> list[Magnitude]:
    """Mean vector length of each word over its sentences (DVSA, section 4.4).

    Words that share a vector share its length.

    Args:
        model: in evaluation mode.
        vocabulary: the model's; unknown words are left out.
        sentences: the sentences of a split.
        least: the minimum count of a word.
        rows: the number of sentences encoded at once.

    Returns:
        The words, longest first.
    """
    device = next(model.parameters()).device
    blocks = (vocabulary.encode(sentences[first : first + rows]) for first in range(0, len(sentences), rows))
    return magnitudes_of(vocabulary, ((words, model.encode_texts(words.to(device))) for words in blocks), least=least)


def magnitudes_of(
    vocabulary: Vocabulary, encoded: Iterable[tuple[Words, Vectors]], *, least: int = 5
) -> list[Magnitude]:
    """`magnitudes` of sentences that are already encoded: blocks of words (B, T) with their vectors (B, K, D)."""
    lengths, counts = torch.zeros(len(vocabulary)), torch.zeros(len(vocabulary))
    for words, texts in encoded:
        parts = texts.values.norm(dim=2, keepdim=True).float()  # (B, K, 1)
        vectors = (word_shares(texts) @ parts)[..., 0].cpu()  # (B, T)
        ids = words.ids[words.mask]
        lengths.index_add_(0, ids, vectors[words.mask])
        counts.index_add_(0, ids, torch.ones(len(ids)))
    found = [
        Magnitude(word, (lengths[number] / counts[number]).item(), int(counts[number]))
        for number, word in enumerate(vocabulary.words)
        if number > 1 and counts[number] >= least
    ]
    return sorted(found, key=lambda one: (-one.length, one.word))


def norm_ratio(found: Sequence[Magnitude], count: int = 40) -> float | None:
    """Ratio of the mean norm of the longest words to that of the shortest; 5 to 6 in the table of DVSA.

    Args:
        found: words, longest first.
        count: the number of words at either end; at most half of all are taken.

    Returns:
        The ratio; None if there are fewer than two words, or all vectors have one length.
    """
    some = min(count, len(found) // 2)
    if not some or found[0].length - found[-1].length < 1e-3 * found[0].length:
        return None
    shortest = sum(one.length for one in found[-some:])
    return sum(one.length for one in found[:some]) / shortest if shortest > 0 else None

"""Word norms: which words have the longest vectors, and so dominate the score."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

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
        sentences: of a split.
        least: least count of a word.
        rows: sentences encoded at once.

    Returns:
        The words, longest first.
    """
    device = next(model.parameters()).device
    lengths, counts = torch.zeros(len(vocabulary)), torch.zeros(len(vocabulary))
    for first in range(0, len(sentences), rows):
        words = vocabulary.encode(sentences[first : first + rows])
        texts = model.text_vectors(words.to(device))
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

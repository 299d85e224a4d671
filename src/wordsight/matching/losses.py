"""Losses of matchers: rank the right pair above the wrong ones, in both directions.

Every loss takes the scores (I, N) of a batch and `picture` (N,), the right picture of each sentence. Several
sentences may share a picture; a pair of the same picture is never a negative.
"""

import torch
from torch import Tensor
from torch.nn import functional


def positives(scores: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of the positive pairs, and a mask of the negatives.

    Returns:
        S_kk of each sentence (N,), and a mask (I, N), True at negative pairs.
    """
    right = scores.gather(0, picture[None])[0]  # (N,)
    wrong = torch.arange(len(scores), device=scores.device)[:, None] != picture[None]  # (I, N)
    return right, wrong


def ranking(scores: Tensor, picture: Tensor, *, margin: float = 1.0, hardest: bool = False) -> Tensor:
    """The max-margin ranking objective (DVSA, equation 9), per sentence of the batch.

    sum over wrong pictures of max(0, S_wrong - S_right + margin), and the same over wrong sentences.

    Args:
        scores: (I, N).
        picture: (N,) the right picture of each sentence.
        margin: by how much the right pair must score higher.
        hardest: count only the worst violation on either side (VSE++, equation 6) instead of their sum.

    Returns:
        The loss, a scalar >= 0.
    """
    right, wrong = positives(scores, picture)
    images = (scores - right + margin).relu() * wrong  # (I, N): rank the pictures of each sentence
    others = scores[picture]  # (N, N): row n holds sentence n's picture with every sentence
    sentences = (others - right[:, None] + margin).relu() * wrong[picture]  # (N, N): rank the sentences
    if hardest:
        return (images.amax(0) + sentences.amax(1)).mean()
    return (images.sum(0) + sentences.sum(1)).mean()


def contrastive(scores: Tensor, picture: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Contrastive loss (InfoNCE; van den Oord et al. 2018): cross-entropy of the right pair in the batch, both ways.

    Args:
        scores: (I, N).
        picture: (N,) the right picture of each sentence.
        temperature: scores are divided by it; > 0.

    Returns:
        The loss, a scalar >= 0.
    """
    scores = scores / temperature
    right, wrong = positives(scores, picture)
    images = functional.cross_entropy(scores.T, picture)
    candidates = scores[picture].masked_fill(~wrong[picture], -torch.inf)  # (N, N), without its own sentences
    sentences = torch.logaddexp(candidates.logsumexp(1), right) - right
    return images + sentences.mean()

"""Decoding constraints: no "<unk>" unless allowed, no repetition, at least one word before "<end>"."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wordsight.captioning.captioner import END, UNKNOWN, full


@dataclass(frozen=True)
class Rules:
    """Decoding constraints on the next word.

    Attributes:
        unknown: whether "<unk>" is allowed.
        once: (V,) bool, words that may occur only once; None for no such word.
    """

    unknown: bool
    once: Tensor | None

    def apply(self, logits: Tensor, said: Tensor) -> Tensor:
        """Log-probabilities (B, V) of the next word after the words `said` (B, t), -inf for forbidden words."""
        log_probs = full(logits).log_softmax(dim=1)
        if not self.unknown:
            log_probs[:, UNKNOWN] = -torch.inf
        if not said.shape[1]:
            if log_probs.shape[1] > 2 or self.unknown:  # else no word would be left
                log_probs[:, END] = -torch.inf
            return log_probs
        again = (said[:, :-2] == said[:, -2:-1]) & (said[:, 1:-1] == said[:, -1:])  # (B, t - 2): last two words
        banned = torch.cat([again, torch.ones_like(said[:, :1], dtype=torch.bool)], dim=1)  # and last word
        words = torch.cat([said[:, 2:], said[:, -1:]], dim=1)  # (B, t - 1), or (B, 1) after one word
        if self.once is not None:
            words, banned = torch.cat([words, said], dim=1), torch.cat([banned, self.once.to(said.device)[said]], dim=1)
        return log_probs.scatter_add_(1, words, log_probs.new_zeros(words.shape).masked_fill_(banned, -torch.inf))

"""Hubness correction on equal terms: the same query bank for every aligner, whatever its score.

A run's own query bank (`matching/query_bank.py`) is worth many points of recall, and not every run has one. Here each
run gets the same pictures of the training split and the same rule, and its own query bank is emptied.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from wordsight.batch import Vectors
from wordsight.data.records import Picture
from wordsight.matching.matcher import Matcher
from wordsight.matching.query_bank import SHARE, hubness
from wordsight.metrics.ranking import score_matrix
from wordsight.runs.pairs import Pairs, encode

TEMPERATURE = 0.5  # tau, in standard deviations of the scores with the bank: a rule that fits scores of any unit


def bank_of(pictures: Sequence[Picture], size: int, gallery: Sequence[Picture] = ()) -> list[Picture]:
    """Query bank: a fixed random sample of `size` pictures (or all), each with its first two sentences.

    It has no picture of the gallery: that would meet its own sentences in the bank, and lose to all other pictures.
    """
    ranked = {picture.path for picture in gallery}
    pictures = [picture for picture in pictures if picture.path not in ranked]
    chosen = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))[:size].tolist()
    return [replace(pictures[one], sentences=pictures[one].sentences[:2]) for one in chosen]


def corrected(
    scores: Tensor, model: Matcher, images: Sequence[Vectors], texts: Sequence[Vectors], bank: Pairs
) -> Tensor:
    """Scores less a share of both sides' hubness.

    Args:
        scores: (I, N).
        model: the model of the scores, with its own query bank empty.
        images: I encoded pictures, in blocks.
        texts: N encoded sentences, in blocks.
        bank: pictures of the training split, none of them among the I, with sentences of each.

    Returns:
        (I, N) float32.
    """
    bank_images, bank_texts = encode(model, bank)
    return normalised(scores, score_matrix(model, images, bank_texts), score_matrix(model, bank_images, texts))


def normalised(scores: Tensor, with_texts: Tensor, with_images: Tensor) -> Tensor:
    """S'(k, l) = S(k, l) - a (h(k) + h(l)), from scores alone.

    Args:
        scores: (I, N) of I pictures with N sentences.
        with_texts: (I, bank) of these pictures with the bank's sentences.
        with_images: (bank, N) of the bank's pictures with these sentences.

    Returns:
        (I, N).
    """
    temperature = TEMPERATURE * float(torch.cat([with_texts.flatten(), with_images.flatten()]).std())
    of_images, of_texts = hubness(with_texts, temperature), hubness(with_images.T, temperature)
    return scores - SHARE * (of_images[:, None] + of_texts)

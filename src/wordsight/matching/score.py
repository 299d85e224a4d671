"""The image-sentence score: sum over words of the best region (equation 8), without touching a padded word.

The words of all sentences are packed end to end, so one matrix product meets every region with every real word:
no (I, N, R, T) intermediate, no work on padding.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from wordsight.batch import Vectors


class Rule(NamedTuple):
    """How words make a score, equation 8 unless it says otherwise; see `sum_of_max`."""

    mean: bool = False
    thresholded_sum: bool = False


def sum_of_max(images: Vectors, texts: Vectors, *, mean: bool = False, thresholded_sum: bool = False) -> Tensor:
    """The score of every picture with every sentence.

    S_kl = sum over words t of sentence l of max over regions i of picture k of v_i . s_t      (DVSA, equation 8)
    S_kl = sum over t of sum over i of max(0, v_i . s_t)                     (DVSA, equation 7; `thresholded_sum`)

    less the hubness of either side, where it is known.

    Args:
        images: values (I, R, D).
        texts: values (N, T, D).
        mean: divide by the number of words, so that long sentences do not score higher for being long.
        thresholded_sum: equation 7 instead of 8.

    Returns:
        (I, N) float32 scores, unbounded.
    """
    words = texts.values[texts.mask]  # (W, D): every real word of every sentence, in order
    sentence = texts.mask.nonzero()[:, 0]  # (W,): whose word it is
    if thresholded_sum:
        products = (images.values @ words.T).float()  # (I, R, W)
        best = products.relu().masked_fill(~images.mask[:, :, None], 0).sum(dim=1)  # (I, W)
    else:
        best = best_region(images.values, words, images.mask)  # (I, W)
    scores = best.new_zeros(len(best), len(texts.values)).index_add(1, sentence, best)  # (I, N)
    scores = scores / texts.mask.sum(dim=1) if mean else scores
    scores = scores if images.hubness is None else scores - images.hubness[:, None]
    return scores if texts.hubness is None else scores - texts.hubness


def best_region(regions: Tensor, words: Tensor, mask: Tensor) -> Tensor:
    """Each word's best region, max over i of v_i . s_t: (I, R, D) with mask (I, R), and (W, D) -> (I, W) float32."""
    if torch.is_autocast_enabled(regions.device.type):
        low = torch.get_autocast_dtype(regions.device.type)
        regions, words = regions.to(low), words.to(low)
    return _BestRegion.apply(regions, words, mask)


class _BestRegion(torch.autograd.Function):
    """`best_region` with a backward of two matrix products: faster than autograd's own, which scatters by indices."""

    @staticmethod
    def forward(ctx: Any, regions: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        pictures, count, size = regions.shape
        products = (regions.reshape(-1, size) @ words.T).view(pictures, count, -1)  # (I, R, W)
        if not mask.all():
            products.masked_fill_(~mask[:, :, None], -torch.inf)
        best = products.amax(dim=1)  # (I, W)
        ctx.save_for_backward(regions, words, products, best)
        return best.float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        regions, words, products, best = ctx.saved_tensors
        chosen = products == best[:, None]  # (I, R, W): usually one region a word; ties share the gradient
        share = (gradients[0] / chosen.sum(dim=1)).to(products.dtype)  # (I, W)
        flow = (chosen * share[:, None]).flatten(0, 1)  # (I * R, W)
        return (flow @ words).view(regions.shape), flow.T @ regions.flatten(0, 1), None


def word_regions(images: Vectors, texts: Vectors) -> Tensor:
    """v_i . s_t of each picture with the sentence in the same row: the evidence for one pair a row.

    Args:
        images: values (B, R, D).
        texts: values (B, T, D).

    Returns:
        (B, T, R); minus infinity at padded regions, 0 in the rows of padded words.
    """
    products = texts.values @ images.values.transpose(1, 2)  # (B, T, R)
    products = products.masked_fill(~texts.mask[:, :, None], 0)
    return products.masked_fill(~images.mask[:, None, :], -torch.inf)

"""Image-sentence score: the sum over words of the best region (equation 8), without work on padded words.

The words of all sentences are packed end to end, so one matrix product scores every region with every real word,
without an (I, N, R, T) intermediate.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.batch import Vectors
from wordsight.matching.query_bank import SHARE

_MANY = 8  # regions; with fewer, a dense backward is as fast as a sparse one
_COLUMNS = 64  # columns of vectors looked up at a time


class Rule(NamedTuple):
    """Rule by which words make a score, by default equation 8; see `sum_of_max`.

    Attributes:
        mean: divide by the number of words.
        thresholded_sum: equation 7 instead of 8.
        whole: score by the first vectors, those of the whole picture and the whole sentence; the others are evidence.
    """

    mean: bool = False
    thresholded_sum: bool = False
    whole: bool = False


def sum_of_max(images: Vectors, texts: Vectors, *, mean: bool = False, thresholded_sum: bool = False) -> Tensor:
    """The score of every picture with every sentence.

    S_kl = sum over words t of sentence l of max over regions i of picture k of v_i . s_t      (DVSA, equation 8)
    S_kl = sum over t of sum over i of max(0, v_i . s_t)                     (DVSA, equation 7; `thresholded_sum`)

    minus a share of each side's hubness, if known (`query_bank.py`).

    Args:
        images: values (I, R, D).
        texts: values (N, T, D).
        mean: divide by the number of words, so that longer sentences do not score higher.
        thresholded_sum: equation 7 instead of 8.

    Returns:
        (I, N) float32 scores, unbounded.
    """
    words = texts.values[texts.mask]  # (W, D): every real word of every sentence, in order
    sentence = texts.mask.nonzero()[:, 0]  # (W,): the sentence of each word
    if thresholded_sum:
        products = (images.values @ words.T).float()  # (I, R, W)
        best = products.relu().masked_fill(~images.mask[:, :, None], 0).sum(dim=1)  # (I, W)
    else:
        best = best_region(images.values, words, images.mask)  # (I, W)
    scores = best.new_zeros(len(best), len(texts.values)).index_add(1, sentence, best)  # (I, N)
    scores = scores / texts.mask.sum(dim=1) if mean else scores
    scores = scores if images.hubness is None else scores - SHARE * images.hubness[:, None]
    return scores if texts.hubness is None else scores - SHARE * texts.hubness


def best_region(regions: Tensor, words: Tensor, mask: Tensor) -> Tensor:
    """Each word's best region, max_i v_i . s_t: (I, R, D) with mask (I, R), and (W, D) -> (I, W), float32 at least."""
    if torch.is_autocast_enabled(regions.device.type):
        low = torch.get_autocast_dtype(regions.device.type)
        regions, words = regions.to(low), words.to(low)
    return _BestRegion.apply(regions, words, mask)


class _BestRegion(torch.autograd.Function):
    """`best_region` with its own backward: only a word's best region gets a gradient, one of them in a tie."""

    @staticmethod
    def forward(ctx: Any, regions: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        pictures, count, size = regions.shape
        products = (regions.reshape(-1, size) @ words.T).view(pictures, count, len(words))  # (I, R, W)
        if not mask.all():
            products.masked_fill_(~mask[:, :, None], -torch.inf)
        best, chosen = products.max(dim=1)  # (I, W) each
        ctx.save_for_backward(regions, words, chosen)
        return best.to(torch.promote_types(best.dtype, torch.float32))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        regions, words, chosen = ctx.saved_tensors
        (pictures, count, _), flat, share = regions.shape, regions.flatten(0, 1), gradients[0]  # (I, W)
        exact = words.dtype in (torch.float32, torch.float64)
        if not exact or words.device.type != "cpu" or count < _MANY:
            flow = words.new_zeros(pictures, count, len(words))
            flow = flow.scatter_(1, chosen[:, None], share[:, None].to(words.dtype)).flatten(0, 1)  # (I * R, W)
            return (flow @ words).view(regions.shape), flow.T @ flat, None
        share = share.T.to(words.dtype)  # (W, I)
        some = share != 0  # well-ranked pairs have no gradient
        rows = (chosen + count * torch.arange(pictures)[:, None]).T.int()  # (W, I)
        weight, row = share[some], rows[some]  # (K,) each, word by word
        word = torch.arange(len(words), dtype=torch.int32).repeat_interleave(some.sum(dim=1))
        order = row.argsort(stable=True)
        to_regions = _sums(words, word[order], row[order], weight[order], len(flat))
        return to_regions.view(regions.shape), _sums(flat, row, word, weight, len(words)), None


def _sums(rows: Tensor, source: Tensor, target: Tensor, weight: Tensor, count: int) -> Tensor:
    """Weighted sums of rows: weight_k x row source_k, summed per target_k.

    Args:
        rows: (S, D).
        source: (K,), from 0 to S - 1.
        target: (K,), from 0 to `count` - 1, ascending.
        weight: (K,).
        count: number of sums.

    Returns:
        (count, D).
    """
    ends = torch.bincount(target, minlength=count).cumsum(0, dtype=source.dtype)
    starts = functional.pad(ends[:-1], (1, 0))
    blocks = [  # blocks of columns that stay in the cache while rows are looked up
        functional.embedding_bag(source, part.contiguous(), starts, mode="sum", per_sample_weights=weight)
        for part in rows.split(_COLUMNS, dim=1)
    ]
    return torch.cat(blocks, dim=1)


def word_regions(images: Vectors, texts: Vectors) -> Tensor:
    """Word-region scores of each picture with the sentence in the same row.

    v_i . s_t if each vector stands for one word. A vector that spans several words shares its products equally among
    them: a word's row sums over the vectors that cover it, and the sum over words equals that over vectors.

    Args:
        images: values (B, R, D).
        texts: values (B, K, D), with spans as places.

    Returns:
        (B, T, R), T words of the longest sentence; minus infinity at padded regions, 0 in the rows of padded words.
    """
    products = texts.values @ images.values.transpose(1, 2)  # (B, K, R)
    return (word_shares(texts).to(products.dtype) @ products).masked_fill(~images.mask[:, None, :], -torch.inf)


def word_shares(texts: Vectors) -> Tensor:
    """Each word's share of each vector: (B, T, K), 1 / words in its span if the span covers the word, else 0."""
    first, last = texts.places[:, None].unbind(dim=-1)  # (B, 1, K) each
    word = torch.arange(word_mask(texts).shape[1], device=first.device)[:, None]  # (T, 1)
    covers = (first <= word) & (word < last) & texts.mask[:, None]  # (B, T, K)
    return covers / (last - first).clamp(min=1)


def word_mask(texts: Vectors) -> Tensor:
    """Mask of real words: (B, T) bool, up to the last word covered by a span."""
    ends = (texts.places[..., 1] * texts.mask).amax(dim=1)  # (B,)
    return torch.arange(int(ends.max()), device=ends.device) < ends[:, None]


def spans(mask: Tensor, whole: bool = False) -> Tensor:
    """Spans of words, (N, T) -> (N, T, 2): [t, t + 1); with `whole`, the first is the whole sentence's and empty."""
    starts = mask.long().cumsum(dim=1) - 1  # (N, T)
    places = torch.stack([starts, starts + 1], dim=-1)
    return (places - 1).clamp(min=0) if whole else places

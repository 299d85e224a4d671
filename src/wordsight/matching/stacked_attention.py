"""Stacked cross attention (SCAN): each word attends to all regions, and is compared with the attended vector.

Lee et al. 2018, "Stacked Cross Attention for Image-Text Matching" (SCAN), text to image. DVSA gives each word its best
region; here each word attends to all regions, and their weighted mean takes the place of the best one:

    c_it = max(0, cos(v_i, s_t)) / |max(0, cos(v_i, s_.))|     thresholded, of length 1 over the sentence's words
    a_ti = softmax over regions i of lambda_1 c_it
    u_t  = sum over i of a_ti v_i
    S    = mean over words of cos(s_t, u_t),    or 1 / lambda_2 log sum over words of exp(lambda_2 cos(s_t, u_t))

The normalisation over words makes regions compete for words, so S needs both sides and cannot be indexed.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import Batch, LabelInfo, Regions, Vectors, Words
from wordsight.matching import losses
from wordsight.matching.matcher import Matcher
from wordsight.matching.score import spans
from wordsight.text.encoders import BiGRU
from wordsight.vision.standardise import Standardise, of_regions

TINY = 1e-12  # least squared length, so that divisions and gradients of roots stay finite


class StackedAttention(Matcher):
    """Stacked cross attention (SCAN), text to image.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        embedding: D, size of the joint embedding space (1024 in the paper).
        words: E, size of a word vector (300 in the paper).
        hidden: H, size of the GRU's state in each direction; both are averaged, then mapped to D (the paper: H = D).
        sharpness: lambda_1, above 0; greater values concentrate a word's attention on fewer regions.
        pooling: how words make a score: their `mean`, or `lse` (LogSumExp).
        pooling_sharpness: lambda_2 of `lse`, above 0; the greater, the more the best word dominates.
        loss: `hardest`, the worst violation on either side, as in the paper; or `ranking`, their sum.
        margin: of either loss.
        dropout: on the sentence's side, everywhere except on recurrent links, 0 to 1.
        region_dropout: dropout of feature columns, the same ones in all regions of a picture.
    """

    rule = None

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        embedding: int = 512,
        words: int = 300,
        hidden: int = 512,
        sharpness: float = 9.0,
        pooling: Literal["mean", "lse"] = "mean",
        pooling_sharpness: float = 6.0,
        loss: Literal["hardest", "ranking"] = "hardest",
        margin: float = 0.2,
        dropout: float = 0.0,
        region_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if sharpness <= 0 or pooling_sharpness <= 0:
            raise ValueError(f"sharpness = {sharpness}, pooling_sharpness = {pooling_sharpness}: expected above 0")
        self.words = nn.Embedding(vocabulary, words)
        self.dropout = nn.Dropout(dropout)
        self.sentence = BiGRU(words, hidden, embedding, dropout)
        self.centred = Standardise(features, region_dropout)
        self.region = nn.Linear(features, embedding)
        self.sharpness, self.pooling, self.pooling_sharpness = sharpness, pooling, pooling_sharpness
        self.hardest, self.margin = loss == "hardest", margin

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Standardise the features."""
        self.centred.fit(of_regions(batches()))

    def encode_images(self, regions: Regions) -> Vectors:
        """Regions (I, R, F) -> vectors (I, R, D) of length 1."""
        values = functional.normalize(self.region(self.centred(regions.features)), dim=-1)
        return Vectors(values, regions.mask, regions.boxes)

    def encode_texts(self, words: Words) -> Vectors:
        """Words (N, T) -> vectors (N, T, D) of length 1, in context."""
        embedded = self.dropout(self.words(words.ids))  # (N, T, E)
        values = functional.normalize(self.sentence(embedded, words.mask.sum(dim=1)), dim=-1)
        return Vectors(values, words.mask, spans(words.mask))

    def score(self, images: Vectors, texts: Vectors) -> Tensor:
        """Score every picture with every sentence: (I, N), -1 to 1 with the pooling `mean`."""
        attention, cosines = self._attend(images, texts)  # (W, I, R)
        # Without computing u for each word and picture: s . u = sum of a_i (s . v_i), and |u|^2 = a' V V' a.
        gram = images.values @ images.values.transpose(1, 2)  # (I, R, R)
        looks = attention.transpose(0, 1)  # (I, W, R)
        squared = (looks @ gram * looks).sum(dim=2).float().T  # (W, I)
        found = (attention * cosines).sum(dim=2).float() * squared.clamp(min=TINY).rsqrt()  # (W, I): cos(s_t, u_t)
        sentence = texts.mask.nonzero()[:, 0]  # (W,): the sentence of each word
        pooled = found.new_zeros(len(texts.mask), len(images.mask))  # (N, I)
        if self.pooling == "mean":
            return (pooled.index_add(0, sentence, found) / texts.mask.sum(dim=1, keepdim=True)).T
        exps = (self.pooling_sharpness * found).exp()  # lambda_2 is small, and a cosine at most 1
        return pooled.index_add(0, sentence, exps).log().T / self.pooling_sharpness

    def evidence(self, images: Vectors, texts: Vectors) -> Tensor:
        """Attention a_ti of each picture with the sentence in the same row, 0 to 1.

        Returns:
            (B, T, R); minus infinity at padded regions, 0 in the rows of padded words.
        """
        shares = texts.values.new_zeros(*texts.mask.shape, images.mask.shape[1])  # (B, T, R)
        for row in range(len(shares)):
            one = slice(row, row + 1)
            shares[row, texts.mask[row]] = self._attend(images[one], texts[one])[0][:, 0]
        return shares.masked_fill(~images.mask[:, None], -torch.inf)

    def loss_of_scores(self, scores: Tensor, picture: Tensor) -> Tensor:
        """Ranking loss: hinges of all negative pairs, or of the hardest on either side."""
        return losses.ranking(scores, picture, margin=self.margin, hardest=self.hardest)

    def _attend(self, images: Vectors, texts: Vectors) -> tuple[Tensor, Tensor]:
        """Attention a of all W real words on every picture, and cos(v, s): (W, I, R) each."""
        words, sentence = texts.values[texts.mask], texts.mask.nonzero()[:, 0]  # (W, D), (W,)
        cosines = (words @ images.values.flatten(0, 1).T).unflatten(1, images.mask.shape)  # (W, I, R)
        seen = cosines.relu()
        squares = seen.new_zeros(len(texts.mask), *seen.shape[1:]).index_add(0, sentence, seen.square())  # (N, I, R)
        among = seen * squares.clamp(min=TINY).rsqrt()[sentence]  # (W, I, R): of length 1 over a sentence's words
        return (self.sharpness * among).masked_fill(~images.mask, -torch.inf).softmax(dim=2), cosines

"""VSE and VSE++: one vector per picture and one per sentence, trained with a triplet loss.

Kiros et al. 2014, "Unifying Visual-Semantic Embeddings with Multimodal Neural Language Models" (UVSE: an LSTM, the sum
over all negatives); Faghri et al. 2018, "VSE++: Improving Visual-Semantic Embeddings with Hard Negatives" (a GRU, only
the hardest negative).
"""

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from wordsight.batch import Batch, LabelInfo, Regions, Vectors, Words
from wordsight.matching import losses, pooled
from wordsight.matching.matcher import Matcher
from wordsight.text.encoders import run_packed
from wordsight.vision.standardise import mean_and_scale

NETWORKS = {"gru": nn.GRU, "lstm": nn.LSTM}


class VSE(Matcher):
    """Visual-semantic embedding (VSE, VSE++).

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        embedding: D, size of the joint embedding space and of the recurrent state (the papers: 1024).
        words: E, size of a word vector (the papers: 300).
        encoder: `gru` (VSE, VSE++) or `lstm` (UVSE).
        loss: `ranking`, the sum over all wrong pairs of the batch, or `hardest`, the worst one on either side (VSE++).
        margin: alpha.
        pool: image features: those of the `whole` picture, or the `mean` over its regions.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        embedding: int = 1024,
        words: int = 300,
        encoder: Literal["gru", "lstm"] = "gru",
        loss: Literal["ranking", "hardest"] = "ranking",
        margin: float = 0.2,
        pool: pooled.Pool = "whole",
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, words)
        self.sentence = NETWORKS[encoder](words, embedding, batch_first=True)
        self.register_buffer("mean", torch.zeros(features))  # see `fit`
        self.register_buffer("scale", torch.ones(()))
        self.picture = nn.Linear(features, embedding)  # W_I
        nn.init.xavier_uniform_(self.picture.weight)
        nn.init.zeros_(self.picture.bias)  # else the bias would dominate at first, and all pictures would be alike
        self.objective, self.margin, self.pool = loss, margin, pool

    def encode_images(self, regions: Regions) -> Vectors:
        """Pictures as x = W_I q + b at length 1, with features q: regions (I, R, F) -> vectors (I, 1, D)."""
        features = (pooled.pooled(regions, self.pool) - self.mean) * self.scale
        return pooled.of_pictures(normalize(self.picture(features), dim=-1), regions)

    def encode_texts(self, words: Words) -> Vectors:
        """Sentences as v = h_T, the last state, at length 1: words (N, T) -> vectors (N, 1, D)."""
        lengths = words.mask.sum(dim=1)  # (N,)
        states = run_packed(self.sentence, self.words(words.ids), lengths)  # (N, T, D)
        last = states[torch.arange(len(states), device=states.device), lengths - 1]  # (N, D)
        return pooled.of_sentences(normalize(last, dim=-1), words)

    def loss_of_scores(self, scores: Tensor, picture: Tensor) -> Tensor:
        """Sum of max(0, alpha - s(x, v) + s(x, v')) over wrong sentences v', and the same over wrong pictures.

        s is the cosine. `hardest` takes the greatest term on either side instead of the sum (VSE++, equation 6).
        """
        return losses.ranking(scores, picture, margin=self.margin, hardest=self.objective == "hardest")

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Standardise features (mean 0, length 1 on average)."""
        whole = (pooled.pooled(batch.regions, self.pool) for batch in batches())
        self.mean, self.scale = mean_and_scale(whole)

"""DeFrag: a sentence is a bag of dependency triplets (relation, word, word), a picture a bag of regions.

Karpathy, Joulin & Fei-Fei 2014, "Deep Fragment Embeddings for Bidirectional Image Sentence Mapping", the predecessor
of DVSA. Besides the ranking objective it has a fragment objective: multiple-instance learning infers which region a
pair of words belongs to, alternating with updates of the weights.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from wordsight.batch import Batch, LabelInfo, Regions, Vectors, Words
from wordsight.matching import losses, score
from wordsight.matching.matcher import Matcher
from wordsight.matching.relations import by_relation
from wordsight.text.trees import RELATIONS, trees
from wordsight.vision.standardise import Standardise, of_regions


class DeFrag(Matcher):
    """Deep fragment embeddings.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        embedding: D, size of the joint embedding space of fragments.
        words: E, size of a word vector (200 in the paper, and fixed: `text.freeze`).
        beta: weight of the global objective relative to the fragment objective; 0 for none.
        margin: Delta of the global objective, in units of the normalised score.
        smoothing: n, added to every sentence's length; without it short sentences would score higher.
        infer_regions: infer which regions a fragment belongs to; else it belongs to all regions of its picture.
        dropout: of word vectors, 0 to 1.
        region_dropout: dropout of feature columns, the same ones in all regions of a picture.
    """

    rule = score.Rule(thresholded_sum=True)
    parsed = True

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        embedding: int = 512,
        words: int = 300,
        beta: float = 1.0,
        margin: float = 1.0,
        smoothing: float = 5.0,
        infer_regions: bool = True,
        dropout: float = 0.0,
        region_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, words)  # W_e
        self.weight = nn.Parameter(torch.randn(len(RELATIONS), embedding, 2 * words) * (2 * words) ** -0.5)  # W_R
        self.bias = nn.Parameter(torch.zeros(len(RELATIONS), embedding))  # b_R
        self.centred = Standardise(features, region_dropout)
        self.region = nn.Linear(features, embedding)  # W_m, b_m
        self.dropout = nn.Dropout(dropout)
        self.beta, self.margin, self.smoothing, self.infer_regions = beta, margin, smoothing, infer_regions

    def encode_images(self, regions: Regions) -> Vectors:
        """Fragments divided by the number of regions, v / |g_k|: regions (I, R, F) -> vectors (I, R, D).

        Dividing the vectors divides the score, as max(0, v . s) / c = max(0, v / c . s) for every c > 0.
        """
        values = self.seen(regions) / regions.mask.sum(dim=1)[:, None, None]
        return Vectors(values, regions.mask, regions.boxes)

    def encode_texts(self, words: Words) -> Vectors:
        """Fragments divided by the smoothed number of pairs, s / (|g_l| + n): words (N, T) -> vectors (N, T, D).

        Each word stands for one pair, whose span runs from one of its words to the other.
        """
        said, heads = self.said(words)
        here = torch.arange(words.ids.shape[1], device=heads.device)
        places = torch.stack([heads.minimum(here), heads.maximum(here) + 1], dim=-1)  # (N, T, 2)
        values = said.new_zeros(*words.mask.shape, said.shape[1])
        values[words.mask] = said
        return Vectors(values / self.lengths(words)[:, None, None], words.mask, places)

    def seen(self, regions: Regions) -> Tensor:
        """The fragments of pictures, v = W_m CNN(I_b) + b_m: regions (I, R, F) -> (I, R, D)."""
        return self.region(self.centred(regions.features))

    def said(self, words: Words) -> tuple[Tensor, Tensor]:
        """The fragments of sentences, s = relu(W_R [W_e w_1; W_e w_2] + b_R): words (N, T) -> (W, D), and heads (N, T).

        Each of the W real words is the w_2 of a pair, w_1 its head, R their relation. The root is paired with itself.
        """
        heads, relations = trees(words, self.training).unbind(dim=-1)  # (N, T) each
        pairs = torch.stack([words.ids.gather(1, heads), words.ids], dim=-1)[words.mask]  # (W, 2)
        embedded, related = self.dropout(self.words(pairs)).flatten(1), relations[words.mask]  # (W, 2 E), (W,)
        weights, biases = self.weight.unbind(), self.bias.unbind()

        def fragment(pair: Tensor, relation: int) -> Tensor:
            return nn.functional.linear(pair, weights[relation], biases[relation]).relu()

        return by_relation(embedded, related, fragment), heads

    def lengths(self, words: Words) -> Tensor:
        """|g_l| + n of each sentence: (N,)."""
        return words.mask.sum(dim=1) + self.smoothing

    def loss(self, batch: Batch) -> Tensor:
        """C_F + beta C_G, both from the same products v . s; C_F takes them undivided."""
        said, _ = self.said(batch.words)
        products = (self.seen(batch.regions) @ said.T).float()  # (I, R, W)
        sentence = batch.words.mask.nonzero()[:, 0]  # (W,): the sentence of each pair
        loss = self.fragments(products, batch.regions.mask, batch.picture[sentence])
        if self.beta:
            sums = products.relu().masked_fill(~batch.regions.mask[:, :, None], 0).sum(dim=1)  # (I, W)
            scores = sums.new_zeros(len(sums), len(batch.picture)).index_add(1, sentence, sums)
            scores = scores / batch.regions.mask.sum(dim=1)[:, None] / self.lengths(batch.words)
            loss = loss + self.beta * losses.ranking(scores, batch.picture, margin=self.margin)
        return loss

    def fragments(self, products: Tensor, mask: Tensor, picture: Tensor) -> Tensor:
        """The fragment alignment objective C_F: sum over regions i and pairs of words j of max(0, 1 - y_ij v_i . s_j).

        Negatives outnumber positives by hundreds, so the mean of each kind replaces its sum.

        Args:
            products: (I, R, W) v . s of regions with pairs of words.
            mask: (I, R) bool, real regions.
            picture: (W,) the matching picture of each pair of words.
        """
        right, real = self.belongs(products.detach(), mask, picture), mask[:, :, None]
        hinges = (1 - torch.where(right, products, -products)).relu()
        wrong = real & ~right
        return (hinges * right).sum() / right.sum() + (hinges * wrong).sum() / wrong.sum().clamp(min=1)

    def belongs(self, products: Tensor, mask: Tensor, picture: Tensor) -> Tensor:
        """Where y_ij is 1: (I, R, W) bool; elsewhere it is -1. Arguments as in `fragments`.

        With `infer_regions`, one step of mi-SVM (Andrews et al. 2003): in a pair's own picture, y is 1 for regions with
        a product above zero, and always for the region with the greatest product.
        """
        words = torch.arange(len(picture), device=picture.device)
        own = products[picture, :, words]  # (W, R): products with the regions of the matching picture
        right = mask[picture]
        if self.infer_regions:
            best = own.masked_fill(~right, -torch.inf).argmax(dim=1, keepdim=True)
            right = right & ((own > 0) | torch.zeros_like(right).scatter(1, best, True))
        found = torch.zeros_like(products, dtype=torch.bool)
        found[picture, :, words] = right
        return found

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Standardise the features."""
        self.centred.fit(of_regions(batches()))

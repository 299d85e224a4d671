"""SDT-RNN: a sentence is one vector, composed along its dependency tree; a picture is one vector.

Socher, Karpathy, Le, Manning & Ng 2014, "Grounded Compositional Semantics for Finding and Describing Images with
Sentences" (TACL). A word's matrix depends on its relation to its head, not word order; the root sums up the sentence.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from wordsight.batch import Batch, LabelInfo, Regions, Vectors, Words
from wordsight.matching import losses, pooled
from wordsight.matching.matcher import Matcher
from wordsight.matching.relations import by_relation
from wordsight.text.trees import RELATIONS, trees
from wordsight.vision.standardise import Standardise, of_whole_pictures

REACH = 4  # with `matrices = "position"`, number of nearest children on either side with their own matrices


class SDTRNN(Matcher):
    """Semantic dependency tree RNN (SDT-RNN), and the DT-RNN.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        embedding: D, size of a sentence's vector and of all tree nodes.
        words: E, size of a word vector.
        matrices: what selects a child's matrix: its `relation` to its head (SDT-RNN), or its `position` among the
            children on its side (DT-RNN).
        margin: Delta of the ranking objective.
        dropout: of word vectors, 0 to 1.
        region_dropout: dropout of the columns of a picture's features.
    """

    parsed = True

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        embedding: int = 512,
        words: int = 300,
        matrices: Literal["relation", "position"] = "relation",
        margin: float = 1.0,
        dropout: float = 0.0,
        region_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, words)  # x
        self.word = nn.Linear(words, embedding, bias=False)  # W_v
        kinds = len(RELATIONS) if matrices == "relation" else 2 * REACH
        self.child = nn.Parameter(torch.eye(embedding).repeat(kinds, 1, 1))  # W_rel: initially, all words are averaged
        self.centred = Standardise(features, region_dropout, columns=True)
        self.picture = nn.Linear(features, embedding)  # W_I
        self.dropout = nn.Dropout(dropout)
        self.matrices, self.margin = matrices, margin

    def encode_images(self, regions: Regions) -> Vectors:
        """The whole picture z as v = W_I z: regions (I, R, F) -> vectors (I, 1, D)."""
        return pooled.of_pictures(self.picture(self.centred(regions.whole[:, None]))[:, 0], regions)

    def encode_texts(self, words: Words) -> Vectors:
        """The root's vector: words (N, T) -> vectors (N, 1, D).

        h_i = tanh((W_v x_i + sum over children j of l(j) W_rel(i,j) h_j) / l(i)), with l(i) the size of the subtree of
        word i. Computed from the deepest words up, all words of one depth at once.
        """
        tree = trees(words, self.training)
        heads = tree[..., 0] + torch.arange(len(tree), device=tree.device)[:, None] * tree.shape[1]  # among all N T
        heads, mask = heads.flatten(), words.mask.flatten()
        kinds = (tree[..., 1] if self.matrices == "relation" else positions(tree[..., 0], words.mask)).flatten()
        depth = depths(heads).masked_fill(~mask, -1)  # (N T,)
        own = self.word(self.dropout(self.words(words.ids))).flatten(0, 1)  # (N T, D): W_v x
        children = self.child.unbind()
        level = (depth == depth.max()).nonzero()[:, 0]  # the deepest words, in order
        given, sizes = torch.zeros_like(own[level]), torch.ones_like(own[level, :1])  # sums over children, and l
        while True:
            states = torch.tanh((own[level] + given) / sizes)  # (words of the level, D): h
            if depth[level[0]] == 0:
                break
            messages = by_relation(sizes * states, kinds[level], lambda rows, kind: rows @ children[kind].T)
            above = (depth == depth[level[0]] - 1).nonzero()[:, 0]
            head = torch.searchsorted(above, heads[level])
            given = torch.zeros_like(own[above]).index_add(0, head, messages)
            sizes = torch.ones_like(own[above, :1]).index_add(0, head, sizes)
            level = above
        return pooled.of_sentences(states, words)

    def loss_of_scores(self, scores: Tensor, picture: Tensor) -> Tensor:
        """The ranking objective in both directions, summed over negatives."""
        return losses.ranking(scores, picture, margin=self.margin)

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Standardise the features of whole pictures, column by column."""
        self.centred.fit(of_whole_pictures(batches()))


def depths(heads: Tensor) -> Tensor:
    """Depths of words in their trees: heads (W,), as indices of words, a root being its own head -> (W,)."""
    depth, here = torch.zeros_like(heads), heads
    place = torch.arange(len(heads), device=heads.device)
    while (rising := here != place).any():
        depth, place, here = depth + rising, here, heads[here]
    return depth


def positions(heads: Tensor, mask: Tensor) -> Tensor:
    """Each word's position among its head's children: from 0, the nearest, on the left; from `REACH` on the right.

    Args:
        heads: (N, T) indices of words in the sentence.
        mask: (N, T) bool.

    Returns:
        (N, T) int64, 0 to 2 REACH - 1; farther children count as the last within `REACH`.
    """
    place = torch.arange(heads.shape[1], device=heads.device)
    sister = (heads[:, :, None] == heads[:, None]) & mask[:, None]  # (N, T, T): has the same head as the row's word
    between = (place - place[:, None]) * torch.where(place < heads, 1, -1)[:, :, None] > 0  # nearer to the head
    side = (place < heads)[:, :, None] == (place < heads)[:, None]
    order = (sister & between & side & (place != heads)[:, None]).sum(dim=2).clamp(max=REACH - 1)  # (N, T)
    return order + REACH * (place > heads)

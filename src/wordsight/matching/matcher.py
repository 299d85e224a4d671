"""Base class of matchers: two encoders, a score of their vectors, and a loss."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from wordsight.batch import Batch, LabelInfo, Regions, Vectors, Words
from wordsight.configured import Configured
from wordsight.matching import score
from wordsight.matching.query_bank import QueryBank

UNKNOWN = 1  # id of the unknown word in every vocabulary


class Step(NamedTuple):
    """Attention weights of one step; on each side they sum to 1, and are 0 in the padding.

    Attributes:
        words: (B, T).
        regions: (B, R).
    """

    words: Tensor
    regions: Tensor


class Matcher(Configured):
    """Base class of image-sentence matchers: does this sentence fit this picture?

    A subclass defines `encode_images`, `encode_texts` and `loss_of_scores`, and inherits the rest. Its constructor's
    plain keywords are its hyper-parameters, which `config` holds. `rule` says how words make a score.
    """

    task = "align"  # a key of `runs.tasks.TASKS`
    rule: score.Rule | None = score.Rule()  # None for a subclass with its own score: it cannot be indexed
    query_bank: QueryBank | None  # see `query_bank.py`
    parsed = False  # whether it reads the dependency trees of `Words`
    of_words: Mapping[str, int] = {"words.weight": 0}  # tensors with an entry per word -> the dimension of entries

    def __init__(self) -> None:
        super().__init__()
        self.query_bank = None

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Fit closed-form parts once, before the first training step; by default do nothing.

        Args:
            batches: each call gives every picture of the training split with all its sentences.
            labels: the detector's labels of regions; None without a detector.
        """

    def adopt(self, trained: "Matcher", rows: Tensor) -> None:
        """Warm start instead of `fit`: take over a trained model's weights, and add new words.

        Sentences of words known to the trained model keep their scores. A subclass lists its tensors with an entry per
        word in `of_words`, and overrides this method where that is not enough.

        Args:
            trained: of the same class and keywords; its vocabulary has U words.
            rows: (V,) int64, which of the U words each word here starts from: itself, or the unknown word.

        Raises:
            RuntimeError: any other tensor differs in size.
        """
        state, mine = trained.state_dict(), self.state_dict()
        for name, along in self.of_words.items():
            if name in state:  # some tensors have entries only for trained words, the first ones
                some = rows[: mine[name].shape[along]]
                known = some < state[name].shape[along]
                state[name] = state[name].index_select(along, torch.where(known, some, UNKNOWN))
        self.load_state_dict(state)

    @torch.no_grad()
    def refresh(self, pictures: Callable[[int], Iterable[Batch]]) -> None:
        """Update what depends on the training split before scoring; by default fill the query bank, if there is one.

        Args:
            pictures: called with a number, gives at most that many training pictures, always the same, with some
                sentences of each.
        """
        bank = self.query_bank
        if bank is not None:
            device = next(self.parameters()).device
            here = [batch.to(device) for batch in pictures(bank.size)]
            bank.fill([self.encode_images(batch.regions) for batch in here], [batch.words for batch in here])

    def clear_query_bank(self) -> None:
        """Empty the query bank: no hubness correction, which saves time and changes no alignment."""
        if self.query_bank is not None:
            self.query_bank.clear()

    def image_vectors(self, regions: Regions) -> Vectors:
        """`encode_images` for scoring: adds each picture's hubness if there is a query bank."""
        images = self.encode_images(regions)
        return images if self.query_bank is None else self.query_bank.of_images(images, self.score, self.encode_texts)

    def text_vectors(self, words: Words) -> Vectors:
        """`encode_texts` for scoring: adds each sentence's hubness if there is a query bank."""
        texts = self.encode_texts(words)
        return texts if self.query_bank is None else self.query_bank.of_texts(texts, self.score)

    def encode_images(self, regions: Regions) -> Vectors:
        """Regions (I, R, F) -> vectors (I, R, D), each placed at its box."""
        raise TypeError(f"{type(self).__name__} has no encode_images")

    def encode_texts(self, words: Words) -> Vectors:
        """Words (N, T) -> vectors (N, K, D), each placed at a span of words; together the spans cover all words."""
        raise TypeError(f"{type(self).__name__} has no encode_texts")

    def score(self, images: Vectors, texts: Vectors) -> Tensor:
        """Score every picture with every sentence: (I, N), greater fits better."""
        if self.rule is None:
            raise TypeError(f"{type(self).__name__} has no score")
        return score.sum_of_max(images, texts, mean=self.rule.mean, thresholded_sum=self.rule.thresholded_sum)

    def evidence(self, images: Vectors, texts: Vectors) -> Tensor:
        """Word-region scores of each picture with the sentence in the same row.

        Returns:
            (B, T, R), `score.word_regions` unless a subclass scores pairs jointly.
        """
        return score.word_regions(images, texts)

    def steps(self, images: Vectors, texts: Vectors) -> list[Step]:
        """Attention steps of a model that attends several times, one pair per row; by default none."""
        return []

    def loss(self, batch: Batch) -> Tensor:
        """What training minimises on this batch, a scalar; by default `loss_of_scores` of all its pairs.

        A subclass whose loss is not a function of the scores overrides this; several processes cannot train it together
        (`training/parallel.py`).
        """
        scores = self.score(self.encode_images(self.glimpse(batch.regions)), self.encode_texts(batch.words))
        return self.loss_of_scores(scores, batch.picture)

    def glimpse(self, regions: Regions) -> Regions:
        """The regions used in a training step: (I, R, F) -> (I, K, F); by default all."""
        return regions

    def loss_of_scores(self, scores: Tensor, picture: Tensor) -> Tensor:
        """The loss of a batch from its scores, a scalar.

        Args:
            scores: (I, N), every picture with every sentence.
            picture: (N,) int64, the right picture of each sentence.
        """
        raise TypeError(f"{type(self).__name__} has no loss")

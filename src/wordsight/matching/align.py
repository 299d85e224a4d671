"""DVSA: word-region alignment learned from pictures and sentences, without annotated boxes. Read this file first.

Karpathy & Fei-Fei 2015, "Deep Visual-Semantic Alignments for Generating Image Descriptions", equations 1 to 9. A
picture is a bag of regions and a sentence is a row of words, both embedded in one space. The dot product of a word and
a region says how well the word names the region; a picture fits a sentence if every word finds its region there.
Training only asks that a sentence's own picture fits better than the others: the alignment itself is latent.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import Batch, LabelInfo, Regions, Vectors, Words
from wordsight.matching import losses, score
from wordsight.matching.lexicon import Lexicon
from wordsight.matching.matcher import UNKNOWN, Matcher
from wordsight.matching.meaning import Meaning
from wordsight.matching.query_bank import QueryBank
from wordsight.text.encoders import ENCODERS
from wordsight.vision.standardise import mean_and_scale, of_regions

STRANGE = 0.1  # share of a training sentence's words that are read as the unknown word; see `_read`


class Align(Matcher):
    """The DVSA alignment model.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        embedding: D, size of the joint embedding space (h in the paper: 1000 to 1600).
        words: E, size of a word vector (the paper's are 300).
        hidden: H, size of the recurrent state (300 to 600 in the paper).
        encoder: `brnn` (equations 2-6), `gru`, or `bag` (words without context).
        loss: `ranking` (equation 9), `hardest` (only its worst violation, VSE++) or `contrastive` (InfoNCE).
        margin: of the ranking losses.
        temperature: of the contrastive loss.
        normalise: scale vectors of both sides to length 1; the paper does not.
        mean: score by the mean over words instead of equation 8's sum.
        thresholded_sum: score by equation 7 instead of 8.
        dropout: on the sentence's side, everywhere except on recurrent links, 0 to 1.
        region_dropout: dropout of feature columns, the same ones in all regions of a picture.
        context: add a separate linear map of the first region, the whole picture, to every region. What all regions
            share does not change any word's best region, so it helps ranking without blurring the evidence.
        sampled_regions: regions of each picture in a training step: the first, and others at random; 0 for all.
        lexicon_weight: weight of the closed-form tables of `lexicon.py`; 0 for none. Halved in training, as the learned
            weights would otherwise cancel part of them.
        query_bank: pictures of the training split in the query bank (`query_bank.py`), with two sentences each; 0 for
            none. tau is twice the temperature; only with the contrastive loss.
        query_bank_regions: number of regions kept of each of these pictures, the first ones; 0 for all.
        meaning_weight: weight of the classifier's evidence of `meaning.py`; halved in training.
        labels: L, number of detector labels, the last feature columns.
        meanings: M, number of columns before these that hold the region's word vector; 0 for a closed vocabulary.
        trained: number of words in the training split, the first of the vocabulary; 0 for all. The others have only a
            word vector.
    """

    mean: Tensor
    scale: Tensor
    of_words = {  # noqa: RUF012
        "words.weight": 0,
        "lexicon.named": 1,
        "lexicon.said": 1,
        "meaning.vectors": 0,
        "meaning.silent": 0,
    }

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        embedding: int = 512,
        words: int = 300,
        hidden: int = 512,
        encoder: Literal["brnn", "gru", "bag"] = "brnn",
        loss: Literal["ranking", "hardest", "contrastive"] = "ranking",
        margin: float = 1.0,
        temperature: float = 0.05,
        normalise: bool = False,
        mean: bool = False,
        thresholded_sum: bool = False,
        dropout: float = 0.0,
        region_dropout: float = 0.0,
        context: bool = False,
        sampled_regions: int = 0,
        lexicon_weight: float = 0.0,
        query_bank: int = 0,
        query_bank_regions: int = 0,
        meaning_weight: float = 0.0,
        labels: int = 0,
        meanings: int = 0,
        trained: int = 0,
    ) -> None:
        super().__init__()
        if temperature <= 0 or sampled_regions < 0 or query_bank < 0 or query_bank_regions < 0:
            found = f"temperature = {temperature}, sampled_regions = {sampled_regions}, query_bank = {query_bank}"
            raise ValueError(f"{found}, query_bank_regions = {query_bank_regions}: expected above 0, and at least 0")
        if query_bank and loss != "contrastive":
            raise ValueError(f"query_bank = {query_bank}: expected loss = 'contrastive', whose temperature it takes")
        self.trained = trained or vocabulary
        self.words = nn.Embedding(self.trained, words)  # W_w, equation 2
        columns = slice(features - labels - meanings, features - labels)  # of a region's word vector
        self.meaning = Meaning(vocabulary, columns, meaning_weight) if meanings else None
        self.read = nn.Linear(meanings, words, bias=False) if meanings else None
        self.sentence = ENCODERS[encoder](words, hidden, embedding, dropout)
        self.register_buffer("mean", torch.zeros(features))  # see `fit`
        self.register_buffer("scale", torch.ones(()))
        self.region = nn.Linear(features, embedding)  # W_m, b_m of equation 1
        self.context = nn.Linear(features, embedding, bias=False) if context else None
        self.sampled_regions = sampled_regions
        self.dropout, self.region_dropout = nn.Dropout(dropout), nn.Dropout(region_dropout)
        self.lexicon = Lexicon(features, labels, self.trained, lexicon_weight) if lexicon_weight else None
        self.query_bank = QueryBank(query_bank, 2 * temperature, query_bank_regions) if query_bank else None
        self.normalise, self.rule = normalise, score.Rule(mean, thresholded_sum)
        self.objective, self.margin, self.temperature = loss, margin, temperature

    def encode_images(self, regions: Regions) -> Vectors:
        """Equation 1, v = W_m CNN(I_b) + b_m: regions (I, R, F) -> vectors (I, R, D), plus closed-form evidence."""
        features = self._drop((regions.features - self.mean) * self.scale)
        values = self.region(features)  # (I, R, D)
        if self.context is not None:
            values = values + self.context(features[:, :1])
        known = [part.encode_images(regions) for part in self._evidence]
        return Vectors(torch.cat([self._finish(values), *known], dim=-1), regions.mask, regions.boxes)

    def encode_texts(self, words: Words) -> Vectors:
        """s_t, equations 2 to 6: words (N, T) -> vectors (N, T, D), plus closed-form evidence."""
        embedded = self.dropout(self._read(words.ids))  # (N, T, E)
        values = self._finish(self.sentence(embedded, words.mask.sum(dim=1)))
        known = [part.encode_texts(words) for part in self._evidence]
        return Vectors(torch.cat([values, *known], dim=-1), words.mask, score.spans(words.mask))

    @property
    def _evidence(self) -> list[Lexicon | Meaning]:
        """Closed-form evidence about words and regions, which adds columns to their vectors."""
        return [part for part in (self.lexicon, self.meaning) if part is not None]

    def glimpse(self, regions: Regions) -> Regions:
        """In training, `sampled_regions` regions if not 0: the first, and others at random; else all regions."""
        return some(regions, self.sampled_regions) if self.training and self.sampled_regions else regions

    def loss_of_scores(self, scores: Tensor, picture: Tensor) -> Tensor:
        """The ranking objective, equation 9, or the contrastive loss."""
        if self.objective == "contrastive":
            return losses.contrastive(scores, picture, temperature=self.temperature)
        return losses.ranking(scores, picture, margin=self.margin, hardest=self.objective == "hardest")

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Standardise features (mean 0, length 1 on average), then fit the lexicon."""
        self.mean, self.scale = mean_and_scale(of_regions(batches()))
        if self.lexicon is not None:
            self.lexicon.fit(batches(), labels)

    def read_word_table(self, meanings: Tensor, silent: Tensor) -> None:
        """Store the vocabulary's vectors (V, M) from the word table, and its mask (V,) of function words."""
        if self.meaning is not None:
            self.meaning.set(meanings, silent)

    def _drop(self, features: Tensor) -> Tensor:
        """Drop the same feature columns in all regions of a picture: (I, R, F) -> (I, R, F)."""
        return features * self.region_dropout(torch.ones_like(features[:, :1]))

    def _read(self, ids: Tensor) -> Tensor:
        """Word vectors (N, T, E): trained embeddings plus mapped vectors of the word table.

        Training reads some words as unknown, so that the table's vector alone suffices for untrained words.
        """
        if self.meaning is None or self.read is None:
            return self.words(ids)
        strange = ids >= self.trained
        if self.training:
            strange = strange | (torch.rand(ids.shape, device=ids.device) < STRANGE)
        return self.words(ids.masked_fill(strange, UNKNOWN)) + self.read(self.meaning.of(ids))

    def _finish(self, values: Tensor) -> Tensor:
        return functional.normalize(values, dim=-1) if self.normalise else values


def some(regions: Regions, count: int) -> Regions:
    """Sample `count` regions, the same for every picture: the first, and others at random."""
    others = torch.randperm(regions.mask.shape[1] - 1)[: count - 1] + 1
    chosen = torch.cat([torch.zeros(1, dtype=torch.long), others]).to(regions.mask.device)
    return Regions(regions.features[:, chosen], regions.mask[:, chosen], regions.boxes[:, chosen])

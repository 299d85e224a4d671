"""A captioner on detected concepts, which can also learn from sentences without pictures.

Its input is not the features but the probability of each of the K commonest words (`word_detector.py`; Fang et al.
2015, You et al. 2016) and a few principal components of the features. Both can be synthesised for sentences without
a picture: the word shares of one picture's sentences, mapped by a ridge regression fitted on real pictures, plus the
residual of a random picture:

    seen(picture)   = A said(picture) + c + error(picture)           fitted by ridge regression
    seen(sentences) = A said(sentences) + c + error(random picture)

So the captioner learns how far to trust detected words: words of a sentence may be detected faintly or missed, and
similar words may be detected as well. CapDec (Nukrai et al. 2022) does this with sentence vectors and plain noise,
ViECap (Fei et al. 2023) with names of things dropped at random.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional

from wordsight.batch import Batch, LabelInfo, Regions, Words
from wordsight.captioning.captioner import framed, full
from wordsight.captioning.lstm import ShowAndTell
from wordsight.captioning.word_detector import WordDetector

OTHERS = 512  # words sampled for the training softmax, beside those of the batch
FIRST = 2  # the commonest word's id: before it are "<end>" and "<unk>"
RIDGE = 5.0  # penalty of the map from words to inputs


class Concepts(ShowAndTell):
    """The LSTM captioner on detected words.

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        concepts: K, number of words that are detected, the commonest ones.
        components: P, number of principal components of the features.
        rank: rank of the word detector.
        words: E, size of a word vector.
        hidden: H, size of the recurrent state.
        dropout: probability, 0 to 1, everywhere except on recurrent connections.
        labels: L, number of the features that are detector labels.
        meanings: M, number of the features that are the region's word vector.
    """

    basis: Tensor  # (D, P)

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        concepts: int = 1000,
        components: int = 128,
        rank: int = 192,
        words: int = 256,
        hidden: int = 384,
        dropout: float = 0.3,
        labels: int = 0,
        meanings: int = 0,
    ) -> None:
        if concepts < 1 or components < 1 or rank < 1:
            found = f"concepts = {concepts}, components = {components}, rank = {rank}"
            raise ValueError(f"{found}: expected at least 1")
        self.concepts = min(concepts, vocabulary - FIRST)
        size = features + labels
        self.components = min(components, size)
        super().__init__(
            vocabulary, self.concepts + self.components, words=words, hidden=hidden, image="every", dropout=dropout
        )
        self.detector = WordDetector(features, labels, meanings, self.concepts, rank)
        self.register_buffer("basis", torch.zeros(size, self.components))
        self.basis.diagonal().fill_(1)
        self._fitted: tuple[Tensor, Tensor, Tensor] | None = None

    def read_word_table(self, meanings: Tensor, function_words: Tensor) -> None:
        """Take the words' vectors (V, M), of length 1 or 0; `function_words` is not used."""
        self.detector.names.copy_(meanings[FIRST : FIRST + self.concepts])

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Fit the word detector and the map from words to inputs, then as the base class; before the first step."""
        looks, alike, said = [], [], []
        for batch in batches():
            looks.append(self.detector.look(batch.regions))
            alike.append(self.detector.resemblance(batch.regions))
            said.append(shares(batch.words, batch.picture, len(batch.regions.mask), self.concepts))
        looked = torch.cat(looks)
        told = torch.cat(said).to(looked.dtype)
        odds = self.detector.fit(looked, torch.cat(alike), told)
        centred = looked - self.detector.mean
        strength, basis = torch.linalg.eigh(centred.T @ centred / len(looked))  # weakest first
        told_apart = odds.sigmoid().sqrt().var(dim=0, correction=0).sum()
        evenly = told_apart / strength[-self.components :].sum().clamp(min=1e-9)
        self.basis.copy_(basis[:, -self.components :] * evenly.sqrt())  # components vary as much as the words do
        found = torch.cat([odds, centred @ self.basis], dim=1)  # (I, K + P), as if these pictures were new
        given = torch.cat([told, torch.ones_like(told[:, :1])], dim=1)
        penalty = RIDGE * torch.eye(given.shape[1], dtype=given.dtype)
        mapped = torch.linalg.solve(given.T @ given + penalty, given.T @ found)  # (K + 1, K + P), A and c
        self._fitted = found, mapped, found - given @ mapped
        super().fit(batches, labels)

    def lessons(self, texts: Words | None, picture: Tensor | None) -> "Lessons":
        """Training data: the pictures of `fit`, cross-fitted, and sentences without pictures.

        Args:
            texts: sentences without pictures (N, T), or None.
            picture: (N,), the picture of each sentence, numbered from 0 in order; or None.

        Raises:
            ValueError: `fit` was not called.
        """
        if self._fitted is None:
            raise ValueError("lessons come after the fit")
        return Lessons(*self._fitted, texts, picture)

    def loss(self, batch: Batch, weights: Tensor | None = None) -> Tensor:
        """Mean cross-entropy per word; in training without weights, estimated by a sampled softmax.

        That softmax is over the words of the batch and a random sample of others, reweighted to stand for the rest
        (importance sampling, Bengio and Senecal 2003).
        """
        if weights is not None or not self.training:
            return super().loss(batch, weights)
        _, right, mask = framed(batch.words)
        said, place = right[mask].unique(return_inverse=True)
        rest = torch.ones(len(self.output.bias), dtype=torch.bool, device=said.device)
        rest[said] = False
        others = rest.nonzero()[:, 0]
        drawn = others[torch.randperm(len(others), device=said.device)[:OTHERS]]
        chosen = torch.cat([said, drawn])
        bias = self.output.bias[chosen]
        if len(drawn):
            bias = torch.cat([bias[: len(said)], bias[len(said) :] + math.log(len(others) / len(drawn))])
        logits = functional.linear(self.hear(batch), self.output.weight[chosen], bias)
        return functional.cross_entropy(full(logits), place)

    def _view(self, regions: Regions) -> Tensor:
        """Regions -> (I, K + P): square roots of probabilities, so that faint ones count, and principal components."""
        if isinstance(regions, Seen):
            found = regions.whole
        else:
            looks = self.detector.look(regions)
            odds = self.detector(looks, self.detector.resemblance(regions))
            found = torch.cat([odds, (looks - self.detector.mean) @ self.basis], dim=1)
        odds, components = found.split([self.concepts, self.components], dim=1)
        return torch.cat([odds.sigmoid().sqrt(), components], dim=1)


class Seen(Regions):
    """Inputs computed beforehand: features (I, 1, K + P) are log-odds of words, and principal components."""


class Lessons:
    """Training data, as a table of `Seen`.

    Args:
        real: (I, K + P), inputs of real pictures.
        mapped: (K + 1, K + P), A and c.
        errors: (I, K + P), residuals of that map.
        texts: (N, T) sentences of J missing pictures, which come after the others; each `gather` synthesises their
            inputs anew.
        picture: (N,), the missing picture, 0 to J - 1, of each sentence.
    """

    def __init__(
        self, real: Tensor, mapped: Tensor, errors: Tensor, texts: Words | None = None, picture: Tensor | None = None
    ) -> None:
        self._real, self._mapped, self._errors = real, mapped, errors
        self._texts, self._picture = texts, picture

    def __len__(self) -> int:
        """Number of pictures, I + J."""
        return len(self._real) + (0 if self._picture is None else int(self._picture[-1]) + 1)

    def gather(self, indices: Tensor, places: Tensor | None = None) -> Seen:
        """See `Table.gather`; uses torch's global random generator."""
        without = indices >= len(self._real)
        seen = self._real[indices.masked_fill(without, 0)]
        if without.any():
            seen[without] = self._made_up(indices[without] - len(self._real))
        there = torch.ones(len(seen), 1, dtype=torch.bool)
        return Seen(seen[:, None], there, torch.zeros(len(seen), 1, 4))

    def _made_up(self, rows: Tensor) -> Tensor:
        """Synthesise the inputs of missing pictures (J',): (J', K + P)."""
        assert self._texts is not None
        assert self._picture is not None
        order = rows.argsort()
        chosen = torch.isin(self._picture, rows)
        picture = torch.searchsorted(rows[order], self._picture[chosen])
        said = torch.empty(len(rows), len(self._mapped) - 1)
        said[order] = shares(self._texts[chosen], picture, len(rows), len(self._mapped) - 1)
        lot = torch.randint(len(self._errors), (len(rows),))
        return said @ self._mapped[:-1] + self._mapped[-1] + self._errors[lot]


def shares(words: Words, picture: Tensor, pictures: int, concepts: int) -> Tensor:
    """The share of each picture's sentences that have each of the commonest words.

    Args:
        words: (N, T).
        picture: (N,), each sentence's picture.
        pictures: I.
        concepts: K.

    Returns:
        (I, K).
    """
    ids = torch.where(words.mask & (words.ids < FIRST + concepts), words.ids, 0).sort(dim=1).values
    ids[:, 1:] *= ids[:, 1:] != ids[:, :-1]  # a word counts once a sentence
    sentence, place = (ids >= FIRST).nonzero(as_tuple=True)
    each = 1 / torch.bincount(picture, minlength=pictures).clamp(min=1)
    found = torch.zeros(pictures, concepts)
    where = picture[sentence]
    return found.index_put_((where, ids[sentence, place] - FIRST), each[where], accumulate=True)

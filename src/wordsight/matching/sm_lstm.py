"""Selective multimodal LSTM (sm-LSTM): attends to a picture and a sentence in several steps, with memory.

Huang, Wang and Wang 2017, "Instance-aware Image and Sentence Matching with Selective Multimodal LSTM". Instances are
regions a_i and words w_j; m and n, the whole picture and the whole sentence, are the context. At each step t

    p_i  = softmax over regions of  f_p . sigma((m M_p + a_i A_p + b_p) * (1 + h_{t-1} H_p))      where it looks
    q_j  = softmax over words of    f_q . sigma((n M_q + w_j A_q + b_q) * (1 + h_{t-1} H_q))      what it reads
    a'_t = m + sum over i of p_i a_i,   w'_t = n + sum over j of q_j w_j
    s_t  = fit(a'_t, w'_t),         h_t = LSTM(s_t, h_{t-1}),         S = MLP(h_T) + mean over t of mean(s_t)

with fit(a', w') = H (a' U + c) / |a' U + c| * (w' V + d) / |w' V + d|, elementwise, whose mean is a cosine. (The paper
uses a perceptron on both sides, which would first have to learn to compare them. For the same reason the mean of these
cosines is added to the score, which is MLP(h_T) alone in the paper.)

The paper prints f . (sigma(m M) + sigma(a_i A) + sigma(h H)). A constant added to all terms does not change a softmax,
so m and h, the same for all i, would drop out, and every step would attend alike. They matter only inside one sigma, as
here; h by an elementwise product, which moves the weights between steps more than a sum does.

m has its own standardisation and projection: relative to the mean of all regions, whole pictures are nearly alike.

h depends on picture and sentence, so every pair is computed separately and cannot be indexed. Only the first step is
the same for all pairs, as h_0 = 0.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wordsight.batch import Batch, LabelInfo, Regions, Vectors, Words
from wordsight.matching import losses, pooled
from wordsight.matching.matcher import Matcher, Step
from wordsight.matching.score import spans, word_shares
from wordsight.text.encoders import run_packed
from wordsight.vision.standardise import Standardise, of_regions, of_whole_pictures

TOGETHER = 2**17  # regions of pairs processed at once: A numbers of each fit the processor's cache

Shares = Callable[[Tensor], Tensor]  # states (I, N, H), or (1, 1, H) of the first step -> weights (I, N, K)


class Walk(NamedTuple):
    """All attention steps of I pictures and N sentences.

    Attributes:
        scores: (I, N).
        regions: p of each step, (I, N, R), or (I, 1, R) if it is the same for all sentences.
        words: q of each step, (I, N, T), or (1, N, T) if it is the same for all pictures.
    """

    scores: Tensor
    regions: list[Tensor]
    words: list[Tensor]


class Attention(nn.Module):
    """Attention over the parts of one side: softmax over parts of f . sigma(context M + part A + state H + b)."""

    def __init__(self, size: int, state: int, hidden: int, *, context: bool) -> None:
        super().__init__()
        self.part = nn.Linear(size, hidden)  # A, b
        self.context = nn.Linear(size, hidden, bias=False) if context else None  # M
        self.state = nn.Linear(state, hidden, bias=False)  # H
        self.vote = nn.Linear(hidden, 1, bias=False)  # f
        nn.init.normal_(self.vote.weight)  # the default is so small that all parts get nearly equal weights

    def known(self, parts: Tensor, context: Tensor) -> Tensor:
        """The terms that do not depend on the state: parts (B, K, D) and their context (B, D) -> (B, K, A)."""
        with torch.autocast(parts.device.type, enabled=False):
            kind = self.vote.weight.dtype
            known = self.part(parts.to(kind))
            return known if self.context is None else known + self.context(context.to(kind))[:, None]

    def forward(self, known: Tensor, state: Tensor, mask: Tensor) -> Tensor:
        """`known` (..., K, A), states (..., H) and a mask (..., K), which broadcast -> weights (..., K) float32."""
        with torch.autocast(known.device.type, enabled=False):  # in bfloat16 few of these values would differ
            kind = self.vote.weight.dtype
            known, state = known.to(kind), self.state(state.to(kind))[..., None, :]
            votes = self.vote(torch.sigmoid(known * (1 + state)))[..., 0]
        return votes.float().masked_fill(~mask, -torch.inf).softmax(dim=-1)


class SMLSTM(Matcher):
    """Selective multimodal LSTM (sm-LSTM).

    Args:
        vocabulary: V, number of words.
        features: F, size of a region's features.
        embedding: D, size of a region's vector and of a word's (both LSTM directions concatenated); even.
        words: E, size of a word vector.
        hidden: H, size of the LSTM's state and of s_t (1024 in the paper).
        attention: A, size of the attention's hidden layer, inside sigma.
        steps: attention steps, at least 1 (3 is the paper's best).
        variant: `full`; `att`, attention without m and n; `ctx`, only m and n, without attention; `mean`, the mean of
            the regions and of the words.
        penalty: lambda, at least 0: weight of the coverage penalty, sum over i of (1 - sum over steps of p_i)^2 and the
            same for q, averaged over the positive pairs.
        cosine: add the mean of the cosines to the score; else it is MLP(h_T) alone, as in the paper.
        loss: `ranking`, the sum of violations, as in the paper; or `hardest`, the worst on either side.
        warmup: number of batches trained on the sum of violations before switching to `hardest`; an untrained model
            collapses under hardest negatives (Chen et al. 2021, VSE-infinity).
        margin: of either loss.
        dropout: of word vectors and of the words' states, 0 to 1.
        region_dropout: dropout of feature columns, the same ones in all regions of a picture.
    """

    rule = None
    batches: Tensor

    def __init__(
        self,
        vocabulary: int,
        features: int,
        *,
        embedding: int = 512,
        words: int = 300,
        hidden: int = 128,
        attention: int = 32,
        steps: int = 3,
        variant: Literal["full", "att", "ctx", "mean"] = "full",
        penalty: float = 0.0,
        cosine: bool = True,
        loss: Literal["ranking", "hardest"] = "ranking",
        warmup: int = 0,
        margin: float = 0.2,
        dropout: float = 0.0,
        region_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if embedding % 2 or not 1 <= steps <= 100 or penalty < 0:
            found = f"embedding = {embedding}, steps = {steps}, penalty = {penalty}"
            raise ValueError(f"{found}: expected an even number, 1 to 100, and at least 0")
        self.words = nn.Embedding(vocabulary, words)
        self.dropout = nn.Dropout(dropout)
        self.sentence = nn.LSTM(words, embedding // 2, bidirectional=True, batch_first=True)
        self.regions = Standardise(features, region_dropout, columns=True)
        self.whole = Standardise(features, region_dropout, columns=True)
        self.region, self.picture = nn.Linear(features, embedding), nn.Linear(features, embedding)
        self.look = self.read = None
        if variant in ("full", "att"):
            self.look = Attention(embedding, hidden, attention, context=variant == "full")
            self.read = Attention(embedding, hidden, attention, context=variant == "full")
        self.seen, self.said = nn.Linear(embedding, hidden), nn.Linear(embedding, hidden)
        self.aggregate = nn.LSTMCell(hidden, hidden)
        self.verdict = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.count, self.penalty, self.cosine = steps, penalty, cosine
        self.only_context, self.whole_too = variant == "ctx", variant == "full"
        self.hardest, self.warmup, self.margin = loss == "hardest", warmup, margin
        for layer in (self.region, self.picture, self.seen, self.said):
            nn.init.zeros_(layer.bias)  # the default is as large as the differences between pictures
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))  # number of batches trained on so far

    def fit(self, batches: Callable[[], Iterable[Batch]], labels: LabelInfo | None = None) -> None:
        """Standardise the features, those of whole pictures separately."""
        self.regions.fit(of_regions(batches()))
        self.whole.fit(of_whole_pictures(batches()))

    def encode_images(self, regions: Regions) -> Vectors:
        """Regions (I, R, F) -> m and a_i (I, R, D), m first; the variant `ctx` gives m alone."""
        values = self.picture(self.whole(regions.whole[:, None]))
        if self.only_context:
            return Vectors(values, regions.mask[:, :1], regions.boxes[:, :1])
        values = torch.cat([values, self.region(self.regions(regions.features[:, 1:]))], dim=1)
        return Vectors(values, regions.mask, regions.boxes)

    def encode_texts(self, words: Words) -> Vectors:
        """Words (N, T) -> w_j (N, T, D); the variant `ctx` gives n (N, 1, D), which spans the sentence."""
        embedded, lengths = self.dropout(self.words(words.ids)), words.mask.sum(dim=1)  # (N, T, E), (N,)
        values = self.dropout(run_packed(self.sentence, embedded, lengths))
        if not self.only_context:
            return Vectors(values, words.mask, spans(words.mask))
        return pooled.of_sentences(_whole(values, words.mask), words)

    def score(self, images: Vectors, texts: Vectors) -> Tensor:
        """Score every picture with every sentence: (I, N), unbounded."""
        return torch.cat([walk.scores for walk in self._walks(images, texts)])

    def loss(self, batch: Batch) -> Tensor:
        """Ranking loss, plus the coverage penalty of positive pairs."""
        walks = list(self._walks(self.encode_images(batch.regions), self.encode_texts(batch.words)))
        scores = torch.cat([walk.scores for walk in walks])
        hardest = self.hardest and int(self.batches) >= self.warmup
        self.batches += self.training
        loss = losses.ranking(scores, batch.picture, margin=self.margin, hardest=hardest)
        if not self.penalty:
            return loss
        right = batch.picture, torch.arange(len(batch.picture), device=batch.picture.device)
        for kind, mask in (("regions", _parts(batch.regions.mask)[batch.picture]), ("words", batch.words.mask)):
            looks = (sum(getattr(walk, kind)).expand(*walk.scores.shape, -1) for walk in walks)  # sum over all steps
            total = torch.cat(list(looks))[right]  # (N, K)
            loss = loss + self.penalty * ((1 - total).square() * mask).sum(dim=1).mean()
        return loss

    def steps(self, images: Vectors, texts: Vectors) -> list[Step]:
        """Attention weights p and q of every step, one pair per row; q is distributed over words."""
        rows = [slice(row, row + 1) for row in range(len(images.mask))]
        walks = [self._walk(images[row], texts[row]) for row in rows]
        return [
            Step(
                (word_shares(texts) @ torch.cat([walk.words[step] for walk in walks]).transpose(1, 2))[..., 0],
                torch.cat([walk.regions[step] for walk in walks])[:, 0],
            )
            for step in range(self.count)
        ]

    def evidence(self, images: Vectors, texts: Vectors) -> Tensor:
        """Joint attention of each word and region: the sum over steps of q_j p_i.

        Returns:
            (B, T, R), 0 or more; minus infinity at padded regions, 0 in the rows of padded words.
        """
        steps = self.steps(images, texts)
        together = torch.stack([step.words[:, :, None] * step.regions[:, None] for step in steps]).sum(dim=0)
        return together.masked_fill(~images.mask[:, None], -torch.inf)

    def _walks(self, images: Vectors, texts: Vectors) -> Iterator[Walk]:
        """The steps of a block of pictures at a time with every sentence."""
        some = max(1, TOGETHER // max(1, images.mask.shape[1] * len(texts.mask)))
        return (self._walk(images[first : first + some], texts) for first in range(0, len(images.mask), some))

    def _walk(self, images: Vectors, texts: Vectors) -> Walk:
        """All steps of every picture with every sentence."""
        look, read = self._looking(images), self._reading(texts)
        pictures, sentences = self._sides(images, texts)  # (I, R, H), (N, T, H)
        state = cell = images.values.new_zeros(1, 1, self.aggregate.hidden_size)  # h_0 and its cell, for all pairs
        regions, words, fits = [], [], []
        for _ in range(self.count):
            regions.append(look(state))  # (I, N or 1, R)
            words.append(read(state))  # (I or 1, N, T)
            seen = torch.einsum("inr,irh->inh", regions[-1].to(pictures.dtype), pictures)  # a' U + c
            said = torch.einsum("int,nth->inh", words[-1].to(sentences.dtype), sentences)  # w' V + d
            fit = self._fit(seen, said)
            fits.append(fit.float().mean(dim=-1))  # (I, N)
            state, cell = self._step(fit, state, cell)
        score = self.verdict(state)[..., 0].float()
        return Walk(score + torch.stack(fits).mean(dim=0) if self.cosine else score, regions, words)

    def _looking(self, images: Vectors) -> Shares:
        if self.look is None:
            return lambda _: _equal(_parts(images.mask))[:, None]
        look, known = self.look, self.look.known(images.values, images.values[:, 0])[:, None]  # (I, 1, R, A)
        return lambda state: look(known, state, _parts(images.mask)[:, None])

    def _reading(self, texts: Vectors) -> Shares:
        if self.read is None:
            return lambda _: _equal(texts.mask)[None]
        read, known = self.read, self.read.known(texts.values, _whole(texts.values, texts.mask))  # (N, T, A)
        return lambda state: read(known, state, texts.mask)

    def _sides(self, images: Vectors, texts: Vectors) -> tuple[Tensor, Tensor]:
        """(m + a_i) U + c and (n + w_j) V + d: their sums weighted by p and q are a' U + c and w' V + d."""
        seen, said = images.values, texts.values
        if self.whole_too:
            seen, said = seen + seen[:, :1], said + _whole(said, texts.mask)[:, None]
        return self.seen(seen), self.said(said)

    def _fit(self, seen: Tensor, said: Tensor) -> Tensor:
        """s_t = fit(a', w') of both sides' projections: (I, N or 1, H) and (I or 1, N, H) -> (I, N, H)."""
        return functional.normalize(seen, dim=-1) * functional.normalize(said, dim=-1) * self.aggregate.hidden_size

    def _step(self, fit: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One LSTM step on s_t (I, N, H): new state and cell, (I, N, H) each."""
        flat = [part.expand_as(fit).flatten(0, 1) for part in (fit, state, cell)]
        state, cell = self.aggregate(flat[0].to(state.dtype), (flat[1], flat[2]))
        return state.unflatten(0, fit.shape[:2]), cell.unflatten(0, fit.shape[:2])


def _whole(values: Tensor, mask: Tensor) -> Tensor:
    """The last states of both directions: word states (N, T, D) -> n (N, D)."""
    last = mask.sum(dim=1) - 1  # (N,)
    forward, backward = values.chunk(2, dim=2)
    return torch.cat([forward[torch.arange(len(last), device=last.device), last], backward[:, 0]], dim=1)


def _parts(mask: Tensor) -> Tensor:
    """Mask of the regions that are instances (I, R): all except the whole picture, m, unless it is the only one."""
    parts = mask.clone()
    parts[:, 0] = ~mask[:, 1:].any(dim=1)
    return parts


def _equal(mask: Tensor) -> Tensor:
    """Equal weights for the real parts: (B, K)."""
    return mask / mask.sum(dim=1, keepdim=True)

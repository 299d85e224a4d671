"""Stacked cross attention against its equations, pair by pair and word by word."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from wordsight.batch import Batch, Regions, Vectors, Words
from wordsight.matching.score import spans
from wordsight.matching.stacked_attention import StackedAttention


def sides(size: int = 6) -> tuple[Vectors, Vectors]:
    """Four pictures of 1 to 5 regions, five sentences of 1 to 7 words, of length 1, in double precision."""
    random = torch.Generator().manual_seed(3)
    images, texts = torch.randn(4, 5, size, generator=random), torch.randn(5, 7, size, generator=random)
    seen = torch.arange(5) < torch.tensor([5, 1, 3, 4])[:, None]
    said = torch.arange(7) < torch.tensor([7, 1, 4, 2, 6])[:, None]
    places = torch.rand(4, 5, 4, generator=random)
    images, texts = (torch.nn.functional.normalize(values.double(), dim=-1) for values in (images, texts))
    return Vectors(images, seen, places), Vectors(texts, said, spans(said))


def plain_attention(regions: Tensor, words: Tensor, sharpness: float) -> Tensor:
    """a of one picture and one sentence, (T, R)."""
    likeness = torch.zeros(len(words), len(regions)).double()
    for t, word in enumerate(words):
        for i, region in enumerate(regions):
            likeness[t, i] = max(0.0, cosine_similarity(word, region, dim=0).item())
    rows = []
    for t in range(len(words)):
        among = [likeness[t, i] / likeness[:, i].norm().clamp(min=1e-9) for i in range(len(regions))]
        exps = torch.stack([(sharpness * one).exp() for one in among])
        rows.append(exps / exps.sum())
    return torch.stack(rows)


@pytest.mark.parametrize("pooling", ["mean", "lse"])
def test_scores_are_those_of_the_equations(pooling: str) -> None:
    model = StackedAttention(9, 4, embedding=6, sharpness=4.0, pooling=pooling, pooling_sharpness=5.0)  # type: ignore[arg-type]
    images, texts = sides()
    expected = torch.zeros(4, 5).double()
    for k in range(4):
        for n in range(5):
            regions, words = images.values[k, images.mask[k]], texts.values[n, texts.mask[n]]
            attended = plain_attention(regions, words, 4.0) @ regions  # (T, D)
            found = cosine_similarity(words, attended, dim=1)
            expected[k, n] = found.mean() if pooling == "mean" else (5 * found).exp().sum().log() / 5
    torch.testing.assert_close(model.score(images, texts).double(), expected, atol=1e-6, rtol=1e-6)


def test_evidence_is_the_attention_of_each_word() -> None:
    model = StackedAttention(9, 4, embedding=6)
    images, texts = sides()
    texts = texts[:4]
    found = model.evidence(images, texts)  # (4, 7, 5)
    for row in range(4):
        expected = plain_attention(images.values[row, images.mask[row]], texts.values[row, texts.mask[row]], 9.0)
        torch.testing.assert_close(found[row][texts.mask[row]][:, images.mask[row]], expected)


def test_words_compete_for_regions() -> None:
    """Beside a word that fits a region better, another looks less at it: no rule of single words gives such a score."""
    model = StackedAttention(9, 4, embedding=2)
    regions, words = torch.eye(2)[None], torch.tensor([[[0.8, 0.6], [1.0, 0.0]]])
    images = Vectors(regions, torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2, 4))
    mask = torch.ones(1, 2, dtype=torch.bool)
    both = model.evidence(images, Vectors(words, mask, spans(mask)))[0, 0]
    alone = model.evidence(images, Vectors(words[:, :1], mask[:, :1], spans(mask[:, :1])))[0, 0]
    assert both[1] > both[0] and both[0] < alone[0]


def test_ten_pairs_are_learned_by_heart() -> None:
    torch.manual_seed(0)
    model = StackedAttention(40, 8, embedding=32, words=16, hidden=32)
    mask = torch.arange(6) < torch.randint(2, 7, (10, 1))
    seen = torch.ones(10, 4, dtype=torch.bool)
    batch = Batch(
        Regions(torch.randn(10, 4, 8), seen, torch.zeros(10, 4, 4)),
        Words(torch.randint(2, 40, (10, 6)) * mask, mask),
        torch.arange(10),
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.005)
    for _ in range(80):
        optimiser.zero_grad()
        model.loss(batch).backward()
        optimiser.step()
    scores = model.eval().score(model.encode_images(batch.regions), model.encode_texts(batch.words))
    assert scores.argmax(0).equal(torch.arange(10)) and scores.argmax(1).equal(torch.arange(10))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sharpness = 0\.0"):
        StackedAttention(9, 4, sharpness=0.0)

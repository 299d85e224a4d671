"""sm-LSTM against its equations, pair by pair and step by step; what modulates attention, and what cannot."""

import pytest
import torch
from torch import Tensor

from wordsight.batch import Batch, Regions, Vectors, Words
from wordsight.matching import sm_lstm
from wordsight.matching.sm_lstm import SMLSTM
from wordsight.vision.standardise import Standardise

VARIANTS = ["full", "att", "ctx", "mean"]


def sized(variant: str = "full", **more: object) -> SMLSTM:
    torch.manual_seed(1)
    sizes = {"embedding": 6, "words": 5, "hidden": 4, "attention": 3}
    return SMLSTM(20, 8, variant=variant, **sizes, **more).double().eval()  # type: ignore[arg-type]


@pytest.fixture
def batch() -> Batch:
    """Three pictures of 1 to 4 regions, four sentences of 1 to 5 words."""
    random = torch.Generator().manual_seed(2)
    seen = torch.arange(4) < torch.tensor([4, 1, 3])[:, None]
    said = torch.arange(5) < torch.tensor([5, 1, 3, 4])[:, None]
    features = torch.randn(3, 4, 8, generator=random).double()
    words = Words(torch.randint(2, 20, (4, 5), generator=random) * said, said)
    return Batch(Regions(features, seen, torch.rand(3, 4, 4, generator=random)), words, torch.tensor([0, 1, 2, 0]))


def plain_shares(attention: torch.nn.Module, parts: Tensor, context: Tensor, state: Tensor) -> Tensor:
    """The shares of some parts (K, D) -> (K,)."""
    votes = []
    for part in parts:
        inside = attention.part(part)
        inside = inside if attention.context is None else inside + attention.context(context)
        inside = inside * (1 + attention.state(state))
        votes.append(attention.vote.weight[0] @ torch.sigmoid(inside))
    return torch.stack(votes).softmax(0)


def plain_walk(model: SMLSTM, variant: str, a: Tensor, w: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The score of one picture (R, D) and one sentence (T, D), and the shares of each step."""
    half = w.shape[1] // 2
    m, n = a[0], torch.cat([w[-1, :half], w[0, half:]])
    whole = int(len(a) > 1)
    a = a[whole:]  # a whole picture without regions stands for itself
    h = c = torch.zeros(4).double()
    regions, words, fits = [], [], []
    for _ in range(model.count):
        if variant in ("full", "att"):
            p, q = plain_shares(model.look, a, m, h), plain_shares(model.read, w, n, h)
        else:
            p, q = torch.full((len(a),), 1 / len(a)).double(), torch.full((len(w),), 1 / len(w)).double()
        seen, said = (m, n) if variant == "ctx" else (p @ a, q @ w)
        if variant == "full":
            seen, said = seen + m, said + n
        x, y = model.seen(seen), model.said(said)
        s = 4 * (x / x.norm()) * (y / y.norm())
        fits.append(s.mean())
        cell = model.aggregate
        i, f, g, o = (cell.weight_ih @ s + cell.bias_ih + cell.weight_hh @ h + cell.bias_hh).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        regions.append(torch.cat([torch.zeros(whole), p]).double())
        words.append(q)
    score = model.verdict(h)[0] + (torch.stack(fits).mean() if model.cosine else 0)
    return score, regions, words


def encoded(model: SMLSTM, batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
    """The regions of each picture and the words of each sentence, by the full model with the same weights."""
    images, texts = model.encode_images(batch.regions), model.encode_texts(batch.words)
    rows = zip(images.values, images.mask, strict=True), zip(texts.values, texts.mask, strict=True)
    return tuple([values[mask] for values, mask in side] for side in rows)  # type: ignore[return-value]


@pytest.mark.parametrize("cosine", [True, False], ids=["with cosines", "without"])
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_scores_are_those_of_the_equations(variant: str, cosine: bool, batch: Batch) -> None:
    model, whole = sized(variant, cosine=cosine), sized("full" if variant == "ctx" else variant)
    whole.load_state_dict(model.state_dict(), strict=False)  # `ctx` encodes nothing but m and n
    pictures, sentences = encoded(whole, batch)
    found = model.score(model.encode_images(batch.regions), model.encode_texts(batch.words))
    for k, a in enumerate(pictures):
        for number, w in enumerate(sentences):
            expected, _, _ = plain_walk(model, variant, a, w)
            assert found[k, number].item() == pytest.approx(expected.item(), abs=1e-6)


@torch.no_grad()
def test_steps_are_the_shares_of_each_pair_and_their_products_the_evidence(batch: Batch) -> None:
    model = sized()
    images, texts = model.encode_images(batch.regions)[batch.picture], model.encode_texts(batch.words)
    steps, evidence = model.steps(images, texts), model.evidence(images, texts)
    pictures, sentences = encoded(model, batch)
    for row, picture in enumerate(batch.picture.tolist()):
        _, regions, words = plain_walk(model, "full", pictures[picture], sentences[row])
        together = sum(q[:, None] * p for p, q in zip(regions, words, strict=True))
        for step, p, q in zip(steps, regions, words, strict=True):
            torch.testing.assert_close(step.regions[row, : len(p)].double(), p, atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(step.words[row, : len(q)].double(), q, atol=1e-6, rtol=1e-5)
        found = evidence[row, : len(words[0]), : len(regions[0])].double()
        torch.testing.assert_close(found, together, atol=1e-6, rtol=1e-5)


def test_pictures_may_be_walked_through_in_any_blocks(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for together in (2**17, 40, 1):  # all three pictures, two at a time, one
        monkeypatch.setattr(sm_lstm, "TOGETHER", together)
        model = sized(penalty=0.5)
        model.loss(batch).backward()
        found.append([model.loss(batch), *(weight.grad for weight in model.parameters() if weight.grad is not None)])
    for other in found[1:]:
        torch.testing.assert_close(other, found[0])


@torch.no_grad()
def test_votes_differ_before_anything_is_learned() -> None:
    """Whole pictures that are nearly alike, columns of unequal size: the shares of 31 regions are far from equal."""
    random = torch.Generator().manual_seed(5)
    sizes = torch.rand(300, generator=random).exp() * 0.05
    features = (torch.randn(40, 32, 300, generator=random) + 3) * sizes
    features[:, 0] = 4 * sizes + features[:, 0] * 0.1
    seen = torch.ones(40, 32, dtype=torch.bool)
    words = Words(torch.randint(2, 90, (40, 9), generator=random), torch.ones(40, 9, dtype=torch.bool))
    batch = Batch(Regions(features, seen, torch.zeros(40, 32, 4)), words, torch.arange(40))
    torch.manual_seed(0)
    model = SMLSTM(90, 300, embedding=256).eval()
    model.fit(lambda: [batch])
    images, texts = model.encode_images(batch.regions), model.encode_texts(batch.words)
    contexts = images.values[:, 0]
    alike = contexts.mean(0).square().sum() / contexts.square().sum(1).mean()
    assert alike < 0.1  # of the context's square hardly anything is the same for all pictures
    shares = model.steps(images, texts)[0].regions[:, 1:]
    assert shares.amax(1).mean() > 2 / 31
    with torch.autocast("cpu", torch.bfloat16):
        lower = model.steps(images, texts)[0].regions[:, 1:]
    assert len(lower[0].unique()) == 31


def test_columns_vary_by_one_but_for_those_that_hardly_vary() -> None:
    rows = torch.randn(500, 4, generator=torch.Generator().manual_seed(6)) * torch.tensor([3.0, 0.2, 1e-6, 0.0]) + 7
    centred = Standardise(4, columns=True).eval()
    centred.fit([rows[:200], rows[200:]])
    found = centred(rows[:, None])[:, 0]
    torch.testing.assert_close(found[:, :2].std(0, correction=0), torch.ones(2), atol=1e-2, rtol=0)
    assert found[:, 2:].abs().max() < 1e-2
    torch.testing.assert_close(found.mean(0), torch.zeros(4), atol=1e-4, rtol=0)


@torch.no_grad()
def test_context_and_state_modulate_attention_only_inside_one_nonlinearity() -> None:
    attention = sized().look
    assert attention is not None and attention.context is not None
    random = torch.Generator().manual_seed(4)
    a, m, n, h, g = (torch.randn(*size, generator=random).double() for size in ((1, 5, 6), (1, 6), (1, 6), (4,), (4,)))
    real = torch.ones(1, 5, dtype=torch.bool)

    def printed(context: Tensor, state: Tensor) -> Tensor:
        terms = torch.sigmoid(attention.context(context))[:, None] + torch.sigmoid(attention.part(a))
        return attention.vote(terms + torch.sigmoid(attention.state(state)))[..., 0].softmax(dim=-1)

    def ours(context: Tensor, state: Tensor) -> Tensor:
        return attention(attention.known(a, context), state, real)

    torch.testing.assert_close(printed(m, h), printed(n, g))  # as printed: wherever it was, whatever it saw
    for other in (ours(n, h), ours(m, g)):
        assert (ours(m, h) - other).abs().max() > 1e-3


def test_the_penalty_is_of_what_right_pairs_leave_out(batch: Batch) -> None:
    free, held = (sized(penalty=penalty).loss(batch).item() for penalty in (0.0, 0.5))
    model, total = sized(), 0.0
    pictures, sentences = encoded(model, batch)
    for row, picture in enumerate(batch.picture.tolist()):
        _, regions, words = plain_walk(model, "full", pictures[picture], sentences[row])
        parts = sum(regions)[int(len(pictures[picture]) > 1) :]
        total += sum((1 - side).square().sum().item() for side in (parts, sum(words)))
    assert held - free == pytest.approx(0.5 * total / 4, rel=1e-5)


def test_the_whole_sentence_stands_at_all_its_words(batch: Batch) -> None:
    model = sized("ctx")
    images, texts = model.encode_images(batch.regions)[batch.picture], model.encode_texts(batch.words)
    assert texts.places[:, 0].tolist() == [[0, 5], [0, 1], [0, 3], [0, 4]]
    found = model.evidence(images, texts)
    torch.testing.assert_close(found[2, :3, 0].double(), torch.full((3,), model.count / 3).double())


@pytest.mark.parametrize("variant", VARIANTS)
def test_ten_pairs_are_learned_by_heart(variant: str) -> None:
    torch.manual_seed(0)
    model = SMLSTM(40, 8, embedding=32, words=16, hidden=32, attention=16, variant=variant)  # type: ignore[arg-type]
    mask = torch.arange(6) < torch.randint(2, 7, (10, 1))
    seen = torch.ones(10, 4, dtype=torch.bool)
    batch = Batch(
        Regions(torch.randn(10, 4, 8), seen, torch.zeros(10, 4, 4)),
        Words(torch.randint(2, 40, (10, 6)) * mask, mask),
        torch.arange(10),
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.003)
    for _ in range(150):
        optimiser.zero_grad()
        model.loss(batch).backward()
        optimiser.step()
    scores = model.eval().score(model.encode_images(batch.regions), model.encode_texts(batch.words))
    assert scores.argmax(0).equal(torch.arange(10)) and scores.argmax(1).equal(torch.arange(10))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="steps = 0"):
        SMLSTM(9, 4, steps=0)


def test_a_vector_of_the_picture_is_the_first_region(batch: Batch) -> None:
    only: Vectors = sized("ctx").encode_images(batch.regions)
    assert only.mask.shape == (3, 1) and only.places.equal(batch.regions.boxes[:, :1])


def test_all_violations_count_before_the_worst_alone(batch: Batch) -> None:
    """The first `warm` batches of a training are ranked by all violations, the others by the worst."""
    warm, hardest, every = sized(loss="hardest", warmup=2), sized(loss="hardest"), sized()
    for model in (warm, hardest, every):
        model.train()
    assert not torch.isclose(hardest.loss(batch), every.loss(batch))
    assert warm.loss(batch) == every.loss(batch)
    assert warm.eval().loss(batch) == every.loss(batch)  # measuring does not count
    assert warm.train().loss(batch) == every.loss(batch)
    assert warm.loss(batch) == hardest.loss(batch)

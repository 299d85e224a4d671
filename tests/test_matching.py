"""The pieces of matching: score, losses, word encoders, the lexicon, ensembles; each against the plain way of it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from wordsight.batch import Batch, LabelInfo, Regions, Vectors, Words
from wordsight.matching import losses, score
from wordsight.matching.align import Align, some
from wordsight.matching.ensemble import Ensemble
from wordsight.matching.lexicon import Lexicon, prominence, translate
from wordsight.runs import checkpoint
from wordsight.text.encoders import BRNN, ENCODERS

WHOLE = torch.tensor([0.0, 0.0, 1.0, 1.0])


def vectors(rows: int, parts: int, size: int, seed: int, dtype: torch.dtype = torch.float32) -> Vectors:
    """Random vectors, each row with another number of real parts, at least one."""
    random = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, parts, size, generator=random, dtype=dtype)
    mask = torch.arange(parts) < torch.randint(1, parts + 1, (rows, 1), generator=random)
    return Vectors(values, mask, score.spans(mask))


def words_of(lengths: list[int], vocabulary: int = 20, longest: int = 0, seed: int = 0) -> Words:
    mask = torch.arange(max(longest, *lengths)) < torch.tensor(lengths)[:, None]
    ids = torch.randint(2, vocabulary, mask.shape, generator=torch.Generator().manual_seed(seed))
    return Words(ids * mask, mask)


def regions_of(features: Tensor, boxes: Tensor | None = None) -> Regions:
    """All regions real, boxes of the whole picture unless given."""
    mask = torch.ones(features.shape[:2], dtype=torch.bool)
    return Regions(features, mask, WHOLE.expand(*mask.shape, 4).clone() if boxes is None else boxes)


# --- the score


def brute_force(images: Vectors, texts: Vectors, *, mean: bool = False, thresholded_sum: bool = False) -> Tensor:
    """Equation 8 or 7, pair by pair and word by word."""
    rows = []
    for picture, seen in zip(images.values, images.mask, strict=True):
        row = []
        for sentence, said in zip(texts.values, texts.mask, strict=True):
            products = picture[seen] @ sentence[said].T  # (regions, words)
            best = products.relu().sum(0) if thresholded_sum else products.amax(0)
            row.append(best.mean() if mean else best.sum())
        rows.append(torch.stack(row))
    return torch.stack(rows)


OPTIONS = [{}, {"mean": True}, {"thresholded_sum": True}, {"mean": True, "thresholded_sum": True}]


@pytest.mark.parametrize("regions", [5, 9])  # few: a dense backward; many: a sparse one
@pytest.mark.parametrize("options", OPTIONS)
def test_the_score_equals_brute_force_and_so_do_its_gradients(options: dict[str, bool], regions: int) -> None:
    images, texts = vectors(4, regions, 6, seed=1, dtype=torch.double), vectors(7, 3, 6, seed=2, dtype=torch.double)
    leaves = [images.values.requires_grad_(), texts.values.requires_grad_()]
    found, expected = score.sum_of_max(images, texts, **options), brute_force(images, texts, **options)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-6)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(3))
    ours = torch.autograd.grad((found * weight).sum(), leaves)
    plain = torch.autograd.grad((expected * weight).sum(), leaves)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("others", [1, 7])
def test_of_regions_that_fit_a_word_equally_well_one_gets_its_gradient(others: int) -> None:
    values = [[1.0, 2.0], [1.0, 2.0], *[[0.0, 0.0]] * others]
    region = torch.tensor(values, dtype=torch.double, requires_grad=True)
    word = torch.tensor([[3.0, 4.0]], dtype=torch.double, requires_grad=True)
    score.best_region(region[None], word, torch.ones(1, len(region), dtype=torch.bool)).sum().backward()
    assert region.grad is not None and word.grad is not None
    assert sorted(region.grad[:2].tolist()) == [[0.0, 0.0], [3.0, 4.0]] and not region.grad[2:].any()
    assert word.grad.tolist() == [[1.0, 2.0]]


def test_gradients_in_low_precision_are_those_of_float32_but_for_rounding() -> None:
    images, texts = vectors(4, 9, 64, seed=1), vectors(7, 3, 64, seed=2)
    leaves = [images.values.requires_grad_(), texts.values.requires_grad_()]
    weight = torch.randn(4, 7, generator=torch.Generator().manual_seed(3))
    exact = torch.autograd.grad((score.sum_of_max(images, texts) * weight).sum(), leaves)
    with torch.autocast("cpu", torch.bfloat16):
        found = score.sum_of_max(images, texts)
    low = torch.autograd.grad((found * weight).sum(), leaves)
    for one, other in zip(low, exact, strict=True):
        assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.99


@pytest.mark.parametrize("active", [0.0, 0.2])
@pytest.mark.parametrize("size", [6, 300])  # of vectors: also wider than what is looked up at a time
def test_pairs_that_are_ranked_well_enough_give_no_gradient(active: float, size: int) -> None:
    random = torch.Generator().manual_seed(0)
    regions = torch.randn(3, 12, size, generator=random, dtype=torch.double, requires_grad=True)
    words = torch.randn(10, size, generator=random, dtype=torch.double, requires_grad=True)
    weight = torch.rand(3, 10, generator=random) * (torch.rand(3, 10, generator=random) < active)
    mask = torch.arange(12) < torch.tensor([12, 7, 9])[:, None]
    best = (regions @ words.T).masked_fill(~mask[:, :, None], -torch.inf).amax(dim=1)
    plain = torch.autograd.grad((best * weight).sum(), [regions, words])
    ours = torch.autograd.grad((score.best_region(regions, words, mask) * weight).sum(), [regions, words])
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_padded_regions_and_words_are_never_evidence() -> None:
    images, texts = vectors(3, 5, 4, seed=1), vectors(3, 6, 4, seed=2)
    texts = Vectors(texts.values, torch.arange(6) < torch.tensor([2, 6, 1])[:, None], texts.places)
    texts = Vectors(texts.values, texts.mask, score.spans(texts.mask))
    found = score.word_regions(images, texts)  # (B, T, R)
    assert found.shape == (3, 6, 5)
    for row in range(3):
        real = found[row][texts.mask[row]][:, images.mask[row]]
        expected = texts.values[row][texts.mask[row]] @ images.values[row][images.mask[row]].T
        torch.testing.assert_close(real, expected)
        assert (found[row][:, ~images.mask[row]] == -torch.inf).all()
        assert (found[row][~texts.mask[row]][:, images.mask[row]] == 0).all()


def test_words_share_the_evidence_of_the_parts_that_cover_them() -> None:
    images, texts = vectors(2, 4, 5, seed=1), vectors(2, 3, 5, seed=2)
    places = torch.tensor([[[0, 2], [1, 2], [1, 4]], [[0, 3], [0, 0], [7, 9]]])
    texts = Vectors(texts.values, torch.tensor([[True] * 3, [True, False, False]]), places)
    assert score.word_mask(texts).tolist() == [[True] * 4, [True, True, True, False]]
    found = score.word_regions(images, texts)  # (2, 4 words, 4 regions)
    for row in range(2):
        expected = torch.zeros(4, int(images.mask[row].sum()))
        for part in range(3 if row == 0 else 1):
            first, last = places[row, part].tolist()
            for word in range(first, last):
                expected[word] += images.values[row, images.mask[row]] @ texts.values[row, part] / (last - first)
        torch.testing.assert_close(found[row][:, images.mask[row]], expected)


# --- losses

SCORES = torch.tensor([[5.0, 4.5, 1.0], [4.8, 2.0, 3.0]])
PICTURE = torch.tensor([0, 0, 1])  # sentences 0 and 1 are of picture 0, sentence 2 of picture 1


def test_ranking_by_hand() -> None:
    # pictures: 4.8 - 5 + 1 = 0.8, 2 - 4.5 + 1 < 0, 1 - 3 + 1 < 0;  sentences: 1 - 5 + 1 < 0, 1 - 4.5 + 1 < 0,
    # and of sentence 2: 4.8 - 3 + 1 = 2.8 and 2 - 3 + 1 = 0
    assert losses.ranking(SCORES, PICTURE).item() == pytest.approx((0.8 + 2.8) / 3)
    # margin 2: 1.8, 0 | 0 | 0, 0 | 3.8 + 1; 2 - 4.5 + 2 < 0
    assert losses.ranking(SCORES, PICTURE, margin=2).item() == pytest.approx((1.8 + 3.8 + 1.0) / 3)
    assert losses.ranking(SCORES, PICTURE, margin=2, hardest=True).item() == pytest.approx((1.8 + 3.8) / 3)


def test_contrastive_by_hand() -> None:
    t = 0.5
    expected = 0.0
    for sentence, picture in enumerate(PICTURE.tolist()):
        right = SCORES[picture, sentence] / t
        others = [SCORES[picture, other] / t for other in range(3) if PICTURE[other] != picture]
        expected += (torch.logsumexp(SCORES[:, sentence] / t, 0) - right).item() / 3
        expected += (torch.logsumexp(torch.stack([right, *others]), 0) - right).item() / 3
    assert losses.contrastive(SCORES, PICTURE, temperature=t).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"hardest": True}])
def test_pairs_of_one_picture_are_never_negatives(options: dict[str, bool]) -> None:
    one = torch.randn(1, 4, requires_grad=True)
    same = torch.zeros(4, dtype=torch.long)
    for loss in (losses.ranking(one, same, **options), losses.contrastive(one, same)):
        assert loss.item() == pytest.approx(0, abs=1e-6)
        (gradient,) = torch.autograd.grad(loss, one)
        assert torch.allclose(gradient, torch.zeros(4), atol=1e-6)
    # however well a picture's other sentence does, the first one's loss stays
    better = SCORES.clone()
    better[0, 1] += 100
    assert losses.ranking(better, PICTURE, **options) <= losses.ranking(SCORES, PICTURE, **options)
    assert losses.contrastive(better, PICTURE) <= losses.contrastive(SCORES, PICTURE)


# --- words


def test_the_brnn_is_equations_3_to_6() -> None:
    torch.manual_seed(0)
    net = BRNN(words=3, hidden=4, out=5).double()
    for bias in (net.recurrence.bias_hh_l0, net.recurrence.bias_hh_l0_reverse):
        torch.nn.init.normal_(bias)
    lengths = [4, 1, 3]
    embedded = torch.randn(3, 4, 3, dtype=torch.double)
    found = net(embedded, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        e = (embedded[row, :length] @ net.input.weight.T + net.input.bias).relu()
        forward, backward = [torch.zeros(4, dtype=torch.double)], [torch.zeros(4, dtype=torch.double)]
        for t in range(length):
            weight, bias = net.recurrence.weight_hh_l0, net.recurrence.bias_hh_l0
            forward.append((e[t] + weight @ forward[-1] + bias).relu())
            weight, bias = net.recurrence.weight_hh_l0_reverse, net.recurrence.bias_hh_l0_reverse
            backward.append((e[length - 1 - t] + weight @ backward[-1] + bias).relu())
        h = torch.stack(forward[1:]) + torch.stack(backward[:0:-1])
        s = (h @ net.output.weight.T + net.output.bias).relu()
        torch.testing.assert_close(found[row, :length], s)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_a_sentence_is_read_the_same_in_any_company(encoder: str) -> None:
    torch.manual_seed(0)
    model = Align(20, 6, embedding=8, words=5, hidden=7, encoder=encoder).eval()  # type: ignore[arg-type]
    words = words_of([2, 5, 1, 4])
    known = model.encode_texts(words).values
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(model.encode_texts(Words(words.ids[order], words.mask[order])).values, known[order])
    odd = torch.where(words.mask, words.ids, 7)  # whatever number stands in the padding
    longer = Words(torch.cat([odd, odd], dim=1), torch.cat([words.mask, torch.zeros_like(words.mask)], dim=1))
    torch.testing.assert_close(model.encode_texts(longer).values[:, :5][words.mask], known[words.mask])


# --- regions


def test_context_moves_no_word_from_one_region_to_another() -> None:
    torch.manual_seed(0)
    model = Align(20, 6, embedding=8, words=5, hidden=7, context=True).eval()
    regions, texts = regions_of(torch.randn(3, 4, 6)), model.encode_texts(words_of([2, 5, 3]))
    with_context = score.word_regions(model.encode_images(regions), texts)
    shift = model.context
    assert shift is not None
    model.context = None
    without = score.word_regions(model.encode_images(regions), texts)
    assert torch.equal(with_context.argmax(2)[texts.mask], without.argmax(2)[texts.mask])
    added = (texts.values @ shift(regions.features[:, :1]).transpose(1, 2)).expand_as(without)
    torch.testing.assert_close(with_context[texts.mask], (without + added)[texts.mask])


def test_a_glimpse_is_the_whole_picture_and_others_by_chance() -> None:
    regions = regions_of(torch.arange(12.0).view(2, 6, 1))
    seen = set()
    for _ in range(60):
        few = some(regions, 3)
        assert few.features.shape == (2, 3, 1)
        assert few.features[:, 0, 0].tolist() == [0, 6]
        assert torch.equal(few.features[1], few.features[0] + 6), "the same regions in every picture"
        assert len(set(few.features[0].flatten().tolist())) == 3
        seen |= set(few.features[0].flatten().tolist())
    assert seen == set(range(6))
    assert some(regions, 99).features.shape[1] == 6


def test_only_training_glimpses() -> None:
    torch.manual_seed(0)
    regions, words = regions_of(torch.randn(3, 30, 6)), words_of([2, 5, 3])
    batch = Batch(regions, words, torch.arange(3))
    model = Align(20, 6, embedding=8, words=5, hidden=7, sampled_regions=2)
    assert len({model.eval().loss(batch).item() for _ in range(5)}) == 1
    assert len({model.train().loss(batch).item() for _ in range(5)}) > 1
    assert model.encode_images(regions).values.shape == (3, 30, 8)


def test_fitting_centres_features_and_makes_their_length_one() -> None:
    torch.manual_seed(0)
    model = Align(20, 6, embedding=8, words=5, hidden=7)
    regions = regions_of(3 * torch.randn(40, 5, 6) + 7)
    regions.features[:, 4], regions.mask[:, 4] = 1e6, False  # padding is not looked at
    batch = Batch(regions, words_of([2] * 40), torch.arange(40))
    model.fit(lambda: [batch])
    inside = ((regions.features - model.mean) * model.scale)[regions.mask]
    torch.testing.assert_close(inside.mean(0), torch.zeros(6), atol=1e-4, rtol=0)
    assert inside.square().sum(1).mean().item() == pytest.approx(1, rel=1e-3)


# --- the lexicon

LABELS, LOOKS, VOCABULARY = 4, 5, 12
FILLER = 11  # a word of every sentence


def corpus(pictures: int = 300) -> Batch:
    """Pictures that hold two of four labels and two of five looks, and sentences that name them.

    Label k is word 2 + k, look k is word 6 + k, though k = 4 is never said. Regions: the whole picture, whose look is
    the mean of the others, then one a label and one a look.
    """
    random = torch.Generator().manual_seed(0)
    features, sentences = torch.zeros(pictures, 5, LOOKS + LABELS), []
    for picture in range(pictures):
        held, shown = torch.randperm(LABELS, generator=random)[:2], torch.randperm(LOOKS, generator=random)[:2]
        for place in range(2):
            features[picture, 1 + place, LOOKS + held[place]] = 0.9
            features[picture, 3 + place, shown[place]] = 1.0
        features[picture, 0, :LOOKS] = features[picture, 1:, :LOOKS].mean(0)
        names = [*(held + 2).tolist(), *(look + 6 for look in shown.tolist() if look < 4), FILLER, 1]
        sentences.append(torch.tensor(names[:6]))
    ids = torch.nn.utils.rnn.pad_sequence(sentences, batch_first=True)
    return Batch(regions_of(features), Words(ids, ids > 0), torch.arange(pictures))


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    made = Lexicon(LOOKS + LABELS, LABELS, VOCABULARY)
    made.fit([corpus()], LabelInfo(torch.ones(LABELS, dtype=torch.bool)))
    return made


def test_translation_finds_which_label_means_which_word() -> None:
    batch = corpus()
    labels = list(batch.regions.features[:, :, LOOKS:].amax(1))
    counts = translate(labels, [row[row > 0] for row in batch.words.ids], LABELS, VOCABULARY)
    named = counts[:, 2 : 2 + LABELS]
    assert named.argmax(0).tolist() == named.argmax(1).tolist() == list(range(LABELS))
    assert counts.sum().item() == pytest.approx(int(batch.words.mask.sum()), rel=1e-4), "each word is counted once"
    share = named.diagonal() / named.sum(0)
    assert (share > 0.95).all()


def test_a_label_raises_its_own_word_and_no_other(lexicon: Lexicon) -> None:
    assert (lexicon.named >= 0).all()
    own = lexicon.named[:, 2 : 2 + LABELS].diagonal()
    others = lexicon.named.clone()
    others[torch.arange(LABELS), torch.arange(2, 2 + LABELS)] = 0
    assert (own > 0.5).all()
    assert (others.amax(1) < own / 2).all()
    assert (lexicon.named[:, 0] == 0).all(), "a word that is never said means nothing"


def test_labels_that_are_not_counted_stay_empty_but_for_their_names() -> None:
    counted, near = torch.tensor([True, False, True, True]), torch.zeros(LABELS, VOCABULARY)
    near[1, 5] = 0.9
    made = Lexicon(LOOKS + LABELS, LABELS, VOCABULARY)
    made.fit([corpus()], LabelInfo(counted, near))
    assert made.named[1].argmax() == 5
    assert made.named[1, 5] > 1
    assert made.named[1, 3] < made.named[0, 2]


def test_a_word_goes_to_the_region_that_carries_its_feature(lexicon: Lexicon) -> None:
    looks = torch.cat([torch.eye(LOOKS)[:4].mean(0, keepdim=True), torch.eye(LOOKS)[:4]])  # the whole, then one each
    regions = regions_of(torch.cat([looks, torch.zeros(5, LABELS)], dim=1)[None])
    said = Words(torch.tensor([[6, 7, 8, 9]]), torch.ones(1, 4, dtype=torch.bool))
    products = lexicon.encode_texts(said) @ lexicon.encode_images(regions).transpose(1, 2)  # (1, T, R)
    assert products[0].argmax(1).tolist() == [1, 2, 3, 4]


def test_large_boxes_in_the_middle_are_prominent() -> None:
    boxes = [
        [0.0, 0.0, 1.0, 1.0],
        [0.2, 0.2, 0.8, 0.8],
        [0.4, 0.4, 0.6, 0.6],
        [0.0, 0.0, 0.2, 0.2],
        [0.3, 0.3, 0.3, 0.3],
    ]
    found = prominence(torch.tensor(boxes))
    assert found[0].item() == pytest.approx(0, abs=1e-3)
    assert found[1] > found[2] > found[3]
    assert found.isfinite().all()


@pytest.fixture
def reader() -> Align:
    """A model with a lexicon that has learned something."""
    torch.manual_seed(0)
    model = Align(
        VOCABULARY, LOOKS + LABELS, embedding=8, words=5, hidden=7, context=True, lexicon_weight=0.5, labels=LABELS
    )
    model.fit(lambda: [corpus(60)], LabelInfo(torch.ones(LABELS, dtype=torch.bool)))
    return model.eval()


def test_padding_changes_nothing_with_a_lexicon(reader: Align) -> None:
    torch.manual_seed(1)
    regions, words = regions_of(torch.rand(3, 4, LOOKS + LABELS)), words_of([2, 5, 3], vocabulary=VOCABULARY)
    before = reader.score(reader.encode_images(regions), reader.encode_texts(words))
    more = Regions(
        torch.cat([regions.features, torch.full((3, 2, LOOKS + LABELS), 100.0)], dim=1),
        torch.cat([regions.mask, torch.zeros(3, 2, dtype=torch.bool)], dim=1),
        torch.cat([regions.boxes, torch.ones(3, 2, 4)], dim=1),
    )
    longer = words_of([2, 5, 3], vocabulary=VOCABULARY, longest=9)
    longer.ids[:, :5] = words.ids
    after = reader.score(reader.encode_images(more), reader.encode_texts(longer))
    torch.testing.assert_close(after, before)


def test_the_lexicon_is_trusted_as_much_as_the_model_says(reader: Align) -> None:
    regions, words = regions_of(torch.rand(1, 4, LOOKS + LABELS)), words_of([5], vocabulary=VOCABULARY)
    assert reader.lexicon is not None
    known = reader.lexicon.encode_texts(words) @ reader.lexicon.encode_images(regions).transpose(1, 2)
    both = score.word_regions(reader.encode_images(regions), reader.encode_texts(words))
    counted, reader.lexicon = reader.lexicon, None
    learned = score.word_regions(reader.encode_images(regions), reader.encode_texts(words))
    reader.lexicon = counted
    torch.testing.assert_close(both, learned + known)
    assert reader.lexicon.weight == 0.5


def test_while_training_the_lexicon_counts_half(reader: Align) -> None:
    assert reader.lexicon is not None
    regions = regions_of(torch.rand(1, 4, LOOKS + LABELS))
    used = reader.lexicon.eval().encode_images(regions)
    torch.testing.assert_close(reader.lexicon.train().encode_images(regions), used / 2)


def test_the_lexicon_is_saved_with_the_model_and_never_trained(reader: Align, tmp_path: Path) -> None:
    checkpoint.save_weights(tmp_path, reader)
    again = Align(**reader.config).eval()  # type: ignore[arg-type]
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert reader.lexicon is not None
    assert again.lexicon is not None
    for name in ("named", "mean", "seen", "said"):
        table = getattr(reader.lexicon, name)
        assert torch.equal(getattr(again.lexicon, name), table)
        assert table.abs().sum() > 0
    batch = corpus(10)
    assert torch.equal(again.encode_images(batch.regions).values, reader.encode_images(batch.regions).values)
    assert not any("lexicon" in name for name, _ in reader.named_parameters())


# --- ensembles


def test_an_ensemble_adds_up_what_its_members_say() -> None:
    torch.manual_seed(0)
    members = [Align(20, 6, embedding=size, words=5, hidden=7, mean=True).eval() for size in (8, 5, 8)]
    together = Ensemble(members).eval()
    regions, words = regions_of(torch.randn(4, 3, 6)), words_of([2, 5, 1, 4])
    pairs = [(member.encode_images(regions), member.encode_texts(words)) for member in members]
    images, texts = together.encode_images(regions), together.encode_texts(words)
    assert images.values.shape == (4, 3, 21)
    expected = torch.stack([score.word_regions(*pair) for pair in pairs]).sum(0)
    torch.testing.assert_close(score.word_regions(images, texts), expected)
    torch.testing.assert_close(together.score(images, texts), brute_force(images, texts, mean=True))
    alone = Ensemble(members[:1])
    torch.testing.assert_close(
        alone.score(alone.encode_images(regions), alone.encode_texts(words)), members[0].score(*pairs[0])
    )

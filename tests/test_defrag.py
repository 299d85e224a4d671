"""DeFrag against its equations, pair by pair, and what it can be asked."""

import pytest
import torch
from torch import Tensor

from wordsight.batch import Batch, Regions, Words
from wordsight.matching.defrag import DeFrag
from wordsight.matching.score import word_regions
from wordsight.text.trees import NUMBER, planted, trees

V, F, D, E = 30, 12, 9, 7


@pytest.fixture
def model() -> DeFrag:
    torch.manual_seed(0)
    return DeFrag(V, F, embedding=D, words=E, margin=0.3, beta=0.7, smoothing=5).double().eval()


def batch(seed: int = 0) -> Batch:
    """Four pictures of two to five regions and five sentences of one to six words, two of them parsed."""
    random = torch.Generator().manual_seed(seed)
    seen, mask = torch.tensor([5, 2, 3, 4]), torch.arange(6) < torch.tensor([6, 1, 4, 3, 5])[:, None]
    features = torch.randn(4, 5, F, generator=random, dtype=torch.double)
    regions = Regions(features, torch.arange(5) < seen[:, None], torch.rand(4, 5, 4, generator=random))
    words = Words(torch.randint(1, V, mask.shape, generator=random) * mask, mask)
    det, root, obj = NUMBER["det"], NUMBER["root"], NUMBER["obj"]
    parsed = [(1, det), (1, root), (5, det), (5, det), (5, obj), (1, obj)], [(2, det), (2, det), (2, root)]
    return Batch(regions, planted(words, [parsed[0], None, None, parsed[1], None]), torch.tensor([0, 1, 2, 3, 0]))


def fragments(model: DeFrag, batch: Batch) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """v of every region of every picture, s of every pair of every sentence."""
    tree, pictures, sentences = trees(batch.words), [], []
    for row in range(len(batch.regions.mask)):
        real = batch.regions.features[row][batch.regions.mask[row]]
        pictures.append([model.region.weight @ one + model.region.bias for one in real])
    for row in range(len(batch.words.mask)):
        said = []
        for place in range(int(batch.words.mask[row].sum())):
            head, relation = tree[row, place].tolist()
            pair = torch.cat([model.words.weight[batch.words.ids[row, which]] for which in (head, place)])
            said.append((model.weight[relation] @ pair + model.bias[relation]).clamp(min=0))
        sentences.append(said)
    return pictures, sentences


def test_the_score_is_the_mean_of_the_products_above_zero(model: DeFrag) -> None:
    some = batch()
    pictures, sentences = fragments(model, some)
    found = model.score(model.encode_images(some.regions), model.encode_texts(some.words))
    for k, seen in enumerate(pictures):
        for one, said in enumerate(sentences):
            total = sum(max(0.0, (v @ s).item()) for v in seen for s in said)
            expected = total / (len(seen) * (len(said) + 5))
            assert found[k, one].item() == pytest.approx(expected, rel=1e-5)


def mi_svm(products: Tensor) -> list[list[bool]]:
    """Which of a sentence's pairs (columns) belong to which regions (rows) of its own picture."""
    right = [[bool(one > 0) for one in row] for row in products]
    for column in range(products.shape[1]):
        if not any(row[column] for row in right):
            right[int(products[:, column].argmax())][column] = True
    return right


@pytest.mark.parametrize("infer_regions", [True, False])
def test_the_loss_is_that_of_fragments_and_that_of_ranking(model: DeFrag, infer_regions: bool) -> None:
    model.infer_regions = infer_regions
    some = batch(1)
    pictures, sentences = fragments(model, some)
    hinges: dict[bool, list[float]] = {True: [], False: []}
    for k, seen in enumerate(pictures):
        for one, said in enumerate(sentences):
            products = torch.stack([torch.stack([v @ s for s in said]) for v in seen])
            own = int(some.picture[one]) == k
            right = mi_svm(products) if infer_regions else [[True] * len(said)] * len(seen)
            for i in range(len(seen)):
                for j in range(len(said)):
                    y = own and right[i][j]
                    hinges[y].append(max(0.0, 1 - (1 if y else -1) * products[i, j].item()))
    expected = sum(sum(each) / len(each) for each in hinges.values())
    scores = model.score(model.encode_images(some.regions), model.encode_texts(some.words)).detach()
    ranked = 0.0
    for one in range(5):
        k = int(some.picture[one])
        ranked += sum(max(0.0, float(scores[other, one] - scores[k, one]) + 0.3) for other in range(4) if other != k)
        others = [other for other in range(5) if int(some.picture[other]) != k]
        ranked += sum(max(0.0, float(scores[k, other] - scores[k, one]) + 0.3) for other in others)
    assert model.loss(some).item() == pytest.approx(expected + 0.7 * ranked / 5, rel=1e-5)


def test_every_pair_of_words_has_a_region_even_where_no_product_is_above_zero(model: DeFrag) -> None:
    products = -torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0)) - 0.1
    mask, picture = torch.tensor([[True, True, False], [True] * 3]), torch.tensor([0, 0, 1, 1])
    right = model.belongs(products, mask, picture)
    assert right.sum(1).tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]
    for word in range(4):
        own = products[picture[word], :, word].masked_fill(~mask[picture[word]], -9)
        assert right[picture[word], own.argmax(), word]


def test_one_sentence_at_a_time_is_as_many_at_once(model: DeFrag) -> None:
    words = batch().words
    together = model.encode_texts(words)
    for row in range(5):
        alone = model.encode_texts(words[row : row + 1].trimmed())
        length = alone.mask.shape[1]
        torch.testing.assert_close(alone.values[0], together.values[row, :length])
        assert torch.equal(alone.places[0], together.places[row, :length])


def test_evidence_shows_pairs(model: DeFrag) -> None:
    some = batch()
    texts = model.encode_texts(some.words)
    assert texts.places[0].tolist() == [[0, 2], [1, 2], [2, 6], [3, 6], [4, 6], [1, 6]]  # from a word to its head
    assert texts.places[2, :4].tolist() == [[0, 1], [0, 2], [1, 3], [2, 4]]
    images = model.encode_images(some.regions)[some.picture]
    found, products = model.evidence(images, texts), texts.values @ images.values.transpose(1, 2)
    torch.testing.assert_close(found, word_regions(images, texts))
    torch.testing.assert_close(found[2, 1, 0], products[2, 1, 0] / 2 + products[2, 2, 0] / 2)
    torch.testing.assert_close(found[2, 0, 0], products[2, 0, 0] + products[2, 1, 0] / 2)


def test_ten_pairs_are_learned_by_heart() -> None:
    torch.manual_seed(0)
    model = DeFrag(V, F, embedding=16, words=8)
    mask = torch.arange(5) < torch.randint(2, 6, (10, 1))
    words = Words(torch.randint(1, V, (10, 5)) * mask, mask)
    regions = Regions(torch.randn(10, 4, F), torch.ones(10, 4, dtype=torch.bool), torch.rand(10, 4, 4))
    ten = Batch(regions, words, torch.arange(10))
    model.fit(lambda: [ten])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimiser.zero_grad()
        model.train().loss(ten).backward()
        optimiser.step()
    with torch.no_grad():
        scores = model.eval().score(model.encode_images(regions), model.encode_texts(words))
    assert scores.argmax(0).tolist() == scores.argmax(1).tolist() == list(range(10))

"""SDT-RNN against its equation, word by word, and searched with one vector a picture."""

import pytest
import torch
from torch import Tensor

from wordsight.batch import Batch, Regions, Words
from wordsight.matching.sdt_rnn import REACH, SDTRNN, depths, positions
from wordsight.text.trees import NUMBER, chains, planted

V, F, D, E = 30, 12, 8, 6
A, B, C = NUMBER["det"], NUMBER["obj"], NUMBER["conj"]
ROOT = NUMBER["root"]
PARSES = [
    [(1, A), (4, B), (1, C), (2, A), (4, ROOT), (4, B), (4, C)],  # of heights 3, 2, 1, 0 and 1
    None,
    [(0, ROOT)],
    [(2, A), (2, A), (2, ROOT), (2, B), (2, B)],
]


def sentences(seed: int = 0) -> Words:
    """Four sentences of seven, four, one and five words; the second is not parsed."""
    mask = torch.arange(7) < torch.tensor([7, 4, 1, 5])[:, None]
    ids = torch.randint(1, V, mask.shape, generator=torch.Generator().manual_seed(seed)) * mask
    return planted(Words(ids, mask), PARSES)


def made(matrices: str) -> SDTRNN:
    torch.manual_seed(0)
    model = SDTRNN(V, F, embedding=D, words=E, matrices=matrices).double().eval()  # type: ignore[arg-type]
    torch.nn.init.normal_(model.child, std=0.5)
    return model


def order(heads: list[int], word: int) -> int:
    """Which child of its head a word is, counted from the head outwards, the right side after the left."""
    head = heads[word]
    between = range(word + 1, head) if word < head else range(head + 1, word)
    place = min(sum(heads[other] == head for other in between), REACH - 1)
    return place if word < head else place + REACH


def plain(model: SDTRNN, ids: list[int], tree: list[tuple[int, int]], word: int) -> tuple[Tensor, int]:
    """h and l of a word, by recursion."""
    heads = [head for head, _ in tree]
    total, size = model.word.weight @ model.words.weight[ids[word]], 1
    for child in range(len(ids)):
        if heads[child] == word and child != word:
            h, below = plain(model, ids, tree, child)
            kind = tree[child][1] if model.matrices == "relation" else order(heads, child)
            total, size = total + below * (model.child[kind] @ h), size + below
    return torch.tanh(total / size), size


@pytest.mark.parametrize("matrices", ["relation", "position"])
def test_a_sentence_is_put_together_along_its_tree(matrices: str) -> None:
    model, words = made(matrices), sentences()
    found = model.encode_texts(words)
    assert found.values.shape == (4, 1, D)
    assert found.places[:, 0].tolist() == [[0, 7], [0, 4], [0, 1], [0, 5]]
    chain = [(0, ROOT), (0, 0), (1, 0), (2, 0)]
    for row, tree in enumerate(parse or chain for parse in PARSES):
        ids, root = words.ids[row, : len(tree)].tolist(), [head for head, _ in tree]
        start = next(place for place, head in enumerate(root) if place == head)
        expected, size = plain(model, ids, tree, start)
        assert size == len(tree)
        torch.testing.assert_close(found.values[row, 0], expected)
        alone = model.encode_texts(words[row : row + 1].trimmed())
        torch.testing.assert_close(alone.values[0], found.values[row])


def test_depths_and_positions_by_hand() -> None:
    assert depths(torch.tensor([1, 4, 1, 2, 4, 4, 4])).tolist() == [2, 1, 2, 3, 0, 1, 1]
    heads, mask = torch.tensor([[3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]]), torch.ones(1, 11, dtype=torch.bool)
    assert positions(heads, mask)[0].tolist() == [2, 1, 0, 0, 4, 5, 6, 7, 7, 7, 7]  # the fourth is the root
    assert positions(chains(mask)[..., 0], mask)[0, 1:].unique().tolist() == [REACH]


def test_a_picture_is_one_vector_of_the_whole_of_it() -> None:
    model, random = made("relation"), torch.Generator().manual_seed(1)
    features = torch.randn(3, 4, F, generator=random, dtype=torch.double)
    regions = Regions(features, torch.ones(3, 4, dtype=torch.bool), torch.rand(3, 4, 4, generator=random))
    images = model.encode_images(regions)
    torch.testing.assert_close(images.values[:, 0], features[:, 0] @ model.picture.weight.T + model.picture.bias)
    assert images.places.equal(regions.boxes[:, :1])
    texts = model.encode_texts(sentences())
    torch.testing.assert_close(
        model.score(images, texts), (images.values[:, 0] @ texts.values[:, 0].T).float(), check_dtype=False
    )


def test_all_words_have_an_equal_share_of_the_evidence() -> None:
    model = made("relation")
    regions = Regions(torch.randn(4, 2, F).double(), torch.ones(4, 2, dtype=torch.bool), torch.rand(4, 2, 4))
    images, texts = model.encode_images(regions), model.encode_texts(sentences())
    found, scores = model.evidence(images, texts), model.score(images, texts).diagonal()
    for row, length in enumerate([7, 4, 1, 5]):
        assert found[row, :length, 0].tolist() == pytest.approx([scores[row].item() / length] * length, rel=1e-5)


def test_it_starts_as_about_the_mean_of_its_words() -> None:
    torch.manual_seed(0)
    model, words = SDTRNN(V, F, embedding=D, words=E).eval(), sentences()
    torch.nn.init.normal_(model.word.weight, std=0.01)  # where tanh is straight
    own = model.word(model.words(words.ids)) * words.mask[:, :, None]
    mean = own.sum(1) / words.mask.sum(1, keepdim=True)
    torch.testing.assert_close(model.encode_texts(words).values[:, 0], mean, rtol=1e-2, atol=1e-4)


def test_ten_pairs_are_learned_by_heart() -> None:
    torch.manual_seed(0)
    model = SDTRNN(V, F, embedding=16, words=8)
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

"""Captions that are copied or filled in: each baseline against the plain way of it."""

import math
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from wordsight.batch import Regions, Vectors, Words
from wordsight.captioning import retrieval
from wordsight.captioning.retrieval import (
    appearance,
    best_sentences,
    consensus_captions,
    nearest_captions,
    neighbours,
)
from wordsight.captioning.template import NOTHING, noun_phrase, template_captions
from wordsight.matching.align import Align
from wordsight.matching.matcher import Matcher
from wordsight.matching.score import sum_of_max
from wordsight.vision.labels import held, label_names
from wordsight.vision.proposals import COCO_NAMES, Kind, Proposals, groups_of, parts_of, whole

WORDS = ("a", "the", "dog", "cat", "man", "woman", "runs", "sits", "plays", "on", "in", "snow", "grass", "red", "ball")
BLOCKS = {"net": slice(0, 3), "place": slice(3, 5), "other": slice(5, 7), "labels": slice(7, 9)}


def said(seed: int, pictures: int = 12, each: int = 3) -> list[list[str]]:
    lots = random.Random(seed)
    return [[" ".join(lots.choices(WORDS, k=lots.randint(1, 8))) for _ in range(each)] for _ in range(pictures)]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- nearest neighbours


def test_only_what_the_whole_picture_looks_like_counts() -> None:
    features = drawn(4, 5, 9)
    found = appearance(Regions(features, torch.ones(4, 5, dtype=torch.bool), torch.zeros(4, 5, 4)), BLOCKS)
    assert torch.equal(found, features[:, 0, [0, 1, 2, 5, 6]])


def test_neighbours_are_the_nearest_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, known = drawn(7, 6), drawn(20, 6, seed=1)
    for rows in (256, 3):
        monkeypatch.setattr(retrieval, "ROWS", rows)
        for picture, found in zip(pictures, neighbours(pictures, known, 5), strict=True):
            distance = [math.dist(picture.tolist(), other.tolist()) for other in known]
            assert found.tolist() == sorted(range(20), key=distance.__getitem__)[:5]


@pytest.mark.parametrize("count", [0, 4])
def test_as_many_neighbours_as_there_are_pictures_at_most(count: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 3"):
        neighbours(drawn(2, 6), drawn(3, 6), count)


def test_the_first_sentence_of_the_nearest_picture_is_copied() -> None:
    known = torch.eye(3)
    sentences = [["one", "uno"], ["two", "dos"], ["three", "tres"]]
    assert nearest_captions(known[[2, 0]] + 0.1, known, sentences) == ["three", "one"]


# --- consensus


def plain_likeness(one: str, other: str, sentences: Sequence[Sequence[str]]) -> float:
    """CIDEr of one sentence with another, by its formula."""

    def grams(sentence: str, n: int) -> Counter[tuple[str, ...]]:
        words = sentence.split()
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    total = 0.0
    for n in range(1, 5):
        known = sorted({gram for text in (one, other) for gram in grams(text, n)})
        there = [sum(any(gram in grams(text, n) for text in some) for some in sentences) for gram in known]
        rarity = np.log(len(sentences) / np.array(there))
        a, b = (np.array([grams(text, n)[gram] for gram in known]) * rarity for text in (one, other))
        length = np.linalg.norm(a) * np.linalg.norm(b)
        total += float(a @ b / length) / 4 if length else 0.0
    return total


@pytest.mark.parametrize("seed", range(3))
def test_consensus_is_the_sentence_that_is_most_like_the_others(seed: int) -> None:
    sentences, pictures, known = said(seed), drawn(3, 4), drawn(12, 4, seed=1)
    found = consensus_captions(pictures, known, sentences, 4)
    for caption, rows in zip(found, neighbours(pictures, known, 4).tolist(), strict=True):
        texts = [text for row in rows for text in sentences[row]]
        means = [
            sum(plain_likeness(text, other, sentences) for other in texts[:i] + texts[i + 1 :])
            for i, text in enumerate(texts)
        ]
        assert means[texts.index(caption)] == pytest.approx(max(means))


def test_neither_an_odd_sentence_nor_what_everybody_says_is_the_consensus() -> None:
    sentences = [
        ["a zebra on the moon", "a dog runs in the snow", "it is a picture"],
        ["a brown dog runs in deep snow", "it is here"],
        ["two cats on a sofa", "it is late"],
    ]
    known = torch.eye(3)
    assert consensus_captions(known[:1], known, sentences, 2) == ["a dog runs in the snow"]


def test_the_consensus_of_one_picture_with_one_sentence_is_that_sentence() -> None:
    sentences = [[some[0]] for some in said(0)]
    pictures, known = drawn(5, 4), drawn(12, 4, seed=1)
    assert consensus_captions(pictures, known, sentences, 1) == nearest_captions(pictures, known, sentences)


def test_sentences_without_a_word_are_no_consensus_and_do_no_harm() -> None:
    assert consensus_captions(torch.eye(2), torch.eye(2), [["...", "a cat"], ["!", "a dog"]], 2) == ["...", "!"]
    known = torch.eye(3)
    sentences = [["...", "a cat sits"], ["a cat sits there", "!"], ["a dog"]]
    assert consensus_captions(known[:1], known, sentences, 2) == ["a cat sits"]


# --- the greatest alignment score


def model_of(features: int = 9) -> Matcher:
    torch.manual_seed(0)
    return Align(len(WORDS) + 2, features, embedding=8, words=6, hidden=5, mean=True).eval()


def encoded(sentences: int = 23) -> Words:
    lots = torch.Generator().manual_seed(3)
    lengths = torch.randint(1, 6, (sentences, 1), generator=lots)
    mask = torch.arange(9) < lengths  # more padding than any needs
    return Words(torch.randint(1, len(WORDS) + 2, mask.shape, generator=lots) * mask, mask)


@torch.no_grad()
def test_the_best_sentence_has_the_greatest_score(monkeypatch: pytest.MonkeyPatch) -> None:
    model, words = model_of(), encoded()
    mask = torch.arange(5) < torch.tensor([[5], [2], [1], [4], [5], [3]])
    images = model.encode_images(Regions(drawn(6, 5, 9), mask, torch.zeros(6, 5, 4)))
    scores = torch.stack([model.score(images, model.encode_texts(Words(*some)))[:, 0] for some in single(words)], dim=1)
    for rows, size in ((256, 6), (4, 2), (1, 5)):
        monkeypatch.setattr(retrieval, "ROWS", rows)
        blocks = [images[slice(first, first + size)] for first in range(0, 6, size)]
        assert torch.equal(best_sentences(model, blocks, words), scores.argmax(dim=1))
    assert len(scores.argmax(dim=1).unique()) > 1


def single(words: Words) -> list[tuple[Tensor, Tensor]]:
    """Each sentence in a row of its own, without padding."""
    return [(ids[mask][None], mask[mask][None]) for ids, mask in zip(words.ids, words.mask, strict=True)]


@torch.no_grad()
def test_of_equal_sentences_the_first_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "ROWS", 2)
    model, ids = model_of(), torch.tensor([[3], [4], [5]]).repeat(3, 1)
    images = model.encode_images(Regions(drawn(6, 5, 9), torch.ones(6, 5, dtype=torch.bool), torch.zeros(6, 5, 4)))
    real = torch.ones_like(ids, dtype=torch.bool)
    assert best_sentences(model, [images], Words(ids, real)).max() < 3

    class Uneven:
        """Scores that grow by a rounding error with every sentence, as those of some processors do."""

        def encode_texts(self, words: Words) -> Vectors:
            return model.encode_texts(words)

        def score(self, images: Vectors, texts: Vectors) -> Tensor:
            found = model.score(images, texts)
            return found * (1 + 1e-6 * torch.arange(found.shape[1])) if len(texts.mask) > 1 else found * 1.00001

    assert best_sentences(Uneven(), [images], Words(ids, real)).max() < 3


@torch.no_grad()
def test_a_region_alone_is_ranked_by_its_own_vector() -> None:
    model, words = model_of(), encoded()
    regions = drawn(6, 1, 8)
    images = Vectors(regions, torch.ones(6, 1, dtype=torch.bool), torch.zeros(6, 1, 4))
    texts = [model.encode_texts(Words(*some)).values[0] for some in single(words)]
    expected = [max(range(23), key=lambda row: (texts[row] @ region[0]).mean().item()) for region in regions]
    assert best_sentences(model, [images], words).tolist() == expected


class Hubs:
    """A model whose word number i scores i with everything, and is a hub by 2 i."""

    def encode_texts(self, words: Words) -> Vectors:
        values = words.ids[..., None].float()
        return Vectors(values, words.mask, values, 2 * values[:, 0, 0])

    def score(self, images: Vectors, texts: Vectors) -> Tensor:
        return sum_of_max(images, texts)


def test_a_sentence_that_is_a_hub_is_not_the_best_for_everything() -> None:
    words = Words(torch.tensor([[2], [3], [4]]), torch.ones(3, 1, dtype=torch.bool))
    images = Vectors(torch.ones(1, 1, 1), torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, 4))
    assert best_sentences(Hubs(), [images], words).tolist() == [0]


# --- the template


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("dog", 1, "a dog"),
        ("umbrella", 1, "an umbrella"),
        ("dog", 2, "two dogs"),
        ("person", 5, "five people"),
        ("person", 6, "several people"),
        ("wine glass", 2, "two wine glasses"),
        ("skis", 1, "a pair of skis"),
        ("skis", 3, "three pairs of skis"),
        ("broccoli", 2, "two pieces of broccoli"),
    ],
)
def test_articles_numbers_and_plurals(name: str, count: int, expected: str) -> None:
    assert noun_phrase(name, count) == expected


def test_the_classes_of_a_detector_that_do_not_just_take_an_s() -> None:
    several = {name: noun_phrase(name, 2).removeprefix("two ") for name in COCO_NAMES}
    assert {name: words for name, words in several.items() if words != f"{name}s"} == {
        **{name: f"{name}es" for name in ("bus", "bench", "wine glass", "sandwich", "couch", "toothbrush")},
        **{"person": "people", "sheep": "sheep", "knife": "knives", "mouse": "mice"},
        **{"skis": "pairs of skis", "scissors": "pairs of scissors", "broccoli": "pieces of broccoli"},
    }


NAMES = ("person", "dog", "umbrella", "bench")


def seen(*things: tuple[str, float], more: int = 0) -> tuple[Regions, slice]:
    """A picture in which a detector found these, with the groups and parts that they make up; two columns before."""
    classes = np.zeros((len(things), len(NAMES)), np.float32)
    for row, (name, score) in enumerate(things):
        classes[row, NAMES.index(name)] = score
    boxes = np.tile(np.array([0.1, 0.1, 0.6, 0.6], np.float32), (len(things), 1))
    objects = Proposals.of(Kind.DETECTION, boxes, classes)
    proposals = Proposals.join([whole(len(NAMES)), objects, groups_of(objects), parts_of(objects, 0)])
    labels = np.pad(held(proposals), ((0, more), (2, 0)), constant_values=1.0)
    mask = torch.arange(len(labels)) < len(proposals)
    features = torch.from_numpy(labels)[None]
    return Regions(features, mask[None], torch.zeros(1, len(labels), 4)), slice(2, 2 + len(label_names(NAMES)))


def caption(*things: tuple[str, float], more: int = 0) -> str:
    regions, labels = seen(*things, more=more)
    return template_captions(regions, labels, NAMES)[0]


def test_what_is_detected_is_counted_and_listed_surest_first() -> None:
    assert caption(("dog", 0.9), ("person", 0.8), ("dog", 0.5)) == "two dogs and a person"
    assert caption(("person", 0.9), ("dog", 0.8), ("umbrella", 0.5)) == "a person, a dog and an umbrella"
    assert caption(("person", 0.7), ("dog", 0.8)) == "a dog and a person"


def test_what_is_not_sure_is_not_said() -> None:
    assert caption(("dog", 0.9), ("dog", 0.1), ("bench", 0.2)) == "a dog"
    assert caption(("dog", 0.9), ("bench", 0.26)) == "a dog and a bench"


def test_no_more_than_three_kinds_are_named() -> None:
    assert caption(("dog", 0.9), ("bench", 0.8), ("umbrella", 0.7), ("person", 0.6)) == "a dog, a bench and an umbrella"


def test_where_nothing_is_detected_there_is_still_a_caption() -> None:
    assert caption() == caption(("dog", 0.05)) == NOTHING


def test_padding_changes_nothing() -> None:
    assert caption(("dog", 0.9), ("person", 0.8), more=3) == "a dog and a person"
    assert caption(more=3) == NOTHING

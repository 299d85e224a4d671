"""Noun phrases of sentences, and that each has a box of its own."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

import wordsight
from wordsight.batch import Vectors
from wordsight.matching.score import spans
from wordsight.matching.segments import BETA, Grouping, assign, segments
from wordsight.reports.marks import marks
from wordsight.runs.aligner import Aligner
from wordsight.text.phrases import noun_phrases, read
from wordsight.text.tokens import FUNCTION_WORDS, tokenise

SENTENCES = """
[a black cat] in front of [a laptop]
[a woman] with [a red bag] and [a man]
[purple flowers] and [a bag]
[a black and white dog]
[black and white dog]
[a man] and [a woman]
[a man] and [woman] walking [a dog]
[a group of people] in front of [a building]
[a bowl of soup] next to [a spoon]
[a cat] on top of [a laptop]
[a lamp] to the left of [the bed]
[a green stripy cross] right of [a checked yellow circle]
[a lamp] on the left side of [the bed]
[a dog] in the middle of [the street]
[a pair of shoes] on the edge of [a table]
[his bike] leans against [the wall]
[a girl 's hair]
[the man 's face]
[three dogs] and [two cats]
[a group of three men]
[a group of about 11 people] in [the woods]
[player number 7] kicks [the ball]
[a dog] runs on [the beach]
[two men] play [tennis]
[a man] and [a woman] stand on [a hill]
[people] walk in [the street]
[a smiling woman] holding [a baby]
[two smiling women] wearing [hats]
[a man] holding [hands] with [a woman]
[man] riding [horses]
[a parking lot full of cars]
[a swimming pool]
[a hotel dining room] with [wooden chairs]
[a snow covered mountain] behind [a lake]
[an odd looking vehicle]
[a red, white and blue flag]
[a small and fluffy dog]
[a red] and [a blue ball]
[dogs], [cats] and [birds]
[a man] in [black] and [woman] in [red]
[a girl] in [pink] runs through [a sprinkler]
[a woman] in [blue] sits on [a curb]
[a man] wearing [a hat] and [sunglasses] sits on [a bench]
[one of the dogs] is running
[two dogs], one with [a ball]
[the white one] is carrying [a stick]
[a very large dog]
[a brightly colored kite] in [the sky]
[a man] casually dressed in [jeans]
[a close up of a pizza]
[a plate of food] and [a glass of wine] on [a wooden table]
[the man] in [the blue shirt] is jumping over [a log]
[several people] are standing around [a table] with [plates of food]
[a brown dog] chases [a ball] while [another brown dog] watches it
[a man] who is sitting on [a park bench]
[a person] holds [an umbrella] over [her head]
[a bathroom] with [a toilet] and [sink]
there is [a zebra] near [the fence]
[children] are being splashed with [water]
[all the children]
[a running dog]
cat laptop
zebra
ein hund am strand
eine schwarze katze vor einem laptop
un chien sur la plage
una mujer con un bolso rojo y un hombre
een hond op het strand
en hund och en katt på en strand
黑猫在电脑前
собака на пляже
""".strip().splitlines()


@pytest.mark.parametrize("marked", SENTENCES)
def test_noun_phrases(marked: str) -> None:
    found = read(marked.replace("[", "").replace("]", ""))
    expected = [" ".join(tokenise(part.split("]")[0])) for part in marked.split("[")[1:]]
    assert [" ".join(found.words[start:end]) for start, end in found.phrases] == expected


def test_words_and_commas_are_enough() -> None:
    assert noun_phrases(tokenise("dogs and cats")) == [(0, 1), (2, 3)]
    assert noun_phrases(tokenise("a man a dog")) == [(0, 2), (2, 4)]
    assert noun_phrases(tokenise("the dogs cats")) == [(0, 3)]
    assert noun_phrases(tokenise("the dogs cats"), {2}) == [(0, 2), (2, 3)]
    assert noun_phrases([]) == []


def test_a_compound_preposition_is_silent_with_its_noun() -> None:
    def heard(sentence: str) -> list[str]:
        found = read(sentence)
        return [
            word for word, function_words in zip(found.words, found.function_words, strict=True) if not function_words
        ]

    assert heard("a black cat in front of a laptop") == ["black", "cat", "laptop"]
    assert heard("a cat on top of the box") == ["cat", "box"]
    assert heard("a lamp to the left of a bed") == ["lamp", "bed"]
    assert heard("a dog next to the front door") == ["dog", "front", "door"]
    assert heard("the top of a hill") == ["top", "hill"]  # a thing
    assert heard("ein hund in front") == ["ein", "hund", "front"]  # as without noun phrases


def test_any_words_give_spans_in_order_that_name_something() -> None:
    lot, known = random.Random(0), sorted({word for one in SENTENCES for word in one.split()} | FUNCTION_WORDS)
    for _ in range(500):
        sentence = " ".join(lot.choices(known, k=lot.randint(0, 9)))
        found = read(sentence)
        assert list(found.words) == tokenise(sentence)
        assert len(found.function_words) == len(found.words)
        assert all(0 <= start < end <= len(found.words) for start, end in found.phrases)
        assert all(one[1] <= other[0] for one, other in pairwise(found.phrases))
        assert not any(set(found.words[start:end]) <= FUNCTION_WORDS for start, end in found.phrases)


def placed(sentence: str, seen: dict[str, tuple[float, ...]], beta: float = BETA) -> list[tuple[str, int]]:
    """The segments of a sentence and their regions, where each word is seen in the regions by so much."""
    words = tokenise(sentence)
    count = len(next(iter(seen.values())))
    values = torch.tensor([[*seen.get(word, (0.0,) * count)] for word in words])[None]
    mask = torch.ones(1, count, dtype=torch.bool)
    columns = torch.tensor([[[region / count, 0.0, (region + 1) / count, 1.0] for region in range(count)]])
    images = Vectors(torch.eye(count)[None], mask, columns)  # side by side, so that none supports another
    spoken = torch.ones(1, len(words), dtype=torch.bool)
    texts = Vectors(values, spoken, spans(spoken))
    found = segments(images, texts, beta, Grouping.of([sentence]))[0]
    return [(" ".join(words[one.start : one.end]), one.region) for one in found]


def test_two_things_are_in_two_boxes_though_one_box_fits_both_well() -> None:
    seen = {"black": (1.0, 0.9, 0.9), "cat": (3.0, 0.0, 2.8), "laptop": (0.0, 3.0, 2.8), "front": (0.0, 0.0, 9.0)}
    assert placed("a black cat in front of a laptop", seen) == [("a black cat", 0), ("in front of a laptop", 1)]
    assert placed("a cat and a laptop", seen, 1e6) == [("a cat", 0), ("and a laptop", 1)]
    assert placed("cat laptop", seen, 5.0) == [("cat laptop", 2)]  # by the chain alone


def test_two_noun_phrases_on_one_box_are_two_segments() -> None:
    seen = {"flowers": (2.0, 0.0), "purple": (0.0, 1.0), "bag": (2.0, 0.0)}
    assert placed("purple flowers and a bag", seen) == [("purple flowers", 0), ("and a bag", 0)]


def test_a_noun_phrase_is_whole_though_its_words_differ() -> None:
    seen = {"red": (9.0, 0.0, 8.0), "wooden": (0.0, 9.0, 8.0), "box": (0.0, 0.0, 0.1)}
    assert placed("a red wooden box", seen, 0.01) == [("a red wooden box", 2)]
    assert [region for _, region in placed("a red wooden box", seen, 0.0)] == [0, 1, 2]  # each word on its own


def test_a_verb_goes_with_either_neighbour() -> None:
    seen = {"man": (3.0, 0.0), "hat": (0.0, 3.0), "wearing": (0.0, 1.0)}
    assert placed("a man wearing a hat", seen) == [("a man", 0), ("wearing a hat", 1)]
    seen |= {"wearing": (1.0, 0.0)}
    assert placed("a man wearing a hat", seen) == [("a man wearing", 0), ("a hat", 1)]


def test_sentences_of_several_lengths_and_padded_regions() -> None:
    sentences = ["a cat and a dog near a tree", "zebra", "a red ball"]
    grouping, lot = Grouping.of(sentences), torch.Generator().manual_seed(0)
    mask = torch.arange(8) < torch.tensor([[8], [1], [3]])
    scores: Tensor = torch.randn(3, 8, 5, generator=lot)
    scores[1:, :, 3:] = -torch.inf
    together = assign(scores, mask, 0.5, grouping)
    for row, sentence in enumerate(sentences):
        length = int(mask[row].sum())
        regions = 5 if row == 0 else 3
        alone = scores[row : row + 1, :length, :regions]
        assert torch.equal(
            assign(alone, mask[row : row + 1, :length], 0.5, Grouping.of([sentence]))[0], together[row, :length]
        )


def test_a_sentence_in_another_language_is_grouped_by_the_chain_alone() -> None:
    lot = torch.Generator().manual_seed(1)
    for sentence in ("eine schwarze katze vor einem laptop", "кот и собака на пляже", "un chat noir et une table"):
        grouping = Grouping.of([sentence])
        assert not grouping.phrases.any()
        scores, mask = (
            torch.randn(1, *grouping.function_words.shape[1:], 4, generator=lot),
            torch.ones_like(grouping.function_words),
        )
        plain = Grouping(grouping.function_words, torch.zeros_like(grouping.phrases))
        assert torch.equal(assign(scores, mask, BETA, grouping), assign(scores, mask, BETA, plain))


@pytest.fixture(scope="module")
def run(trained: Path) -> Aligner:
    return wordsight.load(trained, device="cpu")


def test_python_and_drawing_show_the_noun_phrases(run: Aligner, world: Path) -> None:
    found = run.align(min((world / "images").iterdir()), "a red circle and a blue square", beta=BETA)
    assert [" ".join(found.words[one.start : one.end]) for one in found.segments] == [
        "a red circle",
        "and a blue square",
    ]
    for mark in marks(found):
        assert mark.label in ("red circle", "blue square", "red circle and a blue square")

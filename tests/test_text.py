"""Sentences as words and numbers, and word vectors from files."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.errors import InputError
from wordsight.text.articles import agree, article
from wordsight.text.tokens import tokenise
from wordsight.text.vectors import load_vectors
from wordsight.text.vocabulary import Vocabulary

SAID = ["A dog runs.", "A dog, a cat!", "the cat", "the dog"]


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("A black dog 's T-shirt .", ["a", "black", "dog", "s", "tshirt"]),
        ("Don't  STOP\tnow\n", ["dont", "stop", "now"]),
        ("three 3d men", ["three", "3d", "men"]),
        ("Élan café ÜBER 犬", ["élan", "café", "über", "犬"]),
        (" - ... !", []),
        ("", []),
    ],
)
def test_words_are_lowercase_letters_and_digits(sentence: str, words: list[str]) -> None:
    assert tokenise(sentence) == words


def test_a_vocabulary_orders_words_by_count_then_alphabet() -> None:
    vocabulary = Vocabulary.build(SAID, min_count=2)
    assert vocabulary.words == ("<end>", "<unk>", "a", "dog", "cat", "the")
    assert len(vocabulary) == 6 and "cat" in vocabulary and "runs" not in vocabulary
    assert vocabulary.coverage(SAID) == 10 / 11
    assert vocabulary.coverage(["?"]) == 0
    assert Vocabulary.build(reversed(SAID), min_count=2) == vocabulary


def test_sentences_are_padded_at_the_end() -> None:
    words = Vocabulary.build(SAID, min_count=2).encode(["a dog runs", "THE!"])
    assert words.ids.tolist() == [[2, 3, 1], [5, 0, 0]]
    assert words.mask.tolist() == [[True, True, True], [True, False, False]]
    assert words.ids.dtype == torch.int64 and words.mask.dtype == torch.bool


def test_a_sentence_without_words_is_one_unknown_word() -> None:
    vocabulary = Vocabulary.build(SAID, min_count=2)
    words = vocabulary.encode(["", "..."])
    assert words.ids.tolist() == [[1], [1]] and bool(words.mask.all())
    assert vocabulary.tokens("...") == ["<unk>"]
    assert vocabulary.encode([]).ids.shape == (0, 1)


def test_each_token_has_its_number() -> None:
    vocabulary = Vocabulary.build(SAID, min_count=2)
    for sentence in [*SAID, "", "Zebras run"]:
        assert len(vocabulary.tokens(sentence)) == int(vocabulary.encode([sentence]).mask.sum())


def test_a_vocabulary_without_words_is_an_error() -> None:
    with pytest.raises(InputError, match="No word is seen 5 times or more in the 11 words"):
        Vocabulary.build(SAID)


def test_a_vocabulary_is_saved_and_loaded(tmp_path: Path) -> None:
    vocabulary = Vocabulary.build([*SAID, "café 犬"], min_count=1)
    vocabulary.save(tmp_path / "run/vocabulary.json")
    assert Vocabulary.load(tmp_path / "run/vocabulary.json") == vocabulary
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["vocabulary.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 1,\n "words": [}', r"vocabulary.json, line 2, column 12: not valid JSON"),
        ('{"words": []}', r"the key 'format' is missing"),
        ('{"format": 9, "words": []}', r"key 'format': expected 1, found 9"),
        ('{"format": 1, "words": ["<end>", 3]}', r"key 'words', word 1: expected text, found 3"),
        ('{"format": 1, "words": ["a"]}', r"expected the words to start with <end> and <unk>"),
        ('{"format": 1, "words": ["<end>", "<unk>", "a", "a"]}', r"'a' is there twice"),
    ],
)
def test_a_wrong_vocabulary_file_names_the_line_or_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        Vocabulary.load(path)


def test_a_missing_vocabulary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"vocabulary.json cannot be read"):
        Vocabulary.load(tmp_path / "vocabulary.json")


def test_a_vocabulary_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    vocabulary = Vocabulary.build(SAID, min_count=1)
    path = tmp_path / "vocabulary.json"
    path.write_text("what was there before")
    monkeypatch.setattr("wordsight.files.os.replace", full)
    with pytest.raises(InputError, match="cannot be written: the disk is full"):
        vocabulary.save(path)
    assert [one.read_text() for one in tmp_path.iterdir()] == ["what was there before"]


# Vectors


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary.build(["a dog tshirt bird"], min_count=1)  # <end> <unk> a bird dog tshirt


@pytest.mark.parametrize("kind", ["npz", "glove", "word2vec"])
def test_vectors_of_every_format(tmp_path: Path, vocabulary: Vocabulary, kind: str) -> None:
    rows = {
        "Dog": [9.0, 9.0],
        "dog": [1.0, 2.0],
        "DOG": [8.0, 8.0],
        "T-shirt": [3.0, 4.0],
        "a": [5.0, 6.0],
        "x": [7, 7],
    }
    path = tmp_path / f"vectors.{'npz' if kind == 'npz' else 'txt'}"
    if kind == "npz":
        np.savez(path, words=np.array(list(rows)), vectors=np.array(list(rows.values()), dtype=np.float16))
    else:
        lines = [f"{word} {x} {y}" for word, (x, y) in rows.items()]
        path.write_text("\n".join(["6 2"] * (kind == "word2vec") + lines + ["a b c 1 2"]) + "\n")
    vectors, found = load_vectors(path, vocabulary)
    assert found.tolist() == [False, False, True, False, True, True]
    assert vectors[found].tolist() == [[5, 6], [1, 2], [3, 4]]
    assert vectors.dtype == torch.float32 and bool(vectors[~found].abs().sum(1).gt(0).all())
    assert torch.equal(load_vectors(path, vocabulary)[0], vectors)
    assert not torch.equal(load_vectors(path, vocabulary, seed=1)[0], vectors)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\ndog 1 x\n", r"vectors.txt, line 2: expected a word and 2 numbers"),
        ("a 1 2\ndog 1\n", r"line 2: expected a word and 2 numbers, found 1"),
        ("zebra 1 2\n", r"none of the 6 words of the vocabulary"),
        ("", r"none of the 6 words"),
    ],
)
def test_wrong_vector_text_names_the_line(tmp_path: Path, vocabulary: Vocabulary, text: str, message: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_vectors(path, vocabulary)


def test_wrong_vector_archives_are_named(tmp_path: Path, vocabulary: Vocabulary) -> None:
    path = tmp_path / "vectors.npz"
    with pytest.raises(InputError, match=r"vectors\.npz cannot be read"):
        load_vectors(path, vocabulary)
    path.write_bytes(b"PK no archive")
    with pytest.raises(InputError, match=r"vectors\.npz cannot be read"):
        load_vectors(path, vocabulary)
    np.savez(path, words=np.array(["a"]))
    with pytest.raises(InputError, match="'vectors' is missing, there is words"):
        load_vectors(path, vocabulary)
    np.savez(path, words=np.array(["a"]), vectors=np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"found \(1,\) and \(2, 3\)"):
        load_vectors(path, vocabulary)


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.npz"])
def test_vectors_are_not_waited_for_at_a_pipe_nor_read_without_end(
    tmp_path: Path, vocabulary: Vocabulary, name: str
) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(InputError, match="not a regular file"):
        load_vectors(path, vocabulary)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"longer line|expected an npz"):
        load_vectors(path, vocabulary)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="expected"):
        load_vectors(path, vocabulary)


AN = ["elephant", "orange", "umbrella", "hourglass", "heir", "uncle", "unidentified", "usher", "onion"]
A = ["dog", "unicycle", "uniform", "European", "urinal", "one", "UK", "ukulele", "euro", "used"]


@pytest.mark.parametrize("word", AN + A)
def test_the_article_follows_the_sound(word: str) -> None:
    assert article(word) == ("an" if word in AN else "a")


def test_articles_agree_with_the_next_word_and_nothing_else_changes() -> None:
    said = ["a", "elephant", "and", "an", "dog", "near", "an", "old", "a", "frame", "a"]
    assert " ".join(agree(said)) == "an elephant and a dog near an old a frame a"
    assert agree([]) == []

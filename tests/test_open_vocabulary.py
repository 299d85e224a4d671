"""An open vocabulary: words that no training sentence has are known, find their regions, and may be misspelt."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.batch import Batch, Regions, Words
from wordsight.errors import InputError
from wordsight.matching.align import Align
from wordsight.matching.score import word_regions
from wordsight.matching.segments import function_words
from wordsight.text.vocabulary import Vocabulary
from wordsight.text.word_table import word_table
from wordsight.vision.lite2 import class_names
from wordsight.vision.meanings import Meanings

SENTENCES = ["a dog on the grass", "a cat on the sofa", "the dog and the cat"]
SEEN, PLACE = 6, 128  # columns of features before the word vector, and of that


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.build(SENTENCES, 1).opened(word_table().words)


def aligner(vocabulary: Vocabulary, **keywords: float) -> Align:
    torch.manual_seed(0)
    sizes = {"embedding": 8, "words": 8, "hidden": 8, "meanings": PLACE, "trained": vocabulary.trained}
    how = {"encoder": "gru", "loss": "contrastive", "normalise": True, "mean": True}
    model = Align(len(vocabulary), SEEN + PLACE, **sizes, **how, **keywords)  # type: ignore[arg-type]
    assert model.meaning is not None
    model.meaning.set(word_table().of(vocabulary.words), function_words(vocabulary))
    return model.eval()


def called(*names: str) -> Regions:
    """A picture whose regions are called so and look alike."""
    features = torch.cat([torch.ones(len(names), SEEN), word_table().of(names)], dim=1)[None]
    return Regions(features, torch.ones(1, len(names), dtype=torch.bool), torch.rand(1, len(names), 4))


def test_words_of_the_training_come_first_and_the_table_behind_them(vocabulary: Vocabulary, tmp_path: Path) -> None:
    assert vocabulary.closed().words == Vocabulary.build(SENTENCES, 1).words == vocabulary.words[: vocabulary.trained]
    assert len(vocabulary) > 40_000 and "zebra" in vocabulary and vocabulary.number["zebra"] >= vocabulary.trained
    vocabulary.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json") == vocabulary
    text = (tmp_path / "vocabulary.json").read_text()
    (tmp_path / "vocabulary.json").write_text(text.replace(f'"trained": {vocabulary.trained}', '"trained": 99999'))
    with pytest.raises(InputError, match=r"key 'trained': expected at most"):
        Vocabulary.load(tmp_path / "vocabulary.json")


def test_a_misspelt_word_is_read_as_the_word_it_is_meant_for(vocabulary: Vocabulary) -> None:
    right, wrong = vocabulary.encode(["a giraffe"]), vocabulary.encode(["a girafe"])
    assert right.ids.equal(wrong.ids) and "girafe" in vocabulary
    assert "xqzzvwk" not in vocabulary and vocabulary.encode(["xqzzvwk"]).ids.tolist() == [[1]]
    assert "girafe" not in vocabulary.closed()


@pytest.mark.parametrize(
    ("word", "place"), [("zebra", 0), ("zebras", 0), ("pizza", 1), ("umbrella", 2), ("Pferd", 3), ("motorbike", 4)]
)
def test_a_word_that_nobody_trained_finds_the_region_that_is_called_so(
    vocabulary: Vocabulary, word: str, place: int
) -> None:
    model, there = aligner(vocabulary, meaning_weight=5.0), called("zebra", "pizza", "umbrella", "horse", "motorcycle")
    with torch.inference_mode():
        found = word_regions(model.encode_images(there), model.encode_texts(vocabulary.encode([word])))
    assert int(found[0, 0].argmax()) == place


def test_while_training_the_names_of_classes_count_half(vocabulary: Vocabulary) -> None:
    meaning, there = aligner(vocabulary, meaning_weight=5.0).meaning, called("zebra", "pizza")
    assert meaning is not None
    used = meaning.eval().encode_images(there)
    torch.testing.assert_close(meaning.train().encode_images(there), used / 2)
    torch.testing.assert_close(used, 5 * there.features[..., meaning.columns])


def test_words_that_name_nothing_have_no_evidence(vocabulary: Vocabulary) -> None:
    meaning = aligner(vocabulary).meaning
    assert meaning is not None
    words = vocabulary.encode(["a zebra on the of"])
    assert meaning.encode_texts(words).norm(dim=-1)[0].gt(0).tolist() == [False, True, False, False, False]


def test_what_is_learned_of_words_does_not_depend_on_the_batch_and_learns(vocabulary: Vocabulary) -> None:
    model = aligner(vocabulary, meaning_weight=0.2).train()
    words = vocabulary.encode(SENTENCES[:2])
    regions = called("dog", "grass"), called("cat", "sofa")
    both = Regions(*(torch.cat(parts) for parts in zip(*((r.features, r.mask, r.boxes) for r in regions), strict=True)))
    batch, optimiser = Batch(both, words, torch.arange(2)), torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    model.eval()
    padded = Words(torch.nn.functional.pad(words.ids, (0, 3)), torch.nn.functional.pad(words.mask, (0, 3)))
    with torch.inference_mode():
        once, twice = model.encode_texts(words), model.encode_texts(padded)
    assert torch.allclose(once.values[words.mask], twice.values[padded.mask], atol=1e-6)


def test_a_region_is_called_as_its_classes_are() -> None:
    meanings = Meanings(class_names(), ["person", ""])
    likely = np.zeros((2, 1000), np.float32)
    likely[0, 340], likely[1, 963] = 0.6, 0.5  # zebra, pizza
    found = torch.from_numpy(meanings.of(likely, np.zeros((2, 2), np.float32)))
    near = found @ word_table().of(["zebra", "pizza", "car"]).T
    assert near.argmax(dim=1).tolist() == [0, 1] and torch.allclose(found.norm(dim=1), torch.ones(2))
    nothing = meanings.of(np.zeros((1, 1000), np.float32), np.array([[0, 1]], np.float32))
    assert not nothing.any(), "the whole picture is called nothing"

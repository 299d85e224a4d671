"""The captioner on detected words: what it sees, what it makes up without pictures, and that it learns."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from test_training import QUIET, CtrlC, same
from wordsight.batch import Batch, Regions, Words
from wordsight.captioning.concepts import FIRST, Concepts, Lessons, Seen, shares
from wordsight.captioning.word_detector import WordDetector, logistic
from wordsight.data.sentences import load_sentences
from wordsight.errors import InputError
from wordsight.runs import checkpoint
from wordsight.runs.pairs import Pairs, extended
from wordsight.runs.recipe import Recipe, parse
from wordsight.training.prepare import prepare
from wordsight.training.trainer import Interrupted, train

PICTURES, FEATURES, LABELS, CONCEPTS = 400, 12, 3, 6
RECIPE = """
data = {{path = "{world}", min_count = 2, sentences = "{sentences}"}}
train = {{epochs = 2, batch = 50, lr = 0.01, device = "cpu"}}
regions = {{backbones = ["filters"], regions = 8, detections = 0, size = 64}}
model = {{name = "concepts", words = 24, hidden = 32, concepts = 40, components = 8}}
"""


def pictures(seed: int, count: int = PICTURES) -> Batch:
    """Word k is said of a picture where column k of its features is high; label 0 is held where word 5 is said."""
    random = torch.Generator().manual_seed(seed)
    there = torch.rand(count, CONCEPTS, generator=random) < 0.3
    there[:, 0] |= ~there.any(dim=1)
    features = 0.3 * torch.randn(count, 2, FEATURES, generator=random)
    features[:, 0, : CONCEPTS - 1] += there[:, :-1]
    features[:, 1, -LABELS] = there[:, -1].float()
    mask = torch.ones(count, 2, dtype=torch.bool)
    said = torch.where(there, torch.arange(CONCEPTS) + FIRST, 0).sort(dim=1, descending=True).values
    return Batch(Regions(features, mask, torch.zeros(count, 2, 4)), Words(said, said > 0), torch.arange(count))


def fitted(batch: Batch) -> Concepts:
    torch.manual_seed(0)
    model = Concepts(
        FIRST + CONCEPTS, FEATURES, concepts=CONCEPTS, components=4, words=16, hidden=24, labels=LABELS, dropout=0.0
    )
    model.fit(lambda: [batch])
    return model


def told(batch: Batch) -> torch.Tensor:
    return shares(batch.words, batch.picture, len(batch.regions.mask), CONCEPTS)


def test_shares_count_a_word_once_a_sentence() -> None:
    ids = torch.tensor([[2, 3, 2, 3], [2, 0, 0, 0], [9, 1, 4, 0]])
    found = shares(Words(ids, ids > 0), torch.tensor([0, 0, 2]), 3, 3)
    assert found.tolist() == [[1.0, 0.5, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]], "what is no concept is left out"


def test_words_are_detected_in_new_pictures() -> None:
    model, new = fitted(pictures(0)), pictures(1)
    looks = model.detector.look(new.regions)
    likely = model.detector(looks, model.detector.resemblance(new.regions)).sigmoid()
    there = told(new) > 0
    assert (likely[there].mean(), likely[~there].mean()) == (pytest.approx(0.85, abs=0.15), pytest.approx(0.1, abs=0.1))


def test_a_word_that_is_often_told_wrongly_does_not_run_away() -> None:
    """Newton's method with steps of any length leaps too far here, and never comes back."""
    random = torch.Generator().manual_seed(0)
    said = (torch.rand(1000, 8, generator=random) < torch.tensor([0.1] * 7 + [0.2])).float()
    seen = said - 0.1 + 0.25 * torch.randn(1000, 8, generator=random)
    wrong = (torch.rand(1000, generator=random) < 0.3).float()
    seen[:, 7] = 5 * ((said[:, 7] - wrong).abs() - 0.5)
    given = torch.stack([torch.ones_like(seen), seen], dim=2)
    likely = (given * logistic(given, said)).sum(dim=2).sigmoid()
    torch.testing.assert_close(likely.mean(dim=0), said.mean(dim=0), rtol=0, atol=0.01)


def test_a_word_without_pictures_is_found_by_its_name() -> None:
    names = torch.eye(5, 4)  # the fifth word has no vector
    detector = WordDetector(features=10, labels=2, meanings=4, words=5, rank=3)
    detector.names.copy_(names)
    features = torch.zeros(1, 3, 10)
    features[0, 1, 4 + 2] = 0.9  # the second region is called like the third word
    features[0, 2, 4 + 2] = 5.0  # padding
    regions = Regions(features, torch.tensor([[True, True, False]]), torch.zeros(1, 3, 4))
    assert detector.resemblance(regions).tolist() == [[0.0, 0.0, pytest.approx(0.9), 0.0, 0.0]]


def test_pictures_of_the_training_are_told_as_if_they_were_new() -> None:
    """With as many features as pictures a regression knows by heart what it was fitted on."""
    random = torch.Generator().manual_seed(0)
    detector = WordDetector(features=200, labels=0, meanings=0, words=3, rank=3)
    looks, said = torch.randn(200, 200, generator=random), (torch.rand(200, 3, generator=random) < 0.5).float()
    blind = detector.fit(looks, torch.zeros(200, 3), said)
    off = torch.tensor([2.0, -2.0])[said.long()]
    assert (blind * -off).mean().abs() < 0.3, "nothing can be known"
    assert len(blind) == 200


def test_what_is_made_up_is_told_like_real_pictures() -> None:
    batch = pictures(0)
    model = fitted(batch)
    lessons = model.lessons(batch.words, batch.picture)
    assert len(lessons) == 2 * PICTURES
    rows = torch.randperm(PICTURES, generator=torch.Generator().manual_seed(3))
    torch.manual_seed(1)
    real = lessons.gather(rows).features[:, 0, :CONCEPTS]
    made = lessons.gather(rows + PICTURES).features[:, 0, :CONCEPTS]
    there = told(batch)[rows] > 0
    for chosen in (there, ~there):
        assert made[chosen].mean() == pytest.approx(real[chosen].mean().item(), abs=0.4)
        assert made[chosen].std() == pytest.approx(real[chosen].std().item(), rel=0.4)
    assert not torch.equal(made, lessons.gather(rows + PICTURES).features[:, 0, :CONCEPTS]), "other errors every time"


def test_a_picture_that_was_looked_at_is_not_looked_at_again() -> None:
    batch = pictures(0)
    model, new = fitted(batch).eval(), pictures(1, 5).regions
    looks = model.detector.look(new)
    odds = model.detector(looks, model.detector.resemblance(new))
    seen = torch.cat([odds, (looks - model.detector.mean) @ model.basis], dim=1)
    before = Lessons(seen, seen, seen).gather(torch.arange(5))
    assert isinstance(before.to("cpu"), Seen)
    torch.testing.assert_close(model.look(before), model.look(new))


def test_it_learns_from_sentences_alone_what_it_says_of_pictures() -> None:
    batch = pictures(0)
    model = fitted(batch)
    none = Words(batch.words.ids[:0], batch.words.mask[:0])
    pairs = extended(
        Pairs(Shown(batch), none, batch.picture[:0]),
        model.lessons(batch.words, batch.picture),
        batch.words,
        batch.picture,
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    order = torch.Generator().manual_seed(0)
    for _ in range(100):
        chosen = torch.randint(PICTURES, (50,), generator=order)
        loss = model.train().loss(pairs.batch(chosen))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    new = pictures(1)
    right, other = model.eval().loss(new), model.loss(Batch(new.regions, new.words, new.picture.flip(0)))
    assert right < 0.5 * other, "of pictures it never learned from"


class Shown:
    """A table of a batch's pictures."""

    def __init__(self, batch: Batch) -> None:
        self.regions = batch.regions

    def __len__(self) -> int:
        return len(self.regions.mask)

    def gather(self, indices: torch.Tensor, places: torch.Tensor | None = None) -> Regions:
        return Regions(*(part[indices] for part in vars(self.regions).values()))


def test_an_epoch_has_as_many_sentences_without_pictures_as_with() -> None:
    words = Words(torch.full((100, 1), 2), torch.ones(100, 1, dtype=torch.bool))
    pairs = Pairs(Shown(pictures(0, 10)), words, torch.arange(100) % 10, without=80)
    assert pairs.steps(10) == 4
    first, second = (torch.cat(pairs.epoch(number, 10, seed=0)) for number in (0, 1))
    for epoch in (first, second):
        assert sorted(epoch[epoch < 20].tolist()) == list(range(20))
        assert len(epoch.unique()) == 40
    assert set(first.tolist()) != set(second.tolist()), "each epoch has others"
    assert torch.equal(first, torch.cat(pairs.epoch(0, 10, seed=0)))
    few = Pairs(pairs.table, words, pairs.picture, without=10)
    assert len(torch.cat(few.epoch(0, 10, seed=0))) == 100


# --- the file of sentences


@pytest.mark.parametrize("packed", [False, True])
def test_sentences_come_in_lines_or_by_picture(tmp_path: Path, packed: bool) -> None:
    def written(name: str, text: str) -> Path:
        path = tmp_path / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        return path

    assert load_sentences(written("a.txt", "\ufeffA dog.\r\n\n A cat. \n")) == [["A dog."], ["A cat."]]
    rows = '{"captions": ["A dog.", "Dogs.", " "]}\n\n{"captions": "A cat."}\n{"captions": []}\n'
    assert load_sentences(written("a.jsonl", rows)) == [["A dog.", "Dogs."], ["A cat."]]
    assert load_sentences(written("c.jsonl", '{"captions": "a cat \\ud83d"}\n')) == [["a cat \ufffd"]]  # a cut emoji
    separators = "a\u2028b\u2029c\x85d"  # JSON allows them inside a text
    assert load_sentences(written("b.jsonl", f'{{"captions": ["{separators}"]}}\n')) == [[separators]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\n \n", "expected sentences, found none"),
        ("a.txt", b"a\n\xff", r"line 2: not UTF-8 text"),
        ("a.txt.gz", b"plain", "damaged: expected a file packed by gzip"),
        ("b.txt.gz", gzip.compress(b"many words " * 99, mtime=0)[:30], "damaged: expected a file packed by gzip"),
        ("a.jsonl", b'{"captions": ["a"]}\n{"captions": [1]}', "line 2: expected an object with 'captions'"),
        ("a.jsonl", b'{"caption": "a"}', "line 1: expected an object with 'captions'.*found nothing"),
        ("a.jsonl", b"[", "line 1"),
    ],
)
def test_a_file_of_sentences_that_is_none_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_sentences(tmp_path / name)
    with pytest.raises(InputError, match=r"cannot be read"):
        load_sentences(tmp_path / "none.txt")


# --- as a recipe


@pytest.fixture(scope="module")
def recipe(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    path = tmp_path_factory.mktemp("told") / "sentences.jsonl"
    rows = [{"captions": [f"a zebra beside a {thing}", f"a {thing}"]} for thing in ("star", "ring", "square") * 60]
    path.write_text("\n".join(map(json.dumps, rows)))
    return parse(RECIPE.format(world=world.as_posix(), sentences=path.as_posix()))


def test_words_of_the_sentences_are_learned_too(recipe: Recipe) -> None:
    material = prepare(recipe, QUIET)
    assert "zebra" in material.vocabulary
    assert material.texts is not None
    assert len(material.texts.words.ids) == 360
    assert int(material.texts.picture[-1]) == 179
    assert "the file of data.sentences" in material.origin


def test_an_interrupted_training_goes_on_to_the_same_bits(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path / "whole", progress=QUIET)
    with pytest.raises(Interrupted):
        train(recipe, tmp_path / "parts", progress=CtrlC(3))
    train(recipe, tmp_path / "parts", resume=True, progress=QUIET)
    assert same(tmp_path / "whole", tmp_path / "parts")
    first, last = checkpoint.read_metrics(tmp_path / "whole")["history"]
    assert last["perplexity"] < first["perplexity"]


def test_other_sentences_are_other_data(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(recipe, tmp_path / "run", progress=CtrlC(3))
    path = Path(recipe.data.sentences)
    before = path.read_text()
    try:
        path.write_text(before.replace("beside", "below"))
        with pytest.raises(InputError, match=r"the vocabulary has changed|the file of data\.sentences has changed"):
            train(recipe, tmp_path / "run", resume=True, progress=QUIET)
    finally:
        path.write_text(before)


def test_only_the_captioner_on_concepts_learns_from_sentences(recipe: Recipe) -> None:
    table = f'data = {{path = "x", sentences = "{recipe.data.sentences}"}}\nmodel = {{name = "lstm"}}'
    with pytest.raises(InputError, match=r"data\.sentences: only the model 'concepts' learns from sentences without"):
        parse(table)


def test_the_word_table_needs_regions_that_are_called_something(recipe: Recipe) -> None:
    with pytest.raises(InputError, match=r"text\.open needs regions\.meaning"):
        parse(recipe.to_toml(), ["text.open=true"])

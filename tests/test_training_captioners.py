"""Captioners go through the same training as matchers: on whole sentences, or on what an alignment inferred of them."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from test_training import QUIET, CtrlC, same
from wordsight.captioning import GENERATORS
from wordsight.captioning.captioner import CaptionModel
from wordsight.errors import InputError
from wordsight.matching.matcher import Matcher
from wordsight.matching.segments import Segment
from wordsight.runs import checkpoint
from wordsight.runs.aligner import load
from wordsight.runs.recipe import Recipe, parse
from wordsight.runs.tasks import TASKS
from wordsight.text.tokens import FUNCTION_WORDS, JOINING_WORDS
from wordsight.training.prepare import TrainingData, prepare
from wordsight.training.trainer import Interrupted, train

RECIPE = """
data = {{path = "{world}", min_count = 2, alignment = "{alignment}"}}
train = {{epochs = 2, batch = 50, lr = 0.01, clip_value = 5.0, optimiser = "rmsprop", device = "cpu"}}
regions = {{backbones = ["filters"], regions = 40, detections = 0, size = 128}}
model = {{name = "{name}", words = 24{views}{hidden}}}
"""


def recipe(
    world: Path, name: str = "lstm", alignment: str = "", views: int = 1, settings: Sequence[str] = ()
) -> Recipe:
    hidden = "" if name == "log_bilinear" else ", hidden = 32"  # it has no hidden layer
    seen = "" if name in ("concepts", "s2vt", "hlstmat") else f", views = {views}"  # it sees words
    text = RECIPE.format(world=world.as_posix(), name=name, alignment=alignment, views=seen, hidden=hidden)
    return parse(text, settings)


def said(material: TrainingData) -> list[str]:
    """What is learned."""
    words = material.train.words
    return [
        " ".join(material.vocabulary.words[word] for word in ids[mask])
        for ids, mask in zip(words.ids, words.mask, strict=True)
    ]


@pytest.fixture(scope="module")
def snippets(world: Path, trained: Path) -> TrainingData:
    return prepare(recipe(world, alignment=trained.as_posix()), QUIET)


@pytest.fixture(scope="module")
def segments(world: Path, trained: Path) -> TrainingData:
    return prepare(recipe(world, alignment=trained.as_posix(), settings=["data.names=false"]), QUIET)


@pytest.mark.parametrize("name", [name for name in GENERATORS if name != "neuraltalk"])  # that one is imported
def test_a_captioner_learns_and_is_chosen_by_cider(world: Path, tmp_path: Path, name: str) -> None:
    train(recipe(world, name), tmp_path / "run", progress=QUIET)
    metrics = checkpoint.read_metrics(tmp_path / "run")
    first, last = metrics["history"]
    assert last["loss"] < first["loss"]
    assert last["perplexity"] < first["perplexity"] < 40, "far below the number of words"
    assert metrics["best"]["CIDEr"] == max(first["CIDEr"], last["CIDEr"])
    assert {"Bleu_1", "Bleu_4", "ROUGE_L"} <= set(metrics["best"])
    assert isinstance(checkpoint.load(tmp_path / "run").model, CaptionModel)


def test_an_interrupted_captioner_goes_on_to_the_same_bits(world: Path, tmp_path: Path) -> None:
    train(recipe(world), tmp_path / "whole", progress=QUIET)
    with pytest.raises(Interrupted):
        train(recipe(world), tmp_path / "parts", progress=CtrlC(3))
    train(recipe(world), tmp_path / "parts", resume=True, progress=QUIET)
    assert same(tmp_path / "whole", tmp_path / "parts")


def test_snippets_are_what_an_alignment_put_on_regions(world: Path, trained: Path, segments: TrainingData) -> None:
    aligned, found = load(trained), said(segments)
    assert isinstance(aligned.model, Matcher)
    assert segments.encoder.fingerprint == aligned.checkpoint.fingerprint
    assert not segments.references
    assert not any(set(snippet.split()) <= FUNCTION_WORDS for snippet in found)
    sentences = said(prepare(recipe(world), QUIET))
    assert all(any(snippet in sentence for sentence in set(sentences)) for snippet in found[:50])
    assert len(found) > len(sentences), "sentences are cut"


def test_names_are_learned_rather_than_segments(world: Path, snippets: TrainingData, segments: TrainingData) -> None:
    found, sentences = said(snippets), said(prepare(recipe(world), QUIET))
    assert all(any(name in sentence for sentence in sentences) for name in found[:50])
    assert not any(name.split()[-1] in FUNCTION_WORDS or name.split()[0] in JOINING_WORDS for name in found)
    assert not any("<unk>" in name for name in found)
    assert any(
        segment.split()[-1] in FUNCTION_WORDS or segment.split()[0] in JOINING_WORDS for segment in said(segments)
    )


def test_what_is_said_of_the_whole_picture_names_no_region(
    world: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "wordsight.training.region_words.segments",
        lambda images, texts, *_: [
            [Segment(0, length, 0, (0.0, 0.0, 1.0, 1.0), ())] for length in texts.mask.sum(dim=1).tolist()
        ],
    )
    plain = recipe(world, alignment=trained.as_posix(), settings=["data.names=false"])
    assert said(prepare(plain, QUIET)) == said(prepare(recipe(world), QUIET))
    with pytest.raises(InputError, match="no region is named"):
        prepare(recipe(world, alignment=trained.as_posix()), QUIET)


def test_beta_says_how_much_of_a_sentence_goes_to_one_region(
    world: Path, trained: Path, segments: TrainingData
) -> None:
    counts = [len(segments.train)]
    for beta in ("0", "1e9"):
        settings = ["data.names=false", f"data.beta={beta}"]
        counts.append(len(prepare(recipe(world, alignment=trained.as_posix(), settings=settings), QUIET).train))
    same, apart, together = counts
    assert apart > same > together == len(prepare(recipe(world), QUIET).train)
    with pytest.raises(InputError, match=r"data\.beta = -1.0: expected a finite number of at least 0"):
        recipe(world, settings=["data.beta=-1"])


def test_a_region_is_seen_beside_its_whole_picture(snippets: TrainingData) -> None:
    seen = snippets.train.table.gather(torch.tensor([3, 700, 3]))
    assert seen.features.shape[:2] == seen.mask.shape == (3, 2)
    assert torch.equal(seen.boxes[:, 1], torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(3, 4))
    assert torch.equal(seen.features[0], seen.features[2])
    assert not torch.equal(seen.features[0], seen.features[1])


def test_a_captioner_of_regions_is_chosen_by_perplexity(world: Path, trained: Path, tmp_path: Path) -> None:
    train(recipe(world, "multimodal_rnn", trained.as_posix(), views=2), tmp_path / "run", progress=QUIET)
    metrics = checkpoint.read_metrics(tmp_path / "run")
    assert "CIDEr" not in metrics["best"]
    assert metrics["best"]["perplexity"] == min(row["perplexity"] for row in metrics["history"])
    assert checkpoint.load(tmp_path / "run").regions == checkpoint.load(trained).regions


def test_a_better_model_is_one_of_higher_recall_or_cider_or_lower_perplexity() -> None:
    align, caption = (TASKS[name].selection_score for name in ("align", "caption"))
    assert align({"rsum": 300.0}) > align({"rsum": 200.0})
    assert align({"rsum": 200.0, "val_loss": 1.0}) > align({"rsum": 300.0, "val_loss": 2.0})
    assert caption({"CIDEr": 0.5, "perplexity": 30.0}) > caption({"CIDEr": 0.4, "perplexity": 10.0})
    assert caption({"perplexity": 10.0}) > caption({"perplexity": 30.0}) > -math.inf


def test_an_alignment_that_is_a_captioner_is_refused(world: Path, tmp_path: Path) -> None:
    train(recipe(world), tmp_path / "lstm", progress=QUIET)
    with pytest.raises(InputError, match="expected a run that aligns, found one of 'lstm'"):
        prepare(recipe(world, alignment=(tmp_path / "lstm").as_posix()), QUIET)


def test_captioners_do_not_decide_together(world: Path) -> None:
    text = RECIPE.format(world=world.as_posix(), name="lstm", alignment="", views=", views = 1", hidden="")
    with pytest.raises(InputError, match=r"train\.members = 2: only models that give"):
        parse(text, ["train.members=2"])


@pytest.mark.parametrize(("alignment", "settings", "most"), [("", ["regions.regions=4"], 4), ("run", [], 2)])
def test_a_captioner_is_not_promised_more_regions_than_there_are(
    world: Path, alignment: str, settings: Sequence[str], most: int
) -> None:
    with pytest.raises(InputError, match=rf"model\.views = {most + 1}: expected at most {most}"):
        recipe(world, alignment=alignment, views=most + 1, settings=settings)
    recipe(world, alignment=alignment, views=most, settings=settings)

"""Captioners that copy or compose captions are runs like others: trained, used, measured, compared, saved."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from wordsight.batch import Batch, Regions, Words
from wordsight.captioning.consensus_caption import ConsensusCaption
from wordsight.captioning.nearest_caption import NearestCaption
from wordsight.captioning.retrieval import appearance, consensus_captions, nearest_captions
from wordsight.captioning.template import template_captions
from wordsight.cli.main import app
from wordsight.data.load import load_dataset
from wordsight.data.painted.world import paint_world
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs import checkpoint
from wordsight.runs.captioner import load_captioner
from wordsight.runs.recipe import parse
from wordsight.text.tokens import tokenise
from wordsight.text.vocabulary import Vocabulary
from wordsight.training.calibrate_captions import calibrate_run
from wordsight.training.trainer import train

QUIET = Progress(quiet=True)
COPIES = """
data = {{path = "{world}", min_count = 1}}
train.device = "cpu"
regions = {{backbones = ["filters"], regions = 3, detections = 0, size = 64, geometry = true}}
model = {{name = "{name}"{more}}}
"""
TEMPLATE = """
data.path = "{world}"
train.device = "cpu"
[regions]
backbones = ["filters"]
detector = "efficientnet-lite2"
regions = 8
detections = 5
size = 320
labels = true
[model]
name = "template_caption"
least = 0.3
"""
KEYWORDS = {"nearest_caption": "", "consensus_caption": ", neighbours = 7"}
NONE = torch.zeros(0, dtype=torch.bool)


@pytest.fixture(scope="module")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty painted pictures, which a detector of photographs takes for clocks and books, and not surely."""
    out = tmp_path_factory.mktemp("painted") / "small"
    paint_world(out, pictures=30, seed=2)
    return out


@pytest.fixture(scope="module")
def runs(world: Path, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each; tests must not change them."""
    folder = tmp_path_factory.mktemp("lookups")
    recipes = {name: COPIES.format(world=world.as_posix(), name=name, more=more) for name, more in KEYWORDS.items()}
    recipes["template_caption"] = TEMPLATE.format(world=small_world.as_posix())
    for name, recipe in recipes.items():
        train(parse(recipe), folder / name, progress=QUIET)
    return {name: folder / name for name in recipes}


@pytest.fixture(params=[*KEYWORDS, "template_caption"])
def run(request: pytest.FixtureRequest, runs: dict[str, Path]) -> Path:
    return runs[request.param]


def call(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.stderr


def pictures_of(world: Path, split: str) -> tuple[list[Path], list[Sequence[str]]]:
    found = [picture for picture in load_dataset(world).pictures if picture.split == split]
    return [picture.path for picture in found], [picture.sentences for picture in found]


@pytest.mark.parametrize("name", KEYWORDS)
def test_a_run_copies_what_the_function_copies(runs: dict[str, Path], world: Path, name: str) -> None:
    run = load_captioner(runs[name], "cpu")
    (known, sentences), (asked, _) = pictures_of(world, "train"), pictures_of(world, "val")
    theirs, ours = (appearance(run.encoder.encode(some), run.encoder.blocks) for some in (known, asked))
    plain = [[" ".join(tokenise(one)) for one in some] for some in sentences]
    expected = (
        nearest_captions(ours, theirs, plain) if not KEYWORDS[name] else consensus_captions(ours, theirs, plain, 7)
    )
    said = run.caption(asked)
    assert [one.text for (one,) in said] == expected
    assert len(set(expected)) > 5
    assert all(0 < one.confidence <= 1 and one.log_prob == 0 for (one,) in said)


def test_a_run_composes_what_the_function_composes(runs: dict[str, Path], small_world: Path) -> None:
    run, (asked, _) = load_captioner(runs["template_caption"], "cpu"), pictures_of(small_world, "train")
    assert run.encoder.detector is not None
    labels, names = run.encoder.blocks["labels"], run.encoder.detector.names
    expected = template_captions(run.encoder.encode(asked), labels, names, least=0.3)
    assert [one.text for (one,) in run.caption(asked)] == expected
    assert len(set(expected)) > 5


def test_training_is_one_pass_and_a_look(run: Path) -> None:
    metrics = checkpoint.read_metrics(run)
    assert metrics["history"] == [metrics["best"]] and metrics["parameters"] == 0
    assert {"CIDEr", "Bleu_4"} <= set(metrics["best"]) and not {"perplexity", "loss"} & set(metrics["best"])
    assert "fitted in closed form" in (run / "README.md").read_text()
    assert train(run / "recipe.toml", run, resume=True, progress=QUIET) == metrics, "there is nothing to go on with"


def test_the_command_line_describes(run: Path, world: Path) -> None:
    picture = pictures_of(world, "val")[0][0]
    text = load_captioner(run, "cpu").caption(picture)[0][0].text
    assert text in call("caption", run, picture)
    (told,) = json.loads(call("caption", run, picture, "--json"))["pictures"]
    assert told["captions"][0]["text"] == text
    assert json.loads(call("caption", run, picture, "--box", "10,10,50,50", "--json"))["pictures"][0]["regions"]


def test_several_captions_differ(runs: dict[str, Path], world: Path) -> None:
    picture = pictures_of(world, "val")[0][0]
    for name in KEYWORDS:
        best, *others = load_captioner(runs[name], "cpu").caption(picture, n_best=3)[0]
        assert [best] == load_captioner(runs[name], "cpu").caption(picture)[0]
        assert len({best.text, *(one.text for one in others)}) == 3
        assert best.confidence >= others[-1].confidence or name == "nearest_caption", "of that by distance"
    (only,) = load_captioner(runs["template_caption"], "cpu").caption(picture, n_best=3)[0]
    assert only.text


def test_eval_measures_captions_and_no_likelihood(run: Path) -> None:
    figures = json.loads(call("eval", run, "--json"))
    assert "perplexity" not in figures
    assert figures["CIDEr"] == pytest.approx(checkpoint.read_metrics(run)["best"]["CIDEr"], abs=0.05)
    assert (run / "report-val" / "report.html").exists()
    assert "CIDEr" in call("eval", run)


def test_compare_puts_them_beside_a_trained_captioner(runs: dict[str, Path], captioner: Path, tmp_path: Path) -> None:
    call("compare", captioner, *(runs[name] for name in KEYWORDS), "-o", tmp_path / "out", "--beam", 1)
    table = (tmp_path / "out" / "index.html").read_text()
    assert all(name in table for name in (*KEYWORDS, "lstm"))


@pytest.mark.parametrize(
    "asked", [("eval", "{run}", "--rank"), ("caption", "{run}", "{picture}", "--sample")], ids=["rank", "sample"]
)
def test_what_needs_probabilities_of_words_is_refused_in_a_sentence(
    run: Path, world: Path, asked: Sequence[str]
) -> None:
    told = call(*(word.format(run=run, picture=pictures_of(world, "val")[0][0]) for word in asked), code=2)
    assert "expected a captioner that says how probable words are, such as 'lstm'" in told
    assert len(told.strip().splitlines()) == 1


def test_calibration_is_refused(run: Path, world: Path) -> None:
    with pytest.raises(InputError, match="calibration: expected a captioner that says how probable"):
        calibrate_run(run, [world], QUIET)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("data.min_count=2", "data.min_count = 2: expected 1"),
        ("data.alignment=somewhere", 'data.alignment = "somewhere": expected ""'),
        ("train.reward_epochs=1", "train.reward_epochs = 1: expected 0"),
        ("regions.labels=false", "regions.labels = false: expected true"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(setting: str, expected: str) -> None:
    text = TEMPLATE if "labels" in setting else COPIES
    with pytest.raises(InputError, match=expected):
        parse(text.format(world="world", name="nearest_caption", more=""), [setting])


@pytest.mark.parametrize("name", KEYWORDS)
@pytest.mark.parametrize("harm", ["word", "picture"])
def test_damaged_sentences_are_refused(runs: dict[str, Path], tmp_path: Path, name: str, harm: str) -> None:
    for part in runs[name].iterdir():
        if part.is_file():
            (tmp_path / part.name).write_bytes(part.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    if harm == "word":
        tensors["sentences"][0, 0] = 10_000
    else:
        tensors["picture"] += 1
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="expected sentences of known words"):
        load_captioner(tmp_path, "cpu")


def batch(features: Tensor, said: Sequence[str], picture: Sequence[int], vocabulary: Vocabulary) -> Batch:
    mask = torch.ones(features.shape[:2], dtype=torch.bool)
    words: Words = vocabulary.encode(said)
    return Batch(Regions(features, mask, torch.zeros(*mask.shape, 4)), words, torch.tensor(picture))


@pytest.mark.parametrize("kind", [NearestCaption, ConsensusCaption])
def test_sentences_without_a_known_word_and_pictures_without_a_sentence_are_left_out(
    kind: type[NearestCaption],
) -> None:
    vocabulary = Vocabulary.build(["a red dog", "a cat"], 1)
    features = torch.tensor([[[0.0, 1.0]], [[0.5, 1.0]], [[1.0, 1.0]], [[2.0, 1.0]]])
    model = kind(len(vocabulary), 2)
    some = batch(features, ["a cat", "...", "a zebra", "a red dog"], [3, 0, 1, 2], vocabulary)
    model.fit(lambda: [some])
    asked = Regions(torch.tensor([[[0.9, 5.0]], [[1.9, -5.0]]]), some.regions.mask[:2], some.regions.boxes[:2])
    expected = {"a red dog", "a cat"}
    found = model.lookup(asked, vocabulary, 3)
    assert [{text for text, _ in one} for one in found] == [expected, expected]
    if kind is NearestCaption:
        assert [one[0][0] for one in found] == ["a red dog", "a cat"], "what is the same everywhere does not count"


@pytest.mark.parametrize("kind", [NearestCaption, ConsensusCaption])
def test_one_training_picture_is_enough(kind: type[NearestCaption]) -> None:
    vocabulary = Vocabulary.build(["a red dog"], 1)
    model = kind(len(vocabulary), 2)
    some = batch(torch.ones(1, 1, 2), ["a red dog"], [0], vocabulary)
    model.fit(lambda: [some])
    ((text, confidence),) = model.lookup(some.regions, vocabulary, 2)[0]
    assert text == "a red dog" and math.isfinite(confidence)

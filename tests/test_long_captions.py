"""Captions are as long as the sentences that were learned from, and of older runs as long as they were."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from conftest import CAPTIONER
from test_cli import run as command
from wordsight import load_captioner
from wordsight.data.load import load_dataset
from wordsight.data.made import Records
from wordsight.errors import InputError
from wordsight.evaluation.captioning import measure_captions
from wordsight.progress import Progress
from wordsight.runs import checkpoint
from wordsight.runs.recipe import Recipe, parse
from wordsight.text.vocabulary import MOST_WORDS, Vocabulary
from wordsight.training.prepare import prepare
from wordsight.training.state import TrainState
from wordsight.training.trainer import train

QUIET = Progress(quiet=True)
LETTERS = "bcdfghjklmnpqr"
LONG = " ".join(f"{letter}{vowel}" for vowel in "eu" for letter in LETTERS) + " zu zo"  # 30 words, none of them twice
LONGER = LONG + " ze zi zy za zaz"  # 35, said of one picture only


@pytest.fixture(scope="module")
def stories(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The painted pictures, each with a sentence of 30 words but one of 35."""
    folder, made = tmp_path_factory.mktemp("stories"), Records()
    for number, picture in enumerate(load_dataset(world).pictures):
        made.add(picture.name, picture.split, [LONGER if number == 0 else LONG])
    made.write(folder, "stories")
    shutil.copytree(world / "images", folder / "images")
    return folder


def recipe(stories: Path, *settings: str) -> Recipe:
    """Of a captioner that learns which word follows which."""
    text = CAPTIONER.format(world=stories.as_posix(), more="", name="log_bilinear", views=1).replace("hidden = 32", "")
    return parse(text, ["data.min_count=1", "train.precision=float32", *settings])


@pytest.fixture(scope="module")
def teller(stories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A captioner that has learned that sentence, of pictures and of regions alike."""
    out = tmp_path_factory.mktemp("runs") / "teller"
    train(recipe(stories, "train.epochs=16", "train.evaluate_every=16", "train.lr=0.05"), out, progress=QUIET)
    return out


def picture_of(stories: Path) -> str:
    return str(min((stories / "images").iterdir()))


def test_a_caption_is_as_long_as_nearly_all_sentences(stories: Path, teller: Path) -> None:
    """By every way: the Python API, the command, regions, evaluation, and the checks during training."""
    run, picture = load_captioner(teller), picture_of(stories)
    assert run.vocabulary.longest == 30 and json.loads((teller / "vocabulary.json").read_text())["longest"] == 30
    for ways in ({}, {"beam": 1}, {"sample": True, "temperature": 0.05}):
        assert run.caption(picture, **ways)[0][0].text == LONG
    assert {one.text for one in run.caption_regions(picture)} == {LONG}
    assert measure_captions(run, stories, progress=QUIET)["diversity_mean_length"] == 30
    assert checkpoint.read_metrics(teller)["best"]["Bleu_4"] == pytest.approx(1)


def test_the_command_says_it_whole(stories: Path, teller: Path) -> None:
    code, out, _ = command("caption", teller, picture_of(stories), "--json")
    assert code == 0 and LONG in out


def test_samples_that_are_rewarded_are_as_long(stories: Path) -> None:
    wanted = recipe(stories, "train.reward_epochs=1", "train.epochs=2")
    critic = TrainState(wanted, prepare(wanted, QUIET), 0).critic
    assert critic is not None and critic.longest == 30


def test_an_older_run_says_what_it_said(stories: Path, teller: Path, captioner: Path, tmp_path: Path) -> None:
    """Without the number, which runs of short sentences lack as well, captions are cut after 20 words."""
    older = shutil.copytree(teller, tmp_path / "older")
    content = json.loads((older / "vocabulary.json").read_text())
    del content["longest"]
    (older / "vocabulary.json").write_text(json.dumps(content))
    ((said,),) = load_captioner(older).caption(picture_of(stories))
    assert said.text == " ".join(LONG.split()[:20])
    assert "longest" not in json.loads((captioner / "vocabulary.json").read_text())


def test_a_longest_caption_is_kept_and_checked(tmp_path: Path) -> None:
    words, path = Vocabulary.build(["a dog barks"], 1), tmp_path / "vocabulary.json"
    assert words.spanning(torch.tensor([3, 8])).longest == 20 == words.spanning(torch.tensor([])).longest
    assert words.spanning(torch.tensor([25] * 99 + [90])).longest == 25
    assert words.spanning(torch.tensor([25] * 98 + [26, 90])).longest == 26
    assert words.spanning(torch.tensor([10**6])).longest == MOST_WORDS
    long = words.spanning(torch.tensor([34]))
    assert {one.longest for one in (long.closed(), long.opened(["cat"]), long.extended(["a cat"], 1))} == {34}
    assert long.spanning(torch.tensor([22])).longest == 34, "a start's captions are not cut shorter"
    long.save(path)
    assert Vocabulary.load(path) == long
    for wrong in (0, -3, MOST_WORDS + 1, 10**15, "30", 30.0, None, True):
        path.write_text(json.dumps({"format": 1, "longest": wrong, "words": list(words.words)}))
        with pytest.raises(InputError, match=r"vocabulary\.json, key 'longest': expected"):
            Vocabulary.load(path)


def test_a_matcher_keeps_no_longest_caption(stories: Path) -> None:
    captioner = CAPTIONER.format(world=stories.as_posix(), more="", name="lstm", views=1)
    data, regions = captioner.split("[regions]")[0], captioner.split("[regions]")[1].split("[model]")[0]
    assert prepare(parse(f"{data}[regions]{regions}"), QUIET).vocabulary.longest == 20

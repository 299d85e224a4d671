"""Pictures of one's own: a trained model learns them, keeps what it knows, and is never made worse by them."""

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from wordsight.batch import Regions
from wordsight.cli.main import app
from wordsight.data.load import load_dataset
from wordsight.data.records import Dataset, Picture, hold_out
from wordsight.errors import InputError
from wordsight.matching.align import Align
from wordsight.progress import Count, Progress
from wordsight.runs import checkpoint
from wordsight.runs.aligner import load
from wordsight.runs.recipe import Recipe, own, recipe_path
from wordsight.text.vocabulary import Vocabulary
from wordsight.training.prepare import prepare
from wordsight.training.start import follow, rows
from wordsight.training.state import TrainState
from wordsight.training.trainer import Interrupted, train

QUIET = Progress(quiet=True)
HINDI = ("घास पर लाल तारा", "नीला वृत्त और लाल तारा")
JAPANESE = ("赤い星", "青い丸と赤い星")


def own_data(world: Path, folder: Path, count: int = 16, said: tuple[str, ...] = ()) -> Path:
    """Some of the world's pictures as one's own: a table whose sentences have a word that is new, or say `said`.

    They are named by file alone, as names decide which are held out.
    """
    folder.mkdir()
    pictures = load_dataset(world).split("test")[:count]
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("filepath", "caption"))
        for number, picture in enumerate(pictures):
            sentences = (said[number % len(said)],) if said else (f"zorp {picture.sentences[0]}", picture.sentences[1])
            shutil.copy(picture.path, folder)
            table.writerows((picture.path.name, sentence) for sentence in sentences)
    return folder


def recipe_of(start: Path | str, data: Path, *settings: str) -> Recipe:
    return own(
        data,
        [
            f"train.start={start}",
            "train.batch=8",
            "train.epochs=4",
            "train.evaluate_every=1",
            "train.device=cpu",
            *settings,
        ],
    )


@pytest.fixture(scope="module")
def data(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_data(world, tmp_path_factory.mktemp("own") / "data")


@pytest.fixture(scope="module")
def learned(trained: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("own") / "run"
    train(recipe_of(trained, data, "train.lr=0.003"), out, progress=QUIET)
    return out


def test_words_are_kept_with_their_numbers_and_new_ones_are_added(trained: Path, learned: Path) -> None:
    before, after = (Vocabulary.load(folder / "vocabulary.json").words for folder in (trained, learned))
    assert after[: len(before)] == before
    assert "zorp" in after[len(before) :]


def test_the_card_says_what_it_started_from_and_how_the_best_epoch_was_chosen(trained: Path, learned: Path) -> None:
    first, card = ((folder / "README.md").read_text() for folder in (trained, learned))
    assert "| chosen on | split `val`: the best sum of R@1" in first
    assert "| pretrained parts | none |" in first
    assert "| chosen on | split `val`: the lowest loss |" in card
    assert f"| pretrained parts | run `{trained}` |" in card


def test_before_any_step_sentences_of_known_words_score_as_they_do_at_the_start(trained: Path, data: Path) -> None:
    recipe = follow(recipe_of(trained, data))
    material = prepare(recipe, QUIET)
    learner = TrainState(recipe, material, seed=0)
    start = load(trained, "cpu")
    said = ["a red star", "a green stripy cross", "an utterly unknown word"]
    seen = material.train.table.gather(torch.arange(5))
    with torch.no_grad():
        expected = start.model.score(
            start.model.encode_images(seen), start.model.encode_texts(start.vocabulary.encode(said))
        )
        for model in (learner.model.eval(), learner.kept().eval()):
            words = material.vocabulary.encode(said)
            assert torch.equal(model.score(model.encode_images(seen), model.encode_texts(words)), expected)


def test_all_that_goes_by_words_grows(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"labels": 3, "lexicon_weight": 0.2, "loss": "contrastive", "query_bank": 4, "embedding": 8}
    small, large = (Align(words, 20, hidden=8, words=6, **sizes) for words in (7, 9))
    for name, tensor in small.lexicon.named_buffers():  # type: ignore[union-attr]
        small.lexicon.get_buffer(name).copy_(torch.rand_like(tensor))  # type: ignore[union-attr]
    known = Vocabulary(("<end>", "<unk>", "a", "red", "star", "on", "grass"))
    regions = Regions(torch.rand(4, 5, 20), torch.ones(4, 5, dtype=torch.bool), torch.rand(4, 5, 4))
    small.eval(), large.eval()
    small.query_bank.fill([small.encode_images(regions)], [known.encode(["a star", "red grass"])])  # type: ignore[union-attr]
    grown = known.extended(["a zorp on zorp", "blip blip"], 2)
    assert grown.words == (*known.words, "blip", "zorp")
    large.adopt(small, rows(known, grown))
    with torch.no_grad():
        before = small.score(small.encode_images(regions), small.encode_texts(known.encode(["red star", "a zorp"])))
        after = large.score(large.encode_images(regions), large.encode_texts(grown.encode(["red star", "a zorp"])))
    assert torch.allclose(before, after, atol=1e-6), "a new word begins as the unknown one"


def test_the_start_is_a_candidate_and_what_is_kept_is_no_worse(learned: Path) -> None:
    metrics = checkpoint.read_metrics(learned)
    first, *others = metrics["history"]
    assert first["epoch"] == 0 and "loss" not in first
    assert [one["epoch"] for one in others] == [1, 2, 3, 4] and all("loss" in one for one in others)
    assert metrics["best"]["val_loss"] == min(one["val_loss"] for one in metrics["history"])
    assert others[-1]["loss"] < others[0]["loss"]
    assert (
        "chosen on" in (learned / "README.md").read_text() and "closed form" not in (learned / "README.md").read_text()
    )


def test_what_is_kept_is_between_the_start_and_what_was_learned(trained: Path, data: Path, tmp_path: Path) -> None:
    recipe = follow(recipe_of(trained, data))
    learner = TrainState(recipe, prepare(recipe, QUIET), seed=0)
    learner.step(torch.arange(8))
    begun, kept, now = learner.begun, dict(learner.kept().named_parameters()), dict(learner.model.named_parameters())
    assert begun is not None
    moved = [name for name in begun if not torch.equal(begun[name], now[name])]
    assert moved
    assert all(torch.allclose(kept[name], (begun[name] + now[name]) / 2, atol=1e-6) for name in moved)


def test_a_training_that_makes_it_worse_leaves_the_start(trained: Path, data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    told = Progress(quiet=True)
    told.say = said.append  # type: ignore[method-assign, assignment]
    found = train(
        recipe_of(trained, data, "train.lr=3.0", "train.start_share=0.0", "data.val_share=0.5"),
        tmp_path / "run",
        progress=told,
    )
    assert found["best"]["epoch"] == 0
    assert any("kept as it is" in line for line in said)
    before, after = load(trained, "cpu").model.state_dict(), load(tmp_path / "run", "cpu").model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name != "words.weight")


class CtrlC(Progress):
    """Presses Ctrl-C after some steps."""

    def __init__(self, after: int) -> None:
        super().__init__(quiet=True)
        self.after = after

    @contextmanager
    def task(self, name: str) -> Iterator[Count]:
        def count(done: int, total: int) -> None:
            if name == "training" and done == self.after:
                os.kill(os.getpid(), 2)

        yield count


@pytest.mark.parametrize("after", [1, 4])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    trained: Path, data: Path, learned: Path, tmp_path: Path, after: int
) -> None:
    recipe = recipe_of(trained, data, "train.lr=0.003")
    with pytest.raises(Interrupted, match="--resume"):
        train(recipe, tmp_path / "run", progress=CtrlC(after))
    train(recipe, tmp_path / "run", resume=True, progress=QUIET)
    whole, broken = (load(folder, "cpu").model.state_dict() for folder in (learned, tmp_path / "run"))
    assert all(torch.equal(whole[name], broken[name]) for name in whole)
    figures = [
        [{**one, "seconds": 0} for one in checkpoint.read_metrics(folder)["history"]]
        for folder in (learned, tmp_path / "run")
    ]
    assert figures[0] == figures[1]


def test_a_run_goes_on_only_with_the_start_it_began_with(
    trained: Path, learned: Path, data: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(trained, data)
    with pytest.raises(Interrupted):
        train(recipe, tmp_path / "run", progress=CtrlC(1))
    with pytest.raises(InputError, match=r"train\.start"):
        train(recipe_of(learned, data), tmp_path / "run", resume=True, progress=QUIET)


@pytest.mark.parametrize("said", [HINDI, JAPANESE], ids=["Hindi", "Japanese"])
def test_captions_in_another_script_are_learned(
    trained: Path, world: Path, tmp_path: Path, said: tuple[str, ...]
) -> None:
    folder, lines = own_data(world, tmp_path / "data", said=said), []
    told = Progress(quiet=True)
    told.say = lines.append  # type: ignore[method-assign, assignment]
    train(recipe_of(trained, folder), tmp_path / "run", progress=told)
    assert any("knows 0% of the words" in line for line in lines)
    run = load(tmp_path / "run", "cpu")
    assert run.vocabulary.coverage(said) == 1
    assert all(run.align(str(load_dataset(world).split("test")[0].path), said[0]).known)


def test_no_new_word_is_no_fault(trained: Path, world: Path, tmp_path: Path) -> None:
    folder = own_data(world, tmp_path / "data", said=("a red star", "a blue circle"))
    train(recipe_of(trained, folder, "train.epochs=1"), tmp_path / "run", progress=QUIET)
    assert Vocabulary.load(tmp_path / "run" / "vocabulary.json") == Vocabulary.load(trained / "vocabulary.json")


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (1, r"of 1 training pictures with sentences, . are held out .* at least 4 pictures or clips, or a split 'val'"),
        (2, r"of 2 training pictures with sentences, 2 are held out .* at least 4 pictures or clips, or a split 'val'"),
        (3, r"needs two pictures .* but of 3, 2 are held out as 'val'; expected 4, or a split 'val'"),
    ],
)
def test_too_few_pictures_are_one_sentence(
    trained: Path, world: Path, tmp_path: Path, count: int, message: str
) -> None:
    folder = own_data(world, tmp_path / "data", count)
    with pytest.raises(InputError, match=message):
        train(recipe_of(trained, folder), tmp_path / "run", progress=QUIET)
    assert not (tmp_path / "run").exists()


def test_four_pictures_are_enough(trained: Path, world: Path, tmp_path: Path) -> None:
    folder = own_data(world, tmp_path / "data", 4)
    train(recipe_of(trained, folder), tmp_path / "run", progress=QUIET)
    assert load(tmp_path / "run", "cpu").score([load_dataset(world).split("test")[0].path], ["a zorp"]).shape == (1, 1)


def test_few_pictures_give_two_to_choose_by(tmp_path: Path) -> None:
    pictures = tuple(Picture(f"{n}.jpg", tmp_path / f"{n}.jpg", "train", ("a dog",)) for n in range(6))
    assert hold_out(Dataset("d", tmp_path, "pairs", pictures), 0.001).splits == {"train": 4, "val": 2}


def test_one_picture_to_choose_by_is_named(trained: Path, world: Path, tmp_path: Path) -> None:
    folder = own_data(world, tmp_path / "data", 6)
    lines = (folder / "captions.csv").read_text().splitlines()
    marked = [f"{line},{'split' if not n else 'val' if n > 10 else 'train'}" for n, line in enumerate(lines)]
    (folder / "captions.csv").write_text("\n".join(marked))
    with pytest.raises(InputError, match="only picture of the split 'val'"):
        train(recipe_of(trained, folder), tmp_path / "run", progress=QUIET)


def test_a_start_that_does_not_fit_is_named(trained: Path, captioner: Path, data: Path, tmp_path: Path) -> None:
    for start, told, expected in (
        (tmp_path / "none", (), "not a trained model"),
        (captioner, (), "a run that describes pictures"),
        (trained, ("regions.size=64",), r"regions\.\w+ = .*leave \[regions\] out"),
        (trained, ("model.hidden=8",), r"model\.hidden = 8.*leave \[model\] out"),
        (trained, ("text.vectors=glove.txt",), r"text\.vectors does not go with train\.start"),
        (trained, ("train.start_share=1.5",), r"start_share = 1\.5: expected a number from 0 to 1"),
    ):
        with pytest.raises(InputError, match=expected):
            train(recipe_of(start, data, *told), tmp_path / "run", progress=QUIET)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_data_is_enough_for_the_command(
    trained: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'start = "box"' in recipe_path("own").read_text()
    for given in (data, data / "captions.csv"):
        out = tmp_path / given.stem
        settings = (f"train.start={trained}", "train.epochs=1")
        words = ["train", str(given), "-o", str(out), *(word for one in settings for word in ("--set", one)), "--json"]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.stderr
        assert '"val_loss"' in done.stdout and checkpoint.load(out).recipe.data.path == str(given)
    done = CliRunner().invoke(app, ["train", str(tmp_path / "absent"), "-o", str(tmp_path / "x")])
    assert done.exit_code == 2 and "absent" in done.stderr


def test_the_model_in_the_box_is_followed(data: Path) -> None:
    recipe = follow(own(data))
    box = checkpoint.load(load(device="cpu").folder)
    assert replace(recipe.regions, weights=box.regions.weights) == box.regions
    assert {**recipe.model, **box.model.config} == {**box.model.config, "name": box.recipe.model["name"]}


def test_a_dataset_may_be_named_as_in_the_folder_of_shared_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORDSIGHT_SHARED", str(tmp_path))
    (tmp_path / "few").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "few" / "a.jpg")
    (tmp_path / "few" / "a.txt").write_text("a dog\n")
    result = CliRunner().invoke(app, ["train", "few", "-o", str(tmp_path / "run")])
    assert result.exit_code == 2 and f"{tmp_path / 'few'}" in result.stderr and "pictures" in result.stderr
    result = CliRunner().invoke(app, ["train", "none", "-o", str(tmp_path / "run")])
    assert result.exit_code == 2 and "No dataset 'none'" in result.stderr

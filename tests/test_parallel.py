"""Data-parallel training: what several processes learn together is what one learns alone."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from wordsight.batch import Regions
from wordsight.errors import InputError
from wordsight.progress import Progress
from wordsight.runs import checkpoint
from wordsight.runs.recipe import Recipe, read
from wordsight.runs.tasks import MODELS, TASKS, model_class, task_of
from wordsight.scale.train import train_ray, work
from wordsight.training.parallel import Team, divides
from wordsight.training.prepare import prepare
from wordsight.training.state import TrainState
from wordsight.training.trainer import train
from wordsight.vision.feature_table import FeatureTable

QUIET = Progress(quiet=True)
SMALL = ["regions.regions=6", "train.epochs=2", "train.batch=64", 'train.precision="float32"']
DROPPED = ["model.dropout=0.3", "model.region_dropout=0.2"]


def processes(count: int, does: Callable[..., None], *told: object) -> None:
    """Run a function in processes that are a team."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.start_processes(_joined, (count, port, does, told), count, start_method="fork")


def _joined(rank: int, count: int, port: int, does: Callable[..., None], told: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=count)
    does(*told)
    dist.destroy_process_group()


def trains(recipe: Recipe, out: Path) -> None:
    assert work(Team(), recipe, out, QUIET) is None


@pytest.fixture
def in_double(monkeypatch: pytest.MonkeyPatch) -> object:
    """Everything in float64, where rounding is too small to be made large by a training."""
    gather = FeatureTable.gather

    def doubled(*args: object) -> Regions:
        found = gather(*args)  # type: ignore[arg-type]
        return Regions(found.features.double(), found.mask, found.boxes.double())

    monkeypatch.setattr(FeatureTable, "gather", doubled)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def same_weights(alone: Path, together: Path) -> None:
    """To 1e-5, the same weights and the same figures."""
    one, other = (checkpoint.load_state(run)["model"] for run in (alone, together))
    for name, weight in one.items():
        torch.testing.assert_close(other[name], weight, rtol=0, atol=1e-5)
    expected, found = checkpoint.read_metrics(alone), checkpoint.read_metrics(together)
    assert [each["loss"] for each in found["history"]] == pytest.approx([each["loss"] for each in expected["history"]])
    assert found["best"]["rsum"] == expected["best"]["rsum"]


def test_two_processes_learn_with_dropout_and_adam_what_one_learns(
    recipe_file: Path, tmp_path: Path, in_double: None
) -> None:
    recipe = read(recipe_file, [*SMALL, *DROPPED, "model.sampled_regions=5"])
    train(recipe, tmp_path / "alone", progress=QUIET)
    processes(2, trains, recipe, tmp_path / "together")
    same_weights(tmp_path / "alone", tmp_path / "together")


@pytest.mark.parametrize(
    ("name", "settings"),
    [("align", DROPPED), ("vse", []), ("sdt_rnn", DROPPED), ("stacked_attention", DROPPED)],
    ids=["align", "vse", "sdt_rnn", "stacked_attention"],
)
def test_three_processes_learn_in_float32_what_one_learns(
    name: str, settings: list[str], recipe_file: Path, tmp_path: Path
) -> None:
    recipe = read(small(recipe_file, name, tmp_path), [*SMALL, *settings, 'train.optimiser="sgd"', "train.epochs=1"])
    train(recipe, tmp_path / "alone", progress=QUIET)
    processes(3, trains, recipe, tmp_path / "together")
    same_weights(tmp_path / "alone", tmp_path / "together")


@pytest.mark.parametrize("name", ["contrastive", "vse", "sdt_rnn"])
def test_two_processes_learn_with_adam_in_float32_what_one_learns(name: str, recipe_file: Path, tmp_path: Path) -> None:
    """At the learning rate of most recipes: a greater one makes rounding grow faster."""
    file = recipe_file if name == "contrastive" else small(recipe_file, name, tmp_path)
    recipe = read(file, [*SMALL, *(DROPPED if name == "sdt_rnn" else []), "train.lr=0.001", "train.epochs=4"])
    train(recipe, tmp_path / "alone", progress=QUIET)
    processes(2, trains, recipe, tmp_path / "together")
    same_weights(tmp_path / "alone", tmp_path / "together")


def small(recipe_file: Path, name: str, folder: Path) -> Path:
    """The recipe, for another model."""
    text = recipe_file.read_text()
    sizes = "hidden = 32" if name == "lstm" else "embedding = 32"
    model = f'[model]\nname = "{name}"\nwords = 32\n{sizes}\n\n'
    (folder / "recipe.toml").write_text(text[: text.index("[model]")] + model + text[text.index("[train]") :])
    return folder / "recipe.toml"


def gradients(recipe: Recipe, batches: list[list[int]], out: Path) -> None:
    """What a team makes of each batch, and what one process makes of it: saved by the first."""
    learner = TrainState(recipe, prepare(recipe, QUIET), 0, team=Team())
    model, found = learner.model.train(), []
    for chosen in map(torch.tensor, batches):
        for loss in (lambda rows: learner.team.loss(model, learner.pairs, rows, learner.device), None):
            torch.manual_seed(3)
            model.zero_grad()
            whole = loss(chosen) if loss else model.loss(learner.pairs.batch(chosen))  # type: ignore[operator]
            whole.backward()
            if loss:
                whole = learner.team.add_up(model, whole)
            found.append((whole.detach(), [one.grad for one in model.parameters()]))
    if not dist.get_rank():
        torch.save(found, out)


@pytest.mark.parametrize(("name", "settings"), [("align", []), ("lstm", ["model.dropout=0.0"])], ids=["align", "lstm"])
def test_a_batch_has_the_gradient_of_one_process_though_it_is_uneven_or_has_one_picture(
    name: str, settings: list[str], recipe_file: Path, tmp_path: Path
) -> None:
    recipe = read(small(recipe_file, name, tmp_path), [*SMALL, *settings])
    batches = [list(range(7)), [0, 1, 2, 3]]  # the sentences of a picture are neighbours
    processes(3, gradients, recipe, batches, tmp_path / "found.pt")
    found = torch.load(tmp_path / "found.pt")
    for (together, ours), (alone, theirs) in zip(found[::2], found[1::2], strict=True):
        torch.testing.assert_close(together, alone)
        for one, other in zip(ours, theirs, strict=True):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-6)


def test_a_captioner_is_learned_together(recipe_file: Path, tmp_path: Path) -> None:
    recipe = read(small(recipe_file, "lstm", tmp_path), [*SMALL, "model.dropout=0.0", 'train.optimiser="sgd"'])
    train(recipe, tmp_path / "alone", progress=QUIET)
    processes(2, trains, recipe, tmp_path / "together")
    one, other = (checkpoint.load_state(tmp_path / run)["model"] for run in ("alone", "together"))
    for name, weight in one.items():
        torch.testing.assert_close(other[name], weight, rtol=0, atol=1e-5)


def test_more_processes_than_sentences_are_refused(recipe_file: Path, tmp_path: Path) -> None:
    processes(3, refuses, read(recipe_file, [*SMALL, "train.batch=2"]), tmp_path / "run")
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").glob("*.json"))


def refuses(recipe: Recipe, out: Path) -> None:
    refused = work(Team(), recipe, out, QUIET)
    said = "A batch has 2 sentences: too few for 3 workers; use fewer."
    assert str(refused) == ("None" if dist.get_rank() else said)


def test_what_cannot_be_shared_out_is_refused_before_any_cluster(recipe_file: Path, tmp_path: Path) -> None:
    shared = {name for name in MODELS if task_of(name) is not TASKS["situation"] and divides(model_class(name))}
    assert {"align", "vse", "sdt_rnn", "stacked_attention", "lstm", "neuraltalk"} <= shared
    assert not shared & {"cca", "deep_cca", "defrag", "sm_lstm", "concepts", "nearest_caption"}
    with pytest.raises(InputError, match="'defrag' cannot be trained by several workers"):
        train_ray("local", read(small(recipe_file, "defrag", tmp_path)), tmp_path / "run")
    with pytest.raises(InputError, match=r"--workers 33: expected from 1 to 32"):
        train_ray("local", read(recipe_file), tmp_path / "run", workers=33)
    assert not (tmp_path / "run").exists()

"""Training: the same seed gives the same model, also when interrupted, and mistakes are said clearly."""

import dataclasses
import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from wordsight.batch import Regions, Vectors, Words
from wordsight.errors import InputError, WorkFailed
from wordsight.evaluation.alignment import measure
from wordsight.locks import locked
from wordsight.matching.align import Align
from wordsight.progress import Count, Progress
from wordsight.runs import align_task, checkpoint
from wordsight.runs.aligner import load
from wordsight.runs.device import device_named
from wordsight.runs.pairs import Pairs
from wordsight.runs.recipe import Recipe, TrainSettings, own, parse, read, to_dict
from wordsight.training import optim, trainer
from wordsight.training.state import TrainState
from wordsight.training.trainer import Interrupted, train

QUIET = Progress(quiet=True)


class CtrlC(Progress):
    """Presses Ctrl-C after some steps."""

    def __init__(self, after: int) -> None:
        super().__init__(quiet=True)
        self.left = after

    @contextmanager
    def task(self, name: str) -> Iterator[Count]:
        def count(done: int, total: int) -> None:
            self.left -= name == "training"
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)

        yield count


@pytest.fixture
def recipe(recipe_file: Path) -> Recipe:
    return read(recipe_file, ["train.epochs=2", "model.dropout=0.2"])


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder).model.state_dict()


def same(first: Path, second: Path) -> bool:
    one, two = weights_of(first), weights_of(second)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def history(folder: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in checkpoint.read_metrics(folder)["history"]]


@pytest.mark.parametrize("after", [1, 5])
def test_an_interrupted_run_goes_on_to_the_same_bits(recipe: Recipe, tmp_path: Path, after: int) -> None:
    train(recipe, tmp_path / "whole", progress=QUIET)
    with pytest.raises(Interrupted, match="--resume"):
        train(recipe, tmp_path / "broken", progress=CtrlC(after))
    state = checkpoint.load_state(tmp_path / "broken")
    assert state["place"]["position"] > 0
    train(recipe, tmp_path / "broken", resume=True, progress=QUIET)
    assert same(tmp_path / "whole", tmp_path / "broken")
    assert history(tmp_path / "whole") == history(tmp_path / "broken")
    final = [checkpoint.load_state(tmp_path / name)["model"] for name in ("whole", "broken")]
    assert all(torch.equal(final[0][name], final[1][name]) for name in final[0])


def test_ctrl_c_in_the_last_evaluation_counts(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = trainer._look

    def interrupted(learner: TrainState, folder: Path, progress: Progress) -> None:
        look(learner, folder, progress)
        if learner.position.epoch == recipe.train.epochs:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(trainer, "_look", interrupted)
    with pytest.raises(Interrupted, match="after the last step"):
        train(recipe, tmp_path / "run", progress=QUIET)
    monkeypatch.undo()
    train(recipe, tmp_path / "run", resume=True, progress=QUIET)
    assert len(history(tmp_path / "run")) == recipe.train.epochs


def test_the_handler_of_ctrl_c_is_put_back(recipe: Recipe, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        train(recipe, tmp_path, progress=CtrlC(1))
    assert signal.getsignal(signal.SIGINT) is before


def test_the_best_checkpoint_is_kept(trained: Path) -> None:
    metrics = checkpoint.read_metrics(trained)
    assert metrics["best"]["rsum"] == max(row["rsum"] for row in metrics["history"])
    assert [row["epoch"] for row in metrics["history"]] == list(range(1, 9))


def test_a_worse_model_does_not_replace_the_best(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([300.0, 100.0, 200.0, 50.0])
    real = align_task.validate
    monkeypatch.setattr(align_task, "validate", lambda model, data: {**real(model, data), "rsum": next(figures)})
    settings = dataclasses.replace(recipe.train, epochs=4, patience=2, schedule="constant")
    metrics = train(dataclasses.replace(recipe, train=settings), tmp_path, progress=QUIET)
    assert metrics["best"]["epoch"] == 1
    assert len(metrics["history"]) == 3, "patience of 2 evaluations stops before the fourth"
    last = checkpoint.load_state(tmp_path)["model"]
    assert any(not torch.equal(weight, last[name]) for name, weight in weights_of(tmp_path).items())


def test_members_train_with_their_own_seeds_and_decide_together(recipe: Recipe, tmp_path: Path) -> None:
    settings = dataclasses.replace(recipe.train, epochs=1, members=2)
    metrics = train(dataclasses.replace(recipe, train=settings), tmp_path, progress=QUIET)
    assert not same(tmp_path / "member-0", tmp_path / "member-1")
    loaded = checkpoint.load(tmp_path).model
    names = {name.split(".")[1] for name in loaded.state_dict()}
    assert names == {"0", "1"}
    assert len(metrics["members"]) == 2
    with pytest.raises(InputError, match=r"train\.members = 2, not 1"):
        train(dataclasses.replace(recipe, train=dataclasses.replace(settings, members=1)), tmp_path, resume=True)


def test_a_folder_that_holds_a_run_is_not_written_over(recipe: Recipe, trained: Path) -> None:
    with pytest.raises(InputError, match="--resume"):
        train(recipe, trained, progress=QUIET)


def test_a_run_goes_on_only_with_its_own_recipe(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(recipe, tmp_path, progress=CtrlC(1))
    other = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, lr=0.5))
    with pytest.raises(InputError, match=r"train\.lr"):
        train(other, tmp_path, resume=True, progress=QUIET)


def test_a_trained_model_is_not_gone_on_with_by_another_recipe(recipe: Recipe, trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    before = (copy / "model.safetensors").read_bytes()
    (copy / checkpoint.STATE).unlink()
    with pytest.raises(InputError, match=r"was begun with"):
        train(recipe, copy, resume=True, progress=QUIET)
    assert (copy / "model.safetensors").read_bytes() == before
    with pytest.raises(InputError, match="this is a file"):
        train(recipe, copy / "README.md", progress=QUIET)


def test_a_trained_model_whose_state_is_gone_is_not_written_over(recipe_file: Path, tmp_path: Path) -> None:
    for members, without in ((1, "."), (2, "member-1")):
        recipe = read(recipe_file, ["train.epochs=1", f"train.members={members}"])
        out = tmp_path / str(members)
        train(recipe, out, progress=QUIET)
        (out / without / checkpoint.STATE).unlink()
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        with pytest.raises(InputError, match=r"training_state\.pt is missing.* name another folder"):
            train(recipe, out, resume=True, progress=QUIET)
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_run_that_is_killed_at_its_first_checkpoint_goes_on(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, epochs=2))
    train(recipe, tmp_path / "whole", progress=QUIET)
    save = checkpoint.save

    def killed(*arguments: Any) -> None:
        save(*arguments)
        raise MemoryError

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(checkpoint, "save", killed)
        train(recipe, tmp_path / "broken", progress=QUIET)
    train(recipe, tmp_path / "broken", resume=True, progress=QUIET)
    assert same(tmp_path / "whole", tmp_path / "broken")
    assert history(tmp_path / "whole") == history(tmp_path / "broken")


def interrupted(world: Path, recipe_file: Path, tmp_path: Path) -> tuple[Recipe, Path]:
    """A training on a copy of the world that was stopped: its recipe, and the file of its sentences."""
    shutil.copytree(world, tmp_path / "world")
    recipe = read(recipe_file, [f"data.path={(tmp_path / 'world').as_posix()}", "train.epochs=1"])
    with pytest.raises(Interrupted):
        train(recipe, tmp_path / "run", progress=CtrlC(1))
    return recipe, tmp_path / "world" / "dataset.json"


def test_a_run_goes_on_only_with_its_own_data(world: Path, recipe_file: Path, tmp_path: Path) -> None:
    recipe, file = interrupted(world, recipe_file, tmp_path)
    before = file.read_text()
    for change in ("another word", "swapped captions", "a picture less", "val alone"):
        content = json.loads(before)
        images = content["images"]
        if change == "another word":
            images[0]["sentences"][0] = {"raw": "zebra zebra zebra", "tokens": ["zebra"] * 3}
        elif change == "swapped captions":
            images[0]["sentences"], images[1]["sentences"] = images[1]["sentences"], images[0]["sentences"]
        elif change == "a picture less":
            del images[0]
        else:
            images[2]["sentences"] = images[2]["sentences"][:1]
        file.write_text(json.dumps(content))
        split = "val" if change == "val alone" else "train"
        with pytest.raises(InputError, match=f"was begun with other data: the split '{split}' has changed"):
            train(recipe, tmp_path / "run", resume=True, progress=QUIET)
    file.write_text(before)
    picture = world / "images" / "painted_00003.jpg"
    (tmp_path / "world" / "images" / "painted_00000.jpg").write_bytes(picture.read_bytes())
    with pytest.raises(InputError, match="other data"):
        train(recipe, tmp_path / "run", resume=True, progress=QUIET)
    shutil.copy(world / "images" / "painted_00000.jpg", tmp_path / "world" / "images")
    train(recipe, tmp_path / "run", resume=True, progress=QUIET)


def test_a_state_without_a_note_of_its_data_goes_on_with_a_warning(
    world: Path, recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, _ = interrupted(world, recipe_file, tmp_path)
    state = checkpoint.load_state(tmp_path / "run")
    del state["data"]
    checkpoint.save_state(tmp_path / "run", state)
    train(recipe, tmp_path / "run", resume=True)
    assert "it may be other data now" in capsys.readouterr().err


def test_a_state_that_is_not_of_this_training_is_a_sentence(world: Path, recipe_file: Path, tmp_path: Path) -> None:
    recipe, _ = interrupted(world, recipe_file, tmp_path)
    good = checkpoint.load_state(tmp_path / "run")
    wrong = {"model": {}, "place": {"epoch": "x"}, "recipe": 5, "optimiser": None, "random": None, "fingerprint": ()}
    for key, value in wrong.items():
        checkpoint.save_state(tmp_path / "run", {**good, key: value})
        with pytest.raises(InputError, match=r"training_state\.pt: damaged|features of other weights"):
            train(recipe, tmp_path / "run", resume=True, progress=QUIET)
    content = (tmp_path / "run" / checkpoint.STATE).read_bytes()
    (tmp_path / "run" / checkpoint.STATE).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"training_state\.pt: cannot be read"):
        train(recipe, tmp_path / "run", resume=True, progress=QUIET)


def test_a_thousand_broken_pictures_are_counted_and_the_first_named(
    world: Path, recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(world, tmp_path / "world")
    content = json.loads((tmp_path / "world" / "dataset.json").read_text())
    more = [{**content["images"][0], "filename": f"gone\x1b[2J_{number}.jpg"} for number in range(1000)]
    (tmp_path / "world" / "dataset.json").write_text(json.dumps({**content, "images": content["images"] + more}))
    recipe = read(recipe_file, [f"data.path={(tmp_path / 'world').as_posix()}", "train.epochs=1"])
    train(recipe, tmp_path / "run")
    said = capsys.readouterr().err
    assert "train: 1,000 of 1,100 pictures left out:" in said and "and 990 more" in said
    assert said.count("no such picture") == 10
    listed = tmp_path / "run" / "left_out-train.txt"
    assert f"all are listed in {listed}" in said
    lines = listed.read_text().splitlines()
    assert len(lines) == 1000 and "gone\\x1b[2J_999.jpg: no such picture" in lines[-1]
    assert not (tmp_path / "run" / "left_out-val.txt").exists()
    measure(load(tmp_path / "run", "cpu"), split="train", report=tmp_path / "run" / "report", progress=QUIET)
    assert len(listed.read_text().splitlines()) == 1000


def test_only_steps_are_in_low_precision(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, set[torch.dtype]] = {"steps": set(), "looks": set()}
    encode = Align.encode_texts

    def spy(model: Align, words: Words) -> Vectors:
        vectors = encode(model, words)
        found["steps" if model.training else "looks"].add(vectors.values.dtype)
        return vectors

    monkeypatch.setattr(Align, "encode_texts", spy)
    monkeypatch.setattr("wordsight.runs.device.is_fast_at_bf16", lambda where: True)
    settings = dataclasses.replace(recipe.train, epochs=1)
    plain = dataclasses.replace(recipe, model={**recipe.model, "normalise": False}, train=settings)
    metrics = train(plain, tmp_path, progress=QUIET)
    assert found == {"steps": {torch.bfloat16}, "looks": {torch.float32}}
    assert {weight.dtype for weight in weights_of(tmp_path).values()} == {torch.float32}
    again = measure(load(tmp_path, "cpu"), progress=QUIET)
    assert {key: metrics["best"][key] for key in again if key in metrics["best"]} == pytest.approx(
        {key: again[key] for key in again if key in metrics["best"]}, abs=1e-9
    )
    assert found["looks"] == {torch.float32}


def test_the_query_bank_comes_with_the_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    settings = dataclasses.replace(recipe, model={**recipe.model, "query_bank": 30})
    metrics = train(settings, tmp_path, progress=QUIET)
    run = load(tmp_path, "cpu")
    again = measure(run, progress=QUIET)
    assert {key: again[key] for key in metrics["best"] if key in again} == {
        key: metrics["best"][key] for key in metrics["best"] if key in again
    }
    assert isinstance(run.model, Align)
    assert run.model.query_bank is not None
    run.model.query_bank.clear()
    assert measure(run, progress=QUIET) != again, "they do make a difference"


def test_a_model_that_cannot_be_built_is_said(recipe: Recipe, tmp_path: Path) -> None:
    for wrong in ({"dropout": 7.0}, {"embedding": -3}):
        with pytest.raises(InputError, match=r"\[model\] cannot be built"):
            train(dataclasses.replace(recipe, model={**recipe.model, **wrong}), tmp_path / "run", progress=QUIET)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_training_that_diverges_fails_and_keeps_the_best(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimiser: str
) -> None:
    settings = dataclasses.replace(recipe.train, lr=1e30, clip_norm=0.0, optimiser=optimiser)
    with pytest.raises(WorkFailed, match=r"diverged in epoch 1 .*no model is kept\. Lower train\.lr"):
        train(dataclasses.replace(recipe, train=settings), tmp_path / "at once", progress=QUIET)
    assert sorted(path.name for path in (tmp_path / "at once").iterdir()) == ["lock", "metrics.json"]

    rate = optim.rate
    monkeypatch.setattr(optim, "rate", lambda *given: rate(*given) if given[1] < 20 else 1e30)
    monkeypatch.setattr("wordsight.training.trainer.LOOK_EVERY", 2)
    settings = dataclasses.replace(recipe.train, epochs=3, optimiser="sgd", clip_norm=0.0)
    with pytest.raises(WorkFailed, match=r"diverged in epoch \d.*of epoch \d, is kept"):
        train(dataclasses.replace(recipe, train=settings), tmp_path / "later", progress=QUIET)
    kept = checkpoint.load(tmp_path / "later")
    assert kept.metrics["diverged"] is True and kept.metrics["best"]["rsum"] > 0
    state = checkpoint.load_state(tmp_path / "later")
    assert all(weight.isfinite().all() for weight in state["model"].values()), "it goes on from good weights"


def test_figures_that_are_no_numbers_are_never_the_best(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(align_task, "validate", lambda model, data: {"rsum": float("nan")})
    with pytest.raises(WorkFailed, match="rsum is NaN or infinite"):
        train(recipe, tmp_path, progress=QUIET)
    assert "NaN" not in (tmp_path / "metrics.json").read_text()
    assert not checkpoint.is_checkpoint(tmp_path)


def test_one_process_trains_in_a_folder_at_a_time(recipe_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    with locked(out, "busy"), pytest.raises(InputError, match="another process is training here"):
        train(recipe_file, str(out), progress=QUIET)
    assert [path.name for path in out.iterdir()] == ["lock"]
    train(read(recipe_file, ["train.epochs=1"]), out, progress=QUIET)  # the lock that is left keeps nobody out
    assert load(out, "cpu").folder == out


def test_a_training_that_cannot_begin_leaves_no_folder(recipe: Recipe, tmp_path: Path) -> None:
    missing = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, path="nowhere"))
    with pytest.raises(InputError, match="nowhere"):
        train(missing, tmp_path / "run", progress=QUIET)
    assert not (tmp_path / "run").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="nowhere"):
        train(missing, tmp_path / "empty", progress=QUIET)
    assert not list((tmp_path / "empty").iterdir())


def test_word_vectors_start_from_a_file_and_may_be_kept(recipe_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "vectors.txt"
    file.write_text("red 1 2 3 4\nblue 4 3 2 1\n")
    settings = [f'text.vectors="{file.as_posix()}"', "text.freeze=true", "model.words=4", "train.epochs=1"]
    train(read(recipe_file, settings), tmp_path / "run", progress=QUIET)
    loaded = checkpoint.load(tmp_path / "run")
    row = loaded.model.state_dict()["words.weight"][loaded.vocabulary.number["red"]]
    assert row.tolist() == [1, 2, 3, 4]
    with pytest.raises(InputError, match=r"model\.words"):
        train(read(recipe_file, [*settings[:2], "model.words=5"]), tmp_path / "other", progress=QUIET)


# --- batches


class Rows:
    """A table whose features are the row numbers."""

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return self.pictures

    def gather(self, indices: torch.Tensor, places: torch.Tensor | None = None) -> Regions:
        rows = indices.float()[:, None, None]
        return Regions(rows, torch.ones(len(rows), 1, dtype=torch.bool), torch.zeros(len(rows), 1, 4))


def some_pairs(pictures: int = 10, sentences: int = 5) -> Pairs:
    from wordsight.batch import Words

    picture = torch.arange(pictures).repeat_interleave(sentences)
    lengths = torch.arange(len(picture)) % 4 + 1
    mask = torch.arange(4) < lengths[:, None]
    return Pairs(Rows(pictures), Words(picture[:, None] * mask, mask), picture)


def test_each_picture_is_in_a_batch_once_and_every_sentence_finds_its_own() -> None:
    pairs = some_pairs()
    batch = pairs.batch(torch.tensor([0, 1, 12, 3, 49]))
    assert batch.regions.features.flatten().tolist() == [0, 2, 9]
    own = batch.regions.features.flatten()[batch.picture]
    assert own.tolist() == batch.words.ids[:, 0].tolist() == [0, 0, 2, 0, 9]


def test_an_epoch_shows_every_pair_once_in_an_order_of_its_own() -> None:
    pairs = some_pairs()
    first, second = pairs.epoch(0, 10, seed=1), pairs.epoch(1, 10, seed=1)
    assert len(first) == pairs.steps(10) == 5
    assert sorted(torch.cat(first).tolist()) == list(range(50))
    assert torch.cat(first).tolist() != torch.cat(second).tolist()
    assert torch.equal(torch.cat(first), torch.cat(pairs.epoch(0, 10, seed=1)))
    assert [len(one) for one in pairs.epoch(0, 80, seed=1)] == [50]
    assert [len(one) for one in pairs.epoch(0, 20, seed=1)] == [20, 20]


def test_a_query_bank_is_always_the_same_pictures_with_sentences_of_their_own() -> None:
    split = some_pairs(pictures=250)
    first, second = list(split.query_bank(220)), list(split.query_bank(220))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.regions.features, other.regions.features)
        assert torch.equal(one.words.ids, other.words.ids)
        assert (one.regions.features.flatten()[one.picture] == one.words.ids[:, 0]).all()
    assert len(torch.cat([one.regions.features for one in first]).unique()) == 220
    assert sum(len(one.picture) for one in first) == 2 * 220
    assert sum(len(one.picture) for one in some_pairs(pictures=3, sentences=1).query_bank(5)) == 3


# --- recipes


MINIMAL = '[data]\npath = "d"\n[regions]\nbackbones = ["filters"]\n'


def test_a_recipe_reads_back_equal(recipe: Recipe) -> None:
    assert to_dict(parse(recipe.to_toml())) == to_dict(recipe)
    path = "".join(map(chr, range(1, 160))) + "é\U0001f415"
    odd = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, path=path, also=(path,)))
    assert to_dict(parse(odd.to_toml())) == to_dict(odd)
    assert own(Path("a\x7f b")).data.path == "a\x7f b"


def test_a_name_that_is_not_utf_8_is_refused_as_no_recipe_could_be_read_back() -> None:
    with pytest.raises(InputError, match=r"own\.toml: data\.path = 'd\\udce9': expected UTF-8; .*rename"):
        own(Path("d\udce9"))
    for setting in ("data.also=['d\udce9']", "text.vectors=d\udce9", "train.start=d\udce9"):
        with pytest.raises(InputError, match=r"'d\\udce9': expected UTF-8"):
            parse(MINIMAL, [setting])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("[train]\nepoch = 3", r"train\.epoch .*did you mean 'epochs'"),
        ("[trian]\nepochs = 3", "trian .*did you mean 'train'"),
        ('[model]\nname = "align"\nembeding = 3', "did you mean 'embedding'"),
        ('[model]\nname = "aline"', "did you mean 'align'"),
        ("[model]\nvocabulary = 3", "vocabulary"),
        ('[train]\nepochs = "many"', r"train\.epochs = 'many': expected a whole number"),
        ("[train]\nepochs = true", "whole number"),
        ("[train]\nepochs = 0", "at least 1"),
        ('[train]\noptimiser = "adam"', "did you mean 'adamw'"),
        ("[train]\nlr = 0", "greater than 0"),
        ('[model]\nname = "cca"\nembedding = 0', r"model\.embedding = 0: expected at least 1"),
        ("[train]\nmomentum = -1", r"train\.momentum = -1\.0: expected at least 0"),
        ("[train]\nclip_norm = nan", r"train\.clip_norm = nan: expected at least 0"),
        ("[train]\nseed = 99999999999999999999", r"less than 2\*\*32"),
        ("[train]\nbatch = 99999999999999999999", r"train\.batch = 9+: expected a size less than 2\*\*32"),
        (f"[train]\nwarmup = 1{'0' * 400}", r"train\.warmup = 10+: expected a size less than 2\*\*32"),
        ("[model]\nhidden = -99999999999999999999", r"model\.hidden = -9+: expected a size less than 2\*\*32"),
        ("[model]\nmargin = 1e300", r"model\.margin = 1e\+300: expected a size of at most 1e\+30"),
        ("[train]\nlr = 1e300", r"train\.lr = 1e\+300: expected a size of at most 1e\+30"),
        ("[train]\nlr = 1e7", r"train\.lr = 10000000\.0: expected at most 1,000,000"),
        ("[train]\nlr = inf", r"train\.lr = inf: expected at most 1,000,000"),
        ("[train]\nclip_norm = 1e300", r"train\.clip_norm = 1e\+300: expected a size of at most 1e\+30"),
        ("[text]\nfreeze = true", r"text\.vectors"),
        ("[train", "not valid TOML"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(more: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(MINIMAL + more)


def test_too_few_regions_are_named_before_what_follows_from_them() -> None:
    with pytest.raises(InputError, match=r"^recipe: regions\.regions = 0, expected at least 1"):
        parse(MINIMAL, ["regions.regions=0", "model.name=lrcn"])


def test_numbers_as_great_as_recipes_allow_fail_in_a_sentence_at_most(recipe: Recipe, tmp_path: Path) -> None:
    for number, great in enumerate(("lr=1e6", "weight_decay=1e6", "momentum=1e6", "clip_norm=1e30", "clip_value=inf")):
        settings = [f"train.{great}", "train.epochs=1", "train.optimiser=sgd"]
        with suppress(InputError, WorkFailed):
            train(parse(recipe.to_toml(), settings), tmp_path / str(number), progress=QUIET)


def test_settings_are_laid_over_the_recipe() -> None:
    settings = [
        "train.seed=7",
        "data.path=some/where",
        "train.lr=1",
        "model.normalise=true",
        'regions.backbones=["a", "b"]',
    ]
    recipe = parse(MINIMAL, settings)
    assert (recipe.train.seed, recipe.data.path, recipe.train.lr) == (7, "some/where", 1.0)
    assert recipe.model == {"name": "align", "normalise": True}
    assert recipe.regions.backbones == ("a", "b")
    for wrong in ("train.sed=1", "seed=1", "train.seed"):
        with pytest.raises(InputError):
            parse(MINIMAL, [wrong])


def test_every_recipe_of_the_project_is_valid_and_short() -> None:
    folder = Path(__file__).parent.parent / "recipes"
    for path in folder.glob("*.toml"):
        read(path)
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        assert len(lines) <= 25, path


# --- steps


def test_rates() -> None:
    settings = TrainSettings(lr=1.0, warmup=10)
    rates = [optim.rate(settings, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[-1] < 0.01
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert optim.rate(TrainSettings(lr=1.0, schedule="step"), 80, 100) == pytest.approx(0.1)
    assert optim.rate(TrainSettings(lr=1.0, schedule="constant"), 80, 100) == 1.0


def test_gradients_are_cut() -> None:
    layer = torch.nn.Linear(2, 2)
    for weight in layer.parameters():
        weight.grad = torch.full_like(weight, 100.0)
    optim.clip(layer, TrainSettings(clip_value=5.0, clip_norm=0.0))
    assert layer.weight.grad is not None
    assert layer.weight.grad.max() == 5.0
    optim.clip(layer, TrainSettings(clip_norm=1.0))
    assert torch.cat([weight.grad.flatten() for weight in layer.parameters()]).norm() <= 1.0001  # type: ignore[union-attr]


def test_a_device_that_is_not_there_is_said() -> None:
    assert device_named("cpu").type == "cpu"
    with pytest.raises(InputError, match="this machine has"):
        device_named("tpu")

"""The training loop of all models.

Every `evaluate_every` epochs it evaluates on val, and it keeps the best checkpoint. An interrupted run resumes exactly
where it stopped, with bit-identical weights.
"""

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from wordsight.errors import InputError, WorkFailed
from wordsight.locks import locked
from wordsight.matching.ensemble import Ensemble
from wordsight.matching.matcher import Matcher
from wordsight.progress import Progress, clock
from wordsight.runs import checkpoint, weights
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.device import device_named
from wordsight.runs.recipe import Recipe, read
from wordsight.runs.tasks import TASKS, Model, part, task_of
from wordsight.training.origin import check_same
from wordsight.training.parallel import Team
from wordsight.training.prepare import TrainingData
from wordsight.training.start import follow
from wordsight.training.state import Position, TrainState

SAVE_EVERY = 120.0  # seconds between saves of the training state inside a long epoch
LOOK_EVERY = 50  # steps between checks of the loss
BUSY = "another process is training here"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after everything was saved; the message says how to resume."""


def train(
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    team: Team | None = None,
) -> dict[str, Any]:
    """Train a recipe, and write the best checkpoint to a folder.

    Args:
        recipe: the experiment, or its file.
        out: the folder of the run.
        resume: continue the run in `out`, if there is one.
        progress: receives updates; None prints to stderr.
        team: processes that train together, of which this is the first.

    Returns:
        The run's metrics, as in `metrics.json`.

    Raises:
        InputError: bad data or settings, `out` holds a run and `resume` is not given, or another process trains there.
        WorkFailed: the training diverged; the best model before that is kept.
        Interrupted: Ctrl-C; the run can be resumed.
    """
    recipe = follow(recipe if isinstance(recipe, Recipe) else read(recipe))
    out, progress = Path(out), progress or Progress()
    check_folder(recipe, out, resume)
    new = not os.path.exists(out)
    checkpoint.make_folder(out)
    with locked(out, BUSY):
        try:
            check_folder(recipe, out, resume)  # another process may have finished here since
            return _train(recipe, out, progress, team)
        finally:
            _leave_no_trace(out, new)


def _leave_no_trace(out: Path, new: bool) -> None:
    """Remove the lock where nothing else was written, and the folder if it is new."""
    with contextlib.suppress(OSError):  # some systems cannot remove an open file
        if os.listdir(out) == ["lock"]:
            os.unlink(out / "lock")
            if new:
                out.rmdir()


def _train(recipe: Recipe, out: Path, progress: Progress, team: Team | None) -> dict[str, Any]:
    """Train one model, or all members, in a locked folder."""
    data = part(task_of(str(recipe.model["name"])).prepare)(recipe, progress, out)
    if recipe.train.members == 1:
        return _train_one(recipe, data, out, recipe.train.seed, progress, team)
    seeds = range(recipe.train.seed, recipe.train.seed + recipe.train.members)
    folders = _folders(recipe, out)
    found: list[dict[str, Any]] = []
    for seed, folder in zip(seeds, folders, strict=True):
        progress.say(f"member {len(found)}, seed {seed}")
        checkpoint.make_folder(folder)
        found.append(_train_one(recipe, data, folder, seed, progress, team))
    members = [checkpoint.load(folder).model for folder in folders]
    ensemble = Ensemble([member for member in members if isinstance(member, Matcher)])
    ensemble.to(device_named(recipe.train.device))
    task = TASKS[ensemble.task]
    best = task.validate(ensemble, data.validation)
    metrics = {**found[0], "best": best, "members": [one["best"] for one in found], "seconds": _total(found)}
    checkpoint.save(out, _finished(ensemble, recipe, data, metrics))
    progress.say(f"all {len(found)} together: {task.summary(best)}")
    return metrics


def check_folder(recipe: Recipe, out: Path, resume: bool) -> None:
    """Check that `out` is new, or may be resumed with this recipe.

    Raises:
        InputError: it is not a folder, or holds another run or files that a run would replace.
    """
    checkpoint.require_new(out)
    if not resume and checkpoint.is_run(out):
        raise InputError(f"{out}: holds a run already; add --resume to go on with it, or name another folder.")
    for folder in (out, out / "member-0"):
        if checkpoint.is_checkpoint(folder):
            check_same(read(folder / "recipe.toml", own=True), recipe, folder)
    for folder in _folders(recipe, out):
        model = next((one for one in (folder, out) if checkpoint.is_checkpoint(one)), None)
        if model and not os.path.exists(folder / checkpoint.STATE):
            lacks = f"{folder / checkpoint.STATE} is missing, without which it cannot go on"
            raise InputError(f"{model}: holds a trained model, but {lacks}; name another folder.")


def _folders(recipe: Recipe, out: Path) -> list[Path]:
    """The folders of a run's members, or its own."""
    members = recipe.train.members
    return [out] if members == 1 else [out / f"member-{number}" for number in range(members)]


def _train_one(
    recipe: Recipe, data: TrainingData, folder: Path, seed: int, progress: Progress, team: Team | None
) -> dict[str, Any]:
    """Train one model to the end, and leave its best checkpoint in `folder`."""
    resumed = (folder / checkpoint.STATE).exists()
    learner = TrainState(recipe, data, seed, fit=not resumed, team=team)
    if resumed:
        learner.restore(checkpoint.load_state(folder), folder, progress)
        progress.say(f"going on after epoch {learner.position.epoch}, step {learner.position.position} of the next")
    total, position = recipe.train.epochs * learner.epoch_steps, learner.position
    if not learner.learns:  # the closed-form fit did all
        if not resumed:
            _look(learner, folder, progress)
            checkpoint.save_state(folder, learner.state())
        return checkpoint.read_metrics(folder)
    if learner.begun and not position.history:  # the start is a candidate, too
        checkpoint.save_state(folder, learner.state())
        _look(learner, folder, progress)
    with ctrl_c() as asked, progress.task("training") as count:
        while position.epoch < recipe.train.epochs and not _is_enough(recipe, position):
            _epoch(learner, folder, asked, lambda: count(learner.steps_done, total))
            position.epoch, position.position = position.epoch + 1, 0
            if position.epoch % recipe.train.evaluate_every == 0 or position.epoch == recipe.train.epochs:
                _look(learner, folder, progress)
            position.loss.zero_()
            checkpoint.save_state(folder, learner.state())
        if asked():
            raise Interrupted("Stopped after the last step; the same command with --resume goes on from there.")
    if learner.begun and position.best["epoch"] == 0:
        progress.say("the start is kept as it is: nothing that was learned does better on the val split")
    return checkpoint.read_metrics(folder)


def _epoch(learner: TrainState, folder: Path, asked: Callable[[], bool], tell: Callable[[], None]) -> None:
    """The remaining steps of one epoch."""
    position = learner.position
    began = saved = time.monotonic()
    for chosen in learner.batches()[position.position :]:
        learner.step(chosen)
        now = time.monotonic()
        due = asked() or now - saved > SAVE_EVERY
        if due or position.position % LOOK_EVERY == 0:
            _check_finite(learner, folder, {"the loss": position.loss.item()})
        if due:
            position.seconds, began, saved = position.seconds + now - began, now, now
            checkpoint.save_state(folder, learner.state())
        if asked():
            where = f"epoch {position.epoch + 1}, step {position.position} of {learner.epoch_steps}"
            raise Interrupted(f"Stopped in {where}; the same command with --resume goes on from there.")
        tell()
    position.seconds += time.monotonic() - began
    if not os.path.exists(folder / checkpoint.STATE):  # so that a kill at the first checkpoint leaves one
        _check_finite(learner, folder, {"the loss": position.loss.item()})
        checkpoint.save_state(folder, learner.state())


def _look(learner: TrainState, folder: Path, progress: Progress) -> None:
    """Evaluate on val; keep the model if it is the best so far."""
    position, began = learner.position, time.monotonic()
    loss = position.loss.item() / learner.epoch_steps
    _check_finite(learner, folder, {"the loss": loss})
    model = learner.kept()
    task = TASKS[model.task]
    found = task.validate(model, learner.data.validation)
    _check_finite(learner, folder, found)
    learned = {"epoch": position.epoch, "loss": loss} if learner.learns else {}
    if learner.steps_done == 0:
        learned.pop("loss", None)
    record = {**learned, **found, "seconds": position.seconds}
    position.history.append(record)
    better = not position.best or task.selection_score(found) > task.selection_score(position.best)
    position.worse = 0 if better else position.worse + 1
    position.best = record if better else position.best
    position.seconds += time.monotonic() - began
    metrics = _metrics(learner)
    if better:
        checkpoint.save(folder, _finished(model, learner.recipe, learner.data, metrics))
    else:
        checkpoint.save_metrics(folder, metrics)
    where = (
        f"epoch {position.epoch}: loss {loss:.4g}" if "loss" in learned else "the start" if learner.begun else "fitted"
    )
    progress.say(f"{where}, {task.summary(found)}, {clock(position.seconds)}{' *' if better else ''}")


def _check_finite(learner: TrainState, folder: Path, figures: Mapping[str, float]) -> None:
    """Stop a diverged training before its model or state is saved; only the metrics are.

    Raises:
        WorkFailed: a metric or a weight is NaN or infinite.
    """
    wrong = next((name for name, value in figures.items() if not math.isfinite(value)), "")
    wrong = wrong or weights.unfit(learner.model.state_dict())
    if not wrong:
        return
    position = learner.position
    where = f"in epoch {position.epoch + (position.position > 0)}" if learner.learns else "in its fit"
    checkpoint.save_metrics(folder, {**_metrics(learner), "diverged": True})
    kept = (
        f"the best model until then, of epoch {position.best['epoch']}, is kept"
        if position.best
        else "no model is kept"
    )
    raise WorkFailed(
        f"{folder}: the training diverged {where} ({wrong} is NaN or infinite); {kept}. Lower train.lr or set "
        "train.clip_norm, and train in another folder."
    )


def _metrics(learner: TrainState) -> dict[str, Any]:
    words = getattr(learner.data.train, "words", None) if getattr(learner.model, "parsed", False) else None
    return ({"parses": words.tree is not None} if words else {}) | {
        "best": learner.position.best,
        "history": learner.position.history,
        "words": len(learner.data.vocabulary),
        "parameters": sum(weight.numel() for weight in learner.model.parameters()),
        "seconds": learner.position.seconds,
    }


def _finished(model: Model, recipe: Recipe, data: TrainingData, metrics: dict[str, Any]) -> Checkpoint:
    encoder = data.encoder
    return Checkpoint(
        model=model,
        vocabulary=data.vocabulary,
        regions=encoder.settings,
        blocks=encoder.blocks,
        fingerprint=encoder.fingerprint,
        recipe=recipe,
        metrics=metrics,
        revisions=encoder.revisions,
    )


def _is_enough(recipe: Recipe, position: Position) -> bool:
    """Early stopping: whether the last improvement was too long ago."""
    return 0 < recipe.train.patience <= position.worse


def _total(metrics: list[dict[str, Any]]) -> float:
    return float(sum(one["seconds"] for one in metrics))


@contextmanager
def ctrl_c() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C was pressed; a second press interrupts at once."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)

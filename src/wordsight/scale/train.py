"""Distributed training on a Ray cluster: Ray Train's TorchTrainer starts workers, `training/parallel.py` has the step.

The first worker is the ordinary trainer, which evaluates and saves to the run's folder; the others follow it. If a
worker is killed, Ray starts all of them again, and they continue from the last checkpoint.
"""

import os
import shutil
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from wordsight.data.webdataset import first_file
from wordsight.errors import InputError, WorkFailed
from wordsight.progress import Progress
from wordsight.runs import checkpoint
from wordsight.runs.recipe import Recipe
from wordsight.runs.tasks import model_class, part, task_of
from wordsight.scale.cluster import cluster, cores
from wordsight.scale.relay import Relay, Relayed
from wordsight.training.parallel import Team, divides
from wordsight.training.start import follow as of_start
from wordsight.training.state import TrainState
from wordsight.training.trainer import Interrupted, check_folder, train

RETRIES = 5  # times that a training is continued after a worker was killed
LOOK = 0.5  # seconds between two checks of the workers
PATIENCE = timedelta(days=7)  # longest wait for the first worker while it reads the data and evaluates alone


def train_ray(
    address: str,
    recipe: Recipe,
    out: Path,
    *,
    workers: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a recipe on several workers: the weights are those of `train` with the same batches, except for rounding.

    Args:
        address: of the cluster, see `cluster`.
        recipe: the experiment; each batch is divided among the workers.
        out: the folder of the run, on a drive that all machines share.
        workers: how many; None for one per core of the cluster, or per GPU with `cuda`, or `auto` and a GPU there.
        resume: continue the run in `out`, if there is one.
        progress: receives updates.

    Returns:
        The run's metrics, as in `metrics.json`.

    Raises:
        InputError: as `train` and `cluster` raise; the model cannot be trained by several workers, or `workers` is
            out of range.
        WorkFailed: as `train` raises; or the workers failed `RETRIES` + 1 times.
        Interrupted: Ctrl-C; the run can be resumed.
    """
    recipe = of_start(recipe)
    _check(recipe, workers)
    check_folder(recipe, out, resume)
    new = not out.exists()
    checkpoint.make_folder(out)
    try:
        with cluster(address, [out, first_file(recipe.data.path)]) as ray:
            return _Training(ray, address, recipe, out, workers, progress or Progress()).run()
    finally:
        shutil.rmtree(_records(out), ignore_errors=True)
        if new and not any(out.iterdir()):
            out.rmdir()


def _records(out: Path) -> Path:
    """The folder of Ray Train's own records, which are useless after the training."""
    return out.absolute().with_name(f".{out.absolute().name}.ray")


def _check(recipe: Recipe, workers: int | None) -> None:
    """Check that several workers can train a recipe.

    Raises:
        InputError: they cannot.
    """
    name, settings = str(recipe.model["name"]), recipe.train
    if not divides(model_class(name)):
        raise InputError(
            f"--ray: a model such as {name!r} cannot be trained by several workers: its loss is neither one of scores "
            "nor a mean over words. Train it without --ray."
        )
    if settings.reward_epochs:
        raise InputError("--ray: train.reward_epochs learns from captions of one process; train without --ray.")
    if workers is not None and not 1 <= workers <= settings.batch:
        raise InputError(
            f"--workers {workers}: expected from 1 to {settings.batch}, the sentences of a batch (train.batch)."
        )


class _Training:
    """A training on a connected cluster."""

    def __init__(
        self, ray: ModuleType, address: str, recipe: Recipe, out: Path, workers: int | None, progress: Progress
    ) -> None:
        gpus = int(ray.cluster_resources().get("GPU", 0))
        self._gpu = recipe.train.device.startswith("cuda") or (recipe.train.device == "auto" and gpus > 0)
        there = gpus if self._gpu else cores(ray)
        self._workers = min(there, recipe.train.batch) if workers is None else workers
        if not 0 < self._workers <= there:
            kind = "GPUs" if self._gpu else "cores"
            raise InputError(f"--workers {self._workers}: the cluster at {address} has {there} {kind}, one a worker.")
        self._ray, self._recipe, self._out, self._progress = ray, recipe, out.absolute(), progress

    def run(self) -> dict[str, Any]:
        """Train, and return the metrics; raises as `train_ray` does."""
        relay = self._ray.remote(num_cpus=0)(Relay).remote()
        failed: list[Exception] = []
        work = threading.Thread(target=self._fit, args=(relay, failed), daemon=True)
        work.start()
        try:
            with self._progress.task("training") as count:
                while work.is_alive():
                    work.join(LOOK)
                    self._tell(relay, count)
        except KeyboardInterrupt:
            why = f"Stopped; the same command with --resume goes on from what {self._out} has."
            raise Interrupted(why) from None
        if refusal := self._ray.get(relay.refusal.remote()):
            kind, why = refusal
            raise (InputError if kind == "InputError" else WorkFailed)(why)
        if failed:
            why = (str(failed[0]).strip().splitlines() or [type(failed[0]).__name__])[-1][:200]
            raise WorkFailed(
                f"{self._out}: the workers failed {RETRIES + 1} times ({why}). What is saved is kept, and the same "
                "command with --resume goes on."
            )
        return checkpoint.read_metrics(self._out)

    def _tell(self, relay: Any, count: Any) -> None:
        counts, said = self._ray.get(relay.news.remote())
        for line in said:
            self._progress.say(line)
        if counts:
            count(*counts[0])

    def _fit(self, relay: Any, failed: list[Exception]) -> None:
        """Run the workers by Ray Train, to the end; in a thread, so that the command itself handles Ctrl-C."""
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        told = {
            "recipe": self._recipe,
            "out": str(self._out),
            "relay": relay,
            "device": "cuda" if self._gpu else "cpu",
            "here": os.getcwd(),
            "environment": {name: value for name, value in os.environ.items() if name.startswith("WORDSIGHT_")},
        }
        try:
            TorchTrainer(
                train_worker,
                train_loop_config=told,
                torch_config=TorchConfig(backend="gloo", timeout_s=int(PATIENCE.total_seconds())),
                scaling_config=ScalingConfig(
                    num_workers=self._workers, use_gpu=self._gpu, resources_per_worker={"CPU": int(not self._gpu)}
                ),
                run_config=RunConfig(
                    name="training",
                    storage_path=str(_records(self._out)),
                    failure_config=FailureConfig(max_failures=RETRIES),
                ),
            ).fit()
        except Exception as error:  # raised by the command's own thread
            failed.append(error)


def train_worker(told: Mapping[str, Any]) -> None:
    """The work of one Ray Train worker, whose process group is initialised."""
    from dataclasses import replace

    os.environ.update(told["environment"])
    if os.path.isdir(told["here"]):
        os.chdir(told["here"])  # paths in a recipe are relative to the command's folder
    recipe: Recipe = told["recipe"]
    recipe = replace(recipe, train=replace(recipe.train, device=told["device"]))
    progress = Relayed(told["relay"], 0, "training", says=True)
    refused = work(Team(), recipe, Path(told["out"]), progress)
    if refused:
        import ray

        ray.get(told["relay"].refuse.remote(type(refused).__name__, str(refused)))


def work(team: Team, recipe: Recipe, out: Path, progress: Progress) -> InputError | WorkFailed | None:
    """One process of a training: the first trains, the others follow; returns the error that ended it, or None."""
    if team.rank:
        follow(team, recipe)
        return None
    refused = None
    try:
        train(recipe, out, resume=True, progress=progress, team=team)
    except (InputError, WorkFailed) as error:  # on any other error Ray stops all workers
        refused = error
    team.send(None)
    return refused


def follow(team: Team, recipe: Recipe) -> None:
    """Take the steps that the first process leads, of one training after another, until it sends None."""
    data, learner = None, None
    while (told := team.receive()) is not None:
        if isinstance(told, Mapping):
            quiet = Progress(quiet=True)
            data = data or part(task_of(str(recipe.model["name"])).prepare)(recipe, quiet)
            learner = TrainState(recipe, data, recipe.train.seed, fit=False, team=team)
            learner.stand(told)
        elif learner is not None:
            learner.follow(told)

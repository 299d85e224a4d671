"""Teach the small net of `vision/sight.py`, from random weights, what larger nets see in the pictures of a split."""

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wordsight.data import find, load_dataset
from wordsight.data.records import Picture
from wordsight.errors import InputError, WorkFailed
from wordsight.evaluation.curves import curves
from wordsight.files import to_json, write_bytes, write_text
from wordsight.locks import locked
from wordsight.text.vocabulary import SPECIAL, Vocabulary
from wordsight.training import steps
from wordsight.training.checkpoint import STATE, load_state, make_folder, save_state
from wordsight.training.lessons import Lessons, lessons
from wordsight.training.muon import Muon
from wordsight.training.probe import probe
from wordsight.training.progress import Progress, clock
from wordsight.training.pupil import Lesson, Pupil, cut_out
from wordsight.training.recipe import TrainSettings
from wordsight.training.trainer import Interrupted, ctrl_c
from wordsight.vision.backbones import find_weights
from wordsight.vision.cache import default_cache
from wordsight.vision.proposals import Detector, Yolox
from wordsight.vision.regions import RegionEncoder, RegionSettings
from wordsight.vision.sight import SightNet, save

SMALL, LARGE = (96, 128, 160), (160, 192, 224)  # sides of cut-outs, in pixels: small ones cost less to begin with
ENLARGED = 2 / 3  # of the epochs are done when they become large
CELLS = 14  # of the teachers' maps, across and down
WORDS = 1000  # the most frequent ones that are asked for
WEIGHTS = {"cells": 1.0, "pooled": 1.0, "words": 1.0, "there": 0.3, "kinds": 0.3, "edges": 1.0}
AVERAGE = 0.998  # of the weights before, at most, in the running mean that is kept
NET, METRICS, CURVES = "sight.safetensors", "metrics.json", "curves.svg"


@dataclass(frozen=True)
class Distilling:
    """How the small net is taught.

    Attributes:
        data: the dataset; its split `train` teaches, `val` chooses.
        backbones: the nets whose maps are learned.
        detector: the YOLOX net whose finds are learned; empty for none.
        weights: the folder that these are in.
        epochs: passes over the train split.
        batch: pictures a step.
        lr: the rate at its highest, of AdamW: for all but the convolutions.
        muon_lr: the same of Muon: for these.
        weight_decay: of matrices.
        evaluate_every: epochs between two probes.
        taught: whether larger nets teach; else only the words said of each picture do.
        seed: of everything that is left to chance.
    """

    data: str = "flickr8k"
    backbones: tuple[str, ...] = ("mobilenet_edgetpu.onnx", "googlenet.onnx")
    detector: str = "yolox_nano.onnx"
    weights: str = "weights"
    epochs: int = 120
    batch: int = 32
    lr: float = 2e-3
    muon_lr: float = 0.01
    weight_decay: float = 0.05
    evaluate_every: int = 20
    taught: bool = True
    seed: int = 0


def distil(
    settings: Distilling, out: Path, *, resume: bool = False, device: str = "auto", progress: Progress | None = None
) -> dict[str, Any]:
    """Teach a net and leave the best one in a folder: `sight.safetensors`, `metrics.json`, `curves.svg`.

    Args:
        settings: how.
        out: the folder.
        resume: go on with what is there.
        device: `auto`, `cpu`, `cuda` or `mps`.
        progress: who is told how far it is.

    Returns:
        The content of `metrics.json`.

    Raises:
        InputError: bad data or weights; `out` holds a net and `resume` is not given, or a net that was begun
            otherwise; or another process is at work there.
        WorkFailed: losses that are no longer numbers.
        Interrupted: Ctrl-C; the same call with `resume` goes on.
    """
    out, progress = Path(out), progress or Progress()
    make_folder(out)
    with locked(out, "another process is training here"):
        return _distil(settings, out, resume, device, progress)


def _distil(settings: Distilling, out: Path, resume: bool, device: str, progress: Progress) -> dict[str, Any]:
    if not resume and any((out / name).exists() for name in (METRICS, STATE)):
        raise InputError(f"{out}: holds a net already, or its beginning; add --resume, or name another folder.")
    if resume and not (out / STATE).exists() and (out / METRICS).exists():
        raise InputError(f"{out}: holds something else, with nothing to resume (no {STATE}); name another folder.")
    where = steps.device(device)
    dataset = load_dataset(find(settings.data, "dataset"))
    train, val = dataset.split("train"), dataset.split("val")
    words, teachers = _words(train), _teachers(settings)
    if not words.shape[1]:
        raise InputError(f"{settings.data}: no word to learn is said of some pictures, but not of most.")
    known = lessons(train, *teachers, default_cache() / "lessons", progress)
    lesson = _School(settings, known, words, where)
    if resume and (out / STATE).exists():
        lesson.restore(load_state(out), out)
        progress.say(f"going on after epoch {lesson.epoch}")
    with ctrl_c() as asked, progress.task("distilling") as count:
        total = settings.epochs * lesson.steps
        while lesson.epoch < settings.epochs:
            began = time.monotonic()
            for done in lesson.teach():
                count(lesson.epoch * lesson.steps + done, total)
                if asked():
                    raise Interrupted(f"Stopped in epoch {lesson.epoch + 1}; the same command with --resume goes on.")
            lesson.epoch += 1
            lesson.seconds += time.monotonic() - began
            lesson.history.append({"epoch": lesson.epoch, **lesson.losses, "seconds": lesson.seconds})
            if lesson.epoch % settings.evaluate_every == 0 or lesson.epoch == settings.epochs:
                _look(lesson, train, val, out, progress)
            save_state(out, lesson.state())
    return {"settings": asdict(settings), "best": lesson.best, "history": lesson.history, "seconds": lesson.seconds}


def _teachers(settings: Distilling) -> tuple[RegionEncoder | None, Detector | None]:
    """Whose maps and whose finds are learned."""
    if not settings.taught:
        return None, None
    weights = find(settings.weights, "folder of weights")
    seen = RegionSettings(settings.backbones, grid=CELLS, regions=1 + CELLS**2, detections=0)
    detector = Yolox(find_weights(settings.detector, weights)) if settings.detector else None
    return RegionEncoder(seen, weights), detector


class _School:
    """The net that is taught, and all that changes meanwhile."""

    def __init__(self, settings: Distilling, known: Lessons, words: Tensor, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.known, self.words, self.device = settings, known, words, device
        self.pupil = Pupil(words.shape[1], taught=settings.taught).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = torch.optim.swa_utils.AveragedModel(self.pupil.net, multi_avg_fn=average, use_buffers=True)
        self.rates = TrainSettings(
            epochs=settings.epochs, lr=settings.lr, weight_decay=settings.weight_decay, warmup=200, clip_norm=5.0
        )
        self.optimiser = steps.optimiser(self.pupil, self.rates)
        self.muon = Muon(self.pupil, settings.weight_decay)
        self.steps = max(1, len(known) // settings.batch)
        self.fingerprint = hashlib.sha256(known.key.encode() + words.numpy().tobytes()).hexdigest()
        self.epoch, self.seconds = 0, 0.0
        self.losses: dict[str, float] = {}
        self.history: list[dict[str, float]] = []
        self.best: dict[str, float] = {}

    def teach(self) -> Any:
        """The steps of an epoch, the number of each when it is done."""
        chance = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.known), generator=chance)
        sums: dict[str, float] = {}
        sides = SMALL if self.epoch < ENLARGED * self.settings.epochs else LARGE
        for number in range(self.steps):
            rows = order[number * self.settings.batch : (number + 1) * self.settings.batch].sort().values
            side = sides[int(torch.randint(len(sides), (), generator=chance))]
            batch = cut_out(*self.known.gather(rows), self.words[rows], side, chance)
            for name, value in self._step(Lesson(*(part.to(self.device) for part in batch))).items():
                sums[name] = sums.get(name, 0.0) + value / self.steps
            yield number + 1
        if not all(map(math.isfinite, sums.values())):
            told = "lower lr and muon_lr, or take another seed"
            raise WorkFailed(f"The losses are no longer numbers in epoch {self.epoch + 1}; {told}.")
        self.losses = sums

    def _step(self, lesson: Lesson) -> dict[str, float]:
        done = self.epoch * self.steps + int(self.mean.n_averaged) % self.steps
        lr = steps.rate(self.rates, done, self.settings.epochs * self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.pupil.train()
        pictures = lesson.pictures.contiguous(memory_format=torch.channels_last)
        with steps.autocast("auto", self.device):
            losses = self.pupil.losses(lesson._replace(pictures=pictures))
        loss = sum((WEIGHTS[name] * value for name, value in losses.items()), torch.zeros((), device=self.device))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        steps.clip(self.pupil, self.rates)
        self.muon.step(lr * self.settings.muon_lr / self.settings.lr)
        self.optimiser.step()
        self.mean.update_parameters(self.pupil.net)
        return {name: value.item() for name, value in losses.items()}

    def state(self) -> dict[str, Any]:
        """What resuming needs."""
        return {
            "format": 1,
            "settings": asdict(self.settings),
            "fingerprint": self.fingerprint,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "history": self.history,
            "best": self.best,
            "pupil": self.pupil.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "muon": self.muon.state_dict(),
        }

    def restore(self, state: dict[str, Any], folder: Path) -> None:
        """Stand where `state` was taken, at the rate that is due there if more epochs are asked for.

        Raises:
            InputError: it is of another kind of training, or was taken with other settings, pictures, words or
                teachers.
        """
        if "settings" not in state:
            raise InputError(f"{folder}: holds another kind of training; use another folder.")
        now = asdict(self.settings)
        for key, was in state["settings"].items():
            if now[key] != was and key not in ("data", "weights") and not (key == "epochs" and now[key] > was):
                raise InputError(f"{folder}: was begun with {key} = {was!r}, not {now[key]!r}; use another folder.")
        if state.get("fingerprint") != self.fingerprint:
            raise InputError(f"{folder}: was begun with other pictures, words or teachers; use another folder.")
        self.epoch, self.seconds = state["epoch"], state["seconds"]
        self.history, self.best = state["history"], state["best"]
        self.pupil.load_state_dict(state["pupil"])
        self.mean.load_state_dict(state["mean"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.muon.load_state_dict(state["muon"])


def average(mean: Sequence[Tensor], new: Sequence[Tensor], count: Tensor | int) -> None:
    """Move a mean of weights on after `count` steps: at first quickly, as it begins with weights that are random."""
    decay = min(AVERAGE, (1 + int(count)) / (10 + int(count)))
    torch.optim.swa_utils.get_ema_multi_avg_fn(decay)(mean, new, count)


def _look(lesson: _School, train: list[Picture], val: list[Picture], out: Path, progress: Progress) -> None:
    """Probe the net on val; keep it if it is the best so far."""
    net = lesson.mean.module
    assert isinstance(net, SightNet)
    content = save(net)
    found = probe(net.fused(), train, val)
    record = lesson.history[-1]
    record |= found
    better = found["rsum"] > lesson.best.get("rsum", -1)
    if better:
        lesson.best = record
        write_bytes(out / NET, content)
    metrics = {"settings": asdict(lesson.settings), "best": lesson.best, "history": lesson.history}
    write_text(out / METRICS, to_json(metrics, indent=1) + "\n")
    write_text(out / CURVES, curves(lesson.history, {name: name for name in lesson.losses}, "loss"))
    told = ", ".join(f"{name} {value:.3f}" for name, value in lesson.losses.items())
    judged = f"sum of recalls {found['rsum']:.1f}, {clock(lesson.seconds)}{' *' if better else ''}"
    progress.say(f"epoch {lesson.epoch}: {told}; {judged}")


def _words(pictures: list[Picture]) -> Tensor:
    """(N, W) float32: 1 where a word is said of a picture; of the most frequent words that the split has."""
    sentences = [sentence for picture in pictures for sentence in picture.sentences]
    vocabulary = Vocabulary.build(sentences, 5)
    ids = vocabulary.encode(sentences).ids
    said = torch.zeros(len(pictures), len(vocabulary))
    counts = torch.tensor([len(picture.sentences) for picture in pictures])
    rows = torch.arange(len(pictures)).repeat_interleave(counts)
    said[rows[:, None].expand_as(ids), ids] = 1
    often = said.mean(0)
    often[: len(SPECIAL)] = 0
    often[often > 0.5] = 0  # "a", "in": said of nearly every picture
    order = often.argsort(descending=True)[:WORDS]
    return said[:, order[often[order] > 0]]

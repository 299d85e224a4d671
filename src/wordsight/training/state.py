"""Training state: the model, its optimiser, and its position, saved and restored."""

import copy
import inspect
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from wordsight.batch import Words
from wordsight.captioning.captioner import CaptionModel
from wordsight.errors import InputError
from wordsight.matching.matcher import Matcher
from wordsight.matching.segments import function_words
from wordsight.progress import Progress
from wordsight.runs import checkpoint
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.device import autocast, device_named
from wordsight.runs.pairs import Examples, Pairs, Table, extended
from wordsight.runs.recipe import Recipe, TrainSettings, parse
from wordsight.runs.tasks import Model, model_class
from wordsight.training import optim
from wordsight.training.origin import check_origin, check_same
from wordsight.training.parallel import Team
from wordsight.training.prepare import TrainingData
from wordsight.training.self_critical import TRIES, Critic
from wordsight.training.start import rows


@dataclass
class Position:
    """Position of a training: plain values and one tensor, saved and restored.

    Attributes:
        epoch: epochs done.
        position: batches done of the next epoch.
        loss: sum of this epoch's losses so far, a scalar.
        seconds: spent so far.
        history: a record per evaluation.
        best: the record of the best one.
        worse: evaluations since then.
    """

    epoch: int = 0
    position: int = 0
    loss: Tensor = field(default_factory=lambda: torch.zeros(()))
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    worse: int = 0


@runtime_checkable
class LearnsFromText(Protocol):
    """A model that also learns from sentences without pictures."""

    def lessons(self, texts: Words | None, picture: Tensor | None) -> Table:
        """Training data, see `Concepts.lessons`."""


@runtime_checkable
class ReadsWordTable(Protocol):
    """A model with an open vocabulary."""

    def read_word_table(self, meanings: Tensor, function_words: Tensor) -> None:
        """Take the word table's vectors (V, M) of the vocabulary, and which are function words (V,)."""


class TrainState:
    """A model in training, with all state that changes."""

    def __init__(
        self, recipe: Recipe, data: TrainingData, seed: int, *, fit: bool = True, team: Team | None = None
    ) -> None:
        """Build the model and its optimiser from the seed; `fit=False` if `restore` follows.

        With a team, all its processes take each step together.
        """
        self.recipe, self.data, self.seed, self.team, self._followed = recipe, data, seed, team, False
        self.device = device_named(recipe.train.device)
        torch.manual_seed(seed)
        self.model = build(recipe, data)
        began = time.monotonic()
        self.begun = self._adopt(data.start) if data.start else None
        if self.begun is None and (fit or isinstance(self.model, LearnsFromText)):  # its training data is not saved
            self.model.fit(data.train.by_picture, data.labels)
        self.pairs = lessons(self.model, data)
        self.model.to(self.device)
        self.optimiser = optim.optimiser(self.model, recipe.train)
        self.position = Position(seconds=time.monotonic() - began)
        self.position.loss = self.position.loss.to(self.device)
        self.epoch_steps = self.pairs.steps(recipe.train.batch)
        self.critic = None
        if recipe.train.reward_epochs and isinstance(self.pairs, Pairs):
            self.critic = Critic(self.pairs, self.data.vocabulary.longest)

    def _adopt(self, start: Checkpoint) -> dict[str, Tensor]:
        """Initialise from the start; returns the initial weights.

        Raises:
            InputError: its kind of model cannot be a start.
        """
        assert isinstance(self.model, Matcher) and isinstance(start.model, Matcher)
        try:
            self.model.adopt(start.model, rows(start.vocabulary, self.data.vocabulary))
        except RuntimeError as error:
            name, why = start.recipe.model["name"], str(error).strip().splitlines()[-1].strip()
            raise InputError(f"train.start: a model such as {name!r} cannot be started from ({why}).") from None
        return {name: weight.detach().clone().to(self.device) for name, weight in self.model.named_parameters()}

    def kept(self) -> Model:
        """The model to evaluate and save: with a start, averaged with the start's weights."""
        if self.begun is None:
            return self.model
        averaged, learned = copy.deepcopy(self.model), 1 - self.recipe.train.start_share
        with torch.no_grad():
            for name, weight in averaged.named_parameters():
                weight.copy_(self.begun[name].lerp(weight, learned))
        return averaged

    def step(self, chosen: Tensor) -> None:
        """One optimiser step on the pairs `chosen`."""
        settings, position = self.recipe.train, self.position
        if self.team and not self.team.rank:
            self._lead(self.team, chosen)
        for group in self.optimiser.param_groups:
            group["lr"] = optim.rate(settings, self.steps_done, settings.epochs * self.epoch_steps)
        self.model.train()
        with autocast(settings.precision, self.device):
            loss = self._loss(chosen)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.team:
            loss = self.team.add_up(self.model, loss)
        optim.clip(self.model, settings)
        self.optimiser.step()
        position.loss += loss.detach().float()
        position.position += 1

    def _lead(self, team: Team, chosen: Tensor) -> None:
        """Lead the other processes through a step: send them the whole state once, then what each step depends on.

        Raises:
            InputError: there are more processes than sentences.
        """
        if len(chosen) < team.size:
            raise InputError(f"A batch has {len(chosen)} sentences: too few for {team.size} workers; use fewer.")
        if not self._followed:
            team.send(self.state())
            self._followed = True
        team.send((self.position.epoch, self.position.position, chosen, self._random()))

    def follow(self, step: tuple[int, int, Tensor, tuple[Tensor, Tensor | None]]) -> None:
        """Take a step that the first process of the team leads."""
        self.position.epoch, self.position.position, chosen, random = step
        self._set_random(*random)
        self.step(chosen)

    def _loss(self, chosen: Tensor) -> Tensor:
        pairs, settings = self.pairs, self.recipe.train
        if self.team and isinstance(pairs, Pairs):
            return self.team.loss(self.model, pairs, chosen, self.device)
        if not self.critic or not is_rewarded(settings, self.position.epoch):
            return self.model.loss(pairs.batch(chosen).to(self.device))
        assert isinstance(self.model, CaptionModel) and isinstance(pairs, Pairs)  # no other recipe has reward epochs
        rows = pairs.picture[chosen[: max(1, len(chosen) // TRIES)]].unique()  # as many captions as in other batches
        return self.critic.loss(self.model, pairs.table.gather(rows).to(self.device), rows)

    def batches(self) -> list[Tensor]:
        """The batches of this epoch, as indices of `pairs`."""
        return self.pairs.epoch(self.position.epoch, self.recipe.train.batch, self.seed)

    @property
    def learns(self) -> bool:
        """Whether any weight is trained by steps, after the closed-form fit."""
        return any(weight.requires_grad for weight in self.model.parameters())

    @property
    def steps_done(self) -> int:
        """Steps since the beginning."""
        return self.position.epoch * self.epoch_steps + self.position.position

    def state(self) -> dict[str, Any]:
        """The state for resuming, as tensors and plain values."""
        return {
            "format": checkpoint.FORMAT,
            "recipe": self.recipe.to_toml(),
            "fingerprint": self.data.encoder.fingerprint,
            "data": dict(self.data.origin),
            "place": {**asdict(self.position), "loss": self.position.loss.cpu()},
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            **dict(zip(("random", "random_device"), self._random(), strict=True)),
        }

    def restore(self, state: Mapping[str, Any], folder: Path, progress: Progress) -> None:
        """Resume from `state`.

        Raises:
            InputError: the state is of another recipe, of other data or features, or damaged.
        """
        try:
            check_same(parse(state["recipe"], own=True), self.recipe, folder)
            if state["fingerprint"] != self.data.encoder.fingerprint:
                raise InputError(f"{folder}: was trained on features of other weights; train in another folder.")
            check_origin(state.get("data"), self.data.origin, folder, progress)
            self.stand(state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            why = str(error).strip().split("\n")[0]
            raise InputError(
                f"{folder / checkpoint.STATE}: damaged, or not of this training ({why}); use another folder."
            ) from None

    def stand(self, state: Mapping[str, Any]) -> None:
        """Load `state`, which is known to be of this training."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.position = Position(**{**state["place"], "loss": state["place"]["loss"].to(self.device)})
        self._set_random(state["random"], state["random_device"])

    def _random(self) -> tuple[Tensor, Tensor | None]:
        """The states of the generators: of the CPU, and of the GPU that is used."""
        return torch.get_rng_state(), torch.cuda.get_rng_state() if self.device.type == "cuda" else None

    def _set_random(self, cpu: Tensor, device: Tensor | None) -> None:
        torch.set_rng_state(cpu)
        if device is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(device)


def lessons(model: Model, data: TrainingData) -> Examples:
    """Training examples of a model: the train split and, where supported, sentences without pictures."""
    train, texts = data.train, data.texts
    if not isinstance(model, LearnsFromText):
        return train
    assert isinstance(train, Pairs)  # it learns from sentences
    if texts is None:
        return replace(train, table=model.lessons(None, None))
    return extended(train, model.lessons(texts.words, texts.picture), texts.words, texts.picture)


def is_rewarded(settings: TrainSettings, epoch: int) -> bool:
    """Whether that epoch, 0 for the first, is one of self-critical training."""
    return epoch >= settings.epochs - settings.reward_epochs


def build(recipe: Recipe, data: TrainingData) -> Model:
    """A new model as the recipe says, its word vectors loaded.

    Raises:
        InputError: `model.words` is not the size of the vectors in the file, the model takes no word vectors, or a
            keyword is out of its range.
    """
    keywords = {name: value for name, value in recipe.model.items() if name != "name"}
    vectors = data.vectors
    if vectors is not None and keywords.get("words", vectors.shape[1]) != vectors.shape[1]:
        raise InputError(f"model.words = {keywords['words']}: {recipe.text.vectors} has vectors of {vectors.shape[1]}.")
    detector = data.encoder.detector
    sizes: dict[str, Any] = {
        "vocabulary": len(data.vocabulary),
        "features": data.encoder.size,
        "labels": 0 if data.labels is None else len(data.labels.presence),
        "classes": tuple(detector.names) if detector else (),
        "trained": data.vocabulary.trained,
        "meanings": 0 if data.meanings is None else data.meanings.shape[1],
        **({} if vectors is None else {"words": vectors.shape[1]}),
        **data.given,
    }
    kind = model_class(str(recipe.model["name"]))
    told = {name: size for name, size in sizes.items() if name in inspect.signature(kind).parameters}
    try:
        model = kind(**{**told, **keywords})
    except (ValueError, RuntimeError) as error:
        raise InputError(f"The recipe's [model] cannot be built: {str(error).splitlines()[0]}.") from None
    if vectors is not None:
        if getattr(model, "words", None) is None:
            raise InputError("text.vectors: a model like the recipe's has no word vectors; leave the key out.")
        weight = model.get_parameter("words.weight")  # (V, E)
        with torch.no_grad():
            weight.copy_(vectors)
        weight.requires_grad_(weight.requires_grad and not recipe.text.freeze)
    if data.meanings is not None:
        if not isinstance(model, ReadsWordTable):
            raise InputError("text.open: only the models 'align' and 'concepts' know the word table.")
        model.read_word_table(data.meanings, function_words(data.vocabulary))
    return model

"""Checks of a recipe: ranges of its numbers, and settings that do not go together."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from wordsight.errors import InputError
from wordsight.runs.tasks import model_class, task_of
from wordsight.runs.typed import toml

STEEPEST = 1_000_000  # of what a step multiplies weights by
LARGEST = 1e30  # of any other number with a fraction; 32 bits hold it, and some multiples of it


def check(recipe: Any, source: str) -> None:
    """Check a recipe's numbers, and that its settings go together.

    Args:
        recipe: a `Recipe` (`recipe.py`, which stands on this file), every key known and of its type.
        source: where it is from, which errors begin with.

    Raises:
        InputError: naming the key, and what was expected.
    """
    _check_sizes(recipe, source)
    _check_ranges(recipe, source)
    try:
        recipe.regions.check()
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    _check_together(recipe, source)


def _check_sizes(recipe: Any, source: str) -> None:
    """Check that the hardware can compute with the numbers; infinity is left to the other checks."""
    tables = {name: asdict(getattr(recipe, name)) for name in ("data", "regions", "text", "train")}
    for table, values in (tables | {"model": dict(recipe.model)}).items():
        for key, value in values.items():
            if isinstance(value, int) and abs(value) >= 2**32:
                raise InputError(f"{source}: {table}.{key} = {value}: expected a size less than 2**32.")
            if isinstance(value, float) and LARGEST < abs(value) < math.inf:
                raise InputError(f"{source}: {table}.{key} = {value}: expected a size of at most {LARGEST}.")


def _check_ranges(recipe: Any, source: str) -> None:
    """Check the ranges of numbers."""
    train = recipe.train
    for key, value, least in (
        ("train.epochs", train.epochs, 1),
        ("train.batch", train.batch, 2),
        ("train.evaluate_every", train.evaluate_every, 1),
        ("train.members", train.members, 1),
        ("train.reward_epochs", train.reward_epochs, 0),
        ("train.warmup", train.warmup, 0),
        ("train.patience", train.patience, 0),
        ("train.seed", train.seed, 0),
        ("train.momentum", train.momentum, 0),
        ("train.weight_decay", train.weight_decay, 0),
        ("train.clip_value", train.clip_value, 0),
        ("train.clip_norm", train.clip_norm, 0),
        ("data.min_count", recipe.data.min_count, 1),
    ):
        if not value >= least:  # also refuses NaN
            raise InputError(f"{source}: {key} = {value}: expected at least {least}.")
    for key, value in (("lr", train.lr), ("momentum", train.momentum), ("weight_decay", train.weight_decay)):
        if not value <= STEEPEST:
            raise InputError(f"{source}: train.{key} = {value}: expected at most {STEEPEST:,}.")
    if not train.lr > 0:
        raise InputError(f"{source}: train.lr = {train.lr}: expected a number greater than 0.")
    if not 0 <= recipe.data.beta < math.inf:
        raise InputError(f"{source}: data.beta = {recipe.data.beta}: expected a finite number of at least 0.")
    if not 0 <= train.start_share <= 1:
        raise InputError(f"{source}: train.start_share = {train.start_share}: expected a number from 0 to 1.")
    if not 0 < recipe.data.val_share < 1:
        raise InputError(f"{source}: data.val_share = {recipe.data.val_share}: expected a number between 0 and 1.")


def _check_together(recipe: Any, source: str) -> None:
    """Check for settings that do not go together."""
    train, text, name = recipe.train, recipe.text, str(recipe.model["name"])
    if train.members > 1 and getattr(model_class(name), "rule", None) is None:
        why = "only models that give words and regions vectors can decide together"
        raise InputError(f"{source}: train.members = {train.members}: {why}.")
    _check_required(recipe, source)
    for key in ("embedding", "hidden", "words", "attention"):
        size = recipe.model.get(key, 1)
        if isinstance(size, int) and size < 1:
            raise InputError(f"{source}: model.{key} = {size}: expected at least 1.")
    views, seen = recipe.model.get("views", 1), 2 if recipe.data.alignment else recipe.regions.regions
    if isinstance(views, int) and views > seen:
        raise InputError(f"{source}: model.views = {views}: expected at most {seen}, the regions that it is shown.")
    if recipe.data.sentences and name != "concepts":
        raise InputError(f"{source}: data.sentences: only the model 'concepts' learns from sentences without pictures.")
    if train.reward_epochs and (not task_of(name).rewarded or recipe.data.alignment):
        raise InputError(
            f"{source}: train.reward_epochs: only captioners of whole pictures learn from their own captions."
        )
    if train.reward_epochs > train.epochs:
        raise InputError(
            f"{source}: train.reward_epochs = {train.reward_epochs}: expected at most {train.epochs}, all epochs."
        )
    if text.open and not (recipe.regions.meaning or recipe.data.alignment):
        raise InputError(f"{source}: text.open needs regions.meaning, what regions are called in words of that table.")
    if text.freeze and not text.vectors:
        raise InputError(f"{source}: text.freeze needs text.vectors, the file of vectors to keep.")


def _check_required(recipe: Any, source: str) -> None:
    """Check what a model requires of the other tables."""
    name = str(recipe.model["name"])
    required: Mapping[str, object] = getattr(model_class(name), "requires", {})
    for key, expected in required.items():
        table, _, part = key.partition(".")
        found = getattr(getattr(recipe, table), part)
        if found != expected:
            raise InputError(f"{source}: {key} = {toml(found)}: expected {toml(expected)} with the model {name!r}.")

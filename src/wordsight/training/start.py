"""Fine-tuning: a training that starts from a trained model keeps its words and weights, and adds new words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from wordsight.bundled import in_the_box
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.matching.ensemble import Ensemble
from wordsight.matching.matcher import Matcher
from wordsight.runs import checkpoint
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.recipe import BOX, GIVEN, Recipe
from wordsight.text.vocabulary import UNKNOWN, Vocabulary
from wordsight.vision.regions import RegionSettings


def start_folder(start: str) -> Path:
    """The folder of the run that `train.start` names.

    Raises:
        InputError: it is the bundled model, which is damaged or absent.
    """
    return in_the_box("align") if start == BOX else Path(start)


def load_start(start: str) -> Checkpoint:
    """The trained model that `train.start` names.

    Raises:
        InputError: there is no such run, or it is not a single aligner.
    """
    folder = start_folder(start)
    trained = checkpoint.load(folder)
    if not isinstance(trained.model, Matcher) or isinstance(trained.model, Ensemble):
        kind = "of several members" if isinstance(trained.model, Ensemble) else "that describes pictures"
        raise InputError(f"train.start: {folder} is a run {kind}; expected a single model that aligns.")
    return trained


def follow(recipe: Recipe) -> Recipe:
    """Fill in the recipe's tables [regions] and [model] from its start; the recipe may leave both out.

    Raises:
        InputError: there is no such start, or the recipe disagrees with it.
    """
    start = recipe.train.start
    if not start:
        return recipe
    for key, told in (("data.alignment", recipe.data.alignment), ("text.vectors", recipe.text.vectors)):
        if told:
            raise InputError(f"{key} does not go with train.start: the start has all of that; leave one of them out.")
    trained = load_start(start)
    name = trained.recipe.model["name"]
    keywords = {key: value for key, value in trained.model.config.items() if key not in GIVEN}
    model, regions = {"name": name, **keywords}, replace(trained.regions, weights=recipe.regions.weights)
    if recipe.model != {"name": "align"}:  # the default of a recipe without this table
        _check_same("model", recipe.model, model, start)
    if recipe.regions != RegionSettings(weights=recipe.regions.weights):
        _check_same("regions", vars(recipe.regions), vars(regions), start)
    text = replace(recipe.text, open=trained.recipe.text.open)
    return replace(recipe, model=model, regions=regions, text=text)


def _check_same(table: str, told: Mapping[str, object], has: Mapping[str, object], start: str) -> None:
    for key, value in told.items():
        if value != has.get(key):
            raise InputError(
                f"{table}.{key} = {value!r}, but train.start = {start!r} has {has.get(key)!r}: leave [{table}] out."
            )


def check_choice(pictures: Sequence[Picture], split: str) -> None:
    """Check that a split has enough pictures to compare a model with its start.

    Raises:
        InputError: it has only one picture, which every model finds.
    """
    if len(pictures) < 2:
        raise InputError(
            f"{pictures[0].path}: the only picture of the split '{split}'; expected two at least to choose by, or no "
            f"such split, so that some of the training pictures are held out for it."
        )


def rows(trained: Vocabulary, vocabulary: Vocabulary) -> Tensor:
    """The start's word that initialises each word of a vocabulary: (V,) int64, itself or the unknown word."""
    unknown = trained.number[UNKNOWN]
    return torch.tensor([trained.number.get(word, unknown) for word in vocabulary.words])


def added(start: str, trained: Vocabulary, vocabulary: Vocabulary, sentences: Iterable[str]) -> str:
    """One line on how many of the sentences' words the start has, and how many are new."""
    new = len(vocabulary.closed()) - len(trained.closed())
    return (
        f"start: {start}, which knows {trained.coverage(sentences):.0%} of the words of the sentences; "
        f"{new:,} new ones are added to its {len(trained.closed()):,}"
    )

"""A dataset's split as a run needs it: its pictures, their features, and the parses of their sentences."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from wordsight.data.load import load_dataset
from wordsight.data.parses import NAME, Parses, load_parses
from wordsight.data.records import Dataset, Picture, hold_out, split_name
from wordsight.data.webdataset import first_file
from wordsight.errors import InputError, printable
from wordsight.files import write_text
from wordsight.progress import Progress
from wordsight.runs.checkpoint import Checkpoint
from wordsight.runs.recipe import DataSettings
from wordsight.runs.tasks import Model
from wordsight.text.trees import letters
from wordsight.vision.cache import FeatureCache, FeatureTable, RegionSource, default_cache

NAMED = 10  # most left-out pictures that are named on stderr


def pictures_of(dataset: Dataset, split: str, settings: DataSettings) -> list[Picture]:
    """The pictures of a split. If the data has no `val`, a share of `train` serves as one, always the same pictures.

    Raises:
        InputError: the split is missing or empty.
    """
    if split_name(settings.val) == "val" and "val" not in dataset.splits and "train" in dataset.splits:
        dataset = hold_out(dataset, settings.val_share)
    return dataset.split(split)


def parses_of(
    folders: Sequence[Path],
    model: "Model | type[Model]",
    pictures: Sequence[Picture],
    progress: Progress,
    learnt: bool | None = None,
) -> Parses:
    """The parses of captions, if the model reads parses; prints how many sentences have one.

    Empty if the model reads none, or no sentence has one.

    Args:
        folders: of the datasets; if two have a parse of a sentence, the first counts.
        model: the model that is to read them.
        pictures: whose sentences are meant.
        progress: receives how many sentences have a parse.
        learnt: whether the model learnt from parses; one that learnt from chains keeps reading chains. None before
            its training.

    Raises:
        InputError: the file of parses is malformed.
    """
    if not getattr(model, "parsed", False) or learnt is False:
        return {}
    parses = {key: tokens for folder in reversed(folders) for key, tokens in load_parses(folder).items()}
    said = [letters(sentence) in parses for picture in pictures for sentence in picture.sentences]
    if any(said):
        progress.say(f"parses: {sum(said):,} of {len(said):,} sentences have one; the others are read as chains")
        return parses
    if learnt:
        progress.say(
            f"{folders[0]}: no sentence has a parse, so all are read as chains, though the model learnt from parses; "
            "`wordsight data parse` makes them"
        )
    return {}


def learnt_from_parses(checkpoint: Checkpoint) -> bool:
    """Whether a model that reads parses learnt from some.

    If the run did not record that: whether its training data has parses today.
    """
    noted = checkpoint.metrics.get("parses")
    data = checkpoint.recipe.data
    return any(map(_has_parses, (data.path, *data.also))) if noted is None else bool(noted)


def _has_parses(data: str) -> bool:
    try:
        place = first_file(data)
    except InputError:
        return False
    return ((place if place.is_dir() else place.parent) / NAME).exists()


def featured(
    encoder: RegionSource, pictures: Sequence[Picture], progress: Progress, name: str, out: Path | None = None
) -> tuple[list[Picture], FeatureTable]:
    """Features of some pictures, from the cache or computed; unreadable ones are left out, and the first are named.

    Args:
        encoder: computes those that are not in the feature cache.
        pictures: the pictures.
        progress: receives updates.
        name: of their split.
        out: a folder for the list of all pictures left out, `left_out-NAME.txt`; None for no list.

    Returns:
        The pictures that have features, and their table, in the same order.

    Raises:
        InputError: none of the pictures can be read.
    """
    with progress.task(f"features of {name}") as count:
        table = FeatureCache(default_cache(), encoder).regions([picture.path for picture in pictures], progress=count)
    if table.broken:
        _tell_left_out(table.broken, len(pictures), progress, name, out)
    if not len(table):
        raise InputError(
            f"{name}: none of the {len(pictures):,} pictures can be read; the first is {pictures[0].path}."
        )
    return [pictures[row] for row in table.kept], table


def _tell_left_out(broken: Mapping[Path, str], pictures: int, progress: Progress, name: str, out: Path | None) -> None:
    """Print how many pictures are left out, why the first ones are, and where all are listed."""
    why = [str(one) for one in broken.values()]
    progress.say(f"{name}: {len(broken):,} of {pictures:,} pictures left out:")
    for one in why[:NAMED]:
        progress.say(f"  {one}")
    if len(why) > NAMED:
        progress.say(f"  and {len(why) - NAMED:,} more")
    if out:
        listed = out / f"left_out-{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.txt"
        try:
            write_text(listed, "".join(f"{printable(one)}\n" for one in why))
            progress.say(f"  all are listed in {listed}")
        except InputError as error:
            progress.say(f"  no list of them: {error}")


def gallery(trained: Checkpoint, folder: Path, data: str | Path | None, split: str) -> tuple[Dataset, list[Picture]]:
    """A dataset (`dataset_of`), and the pictures of one of its splits with their sentences (`pictures_of`)."""
    dataset = dataset_of(trained, folder, data)
    return dataset, pictures_of(dataset, split, trained.recipe.data)


def dataset_of(trained: Checkpoint, folder: Path, data: str | Path | None) -> Dataset:
    """The dataset `data`, or by default the run's training dataset.

    Raises:
        InputError: no dataset is named and the run has none of its own; or it cannot be used.
    """
    return load_dataset(data_of(trained, folder, data))


def data_of(trained: Checkpoint, folder: Path, data: str | Path | None) -> str | Path:
    """The path of `dataset_of`."""
    path = data or trained.recipe.data.path
    if not path:
        raise InputError(f"{folder}: comes with no data of its own; name a dataset with --data.")
    return path

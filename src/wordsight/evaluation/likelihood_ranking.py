"""Evaluate a captioner by retrieval: ranking by its likelihoods."""

from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from wordsight.batch import Regions, Words
from wordsight.errors import InputError
from wordsight.metrics.likelihood import PICTURES, likelihood_metrics, log_likelihoods
from wordsight.metrics.ranking import KS, chance
from wordsight.progress import Progress
from wordsight.reports.examples import lot
from wordsight.reports.tables import RECALL_LEGEND
from wordsight.runs.captioner import Captioner
from wordsight.runs.features import dataset_of, featured, pictures_of
from wordsight.runs.pairs import pairs
from wordsight.vision.regions import FeatureTable

STRANGERS = 100  # pictures of the training split that estimate a sentence's marginal probability


def measure_likelihood(
    describer: Captioner,
    data: str | Path | None = None,
    split: str = "val",
    *,
    most: int | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Retrieval metrics of a captioner on one split of a dataset, in both directions.

    Args:
        describer: a captioner of whole pictures.
        data: a dataset in any known format; None for the training dataset, which is needed in any case.
        split: the split's name.
        most: rank only this many first pictures, and their sentences; None for all.
        progress: receives updates; None prints to stderr.

    Returns:
        Flat metrics, percentages 0 to 100: those of `metrics.likelihood.likelihood_metrics`, chance level as
        `chance_i2t_R@1` ..., and `strangers`, the number of training pictures that estimate marginal probabilities.

    Raises:
        InputError: data is missing or malformed, the captioner is of regions or does not generate, or `most` is
            below 1.
    """
    progress = progress or Progress()
    if describer.of_regions:
        raise InputError(
            f"{describer.folder}: describes regions; expected a run that describes pictures, to rank them."
        )
    describer.require_likelihood("ranking by likelihood")
    if most is not None and most < 1:
        raise InputError(f"most = {most}: expected at least 1.")
    settings = describer.checkpoint.recipe.data
    trained, folder = describer.checkpoint, describer.folder
    training = pictures_of(dataset_of(trained, folder, None), settings.train, settings)
    wanted = pictures_of(dataset_of(trained, folder, data), split, settings)[:most]
    pictures, rows = featured(describer.encoder, wanted, progress, split)
    _, strangers = featured(
        describer.encoder, [training[n] for n in lot(range(len(training)), STRANGERS)], progress, "strangers"
    )
    known = pairs(pictures, rows, describer.vocabulary)
    found = _likelihoods(describer, rows, known.words, progress, split)
    others = _likelihoods(describer, strangers, known.words, progress, "strangers")
    figures = likelihood_metrics(found, others, known.words.mask.sum(dim=1) + 1, known.picture)
    lots = {f"chance_{key}": value for key, value in chance(known.picture, len(pictures)).items() if "_" in key}
    return figures | {"strangers": len(others)} | lots


def _likelihoods(describer: Captioner, rows: FeatureTable, words: Words, progress: Progress, name: str) -> Tensor:
    """`log_likelihoods` of all pictures of a table."""

    def blocks() -> Iterator[Regions]:
        for some in torch.arange(len(rows)).split(PICTURES):
            count(int(some[0]), len(rows))
            yield rows.gather(some).to(describer.device)

    with progress.task(f"likelihoods of {name}") as count:
        return log_likelihoods(describer.model, blocks(), words.to(describer.device))


def table(figures: Mapping[str, float]) -> str:
    """The metrics as a text table."""
    out = Console(file=StringIO(), width=100, highlight=False)
    out.print(f"{figures['pictures']:,} pictures, {figures['sentences']:,} sentences, by likelihood")
    grid = Table(*("", "R@1", "R@5", "R@10", "Med r"), box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    rows = {"picture to text": "i2t", "  log-likelihood a word": "per_word_i2t", "  by chance": "chance_i2t"}
    rows |= {"text to picture": "t2i", "  by chance ": "chance_t2i"}
    for name, key in rows.items():
        grid.add_row(name, *(f"{figures[f'{key}_R@{k}']:.1f}" for k in KS), f"{figures[f'{key}_medr']:.4g}")
    out.print(grid)
    out.print(RECALL_LEGEND, soft_wrap=True)
    return str(out.file.getvalue()).rstrip()  # type: ignore[attr-defined]

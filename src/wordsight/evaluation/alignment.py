"""Evaluate an aligner on a dataset: retrieval both ways, and phrase grounding."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from wordsight.batch import Regions
from wordsight.data.entities import Phrase, load_phrases
from wordsight.data.find import find
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.metrics.grounding import Located, Look, Predict, evaluate
from wordsight.metrics.localise import predictor
from wordsight.metrics.ranking import KS, chance, metrics, ranks, score_matrix
from wordsight.metrics.untrained import untrained, word_table
from wordsight.progress import Progress
from wordsight.reports.examples import Subject
from wordsight.reports.report import write_report
from wordsight.reports.tables import GROUNDING_COLUMNS, GROUNDING_LEGEND, RECALL_LEGEND, ROWS
from wordsight.runs.aligner import Aligner
from wordsight.runs.features import dataset_of, featured, parses_of, pictures_of
from wordsight.runs.pairs import encode, pairs
from wordsight.vision.regions import FeatureTable

VECTORS = "glove_300d.npz"  # optional file beside the weights, for the untrained baseline


def measure(
    run: Aligner,
    data: str | Path | None = None,
    split: str = "val",
    *,
    grounding: bool = False,
    report: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """All metrics of a model on one split of a dataset.

    Args:
        run: the model.
        data: a dataset in any known format; None for the training dataset.
        split: the split's name; the vocabulary stays the run's.
        grounding: also measure boxes against the dataset's `entities.json`.
        report: a folder for `report.html`; a failure to write only prints a warning.
        progress: receives updates; None prints to stderr.

    Returns:
        Flat metrics, percentages 0 to 100: `i2t_R@1` ... `t2i_medr`, `pictures`, `sentences`, chance level as
        `chance_i2t_R@1` ..., and `grounding_...` with its baselines.

    Raises:
        InputError: data is missing or malformed.
    """
    progress, report = progress or Progress(), Path(report) if report else None
    dataset = dataset_of(run.checkpoint, run.folder, data)
    wanted = pictures_of(dataset, split, run.checkpoint.recipe.data)
    every = load_phrases(dataset.root, [picture.name for picture in wanted], boxed=False) if grounding else []
    pictures, rows = featured(run.encoder, wanted, progress, split, run.folder if report else None)
    known = pairs(pictures, rows, run.vocabulary, parses_of(dataset.root, run.model, pictures, progress))
    scores = score_matrix(run.model, *encode(run.model, known))
    lots = chance(known.picture, len(pictures))
    figures = metrics(ranks(scores, known.picture), len(pictures))
    figures |= {f"chance_{key}": value for key, value in lots.items() if "_" in key}
    look = looking(pictures, rows)
    seen = {picture.name for picture in pictures}
    phrases = [phrase for phrase in every if phrase.boxes and phrase.picture in seen]
    located = predictor(run.model, run.vocabulary, look)(phrases) if phrases else None
    if located is not None:
        figures |= ground(run, phrases, located, look)
        figures["grounding_without_box"] = sum(not phrase.boxes and phrase.picture in seen for phrase in every)
    if report:
        title = f"{run.folder.resolve().name} on {dataset.name}, {split}"
        recipe, history = run.checkpoint.recipe.to_toml(), run.checkpoint.metrics.get("history", ())
        shown = None if located is None else located.best
        subject = Subject(
            title, run.model, run.vocabulary, pictures, look, scores, figures, {}, history, phrases, shown, recipe
        )
        _report(subject, report / "report.html", progress)
    return figures


def _report(subject: Subject, out: Path, progress: Progress) -> None:
    """Write the report and print its path; a failure to write does not lose the metrics."""
    try:
        progress.say(f"report: {write_report(subject, out)}")
    except InputError as error:
        progress.say(f"no report: {error}")


def ground(run: Aligner, phrases: Sequence[Phrase], located: Located, look: Look) -> dict[str, float]:
    """Grounding accuracy, beside baselines.

    Args:
        run: the model.
        phrases: P phrases with their true boxes.
        located: where the model puts them.
        look: gives the regions of pictures by name.
    """
    choice = {name: _boxes(look([name])) for name in {phrase.picture for phrase in phrases}}
    return evaluate(lambda _: located, phrases, choice, _untrained(run, phrases, look))


def looking(pictures: Sequence[Picture], rows: FeatureTable) -> Look:
    """A function from pictures' names to their regions."""
    row = {picture.name: number for number, picture in enumerate(pictures)}
    return lambda names: rows.gather(torch.tensor([row[name] for name in names]))


def _boxes(regions: Regions) -> Tensor:
    return regions.boxes[0, regions.mask[0]]  # (R, 4)


def _untrained(run: Aligner, phrases: Sequence[Phrase], look: Look) -> Predict | None:
    """Untrained baseline by the detector's class names; None where regions have none, or vectors are missing."""
    labels, detector = run.encoder.blocks.get("labels"), run.encoder.detector
    if labels is None or detector is None:
        return None
    columns = slice(labels.start, labels.start + len(detector.names))  # of single things; groups follow
    try:
        path = find(Path(run.checkpoint.regions.weights) / VECTORS, "word vectors")
    except InputError:
        return None
    return untrained(look, columns, detector.names, word_table(path, phrases, detector.names))


def table(figures: Mapping[str, float]) -> str:
    """The metrics as a text table."""
    out = Console(file=StringIO(), width=100, highlight=False)
    out.print(f"{figures['pictures']:,} pictures, {figures['sentences']:,} sentences")
    grid = Table(*("", "R@1", "R@5", "R@10", "Med r"), box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    for name, way in (("picture to text", "i2t"), ("text to picture", "t2i")):
        for row, prefix in ((name, way), ("  by chance", f"chance_{way}")):
            grid.add_row(row, *(f"{figures[f'{prefix}_R@{k}']:.1f}" for k in KS), f"{figures[f'{prefix}_medr']:.4g}")
    out.print(grid)
    out.print(RECALL_LEGEND, soft_wrap=True)
    if "grounding_phrases" in figures:
        out.print(_grounding(figures))
        out.print(f"{figures['grounding_without_box']:,} phrases without a box are not asked", soft_wrap=True)
        out.print(GROUNDING_LEGEND, soft_wrap=True)
    return str(out.file.getvalue()).rstrip()  # type: ignore[attr-defined]


def _grounding(figures: Mapping[str, float]) -> Table:
    heads = [f"\n{name}" for name in GROUNDING_COLUMNS.values()]
    grid = Table(f"\n{figures['grounding_phrases']:,} phrases", *heads, box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    rows = {f"grounding_{prefix}": name for prefix, (name, _) in ROWS.items()}
    kinds = [key.split("_")[1] for key in figures if key.endswith("_phrases") and key.count("_") == 2]
    rows |= {f"grounding_{kind}_": f"  {kind} ({figures[f'grounding_{kind}_phrases']:,})" for kind in kinds}
    for prefix, name in rows.items():
        keys = [f"{prefix}{column}" for column in GROUNDING_COLUMNS]
        if any(key in figures for key in keys):
            grid.add_row(name, *(f"{figures[key]:.1f}" if key in figures else "" for key in keys))
    return grid


def evaluated(
    run: Aligner, data: str | Path | None, split: str, *, report: Path | None, grounding: bool = False
) -> tuple[dict[str, float], str]:
    """The metrics of `measure`, and their table."""
    figures = measure(run, data, split, grounding=grounding, report=report)
    return figures, table(figures)

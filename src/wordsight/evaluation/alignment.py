"""Evaluate an aligner on a dataset: retrieval both ways, and phrase grounding."""

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from wordsight.batch import Vectors
from wordsight.data.entities import load_phrases
from wordsight.data.relevance import Relevant, relevant_pairs
from wordsight.errors import InputError
from wordsight.metrics.ranking import KS, chance, check_folds, fold_metrics, metrics, ranks, rsum, score_matrix
from wordsight.metrics.relevance import relevance_metrics
from wordsight.metrics.word_norms import magnitudes_of, norm_ratio
from wordsight.progress import Progress
from wordsight.reports.examples import Subject
from wordsight.reports.report import write_report
from wordsight.reports.tables import GROUNDING_COLUMNS, GROUNDING_LEGEND, RECALL_LEGEND, ROWS
from wordsight.runs.aligner import Aligner
from wordsight.runs.features import dataset_of, featured, learnt_from_parses, parses_of, pictures_of
from wordsight.runs.grounding import ground, looking
from wordsight.runs.pairs import Pairs, encode, pairs

KIND = re.compile("grounding_.+_phrases")  # the key of the number of phrases of a type


def measure(
    run: Aligner,
    data: str | Path | None = None,
    split: str = "val",
    *,
    grounding: bool = False,
    folds: int | None = None,
    relevance: str | Path | None = None,
    report: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """All metrics of a model on one split of a dataset.

    Args:
        run: the model.
        data: a dataset in any known format; None for the training dataset.
        split: the split's name; the vocabulary stays the run's.
        grounding: also measure boxes against the dataset's phrases, see `data/entities.py`.
        folds: also split the gallery into this many parts, in the order of the data, and give the means over them.
        relevance: a file of many-to-many relevance: also measure by it, see `data/relevance.py`.
        report: a folder for `report.html`; a failure to write only prints a warning.
        progress: receives updates; None prints to stderr.

    Returns:
        Flat metrics, percentages 0 to 100: `i2t_R@1` ... `t2i_medr`, the sum of the six recalls `rsum`, `pictures`,
        `sentences`, chance level as `chance_i2t_R@1` ..., the means of folds as `folds_i2t_R@1` ..., `relevant_...`,
        `word_norm_ratio` unless all norms are equal, and `grounding_...` with its baselines.

    Raises:
        InputError: data is missing or malformed.
    """
    progress, report = progress or Progress(), Path(report) if report else None
    dataset = dataset_of(run.checkpoint, run.folder, data)
    wanted = pictures_of(dataset, split, run.checkpoint.recipe.data)
    if folds is not None:
        check_folds(folds, len(wanted))
    if relevance is not None:
        relevant_pairs(Path(relevance), wanted)  # refuse a bad file before the work
    every = load_phrases(dataset.root, [picture.name for picture in wanted], boxed=False) if grounding else []
    pictures, rows = featured(run.encoder, wanted, progress, split, run.folder if report else None)
    parses = parses_of([dataset.root], run.model, pictures, progress, learnt_from_parses(run.checkpoint))
    known = pairs(pictures, rows, run.vocabulary, parses)
    images, texts = encode(run.model, known)
    scores = score_matrix(run.model, images, texts)
    relevant = None if relevance is None else relevant_pairs(Path(relevance), pictures)
    figures = _retrieval(scores, known, folds, relevant) | _word_norms(run, known, texts)
    look = looking(pictures, rows)
    seen = {picture.name for picture in pictures}
    phrases = [phrase for phrase in every if phrase.boxes and phrase.picture in seen]
    boxes = None
    if phrases:
        found, located = ground(run, phrases, look)
        without = sum(not phrase.boxes and phrase.picture in seen for phrase in every)
        figures, boxes = figures | found | {"grounding_without_box": without}, located.best
    if report:
        title = f"{run.folder.resolve().name} on {dataset.name}, {split}"
        recipe, history = run.checkpoint.recipe.to_toml(), run.checkpoint.metrics.get("history", ())
        subject = Subject(
            title, run.model, run.vocabulary, pictures, look, scores, figures, {}, history, phrases, boxes, recipe
        )
        _report(subject, report / "report.html", progress)
    return figures


def _retrieval(scores: Tensor, known: Pairs, folds: int | None, relevant: Relevant | None) -> dict[str, float]:
    """Recalls of scores (I, N) and chance level; also means over folds, and metrics by relevance, if given."""
    figures = metrics(ranks(scores, known.picture), len(scores))
    figures |= {"rsum": round(rsum(figures), 4)}
    lots = chance(known.picture, len(scores))
    figures |= {f"chance_{key}": value for key, value in lots.items() if "_" in key}
    if folds is not None:
        figures |= {f"folds_{key}": value for key, value in fold_metrics(scores, known.picture, folds).items()}
    return figures if relevant is None else figures | relevance_metrics(scores, relevant)


def _word_norms(run: Aligner, known: Pairs, texts: Sequence[Vectors]) -> dict[str, float]:
    """The ratio of word norms of encoded sentences; empty where all have one length."""
    rows = torch.arange(len(known)).split([len(block.mask) for block in texts])
    words = (known.words[some].trimmed() for some in rows)
    ratio = norm_ratio(magnitudes_of(run.vocabulary, zip(words, texts, strict=True)))
    return {} if ratio is None else {"word_norm_ratio": round(ratio, 4)}


def _report(subject: Subject, out: Path, progress: Progress) -> None:
    """Write the report and print its path; a failure to write does not lose the metrics."""
    try:
        progress.say(f"report: {write_report(subject, out)}")
    except InputError as error:
        progress.say(f"no report: {error}")


def table(figures: Mapping[str, float]) -> str:
    """The metrics as a text table."""
    out = Console(file=StringIO(), width=100, highlight=False)
    out.print(f"{figures['pictures']:,} pictures, {figures['sentences']:,} sentences")
    grid = Table(*("", "R@1", "R@5", "R@10", "Med r"), box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    for name, way in (("picture to text", "i2t"), ("text to picture", "t2i")):
        for row, prefix in ((name, way), ("  mean of folds", f"folds_{way}"), ("  by chance", f"chance_{way}")):
            if (median := figures.get(f"{prefix}_medr")) is not None:
                grid.add_row(row, *(f"{figures[f'{prefix}_R@{k}']:.1f}" for k in KS), f"{median:.4g}")
    out.print(grid)
    sums = [f"sum of the six recalls {figures['rsum']:.1f}"]
    if "folds_rsum" in figures:
        sums.append(f"of {figures['folds_count']} folds of {figures['folds_pictures']:,} {figures['folds_rsum']:.1f}")
    out.print("; ".join(sums))
    out.print(RECALL_LEGEND, soft_wrap=True)
    if "relevant_i2t_pairs" in figures:
        out.print(_relevance(figures))
    if "grounding_phrases" in figures:
        out.print(_grounding(figures))
        out.print(f"{figures['grounding_without_box']:,} phrases without a box are not asked", soft_wrap=True)
        out.print(GROUNDING_LEGEND, soft_wrap=True)
    return str(out.file.getvalue()).rstrip()  # type: ignore[attr-defined]


def _relevance(figures: Mapping[str, float]) -> Table:
    """Metrics of many-to-many relevance."""
    columns = {
        "queries": "queries",
        "pairs": "relevant",
        **{f"R@{k}": f"R@{k}" for k in KS},
        "R_precision": "R-P",
        "mAP@R": "mAP@R",
    }
    grid = Table("\nby relevance", *(f"\n{name}" for name in columns.values()), box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    for name, way in (("picture to text", "i2t"), ("text to picture", "t2i")):
        values = [figures[f"relevant_{way}_{key}"] for key in columns]
        grid.add_row(name, *(f"{value:,}" for value in values[:2]), *(f"{value:.1f}" for value in values[2:]))
    return grid


def _grounding(figures: Mapping[str, float]) -> Table:
    heads = [f"\n{name}" for name in GROUNDING_COLUMNS.values()]
    grid = Table(f"\n{figures['grounding_phrases']:,} phrases", *heads, box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    rows = {f"grounding_{prefix}": name for prefix, (name, _) in ROWS.items()}
    kinds = [key[len("grounding_") : -len("_phrases")] for key in figures if KIND.fullmatch(key)]
    rows |= {f"grounding_{kind}_": f"  {kind} ({figures[f'grounding_{kind}_phrases']:,})" for kind in kinds}
    for prefix, name in rows.items():
        keys = [f"{prefix}{column}" for column in GROUNDING_COLUMNS]
        if any(key in figures for key in keys):
            grid.add_row(name, *(f"{figures[key]:.1f}" if key in figures else "" for key in keys))
    return grid


def evaluated(
    run: Aligner,
    data: str | Path | None,
    split: str,
    *,
    report: Path | None,
    grounding: bool = False,
    folds: int | None = None,
    relevance: Path | None = None,
) -> tuple[dict[str, float], str]:
    """The metrics of `measure`, and their table."""
    figures = measure(run, data, split, grounding=grounding, folds=folds, relevance=relevance, report=report)
    return figures, table(figures)

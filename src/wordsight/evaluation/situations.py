"""Evaluate a model of situations on a dataset: its verbs and nouns, and the boxes of its nouns."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from wordsight.batch import Frames
from wordsight.errors import InputError
from wordsight.matching.locate import overlaps
from wordsight.metrics.situations import COLUMNS, right_roles, situation_metrics, terms
from wordsight.progress import Progress
from wordsight.reports.examples import lot
from wordsight.reports.situation_report import Shown, write_situation_report
from wordsight.runs.aligner import Aligner, load
from wordsight.runs.features import featured
from wordsight.runs.recognised import Recognised
from wordsight.runs.recogniser import Recogniser, boxes
from wordsight.runs.situation_task import Answers, answers
from wordsight.runs.situations import Situated, SituationExamples, gallery
from wordsight.vision.feature_table import FeatureTable

SHOWN = 24  # pictures of the report
LEGEND = (
    "verb: % of pictures whose verb is right.  value: % of roles that any annotator filled so.  all: % with all roles "
    "so.  -1, -5: where the verb is the first, or among the first five; else of the true verb.  "
    "frequent: by the verbs that are most frequent in training."
)


def measure_situations(
    run: Recogniser,
    data: str | Path | None = None,
    split: str = "val",
    *,
    aligner: Aligner | None = None,
    report: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """All metrics of a model of situations on one split of a dataset.

    Args:
        run: the model.
        data: situations in a known layout; None for the training data.
        split: its name.
        aligner: also measure its boxes of nouns, by the boxes of the data; None leaves them out.
        report: a folder for `report.html`; a failure to write only prints a warning.
        progress: receives updates; None prints to stderr.

    Returns:
        Flat metrics, percentages 0 to 100: those of `metrics.situations`; `frequent_verb_top1` and
        `frequent_verb_top5`, those of the most frequent training verbs, also as `frequent_image_...`; the numbers
        `pictures` and `verbs`; and with an aligner `grounded_roles`, the number of right nouns with a true box, and
        `grounded_iou`, how many percent of their boxes overlap it by an IoU of at least 0.5.

    Raises:
        InputError: data is missing or malformed, or has no boxes to measure an aligner by.
    """
    progress = progress or Progress()
    dataset, wanted = gallery(run.checkpoint, run.folder, data, split)
    kept, rows = featured(run.encoder, wanted, progress, split, run.folder if report else None)
    pictures = [one for one in kept if isinstance(one, Situated)]  # all of them
    truth = run.lexicon.encode([one.situation for one in pictures])
    verb = _verbs(pictures)
    found = answers(run.model, SituationExamples(rows, truth))
    figures = situation_metrics(terms(found.verbs, found.nouns, truth), verb) | _frequent(run, truth, verb)
    figures |= {"pictures": len(pictures), "verbs": len(verb.unique())}
    if aligner is not None:
        figures |= _grounded(run, aligner, pictures, rows, found, truth, progress)
    if report:
        _report(run, f"{dataset.name}, {split}", figures, pictures, rows, Path(report), progress)
    return figures


def _verbs(pictures: Sequence[Situated]) -> Tensor:
    """The verb of each picture as a number, also if the run does not know the verb: (I,)."""
    names = [one.situation.verb for one in pictures]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([number[name] for name in names])


def _frequent(run: Recogniser, truth: Frames, verb: Tensor) -> dict[str, float]:
    """Percentages of pictures whose verb is the most frequent training verb, or one of the five most frequent."""
    best = run.model.counts.cpu().topk(min(5, len(run.model.counts))).indices.expand(len(verb), -1)
    found = situation_metrics(terms(best, torch.full((len(verb), truth.nouns.shape[2]), -2), truth), verb)
    keys = ("verb_top1", "verb_top5", "image_verb_top1", "image_verb_top5")
    return {f"frequent_{key}": found[key] for key in keys}


def _grounded(
    run: Recogniser,
    aligner: Aligner,
    pictures: Sequence[Situated],
    rows: FeatureTable,
    found: Answers,
    truth: Frames,
    progress: Progress,
) -> dict[str, float]:
    """Right nouns of true verbs that have a true box: their number, and the percentage whose box is right."""
    if all(one.situation.boxes is None for one in pictures):
        raise InputError("--grounding: these situations have no boxes; expected 'bb' in them, as SWiG's have.")
    right, same = right_roles(found.nouns, truth), aligner.checkpoint.fingerprint == run.checkpoint.fingerprint
    table = rows if same else featured(aligner.encoder, pictures, progress, "boxes")[1]
    hits: list[bool] = []
    with progress.task("boxes") as count:
        for row, picture in enumerate(pictures):
            count(row, len(pictures))
            true = picture.situation.boxes or {}
            if truth.verb[row] < 0 or not true:
                continue
            name, template, *_ = run.lexicon.frames[int(truth.verb[row])]
            roles = run.roles(int(truth.verb[row]), found.nouns[row].tolist(), found.noun_shares[row].tolist())
            said = Recognised(name, 1.0, True, roles, template)
            judged = [n for n, one in enumerate(said.roles) if right[row, n] and one.word and one.role in true]
            if judged:
                put = boxes(aligner, table.gather(torch.tensor([row])), said, doubtful=True)
                hits += [_overlaps(put[n], true[said.roles[n].role]) for n in judged]
    return {"grounded_roles": len(hits), "grounded_iou": round(100 * sum(hits) / max(1, len(hits)), 4)}


def _overlaps(box: Sequence[float] | None, true: Sequence[float]) -> bool:
    if box is None:
        return False
    return bool(overlaps(torch.tensor([[list(box)]]), torch.tensor([[list(true)]])) >= 0.5)


def _report(
    run: Recogniser,
    where: str,
    figures: Mapping[str, float],
    pictures: Sequence[Situated],
    rows: FeatureTable,
    report: Path,
    progress: Progress,
) -> None:
    """Write the report and print its path; a failure to write does not lose the metrics."""
    shown = [
        Shown(pictures[row], str(run.look(rows.gather(torch.tensor([row])).to(run.device))))
        for row in lot(range(len(pictures)), SHOWN)
    ]
    title, checkpoint = f"{run.folder.resolve().name} on {where}", run.checkpoint
    history, recipe = checkpoint.metrics.get("history", ()), checkpoint.recipe.to_toml()
    try:
        progress.say(
            f"report: {write_situation_report(title, figures, shown, history, recipe, report / 'report.html')}"
        )
    except InputError as error:
        progress.say(f"no report: {error}")


def table(figures: Mapping[str, float]) -> str:
    """The metrics as a text table."""
    out = Console(file=StringIO(), width=110, highlight=False)
    out.print(f"{figures['pictures']:,} pictures, {figures['verbs']:,} verbs")
    names = ("", *(f"{name}-{k}" for k in (1, 5) for name in ("verb", "value", "all")), "value", "all", "mean")
    grid = Table(*names, box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    for name, prefix in (("mean of verbs", ""), ("mean of pictures", "image_")):
        grid.add_row(name, *(f"{figures[f'{prefix}{key}']:.1f}" for key in (*COLUMNS, "mean")))
        frequent = {key: figures.get(f"frequent_{prefix}{key}") for key in COLUMNS}
        grid.add_row("  frequent", *("" if value is None else f"{value:.1f}" for value in frequent.values()))
    out.print(grid)
    out.print(LEGEND, soft_wrap=True)
    if "grounded_roles" in figures:
        roles = f"{figures['grounded_roles']:,} right nouns with a true box"
        out.print(f"boxes: {figures['grounded_iou']:.1f} % of {roles} overlap it by an IoU of 0.5 at least")
    return str(out.file.getvalue()).rstrip()  # type: ignore[attr-defined]


def evaluated(
    run: Recogniser,
    data: str | Path | None,
    split: str,
    *,
    report: Path | None,
    grounding: bool = False,
    alignment: str | Path | None = None,
) -> tuple[dict[str, float], str]:
    """The metrics of `measure_situations`, and their table."""
    if alignment and not grounding:
        raise InputError("--alignment: expected with --grounding, which measures its boxes.")
    aligner = load(alignment, run.device.type) if grounding else None
    figures = measure_situations(run, data, split, aligner=aligner, report=report)
    return figures, table(figures)

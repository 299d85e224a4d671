"""Compare runs on one split."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from wordsight.captioning.decoding import BEAM
from wordsight.comparison import tables
from wordsight.comparison.hubness import bank_of
from wordsight.comparison.outcomes import outcome
from wordsight.comparison.pages import KINDS, SAY, SAY_GROUNDING, UNITS, Shown, write_pages
from wordsight.comparison.rows import Member, compared, rows
from wordsight.data.entities import load_phrases
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.files import to_json, write_text
from wordsight.locks import locked
from wordsight.metrics.ranking import check_folds
from wordsight.outputs import require_free
from wordsight.progress import Progress
from wordsight.reports.examples import lot
from wordsight.runs.checkpoint import make_folder, read_config
from wordsight.runs.features import featured, learnt_from_parses, parses_of, pictures_of
from wordsight.runs.load import load_run
from wordsight.runs.tasks import part
from wordsight.vision.dual_source import find_dual, is_dual

PAGES = 24  # pictures with a page each


@dataclass(frozen=True)
class Comparison:
    """A comparison's results and its files."""

    shown: Shown
    page: Path

    def to_json(self) -> dict[str, Any]:
        """The contents of the tables."""
        shown = self.shown
        kinds = {
            name: {
                "rows": [row.to_json() for row in shown.kind(name)],
                "differences": {
                    figure: [[{**asdict(one), "real": one.real} for one in line] for line in found]
                    for figure, found in shown.differences[name].items()
                },
            }
            for name in KINDS
            if shown.kind(name)
        }
        return {"title": shown.title, "about": shown.about, "page": str(self.page), **kinds}

    def markdown(self) -> str:
        """The tables, as in comparison.md."""
        shown, parts = self.shown, [f"# {self.shown.title}", self.shown.about]
        for name, heading in KINDS.items():
            some = shown.kind(name)
            if not some:
                continue
            parts += [f"## {heading}", SAY[name], tables.systems(some).markdown()]
            if (grounded := tables.grounding(some)) is not None:
                parts += [SAY_GROUNDING, grounded.markdown()]
            for figure, found in shown.differences[name].items():
                if len(some) > 1:
                    what, times = UNITS[figure]
                    parts += [
                        f"A row less a column, in {what}; in brackets what may be chance (paired bootstrap, Holm):"
                    ]
                    parts += [tables.between(some, found, times).markdown()]
        return "\n\n".join(parts) + "\n"


def compare(
    folders: Sequence[str | Path],
    out: str | Path,
    data: str | Path | None = None,
    split: str = "val",
    *,
    grounding: bool = False,
    query_bank: int = 0,
    folds: int = 1,
    beam: int = BEAM,
    device: str = "auto",
    progress: Progress | None = None,
) -> Comparison:
    """Evaluate runs on a split and write `comparison.md`, `comparison.json`, `index.html` and pages of pictures.

    Outcomes are kept in `out/outcomes`, so that the same command resumes where it stopped, and adding a run evaluates
    that run alone.

    Args:
        folders: of aligners, captioners, or both, also pretrained dual encoders; or of runs that find situations.
        out: a folder.
        data: a dataset; None for the first run's training dataset.
        split: its name.
        grounding: also compare where aligners put the phrases of the dataset, see `data/entities.py`.
        query_bank: how many pictures of the training split correct the hubness of every aligner alike; 0 keeps each
            run's own scores. See `hubness.py`.
        folds: split the pictures into this many parts, rank each by itself, and give the means; COCO's "1K" is 5.
        beam: width of the beam of captioners.
        device: `auto`, `cpu`, `cuda` or `mps`.
        progress: receives updates; None prints to stderr.

    Raises:
        InputError: no runs, a repeated run, a folder that is not a run, missing data, no pictures for the query bank,
            runs of different kinds of data, or another process at work in `out`.
    """
    progress, runs, out = progress or Progress(), [Path(folder) for folder in folders], Path(out)
    _check(runs)
    if not (out / "outcomes").exists():
        require_free(out, ("index.html", "comparison.json", "comparison.md", "pictures"))
    make_folder(out)
    with locked(out, "another process is comparing here"):
        return _compare(runs, out, data, split, grounding, query_bank, folds, beam, device, progress)


def _compare(
    folders: Sequence[Path],
    out: Path,
    data: str | Path | None,
    split: str,
    grounding: bool,
    query_bank: int,
    folds: int,
    beam: int,
    device: str,
    progress: Progress,
) -> Comparison:
    """Evaluate runs without a kept outcome, and write everything, in a locked folder."""
    members: list[Member] = []
    pictures: list[Picture] = []
    name = ""
    for number, folder in enumerate(folders):
        run = load_run(folder, device)
        if not members:
            gallery = run.task.gallery
            dataset, wanted = part(gallery)(run.checkpoint, run.folder, data, split)
            pictures = featured(run.encoder, wanted, progress, split, out)[0]
            check_folds(folds, len(pictures))
            name = f"{dataset.name}, {split}"
            phrases = load_phrases(dataset.root, [picture.name for picture in pictures]) if grounding else []
            settings = run.checkpoint.recipe.data
            bank = bank_of(pictures_of(dataset, settings.train, settings), query_bank, pictures) if query_bank else []
            if query_bank and not bank:
                raise InputError(
                    f"{dataset.name}: no picture of the split '{settings.train}' is left for the query bank; expected "
                    "some that are not compared."
                )
        if run.task.gallery != gallery:
            raise InputError(f"{folder}: this run {run.task.does}, the first does not; compare runs of the same data.")
        parses = parses_of([dataset.root], run.model, pictures, progress, learnt_from_parses(run.checkpoint))
        found = outcome(run, pictures, parses, beam, out / "outcomes", progress, phrases, bank, folds)
        members.append(Member.of(run, found, bool(parses)))
        progress.say(f"{number + 1} of {len(folders)}: {folder.name}, {_in_short(members[-1])}")
    every = rows(members)
    kinds = {kind: [row for row in every if row.kind == kind] for kind in KINDS}
    differences = {kind: compared(some, pictures, folds) for kind, some in kinds.items() if some}
    days = [member.outcome.measured for member in members]
    about = _about(pictures, folds, beam if kinds["captions"] else 0, run.device, len(bank), days)
    shown = Shown(f"Comparison on {name}", about, every, differences, pictures, lot(range(len(pictures)), PAGES))
    done = Comparison(shown, write_pages(shown, out))
    write_text(out / "comparison.json", to_json(done.to_json(), indent=1) + "\n")
    write_text(out / "comparison.md", done.markdown())
    return done


def _about(
    pictures: Sequence[Picture], folds: int, beam: int, device: torch.device, bank: int, days: Sequence[str]
) -> str:
    sentences = sum(len(picture.sentences) for picture in pictures)
    parts = f", ranked in {folds} folds: means" if folds > 1 else ""
    hubs = f"; hubness of every run corrected by {bank:,} pictures of the training split" if bank else ""
    said = f"; captions with a beam of {beam}" if beam else ""
    first, last = (f"{day.day} {day:%B %Y}" for day in map(date.fromisoformat, (min(days), max(days))))
    when = first if first == last else f"{first} to {last}"
    return (
        f"{len(pictures):,} pictures with {sentences:,} sentences{parts}{said}; measured in "
        f"float32 on {_machine(device)}, {when}. Minutes are of training from features at hand{hubs}."
    )


def _check(folders: Sequence[Path]) -> None:
    if not folders:
        raise InputError("compare: expected at least one run.")
    seen: dict[Path, Path] = {}
    for folder in folders:
        (find_dual if is_dual(folder) else read_config)(folder)  # refuse what is no run before the others are evaluated
        if folder.resolve() in seen:
            raise InputError(f"{folder}: named twice; each run is compared once.")
        seen[folder.resolve()] = folder
    names = [folder.resolve().name for folder in folders]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{twice[0]}: two runs have this name; rename one of the folders, names tell rows apart.")


def _in_short(member: Member) -> str:
    outcome = member.outcome
    what, times = {"ranking": ("sum of recalls", 1), "captions": ("CIDEr", 100), "situations": ("mean", 1)}[
        outcome.kind
    ]
    return f"{what} {times * outcome.leading:.1f}"


def _machine(device: torch.device) -> str:
    where = f"{os.cpu_count()} cores, threads: {torch.get_num_threads()}" if device.type == "cpu" else "GPU"
    return f"{platform.system()} {platform.machine()}, {where}"

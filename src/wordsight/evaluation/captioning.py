"""Evaluate a captioner on a dataset: caption metrics and diversity."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from wordsight.captioning.decoding import BEAM, decoder
from wordsight.data.entities import Box, Phrase, load_phrases
from wordsight.data.load import load_dataset
from wordsight.data.records import Picture
from wordsight.errors import InputError
from wordsight.evaluation import likelihood_ranking
from wordsight.matching.segments import BETA
from wordsight.metrics.captions import TOKENISER, Id, caption_metrics, diversity
from wordsight.metrics.coco_results import write_results
from wordsight.metrics.regions import annotated_regions, region_metrics
from wordsight.progress import Progress
from wordsight.reports.attention_maps import Attention
from wordsight.reports.caption_report import CaptionSubject, Example, write_caption_report
from wordsight.reports.examples import lot
from wordsight.reports.tables import CAPTION_LEGEND
from wordsight.runs.aligner import Aligner, Alignment, load
from wordsight.runs.captioner import Captioner
from wordsight.runs.features import dataset_of, featured, pictures_of
from wordsight.runs.pairs import ROWS, RegionTable, pairs
from wordsight.vision.regions import FeatureTable

BLOCK = 50  # pictures captioned, or whose annotated regions are captioned, at once
SHOWN, CANDIDATES, WITH_MORE = 24, 5, 9  # in the report: pictures, captions of each, pictures with regions and words
Figures = dict[str, float | str]


def measure_captions(
    describer: Captioner,
    data: str | Path | None = None,
    split: str = "val",
    *,
    beam: int = BEAM,
    meteor: bool = False,
    spice: bool = False,
    grounding: bool = False,
    report: str | Path | None = None,
    alignment: Aligner | None = None,
    progress: Progress | None = None,
) -> Figures:
    """All metrics of a captioner on one split of a dataset.

    Args:
        describer: the captioner.
        data: a dataset in any known format; None for the training dataset.
        split: the split's name.
        beam: the width of the beam.
        meteor: also METEOR, where it can run.
        spice: also SPICE, where it can run.
        grounding: also caption the boxes of the dataset's `entities.json`; their phrases are the references.
        report: a folder for `report.html` and `captions.json`; a failure to write only prints a warning.
        alignment: an aligner; the report draws its boxes for the words of some captions.
        progress: receives updates; None prints to stderr.

    Returns:
        Flat metrics with coco-caption's names and ranges; see the guide.

    Raises:
        InputError: data is missing or malformed, or the beam is out of range.
    """
    progress, report = progress or Progress(), Path(report) if report else None
    decoder(beam=beam)  # refuse a number out of range before the work
    settings = describer.checkpoint.recipe.data
    dataset = dataset_of(describer.checkpoint, describer.folder, data)
    wanted = pictures_of(dataset, split, settings)
    phrases = load_phrases(dataset.root, [picture.name for picture in wanted]) if grounding else []
    pictures, rows = featured(describer.encoder, wanted, progress, split, describer.folder if report else None)
    captions = captions_of(describer, rows, beam, progress)
    references: dict[Id, Sequence[str]] = {row: picture.sentences for row, picture in enumerate(pictures)}
    figures: Figures = {"pictures": len(pictures), "sentences": sum(map(len, references.values())), "beam": beam}
    figures |= caption_metrics(dict(enumerate(captions)), references, meteor=meteor, spice=spice, say=progress.say)
    figures |= {**likelihood(describer, pictures, rows), "tokeniser": TOKENISER}
    figures |= variety(describer, captions)
    if phrases:
        figures |= of_regions(describer, phrases, pictures, rows, beam, progress)
    if report:
        told = examples(describer, pictures, rows, beam, alignment)
        _report(describer, f"{dataset.name}, {split}", pictures, captions, figures, told, report, progress)
    return figures


def _report(
    describer: Captioner,
    where: str,
    pictures: Sequence[Picture],
    captions: Sequence[str],
    figures: Figures,
    told: Sequence[Example],
    report: Path,
    progress: Progress,
) -> None:
    """Write the report and print its path; a failure to write does not lose the metrics."""
    subject = CaptionSubject(
        title=f"{describer.folder.resolve().name} on {where}",
        figures=figures,
        captions=captions,
        examples=told,
        history=describer.checkpoint.metrics.get("history", ()),
        recipe=describer.checkpoint.recipe.to_toml(),
        of_regions=describer.of_regions,
    )
    try:
        write_results(report / "captions.json", [picture.name for picture in pictures], captions)
        progress.say(f"report: {write_caption_report(subject, report / 'report.html')}")
    except InputError as error:
        progress.say(f"no report: {error}")


def captions_of(describer: Captioner, rows: FeatureTable, beam: int, progress: Progress) -> list[str]:
    """The best caption of each picture."""
    blocks = torch.arange(len(rows)).split(BLOCK)
    captions: list[str] = []
    with progress.task("captions") as count:
        for said in describer.say((describer.whole(rows.gather(some)) for some in blocks), beam=beam):
            captions.append(said[0].text)
            count(len(captions), len(rows))
    return captions


def likelihood(describer: Captioner, pictures: Sequence[Picture], rows: FeatureTable) -> dict[str, float]:
    """`perplexity` of the pictures' sentences; empty for a captioner that does not generate."""
    every = torch.arange(len(rows))
    table = RegionTable(rows, every, torch.zeros_like(every)) if describer.of_regions else rows
    known = pairs(pictures, table, describer.vocabulary)
    blocks = torch.arange(len(known)).split(ROWS)
    return describer.model.likelihood(known.batch(some).to(describer.device) for some in blocks)


def variety(describer: Captioner, captions: Sequence[str]) -> dict[str, float]:
    """`diversity`, with the share of copies where the training sentences are available."""
    settings = describer.checkpoint.recipe.data
    try:
        training = pictures_of(load_dataset(settings.path), settings.train, settings)
    except InputError:
        training = []
    sentences = [sentence for picture in training for sentence in picture.sentences]
    found = diversity(dict(enumerate(captions)), sentences)
    left_out = {"captions"} if sentences else {"captions", "in_training"}
    return {f"diversity_{key}": value for key, value in found.items() if key not in left_out}


def of_regions(
    describer: Captioner,
    phrases: Sequence[Phrase],
    pictures: Sequence[Picture],
    rows: FeatureTable,
    beam: int,
    progress: Progress,
) -> dict[str, float]:
    """The metrics over annotated boxes, prefixed `region_`, and `regions`, their number."""
    row = {picture.name: number for number, picture in enumerate(pictures)}
    regions = annotated_regions([phrase for phrase in phrases if phrase.picture in row])

    def say(names: Sequence[str], boxes: Sequence[Sequence[Box]]) -> list[str]:
        captions: list[str] = []
        with progress.task("regions") as count:
            for block in torch.arange(len(names)).split(BLOCK):
                some = [row[names[number]] for number in block]
                seen = describer.encoder.encode([pictures[one].path for one in some], [boxes[n] for n in block])
                found = describer.each(seen, rows.gather(torch.tensor(some)), beam=beam)
                captions += [snippet.text for snippets in found for snippet in snippets]
                count(int(block[-1]) + 1, len(names))
        return captions

    found = region_metrics(say, regions)
    return {key if key == "regions" else f"region_{key}": value for key, value in found.items()}


def examples(
    describer: Captioner, pictures: Sequence[Picture], rows: FeatureTable, beam: int, alignment: Aligner | None = None
) -> list[Example]:
    """Random pictures with their candidate captions, the first ones also with regions and word attention."""
    chosen = lot(range(len(pictures)), SHOWN)
    seen = [rows.gather(torch.tensor([row])) for row in chosen]
    said = list(describer.say(map(describer.whole, seen), beam=beam, n_best=min(beam, CANDIDATES)))
    found = [Example(pictures[row], captions) for row, captions in zip(chosen, said, strict=True)]
    for number, one in enumerate(found[:WITH_MORE]):
        text = one.captions[0].text
        looked: Attention | Alignment | None = None
        regions = describer.snippets(seen[number], beam=beam) if describer.checkpoint.regions.regions > 1 else []
        if alignment:
            looked = alignment.align(one.picture.path, text, beta=BETA)
        elif describer.model.attends:
            looked = describer.attend(describer.whole(seen[number]), text)
        found[number] = Example(one.picture, one.captions, regions, looked)
    return found


def table(figures: Mapping[str, float | str]) -> str:
    """The metrics as a text table."""
    out = Console(file=StringIO(), width=110, highlight=False)
    beam = f", beam {figures['beam']}" if "beam" in figures else ""
    out.print(f"{figures['pictures']:,} pictures, {figures['sentences']:,} sentences{beam}")
    names = {"Bleu_1": "BLEU-1", "Bleu_2": "BLEU-2", "Bleu_3": "BLEU-3", "Bleu_4": "BLEU-4", "METEOR": "METEOR"}
    names |= {"SPICE": "SPICE"}
    names |= {"ROUGE_L": "ROUGE-L", "CIDEr": "CIDEr", "exact": "exact", "perplexity": "perplexity"}
    shown = [key for key in names if key in figures]
    grid = Table("", *(names[key] for key in shown), box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    grid.add_row("pictures", *(_cell(figures.get(key), key) for key in shown))
    if "regions" in figures:
        row = (_cell(figures.get(f"region_{key}"), key) for key in shown)
        grid.add_row(f"{figures['regions']:,} regions", *row)
    out.print(grid)
    out.print(CAPTION_LEGEND, soft_wrap=True)
    out.print(f"tokens: {figures['tokeniser']}")
    varied = {key: figures[f"diversity_{key}"] for key in ("distinct_captions", "vocabulary", "mean_length")}
    out.print(
        f"{varied['distinct_captions']:,} different captions of {varied['vocabulary']:,} different words, "
        f"{varied['mean_length']:.1f} words long on average"
    )
    if "diversity_in_training" in figures:
        out.print(f"{100 * float(figures['diversity_in_training']):.1f} % are word for word a training sentence")
    return str(out.file.getvalue()).rstrip()  # type: ignore[attr-defined]


def _cell(value: float | str | None, key: str) -> str:
    return "" if value is None else f"{float(value):.2f}" if key == "perplexity" else f"{float(value):.3f}"


def evaluated(
    describer: Captioner,
    data: str | Path | None,
    split: str,
    *,
    report: Path | None,
    rank: bool = False,
    most: int | None = None,
    alignment: str | Path | None = None,
    **options: Any,
) -> tuple[Mapping[str, Any], str]:
    """The metrics of `measure_captions`, or with `rank` of `measure_likelihood`, and their table."""
    if most is not None and not rank:
        raise InputError("--most goes with --rank: it says how many pictures are ranked.")
    if not rank:
        aligned = load(alignment, describer.device.type) if alignment else None
        figures = measure_captions(describer, data, split, report=report, alignment=aligned, **options)
        return figures, table(figures)
    if options or alignment:
        raise InputError("--rank writes no captions; leave out --beam, --meteor, --grounding and --alignment.")
    ranked = likelihood_ranking.measure_likelihood(describer, data, split, most=most)
    return ranked, likelihood_ranking.table(ranked)

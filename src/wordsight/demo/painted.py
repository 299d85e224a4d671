"""Painted demo: paint a world, learn it from pictures and sentences, describe it, and measure by what was painted."""

import random
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.table import Table

from wordsight.data.entities import load_phrases
from wordsight.data.load import load_dataset
from wordsight.data.painted.world import paint_world
from wordsight.evaluation.alignment import measure, table
from wordsight.evaluation.captioning import measure_captions
from wordsight.locks import locked
from wordsight.metrics import painted
from wordsight.metrics.regions import annotated_regions, grouped
from wordsight.progress import Progress
from wordsight.runs.aligner import load
from wordsight.runs.captioner import load_captioner
from wordsight.runs.checkpoint import make_folder
from wordsight.runs.recipe import read, recipe_path
from wordsight.search.index import Index
from wordsight.training.trainer import train

PICTURES = 600
REPORT = "report-test"
ROWS = {  # prefix of the metrics: what was described
    "captions_": "{pictures:,} pictures",
    "captions_lot_": "  random sentences",
    "regions_": "{regions:,} regions",
    "regions_lot_": "  random phrases",
}


def demo(out: Path, progress: Progress | None = None, pictures: int = PICTURES) -> dict[str, float]:
    """Paint, train and measure; a second call reuses the world and resumes the models in the folder.

    Args:
        out: the folder for the world (`world`), the models (`run`, which aligns, and `captions` and `regions`, which
            describe), a report in each of them (`report-test`), and an `index` of the world's test pictures.
        progress: receives updates; None prints to stderr.
        pictures: the number of pictures in the world.

    Returns:
        Metrics on the world's test split: those of `measure`, with grounding; `captions_...` and `regions_...`, the
        `painted.FIGURES` of its pictures and of its annotated boxes; `regions`, the number of boxes; `captions_lot_...`
        and `regions_lot_...`, the same for sentences and phrases of the train split chosen at random.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    progress, out = progress or Progress(), Path(out)
    make_folder(out)
    with locked(out, "another demo is at work here"):
        return _demo(out, progress, pictures)


def _demo(out: Path, progress: Progress, pictures: int) -> dict[str, float]:
    """All steps, in a locked folder."""
    progress.say(f"painting {pictures} pictures in {out / 'world'}")
    world = paint_world(out / "world", pictures=pictures)
    progress.say("learning which words name which parts of them, from pictures and sentences alone")
    _train("demo", world, out / "run", progress)
    progress.say("measuring against what was really painted")
    figures = measure(load(out / "run"), world, "test", grounding=True, report=out / "run" / REPORT, progress=progress)
    progress.say("learning to describe pictures")
    _train("demo-captions", world, out / "captions", progress)
    progress.say("learning to describe regions, from the words that went there")
    _train("demo-regions", world, out / "regions", progress, alignment=out / "run")
    progress.say("describing, and measuring against what the painter said")
    figures |= _captions(out, world, progress)
    progress.say("making the test pictures ready to be searched")
    _index(out, world, progress)
    return figures


def _index(out: Path, world: Path, progress: Progress) -> None:
    """An index of the world's test pictures, calibrated to give its hits confidences."""
    index = Index.create(out / "index", out / "run")
    index.build([picture.path for picture in load_dataset(world).split("test")], progress=progress)
    index.calibrate(world, progress)


def _train(name: str, world: Path, folder: Path, progress: Progress, **data: Path) -> None:
    """Train one of the demo's recipes on the world."""
    paths = {"path": world, **data}
    recipe = read(recipe_path(name), [f"data.{key}='{path.as_posix()}'" for key, path in paths.items()])
    train(recipe, folder, resume=True, progress=progress)


def _captions(out: Path, world: Path, progress: Progress) -> dict[str, float]:
    """Metrics of the captioners on the test split, by what was painted; and of random train sentences and phrases."""
    lots, dataset = random.Random(0), load_dataset(world)
    known, test = dataset.split("train"), dataset.split("test")
    of_whole, of_parts = load_captioner(out / "captions"), load_captioner(out / "regions")
    for describer in (of_whole, of_parts):
        report, boxes_too = describer.folder / REPORT, describer.of_regions
        measure_captions(describer, world, "test", grounding=boxes_too, report=report, progress=progress)
    said = [best.text for best, *_ in of_whole.caption([picture.path for picture in test])]
    sentences = [sentence for picture in known for sentence in picture.sentences]

    regions = annotated_regions(load_phrases(world, [picture.name for picture in test]))
    boxes = dict(zip(*grouped(regions), strict=True))
    seen = [(picture.path, boxes[picture.name]) for picture in test if picture.name in boxes]
    called = [snippet.text for one in seen for snippet in of_parts.caption_regions(*one, beam=1)]
    phrases = [phrase.text for phrase in load_phrases(world, [picture.name for picture in known])]

    figures = {
        "captions_": painted.of_pictures(said, test),
        "captions_lot_": painted.of_pictures([lots.choice(sentences) for _ in test], test),
        "regions_": painted.of_regions(called, regions),
        "regions_lot_": painted.of_regions([lots.choice(phrases) for _ in regions], regions),
    }
    flat = {prefix + key: value for prefix, row in figures.items() for key, value in row.items()}
    return {"regions": len(regions), **flat}


def story(figures: dict[str, float], out: Path) -> str:
    """The results as text, and where to look."""
    recall, by_chance = figures["t2i_R@1"], figures["chance_t2i_R@1"]
    pointing, lots = figures["grounding_pointing"], figures["grounding_random_pointing"]
    reports = [out / run / REPORT / "report.html" for run in ("run", "captions", "regions")]
    picture = f"{out / 'world' / 'images'}/PICTURE"
    return (
        f"{table(figures)}\n\n{_described(figures)}\n\n"
        f"Of {figures['pictures']:,} pictures, the right one comes first for {recall:.0f} % of the sentences "
        f"(chance: {by_chance:.1f} %).\n"
        f"It was never told where anything is, and points at the right thing for {pointing:.0f} % of the phrases "
        f"(chance: {lots:.0f} %).\n"
        f"What it says of a region is true to the last word for {100 * figures['regions_true']:.0f} % of them "
        f"(random phrases: {100 * figures['regions_lot_true']:.0f} %), of whole pictures for "
        f"{100 * figures['captions_true']:.0f} %.\n\n"
        f"Look at   {reports[0]}\n          {reports[1]}\n          {reports[2]}\n"
        f'Try       wordsight ground {out / "run"} {picture} "a red circle" -o out.png\n'
        f"          wordsight caption {out / 'regions'} {picture} --regions -o out.png\n\n"
        "Search it in the browser:\n"
        f"          wordsight serve {out / 'index'} --captioner {out / 'captions'} --regions {out / 'regions'} --open"
    )


def _described(figures: dict[str, float]) -> str:
    """The table of captions, in percent."""
    out = Console(file=StringIO(), width=100, highlight=False)
    grid = Table("", *(key.replace("Bleu_", "BLEU-") for key in painted.FIGURES), box=None, header_style="bold")
    for column in grid.columns[1:]:
        column.justify = "right"
    for prefix, name in ROWS.items():
        grid.add_row(name.format(**figures), *(f"{100 * figures[prefix + key]:.1f}" for key in painted.FIGURES))
    out.print(grid)
    return str(out.file.getvalue()).rstrip()  # type: ignore[attr-defined]
